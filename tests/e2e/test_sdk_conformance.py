"""The official Python SDK against a real server on each database: it must not see a difference.

Every one of its 18 methods is called for a success and for a failure (contract 1.2, 2.6). What the
SDK decodes is asserted through its own models, strict as they are about types and enum names.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import jwt
import ory_client
import pytest
import yaml
from ory_client.exceptions import ApiException
from ory_client.models import (
    AdminRevokeImportedApiKeyBody,
    AdminRevokeIssuedApiKeyBody,
    AdminRotateIssuedApiKeyBody,
    AdminUpdateImportedApiKeyRequest,
    AdminUpdateIssuedApiKeyRequest,
    BatchCreateImportedApiKeysRequest,
    BatchVerifyApiKeysRequest,
    DeriveTokenRequest,
    ImportApiKeyRequest,
    IPRestriction,
    IssueApiKeyRequest,
    IssueApiKeyResponse,
    KeyStatus,
    KeyVisibility,
    RateLimitPolicy,
    RevocationReason,
    SelfRevokeApiKeyRequest,
    TokenAlgorithm,
    VerificationErrorCode,
    VerifyApiKeyRequest,
    VerifyApiKeyResponse,
)

from talos.adapters.sql import migrate
from talos.adapters.sql.dsn import parse_dsn
from tests.e2e.processes import PYTHON, Server, clean_environment, free_ports
from tests.support.talos_server import ISSUER, merge, settings

NO_SUCH_KEY = "11111111-2222-4333-8444-555555555555"

Api = ory_client.ApiKeysApi


@pytest.fixture(scope="module", params=["sqlite", "postgres", "mysql"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("sdk")
    if request.param == "sqlite":
        dsn = f"sqlite://{folder / 'talos.db'}"
    else:
        dsn = request.getfixturevalue(f"{request.param}_service").create_database()
    migrate.up(parse_dsn(dsn))
    port, metrics_port = free_ports(2)
    configuration = folder / "talos.yaml"
    public = {"credentials": {"api_keys": {"prefix": {"public_current": "pub"}}}}
    configuration.write_text(yaml.safe_dump(merge(settings(dsn, port, metrics_port), public)))
    with Server(
        [PYTHON, "-m", "talos", "serve", "--config", str(configuration)],
        folder,
        port=port,
        metrics_port=metrics_port,
        environment=clean_environment(),
    ) as running:
        yield running.wait_ready()
        assert "Traceback" not in running.log


@pytest.fixture(scope="module")
def api(server: Server) -> Iterator[Api]:
    configuration = ory_client.Configuration(
        host=f"http://127.0.0.1:{server.port}", access_token="ignored-by-the-server"
    )
    with ory_client.ApiClient(configuration) as client:
        yield ory_client.ApiKeysApi(client)


def issue(api: Api, **fields: Any) -> IssueApiKeyResponse:
    return api.admin_issue_api_key(
        IssueApiKeyRequest(**{"name": "a key", "actor_id": "user:1", **fields})
    )


def import_key(api: Api, raw_key: str, **fields: Any) -> Any:
    return api.admin_import_api_key(
        ImportApiKeyRequest(
            **{"raw_key": raw_key, "name": "theirs", "actor_id": "user:2", "ttl": "24h", **fields}
        )
    )


def verify(api: Api, credential: str, **fields: Any) -> VerifyApiKeyResponse:
    return api.admin_verify_api_key(VerifyApiKeyRequest(credential=credential, **fields))


def refusal(call: Callable[[], object]) -> tuple[int, str, str, str]:
    """Status, canonical code, reason and message of the error that the call ends in."""
    with pytest.raises(ApiException) as caught:
        call()
    assert caught.value.headers is not None
    assert caught.value.headers["Content-Type"] == "application/json"
    error = json.loads(cast("str", caught.value.body))["error"]
    (detail,) = error["details"]
    assert detail["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
    assert detail["domain"] == "www.ory.com/talos"
    assert error["code"] == caught.value.status
    return error["code"], error["status"], detail["reason"], error["message"]


def header(answer: Any, name: str) -> str | None:
    """A header of the answer; names are case-insensitive, the SDK's mapping is not."""
    return {key.lower(): value for key, value in answer.headers.items()}.get(name.lower())


def raw_key() -> str:
    return f"legacy-{uuid4()}"


# Issued keys


def test_issue_gives_a_key_and_shows_its_secret_once(api: Api) -> None:
    before = datetime.now(UTC)
    answer = issue(
        api,
        scopes=["read", "write", "read"],
        ttl="1h30m",
        metadata={"plan": "gold", "big": 9007199254740993, "nested": {"ttl": "1d"}},
        rate_limit_policy=RateLimitPolicy(quota="100", window="60s"),
        ip_restriction=IPRestriction(allowed_cidrs=["127.0.0.0/8"]),
        visibility=KeyVisibility.KEY_VISIBILITY_PUBLIC,
    )
    key = answer.issued_api_key
    assert answer.secret.startswith("pub_v1_")
    assert (key.name, key.actor_id, key.scopes) == ("a key", "user:1", ["read", "write", "read"])
    assert key.metadata == {"plan": "gold", "big": 9007199254740993, "nested": {"ttl": "1d"}}
    assert key.status == KeyStatus.KEY_STATUS_ACTIVE
    assert key.visibility == KeyVisibility.KEY_VISIBILITY_PUBLIC
    assert key.create_time == key.update_time
    assert timedelta(0) <= key.expire_time - before - timedelta(minutes=90) < timedelta(minutes=1)
    assert key.last_used_time is None
    assert key.rate_limit_policy.to_dict() == {"quota": "100", "window": "60s", "unit": "requests"}
    assert key.ip_restriction.allowed_cidrs == ["127.0.0.0/8"]
    assert answer.secret not in repr(api.admin_get_issued_api_key(key.key_id))


def test_issue_answers_created_with_a_location(api: Api) -> None:
    answer = api.admin_issue_api_key_with_http_info(
        IssueApiKeyRequest(name="located", actor_id="user:1")
    )
    assert answer.status_code == 201
    assert header(answer, "Location") == (
        f"/v2alpha1/admin/issuedApiKeys/{answer.data.issued_api_key.key_id}"
    )


def test_issue_is_idempotent_by_request_id(api: Api) -> None:
    request_id = str(uuid4())
    first = issue(api, request_id=request_id)
    again = issue(api, request_id=request_id, name="another name")
    assert again.issued_api_key == first.issued_api_key
    assert (bool(first.secret), again.secret) == (True, "")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"name": ""}, "name"),
        ({"actor_id": "x" * 256}, "actor_id"),
        ({"scopes": ["ok", ""]}, "scopes[1]"),
        ({"ttl": "0s"}, "ttl"),
        ({"ttl": "8761h"}, "ttl"),
        ({"ttl": "soon"}, "ttl"),
        ({"rate_limit_policy": RateLimitPolicy(quota="0", window="60s")}, "quota"),
        ({"rate_limit_policy": RateLimitPolicy(quota="1", window="500ms")}, "window"),
        ({"ip_restriction": IPRestriction(allowed_cidrs=["10.0.0.1"])}, "allowed_cidrs[0]"),
        ({"metadata": {"large": "x" * 65536}}, "metadata size"),
    ],
)
def test_issue_refuses_and_names_the_field(api: Api, fields: dict[str, Any], named: str) -> None:
    code, status, reason, message = refusal(lambda: issue(api, **fields))
    assert (code, status, reason) == (400, "INVALID_ARGUMENT", "BAD_REQUEST")
    assert named in message


def test_get_issued_returns_what_was_issued(api: Api) -> None:
    key = issue(api).issued_api_key
    assert api.admin_get_issued_api_key(key.key_id) == key


def test_get_issued_of_an_unknown_id(api: Api) -> None:
    assert refusal(lambda: api.admin_get_issued_api_key(NO_SUCH_KEY)) == (
        404,
        "NOT_FOUND",
        "API_KEY_NOT_FOUND",
        "API key not found",
    )


def test_list_issued_walks_every_page_once(api: Api) -> None:
    actor = f"lister {uuid4()} AND more"
    made = {issue(api, actor_id=actor).issued_api_key.key_id for _ in range(7)}
    seen: list[str] = []
    token = None
    while token != "":
        page = api.admin_list_issued_api_keys(
            page_size=3, page_token=token, filter=f'actor_id="{actor}" AND status=KEY_STATUS_ACTIVE'
        )
        seen += [key.key_id for key in page.issued_api_keys]
        token = page.next_page_token
    assert seen == sorted(made, reverse=True)


def test_list_issued_refuses_a_forged_page_token(api: Api) -> None:
    code, _, reason, message = refusal(lambda: api.admin_list_issued_api_keys(page_token="AAAA"))
    assert (code, reason, message) == (400, "BAD_REQUEST", "invalid page token")


@pytest.mark.parametrize("page_size", [-1, 1001])
def test_list_issued_refuses_page_sizes_out_of_range(api: Api, page_size: int) -> None:
    code, _, reason, _ = refusal(lambda: api.admin_list_issued_api_keys(page_size=page_size))
    assert (code, reason) == (400, "BAD_REQUEST")


def test_update_issued_without_a_mask_sets_what_is_there(api: Api) -> None:
    key = issue(api, scopes=["read"], metadata={"a": 1}).issued_api_key
    updated = api.admin_update_issued_api_key(
        key.key_id, AdminUpdateIssuedApiKeyRequest(name="renamed", scopes=[])
    )
    assert (updated.name, updated.scopes, updated.metadata) == ("renamed", ["read"], {"a": 1})
    assert updated.status == KeyStatus.KEY_STATUS_ACTIVE
    assert updated.update_time > key.update_time


def test_update_issued_with_a_mask_clears_what_is_not_there(api: Api) -> None:
    key = issue(
        api, scopes=["read"], rate_limit_policy=RateLimitPolicy(quota="5", window="1s")
    ).issued_api_key
    updated = api.admin_update_issued_api_key(
        key.key_id,
        AdminUpdateIssuedApiKeyRequest(name="not listed"),
        update_mask="scopes,rate_limit_policy",
    )
    assert (updated.name, updated.scopes, updated.rate_limit_policy) == ("a key", [], None)


def test_update_issued_refuses_an_unknown_mask_path(api: Api) -> None:
    key = issue(api).issued_api_key
    code, _, reason, message = refusal(
        lambda: api.admin_update_issued_api_key(
            key.key_id, AdminUpdateIssuedApiKeyRequest(), update_mask="metadata.plan"
        )
    )
    assert (code, reason) == (400, "BAD_REQUEST")
    assert "metadata.plan" in message


def test_rotate_gives_a_successor_and_ends_the_old_key(api: Api) -> None:
    old = issue(api, scopes=["read"], metadata={"a": 1})
    answer = api.admin_rotate_issued_api_key(
        old.issued_api_key.key_id, AdminRotateIssuedApiKeyBody(name="successor")
    )
    new = answer.issued_api_key
    assert (new.name, new.scopes, new.metadata) == ("successor", ["read"], {"a": 1})
    assert new.expire_time == old.issued_api_key.expire_time
    assert answer.old_issued_api_key.status == KeyStatus.KEY_STATUS_REVOKED
    assert verify(api, answer.secret).is_valid
    refused = verify(api, old.secret)
    assert refused.error_code == VerificationErrorCode.VERIFICATION_ERROR_REVOKED
    stored = api.admin_get_issued_api_key(old.issued_api_key.key_id)
    assert stored.revocation_reason == RevocationReason.REVOCATION_REASON_SUPERSEDED
    assert stored.update_time == new.create_time


def test_rotate_of_a_revoked_key(api: Api) -> None:
    key = issue(api).issued_api_key
    api.admin_revoke_issued_api_key(key.key_id, AdminRevokeIssuedApiKeyBody())
    code, status, reason, _ = refusal(
        lambda: api.admin_rotate_issued_api_key(key.key_id, AdminRotateIssuedApiKeyBody())
    )
    assert (code, status, reason) == (409, "FAILED_PRECONDITION", "FAILED_PRECONDITION")


def test_revoke_issued_is_enforced_at_once_and_only_once(api: Api) -> None:
    issued = issue(api)
    key_id = issued.issued_api_key.key_id
    assert verify(api, issued.secret).is_valid
    answer = api.admin_revoke_issued_api_key_with_http_info(
        key_id,
        AdminRevokeIssuedApiKeyBody(
            reason=RevocationReason.REVOCATION_REASON_PRIVILEGE_WITHDRAWN, description="left us"
        ),
    )
    assert answer.status_code == 204
    refused = verify(api, issued.secret)
    assert not refused.is_valid
    assert refused.error_code == VerificationErrorCode.VERIFICATION_ERROR_REVOKED
    stored = api.admin_get_issued_api_key(key_id)
    assert stored.revocation_description == "left us"
    code, status, reason, message = refusal(
        lambda: api.admin_revoke_issued_api_key(key_id, AdminRevokeIssuedApiKeyBody())
    )
    assert (code, status, reason) == (409, "ALREADY_EXISTS", "CONFLICT")
    assert message == "key is already revoked"


# Imported keys


def test_import_stores_a_hash_and_verifies_the_key(api: Api) -> None:
    theirs = raw_key()
    key = import_key(api, theirs, scopes=["read"], metadata={"source": "old system"})
    assert len(key.key_id) == 64
    assert theirs not in repr(key)
    verdict = verify(api, theirs)
    assert verdict.is_valid
    assert (verdict.key_id, verdict.actor_id, verdict.issuer) == (key.key_id, "user:2", ISSUER)


def test_import_refuses_a_duplicate(api: Api) -> None:
    theirs = raw_key()
    import_key(api, theirs)
    code, status, reason, message = refusal(lambda: import_key(api, theirs))
    assert (code, status, reason) == (409, "ALREADY_EXISTS", "API_KEY_EXISTS")
    assert message == "key already imported (duplicate detected)"


def test_import_refuses_a_key_of_our_own(api: Api) -> None:
    secret = issue(api).secret
    code, status, reason, message = refusal(lambda: import_key(api, secret))
    assert (code, status, reason) == (409, "ALREADY_EXISTS", "CONFLICT")
    assert "issued api key pattern" in message
    assert secret not in message


def test_batch_import_reports_item_by_item(api: Api) -> None:
    theirs = raw_key()
    item = {"name": "theirs", "actor_id": "user:2", "ttl": "24h"}
    answer = api.admin_batch_create_imported_api_keys(
        BatchCreateImportedApiKeysRequest(
            requests=[
                ImportApiKeyRequest(raw_key=theirs, **item),
                ImportApiKeyRequest(raw_key=theirs, **item),
                ImportApiKeyRequest(raw_key=raw_key(), **{**item, "name": ""}),
                ImportApiKeyRequest(raw_key=raw_key(), **item),
            ]
        )
    )
    assert (answer.success_count, answer.failure_count) == (2, 2)
    assert [result.index for result in answer.results] == [0, 1, 2, 3]
    codes = [result.error_code.value.rpartition("ERROR_")[2] for result in answer.results]
    assert codes == ["UNSPECIFIED", "ALREADY_EXISTS", "INVALID_ARGUMENT", "UNSPECIFIED"]
    assert verify(api, theirs).is_valid


def test_batch_import_of_nothing_new(api: Api) -> None:
    theirs = raw_key()
    import_key(api, theirs)
    item = ImportApiKeyRequest(raw_key=theirs, name="theirs", actor_id="user:2", ttl="24h")
    code, _, reason, _ = refusal(
        lambda: api.admin_batch_create_imported_api_keys(
            BatchCreateImportedApiKeysRequest(requests=[item])
        )
    )
    assert (code, reason) == (409, "API_KEY_EXISTS")


def test_get_and_list_imported(api: Api) -> None:
    actor = f"importer {uuid4()}"
    made = [import_key(api, raw_key(), actor_id=actor) for _ in range(3)]
    assert api.admin_get_imported_api_key(made[0].key_id) == made[0]
    page = api.admin_list_imported_api_keys(page_size=2, filter=f'actor_id="{actor}"')
    rest = api.admin_list_imported_api_keys(
        page_token=page.next_page_token, filter=f'actor_id="{actor}"'
    )
    found = page.imported_api_keys + rest.imported_api_keys
    assert found == sorted(made, key=lambda key: key.key_id, reverse=True)
    assert rest.next_page_token == ""


def test_get_imported_of_an_unknown_id(api: Api) -> None:
    code, _, reason, message = refusal(lambda: api.admin_get_imported_api_key("0" * 64))
    assert (code, reason, message) == (404, "API_KEY_NOT_FOUND", "imported key not found")


def test_list_imported_refuses_a_bad_filter(api: Api) -> None:
    code, _, reason, _ = refusal(lambda: api.admin_list_imported_api_keys(filter="name=x"))
    assert (code, reason) == (400, "BAD_REQUEST")


def test_update_imported(api: Api) -> None:
    key = import_key(api, raw_key())
    updated = api.admin_update_imported_api_key(
        key.key_id, AdminUpdateImportedApiKeyRequest(metadata={"b": [1, 2]}), update_mask="metadata"
    )
    assert updated.metadata == {"b": [1, 2]}
    code, _, reason, _ = refusal(
        lambda: api.admin_update_imported_api_key("0" * 64, AdminUpdateImportedApiKeyRequest())
    )
    assert (code, reason) == (404, "API_KEY_NOT_FOUND")


def test_delete_imported_forgets_the_key(api: Api) -> None:
    theirs = raw_key()
    key = import_key(api, theirs)
    assert api.admin_delete_imported_api_key_with_http_info(key.key_id).status_code == 204
    verdict = verify(api, theirs)
    assert verdict.error_code == VerificationErrorCode.VERIFICATION_ERROR_NOT_FOUND
    code, _, reason, _ = refusal(lambda: api.admin_delete_imported_api_key(key.key_id))
    assert (code, reason) == (404, "API_KEY_NOT_FOUND")
    assert import_key(api, theirs).key_id == key.key_id


def test_revoke_imported(api: Api) -> None:
    theirs = raw_key()
    key = import_key(api, theirs)
    api.admin_revoke_imported_api_key(
        key.key_id,
        AdminRevokeImportedApiKeyBody(reason=RevocationReason.REVOCATION_REASON_KEY_COMPROMISE),
    )
    refused = verify(api, theirs)
    assert refused.error_code == VerificationErrorCode.VERIFICATION_ERROR_REVOKED
    code, _, _, message = refusal(
        lambda: api.admin_revoke_imported_api_key(
            key.key_id, AdminRevokeImportedApiKeyBody(description="why")
        )
    )
    assert code == 400
    assert "PRIVILEGE_WITHDRAWN" in message


# Verification


def test_verify_tells_whose_key_it_is(api: Api) -> None:
    issued = issue(api, scopes=["read"], metadata={"plan": "gold"})
    verdict = verify(api, issued.secret)
    assert verdict.is_valid
    assert verdict.key_id == issued.issued_api_key.key_id
    assert (verdict.actor_id, verdict.scopes) == ("user:1", ["read"])
    assert (verdict.metadata, verdict.issuer) == ({"plan": "gold"}, ISSUER)
    assert verdict.expire_time == issued.issued_api_key.expire_time
    assert verdict.status == KeyStatus.KEY_STATUS_ACTIVE
    assert verdict.visibility == KeyVisibility.KEY_VISIBILITY_SECRET
    assert verdict.audiences == []
    assert verdict.rate_limit_remaining is None


@pytest.mark.parametrize("directive", [{"cache_control": "no-cache"}, {"pragma": "no-cache"}])
def test_verify_takes_cache_directives(api: Api, directive: dict[str, str]) -> None:
    request = VerifyApiKeyRequest(credential=issue(api).secret)
    answer = api.admin_verify_api_key_with_http_info(request, **directive)
    assert answer.data.is_valid
    assert header(answer, "Ory-Talos-Cache") == "SKIP"


def test_verify_shows_the_policy_of_a_limited_key(api: Api) -> None:
    policy = RateLimitPolicy(quota="7", window="30s")
    request = VerifyApiKeyRequest(credential=issue(api, rate_limit_policy=policy).secret)
    answer = api.admin_verify_api_key_with_http_info(request)
    assert answer.data.rate_limit_policy.quota == "7"
    assert header(answer, "RateLimit-Policy") == '"default";q=7;w=30'


def test_verify_refuses_a_caller_outside_the_allowlist(api: Api) -> None:
    restriction = IPRestriction(allowed_cidrs=["192.0.2.0/24"])
    refused = verify(api, issue(api, ip_restriction=restriction).secret)
    assert refused.error_code == VerificationErrorCode.VERIFICATION_ERROR_IP_NOT_ALLOWED


def test_verify_with_an_expected_audience(api: Api) -> None:
    refused = verify(api, issue(api).secret, expected_audiences=["https://api.example.com"])
    assert refused.error_code == VerificationErrorCode.VERIFICATION_ERROR_AUDIENCE_MISMATCH


@pytest.mark.parametrize("credential", ["", "x" * 8193, "é" * 4097])
def test_verify_refuses_credentials_that_are_none(api: Api, credential: str) -> None:
    code, _, reason, _ = refusal(lambda: verify(api, credential))
    assert (code, reason) == (400, "BAD_REQUEST")


def test_verify_says_the_same_of_a_wrong_checksum_and_of_an_unknown_key(api: Api) -> None:
    secret = issue(api).secret
    forged = secret[:-6] + ("1" * 6 if not secret.endswith("1" * 6) else "2" * 6)
    answers = [verify(api, forged), verify(api, raw_key())]
    assert {answer.to_json() for answer in answers} == {answers[0].to_json()}
    assert answers[0].error_code == VerificationErrorCode.VERIFICATION_ERROR_NOT_FOUND


def test_batch_verify_answers_in_order(api: Api) -> None:
    issued, theirs, unknown = issue(api), raw_key(), raw_key()
    imported = import_key(api, theirs)
    answer = api.admin_batch_verify_api_keys(
        BatchVerifyApiKeysRequest(
            requests=[
                VerifyApiKeyRequest(credential=credential)
                for credential in (theirs, unknown, issued.secret, theirs)
            ]
        )
    )
    assert [result.is_valid for result in answer.results] == [True, False, True, True]
    assert [result.key_id for result in answer.results] == [
        imported.key_id,
        "",
        issued.issued_api_key.key_id,
        imported.key_id,
    ]


@pytest.mark.parametrize("count", [0, 101])
def test_batch_verify_refuses_batches_out_of_range(api: Api, count: int) -> None:
    batch = BatchVerifyApiKeysRequest(requests=[VerifyApiKeyRequest(credential="x")] * count)
    code, _, reason, _ = refusal(lambda: api.admin_batch_verify_api_keys(batch))
    assert (code, reason) == (400, "BAD_REQUEST")


# Derived tokens and the key set


@pytest.mark.parametrize(
    "algorithm", [TokenAlgorithm.TOKEN_ALGORITHM_JWT, TokenAlgorithm.TOKEN_ALGORITHM_MACAROON]
)
def test_derive_gives_a_token_that_verifies(api: Api, algorithm: TokenAlgorithm) -> None:
    issued = issue(api, scopes=["read", "write"], metadata={"plan": "gold"})
    token = api.admin_derive_token(
        DeriveTokenRequest(
            credential=issued.secret,
            algorithm=algorithm,
            ttl="5m",
            scopes=["read"],
            custom_claims={"session": "s1", "sub": "dropped"},
            audiences=["https://api.example.com"],
        )
    ).token
    assert (token.scopes, token.audiences) == (["read"], ["https://api.example.com"])
    assert token.claims == {"plan": "gold", "session": "s1"}
    verdict = verify(api, token.token, expected_audiences=["https://api.example.com"])
    assert verdict.is_valid
    assert (verdict.key_id, verdict.scopes) == (issued.issued_api_key.key_id, ["read"])
    assert verdict.audiences == ["https://api.example.com"]
    assert verdict.metadata == {"plan": "gold", "session": "s1"}
    unexpected = verify(api, token.token)
    assert unexpected.error_code == VerificationErrorCode.VERIFICATION_ERROR_AUDIENCE_MISMATCH


def test_derive_refuses_what_the_parent_does_not_have(api: Api) -> None:
    secret = issue(api, scopes=["read"]).secret
    code, status, reason, message = refusal(
        lambda: api.admin_derive_token(DeriveTokenRequest(credential=secret, scopes=["admin"]))
    )
    assert (code, status, reason) == (403, "PERMISSION_DENIED", "FORBIDDEN")
    assert "admin" in message


def test_derive_from_an_unknown_credential(api: Api) -> None:
    code, status, reason, message = refusal(
        lambda: api.admin_derive_token(DeriveTokenRequest(credential=raw_key()))
    )
    assert (code, status, reason) == (401, "UNAUTHENTICATED", "UNAUTHORIZED")
    assert message == "verify API key"


def test_a_derived_token_mints_no_successor(api: Api) -> None:
    token = api.admin_derive_token(DeriveTokenRequest(credential=issue(api).secret)).token.token
    code, _, reason, _ = refusal(
        lambda: api.admin_derive_token(DeriveTokenRequest(credential=token))
    )
    assert (code, reason) == (400, "BAD_REQUEST")


def test_the_key_set_verifies_a_token_without_us(api: Api) -> None:
    issued = issue(api, scopes=["read"])
    token = api.admin_derive_token(DeriveTokenRequest(credential=issued.secret)).token.token
    (published,) = api.get_jwks().jwks.keys
    assert "d" not in published.to_dict()
    claims = jwt.decode(token, jwt.PyJWK(published.to_dict()), algorithms=["EdDSA"], issuer=ISSUER)
    assert (claims["sub"], claims["scp"]) == (issued.issued_api_key.key_id, ["read"])


def test_the_key_set_lies_at_one_path_only(api: Api) -> None:
    elsewhere = api.api_client
    answer = elsewhere.call_api(
        "GET", f"{elsewhere.configuration.host}/v2alpha1/admin/derivedKeys/jwks.json"
    )
    assert answer.status == 404


# Self-revocation


def test_self_revoke_ends_the_key_and_may_be_repeated(api: Api) -> None:
    issued = issue(api)
    request = SelfRevokeApiKeyRequest(
        credential=issued.secret, reason=RevocationReason.REVOCATION_REASON_KEY_COMPROMISE
    )
    assert api.revoke_api_key(request) is not None
    assert api.revoke_api_key(request) is not None
    assert not verify(api, issued.secret).is_valid
    stored = api.admin_get_issued_api_key(issued.issued_api_key.key_id)
    assert stored.revocation_reason == RevocationReason.REVOCATION_REASON_KEY_COMPROMISE


def test_self_revoke_of_a_public_key(api: Api) -> None:
    secret = issue(api, visibility=KeyVisibility.KEY_VISIBILITY_PUBLIC).secret
    code, status, reason, _ = refusal(
        lambda: api.revoke_api_key(SelfRevokeApiKeyRequest(credential=secret))
    )
    assert (code, status, reason) == (403, "PERMISSION_DENIED", "FORBIDDEN")
    assert verify(api, secret).is_valid


def test_self_revoke_of_a_derived_token(api: Api) -> None:
    token = api.admin_derive_token(DeriveTokenRequest(credential=issue(api).secret)).token.token
    code, _, reason, _ = refusal(
        lambda: api.revoke_api_key(SelfRevokeApiKeyRequest(credential=token))
    )
    assert (code, reason) == (400, "DERIVED_TOKEN_NOT_REVOCABLE")


def test_every_method_of_the_sdk_is_called_here() -> None:
    """A new SDK with a nineteenth method makes this fail, not silently pass."""
    methods = {
        name
        for name in vars(ory_client.ApiKeysApi)
        if not name.startswith("_")
        and not name.endswith(("_with_http_info", "_without_preload_content"))
    }
    text = Path(__file__).read_text()
    assert len(methods) == 18
    assert not {name for name in methods if f"api.{name}" not in text}

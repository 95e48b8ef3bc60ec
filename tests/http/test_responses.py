"""What the answers hold, field by field (contract 2.3, 2.4, 2.5)."""

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from talos.domain.keys import (
    Key,
    KeyKind,
    KeyStatus,
    KeyVisibility,
    Metadata,
    RateLimitPolicy,
    RevocationReason,
)
from talos.domain.verification import RateLimitState, Verification, VerificationErrorCode
from talos.http import wire
from talos.services.import_keys import BatchErrorCode
from tests.http.surface import API_KEYS, IMPORTED, ISSUED, JWKS, SELF_REVOKE, Surface
from tests.support.fakes.clock import START_NS

BARE = Key(
    kind=KeyKind.ISSUED,
    network_id="n",
    key_id="k",
    name="",
    actor_id="a",
    scopes=(),
    metadata=Metadata("{}"),
    status=KeyStatus.ACTIVE,
    visibility=KeyVisibility.SECRET,
    created_at_ns=0,
    updated_at_ns=1_500_000_000,
    expires_at_ns=None,
)
FULL = replace(
    BARE,
    name="é<&",
    scopes=("b", "a", "b"),
    metadata=Metadata('{"z":1,"a":9007199254740993,"é":"<"}'),
    status=KeyStatus.REVOKED,
    visibility=KeyVisibility.PUBLIC,
    expires_at_ns=START_NS,
    last_used_at_ns=1_000_000_000,
    rate_limit=RateLimitPolicy(2**63 - 1, 9_223_372_036),
    allowed_cidrs=("10.0.0.1/8",),
    revocation_reason=RevocationReason.PRIVILEGE_WITHDRAWN,
    revocation_description="text",
    request_id="r",
    token_prefix="p",
)


def rendered(body: msgspec.Struct) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(msgspec.json.encode(body))
    return decoded


@pytest.mark.parametrize("shape", [wire.IssuedApiKey, wire.ImportedApiKey])
class TestKey:
    def test_with_nothing_set(self, shape: Any) -> None:
        assert rendered(wire.api_key(shape, BARE)) == {
            "key_id": "k",
            "name": "",
            "actor_id": "a",
            "scopes": [],
            "metadata": None,
            "status": "KEY_STATUS_ACTIVE",
            "create_time": "1970-01-01T00:00:00Z",
            "update_time": "1970-01-01T00:00:01.500Z",
            "visibility": "KEY_VISIBILITY_SECRET",
        }

    def test_with_everything_set(self, shape: Any) -> None:
        assert rendered(wire.api_key(shape, FULL)) == {
            "key_id": "k",
            "name": "é<&",
            "actor_id": "a",
            "scopes": ["b", "a", "b"],
            "metadata": {"z": 1, "a": 9007199254740993, "é": "<"},
            "status": "KEY_STATUS_REVOKED",
            "create_time": "1970-01-01T00:00:00Z",
            "update_time": "1970-01-01T00:00:01.500Z",
            "expire_time": "2025-06-15T15:06:40.123456789Z",
            "last_used_time": "1970-01-01T00:00:01Z",
            "rate_limit_policy": {
                "quota": "9223372036854775807",
                "window": "9223372036s",
                "unit": "requests",
            },
            "revocation_reason": "REVOCATION_REASON_PRIVILEGE_WITHDRAWN",
            "revocation_description": "text",
            "ip_restriction": {"allowed_cidrs": ["10.0.0.1/8"]},
            "visibility": "KEY_VISIBILITY_PUBLIC",
        }

    def test_metadata_and_text_are_sent_as_they_are(self, shape: Any) -> None:
        text = msgspec.json.encode(wire.api_key(shape, FULL)).decode()
        assert f'"metadata":{FULL.metadata}' in text
        assert '"é<&"' in text

    def test_names_of_every_enum(self, shape: Any) -> None:
        for status in KeyStatus:
            key = wire.api_key(shape, replace(BARE, status=status))
            assert key.status == f"KEY_STATUS_{status.name}"
        for visibility in KeyVisibility:
            key = wire.api_key(shape, replace(BARE, visibility=visibility))
            assert key.visibility == f"KEY_VISIBILITY_{visibility.name}"
        for reason in set(RevocationReason) - {RevocationReason.UNSPECIFIED}:
            key = wire.api_key(shape, replace(BARE, revocation_reason=reason))
            assert key.revocation_reason == f"REVOCATION_REASON_{reason.name}"


VALID = Verification(
    error=None,
    key_id="k",
    actor_id="a",
    issuer="i",
    scopes=("s",),
    expires_at_ns=1_000_000_001,
    metadata=Metadata('{"a":1}'),
    visibility=KeyVisibility.PUBLIC,
    status=KeyStatus.ACTIVE,
    audiences=("x",),
)
VALID_ON_THE_WIRE = {
    "is_valid": True,
    "key_id": "k",
    "actor_id": "a",
    "issuer": "i",
    "scopes": ["s"],
    "expire_time": "1970-01-01T00:00:01.000000001Z",
    "metadata": {"a": 1},
    "visibility": "KEY_VISIBILITY_PUBLIC",
    "status": "KEY_STATUS_ACTIVE",
    "audiences": ["x"],
}


class TestVerdict:
    def test_valid(self) -> None:
        assert rendered(wire.verification(VALID)) == VALID_ON_THE_WIRE

    def test_valid_with_nothing_more(self) -> None:
        bare = replace(VALID, expires_at_ns=None, metadata=None, scopes=(), audiences=())
        shown = rendered(wire.verification(bare))
        assert shown == VALID_ON_THE_WIRE | {
            "expire_time": None,
            "metadata": None,
            "scopes": [],
            "audiences": [],
        }
        empty = replace(bare, metadata=Metadata("{}"))
        assert rendered(wire.verification(empty))["metadata"] is None

    @pytest.mark.parametrize("code", VerificationErrorCode)
    def test_invalid(self, code: VerificationErrorCode) -> None:
        assert rendered(wire.verification(Verification(code, "text"))) == {
            "is_valid": False,
            "key_id": "",
            "actor_id": "",
            "issuer": "",
            "scopes": [],
            "expire_time": None,
            "metadata": None,
            "error_code": f"VERIFICATION_ERROR_{code.name}",
            "error_message": "text",
            "visibility": "KEY_VISIBILITY_UNSPECIFIED",
            "status": "KEY_STATUS_UNSPECIFIED",
            "audiences": [],
        }

    def test_a_policy_is_echoed_and_its_state_shown_where_it_is_enforced(self) -> None:
        policy = replace(VALID, rate_limit=RateLimitPolicy(10, 60))
        shown = {"rate_limit_policy": {"quota": "10", "window": "60s", "unit": "requests"}}
        assert rendered(wire.verification(policy)) == VALID_ON_THE_WIRE | shown
        state = RateLimitState(allowed=True, remaining=9, reset_at_ns=6_000_000_000)
        enforced = replace(policy, limit_state=state)
        shown |= {
            "rate_limit_remaining": "9",  # type: ignore[dict-item]
            "rate_limit_reset_time": "1970-01-01T00:00:06Z",  # type: ignore[dict-item]
        }
        assert rendered(wire.verification(enforced)) == VALID_ON_THE_WIRE | shown


class TestOperations:
    def test_issue(self, surface: Surface) -> None:
        result = surface.send("POST", ISSUED, {"name": "n", "actor_id": "a"})
        assert result.status_code == 201
        assert result.headers["content-type"] == "application/json"
        assert set(result.json) == {"issued_api_key", "secret"}
        key = result.json["issued_api_key"]
        assert result.headers["location"] == f"{ISSUED}/{key['key_id']}"
        assert result.json["secret"].startswith("ory_ak_v1_")
        assert key["create_time"] == key["update_time"] == "2025-06-15T15:06:40.123456789Z"
        assert key["expire_time"] == "2025-07-15T15:06:40.123456789Z"
        assert not {"last_used_time", "revocation_reason", "ip_restriction"} & key.keys()

    def test_issue_again_with_one_request_id(self, surface: Surface) -> None:
        first = surface.issue(request_id="r")
        again = surface.send("POST", ISSUED, {"name": "x", "actor_id": "y", "request_id": "r"})
        assert again.status_code == 201
        assert again.json == first | {"secret": ""}
        assert again.headers["location"].endswith(first["issued_api_key"]["key_id"])

    def test_get_update_and_list_show_one_resource(self, surface: Surface) -> None:
        key = surface.issue(metadata={"b": 1, "a": [1.0, 1e2]})["issued_api_key"]
        path = f"{ISSUED}/{key['key_id']}"
        assert surface.send("GET", path).json == key
        assert surface.send("GET", ISSUED).json == {"issued_api_keys": [key], "next_page_token": ""}
        assert '"metadata":{"b":1,"a":[1,100]}' in surface.send("GET", path).text
        changed = surface.send("PATCH", path, {"name": "new"})
        assert changed.status_code == 200
        assert changed.json == key | {"name": "new"}
        cleared = surface.send("PATCH", f"{path}?update_mask=metadata,name", {})
        assert cleared.json == key | {"name": "", "metadata": None}

    def test_rotate(self, surface: Surface) -> None:
        old = surface.issue(scopes=["a"], visibility="KEY_VISIBILITY_PUBLIC")
        key = old["issued_api_key"]
        surface.harness.clock.advance(s=5)
        result = surface.send("POST", f"{ISSUED}/{key['key_id']}:rotate", {"scopes": []})
        assert result.status_code == 201
        assert set(result.json) == {"issued_api_key", "secret", "old_issued_api_key"}
        new = result.json["issued_api_key"]
        assert result.headers["location"] == f"{ISSUED}/{new['key_id']}"
        assert result.json["secret"].startswith("pk_test_v1_")
        assert new["scopes"] == []
        assert new["expire_time"] == key["expire_time"]
        shown = result.json["old_issued_api_key"]
        assert shown["status"] == "KEY_STATUS_REVOKED"
        assert shown["update_time"] == key["update_time"]
        assert "revocation_reason" not in shown

    def test_revoke_and_delete_have_no_body_but_a_content_type(self, surface: Surface) -> None:
        issued = surface.issue()["issued_api_key"]["key_id"]
        imported = surface.import_key()["key_id"]
        for method, path in (
            ("POST", f"{ISSUED}/{issued}:revoke"),
            ("POST", f"{IMPORTED}/{imported}:revoke"),
            ("DELETE", f"{IMPORTED}/{imported}"),
        ):
            result = surface.send(method, path)
            assert (result.status_code, result.content) == (204, b"")
            assert result.headers["content-type"] == "application/json"
            assert "content-length" not in result.headers

    def test_a_revoked_key_tells_why(self, surface: Surface) -> None:
        key_id = surface.issue()["issued_api_key"]["key_id"]
        body = {"reason": "REVOCATION_REASON_PRIVILEGE_WITHDRAWN", "description": "gone"}
        assert surface.send("POST", f"{ISSUED}/{key_id}:revoke", body).status_code == 204
        key = surface.send("GET", f"{ISSUED}/{key_id}").json
        assert key["status"] == "KEY_STATUS_REVOKED"
        assert key["revocation_reason"] == "REVOCATION_REASON_PRIVILEGE_WITHDRAWN"
        assert key["revocation_description"] == "gone"

    def test_import(self, surface: Surface) -> None:
        result = surface.send(
            "POST", IMPORTED, {"raw_key": "sk_live_abc123xyz789", "name": "n", "actor_id": "a"}
        )
        assert result.status_code == 201
        key_id = "8b52f945087b56ec0a840c95c5e65ed48828f9f50d48b4f29a233ce856b9f43c"
        assert result.json["key_id"] == key_id
        assert result.headers["location"] == f"{IMPORTED}/{key_id}"
        assert "sk_live" not in result.text

    def test_batch_import(self, surface: Surface) -> None:
        item = {"raw_key": "one", "name": "n", "actor_id": "a"}
        items = [item, item, {"raw_key": "two"}, item | {"raw_key": "three", "visibility": 9}]
        result = surface.send("POST", f"{IMPORTED}:batchCreate", {"requests": items})
        assert result.status_code == 200
        assert (result.json["success_count"], result.json["failure_count"]) == (1, 3)
        done, twice, invalid, poison = result.json["results"]
        assert set(done) == {"index", "imported_api_key"}
        assert done["imported_api_key"]["name"] == "n"
        prefix = "BATCH_CREATE_IMPORTED_API_KEYS_ERROR_"
        assert twice == {
            "index": 1,
            "imported_api_key": None,
            "error_code": f"{prefix}ALREADY_EXISTS",
            "error_message": "key already imported (duplicate detected at index 0)",
        }
        assert invalid["error_code"] == poison["error_code"] == f"{prefix}INVALID_ARGUMENT"
        assert "name" in invalid["error_message"]
        assert [entry["index"] for entry in result.json["results"]] == [0, 1, 2, 3]
        assert {code.wire_name for code in BatchErrorCode} >= {twice["error_code"]}

    @pytest.mark.parametrize("algorithm", ["TOKEN_ALGORITHM_JWT", "TOKEN_ALGORITHM_MACAROON"])
    def test_derive(self, surface: Surface, algorithm: str) -> None:
        secret = surface.issue(scopes=["a", "b"], metadata={"m": 1, "big": 2**60 + 1})["secret"]
        body = {
            "credential": secret,
            "algorithm": algorithm,
            "ttl": "90s",
            "scopes": ["b", "b"],
            "custom_claims": {"tier": "gold", "iss": "dropped", "n": 9007199254740993},
            "audiences": ["x"],
        }
        result = surface.send("POST", f"{API_KEYS}:derive", body)
        assert result.status_code == 200, result.text
        token = result.json["token"]
        assert set(token) == {"token", "expire_time", "scopes", "claims", "audiences"}
        assert token["expire_time"] == "2025-06-15T15:08:10.123456789Z"
        assert token["scopes"] == ["b", "b"]
        assert token["claims"] == {"m": 1, "big": 2**60 + 1, "tier": "gold", "n": 2**53 + 1}
        assert token["audiences"] == ["x"]
        again = {"credential": token["token"], "expected_audiences": ["x"]}
        assert surface.send("POST", f"{API_KEYS}:verify", again).json["is_valid"] is True

    def test_derive_with_no_claims_has_an_empty_object(self, surface: Surface) -> None:
        body = {"credential": surface.issue()["secret"]}
        assert surface.send("POST", f"{API_KEYS}:derive", body).json["token"]["claims"] == {}

    def test_self_revoke(self, surface: Surface) -> None:
        secret = surface.issue()["secret"]
        for _ in range(2):
            result = surface.send("POST", SELF_REVOKE, {"credential": secret})
            assert (result.status_code, result.json) == (200, {})

    def test_key_set(self, surface: Surface) -> None:
        result = surface.send("GET", JWKS)
        assert set(result.json) == {"jwks"}
        assert set(result.json["jwks"]) == {"keys"}
        (key,) = result.json["jwks"]["keys"]
        assert key == {
            "kty": "OKP",
            "crv": "Ed25519",
            "alg": "EdDSA",
            "use": "sig",
            "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        }

    def test_an_expired_key_says_so(self, surface: Surface) -> None:
        key_id = surface.issue(ttl="1s")["issued_api_key"]["key_id"]
        surface.harness.clock.advance(s=2)
        assert surface.send("GET", f"{ISSUED}/{key_id}").json["status"] == "KEY_STATUS_EXPIRED"

"""The official SDK's own models read every answer, and write bodies that we read."""

import json
from typing import Any

import ory_client

from tests.http.surface import API_KEYS, IMPORTED, ISSUED, JWKS, SELF_REVOKE, Surface

FULL: dict[str, Any] = {
    "name": "n",
    "actor_id": "a",
    "scopes": ["s"],
    "metadata": {"a": 1},
    "rate_limit_policy": {"quota": "1", "window": "60s"},
    "ip_restriction": {"allowed_cidrs": ["0.0.0.0/0"]},
}


def read(model: str, result: Any) -> Any:
    return getattr(ory_client, model).from_json(result.text)


def test_issued_keys(surface: Surface) -> None:
    issued = read("IssueApiKeyResponse", surface.send("POST", ISSUED, FULL))
    key = issued.issued_api_key
    assert key.rate_limit_policy.quota == "1"
    assert key.ip_restriction.allowed_cidrs == ["0.0.0.0/0"]
    path = f"{ISSUED}/{key.key_id}"
    assert read("IssuedApiKey", surface.send("GET", path)).metadata == {"a": 1}
    assert read("IssuedApiKey", surface.send("PATCH", path, {"name": "x"})).name == "x"
    page = read("ListIssuedApiKeysResponse", surface.send("GET", ISSUED))
    assert [listed.key_id for listed in page.issued_api_keys] == [key.key_id]
    rotated = read("RotateIssuedApiKeyResponse", surface.send("POST", f"{path}:rotate"))
    assert rotated.old_issued_api_key.status == "KEY_STATUS_REVOKED"
    assert rotated.secret


def test_imported_keys(surface: Surface) -> None:
    body = FULL | {"raw_key": "k"}
    key = read("ImportedApiKey", surface.send("POST", IMPORTED, body))
    page = read("ListImportedApiKeysResponse", surface.send("GET", IMPORTED))
    assert [listed.key_id for listed in page.imported_api_keys] == [key.key_id]
    items = {"requests": [body, body | {"raw_key": "k2"}, {}]}
    result = surface.send("POST", f"{IMPORTED}:batchCreate", items)
    batch = read("BatchCreateImportedApiKeysResponse", result)
    assert (batch.success_count, batch.failure_count) == (1, 2)
    assert batch.results[1].imported_api_key.actor_id == "a"
    assert batch.results[0].imported_api_key is None
    assert batch.results[0].error_code.endswith("ALREADY_EXISTS")


def test_verdicts(surface: Surface) -> None:
    secret = surface.issue(**FULL)["secret"]
    path = f"{API_KEYS}:verify"
    verdict = read("VerifyApiKeyResponse", surface.send("POST", path, {"credential": secret}))
    assert verdict.is_valid is True
    assert verdict.rate_limit_remaining == "0"
    assert verdict.error_code == "VERIFICATION_ERROR_UNSPECIFIED"
    verdict = read("VerifyApiKeyResponse", surface.send("POST", path, {"credential": secret}))
    assert verdict.error_code == "VERIFICATION_ERROR_RATE_LIMITED"
    items = {"requests": [{"credential": secret}, {"credential": "x"}]}
    result = surface.send("POST", f"{API_KEYS}:batchVerify", items)
    assert len(read("BatchVerifyApiKeysResponse", result).results) == 2


def test_tokens(surface: Surface) -> None:
    secret = surface.issue(metadata={"a": 1})["secret"]
    body = {"credential": secret, "custom_claims": {"b": [1, {"c": None}]}, "audiences": ["x"]}
    derived = read("DeriveTokenResponse", surface.send("POST", f"{API_KEYS}:derive", body))
    assert derived.token.claims == {"a": 1, "b": [1, {"c": None}]}
    assert derived.token.audiences == ["x"]
    jwks = read("GetJWKSResponse", surface.send("GET", JWKS)).jwks
    assert [(key.kid != "", key.kty) for key in jwks.keys] == [(True, "OKP")]
    result = surface.send("POST", SELF_REVOKE, {"credential": secret})
    assert json.loads(result.text) == {}


def body(model: str, **members: Any) -> str:
    """A request body as the SDK writes it, with the enum defaults that its models fill in."""
    text: str = getattr(ory_client, model)(**members).to_json()
    return text


class TestBodiesThatTheSdkWrites:
    def test_for_making_keys(self, surface: Surface) -> None:
        text = body("IssueApiKeyRequest", **FULL)
        assert surface.send("POST", ISSUED, text).status_code == 201
        text = body("ImportApiKeyRequest", raw_key="k", **FULL)
        assert surface.send("POST", IMPORTED, text).status_code == 201
        item = ory_client.ImportApiKeyRequest(raw_key="k2", name="n", actor_id="a")
        text = body("BatchCreateImportedApiKeysRequest", requests=[item])
        assert surface.send("POST", f"{IMPORTED}:batchCreate", text).json["success_count"] == 1

    def test_for_updates_in_which_the_enums_have_no_effect(self, surface: Surface) -> None:
        issued = f"{ISSUED}/{surface.issue(**FULL)['issued_api_key']['key_id']}"
        imported = f"{IMPORTED}/{surface.import_key(**FULL)['key_id']}"
        for path, model in (
            (issued, "AdminUpdateIssuedApiKeyRequest"),
            (imported, "AdminUpdateImportedApiKeyRequest"),
        ):
            before = surface.send("GET", path).json
            text = body(model, name="x")
            assert "UNSPECIFIED" in text
            assert surface.send("PATCH", path, text).json == before | {"name": "x"}

    def test_for_verbs(self, surface: Surface) -> None:
        issued = surface.issue(**FULL)
        path = f"{ISSUED}/{issued['issued_api_key']['key_id']}"
        text = body("DeriveTokenRequest", credential=issued["secret"], ttl="60s")
        assert surface.send("POST", f"{API_KEYS}:derive", text).status_code == 200
        text = body("VerifyApiKeyRequest", credential=issued["secret"])
        assert surface.send("POST", f"{API_KEYS}:verify", text).json["is_valid"] is True
        item = ory_client.VerifyApiKeyRequest(credential="x", expected_audiences=["a"])
        text = body("BatchVerifyApiKeysRequest", requests=[item])
        assert surface.send("POST", f"{API_KEYS}:batchVerify", text).status_code == 200
        text = body("AdminRotateIssuedApiKeyBody", name="new")
        rotated = surface.send("POST", f"{path}:rotate", text)
        assert rotated.json["issued_api_key"]["visibility"] == "KEY_VISIBILITY_SECRET"
        text = body("SelfRevokeApiKeyRequest", credential=rotated.json["secret"])
        assert surface.send("POST", SELF_REVOKE, text).status_code == 200
        imported = f"{IMPORTED}/{surface.import_key()['key_id']}:revoke"
        text = body("AdminRevokeImportedApiKeyBody", reason="REVOCATION_REASON_SUPERSEDED")
        assert surface.send("POST", imported, text).status_code == 204
        other = f"{ISSUED}/{surface.issue()['issued_api_key']['key_id']}:revoke"
        assert surface.send("POST", other, body("AdminRevokeIssuedApiKeyBody")).status_code == 204

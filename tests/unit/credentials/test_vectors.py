"""The published vectors: what docs/tokens.md hands to implementers of other languages."""

import json
from typing import Any

import pytest

from talos.credentials import jwt, macaroon
from talos.credentials.claims import TokenClaims
from talos.credentials.rejection import TokenRejected
from talos.credentials.secrets import Secret, SecretRing
from talos.credentials.settings import CredentialSettings
from tests.unit.credentials import write_vectors
from tests.unit.credentials.material import NS, load, settings, verify_token

FILES = ["jwt_valid.json", "jwt_invalid.json", "caveat_valid.json", "caveat_invalid.json"]


def document(name: str) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads((write_vectors.FOLDER / name).read_text())
    return decoded


def as_configured(vectors: dict[str, Any]) -> CredentialSettings:
    changes: dict[str, Any] = {
        "issuer": vectors["issuer"],
        "clock_skew_ns": vectors["clock_skew_s"] * NS,
    }
    if "signing_keys" in vectors:
        changes["signing_keys"] = load(vectors["signing_keys"])
    else:
        changes["hmac"] = SecretRing(Secret(vectors["secret"]))
        changes["macaroon_prefix"] = vectors["prefix"]
    return settings(**changes)


def verify(name: str, case: dict[str, Any], current: CredentialSettings) -> TokenClaims:
    format_ = jwt if name.startswith("jwt") else macaroon
    return verify_token(format_, case["token"], current, case["now_s"] * NS)


def shown(token: TokenClaims) -> dict[str, Any]:
    return {
        "key_id": token.key_id,
        "actor_id": token.act,
        "network_id": token.nid,
        "scopes": list(token.scp),
        "begins_s": token.nbf_s,
        "expires_s": token.exp_s,
        "visibility": token.visibility.name.lower(),
        "allowed_cidrs": list(token.acl),
        "audiences": list(token.aud),
        "metadata": json.loads(token.metadata) if token.metadata is not None else None,
    }


@pytest.mark.parametrize("name", FILES)
def test_the_files_are_what_the_writer_writes(name: str) -> None:
    text = (write_vectors.FOLDER / name).read_text()
    assert text == write_vectors.render(write_vectors.documents()[name])


@pytest.mark.parametrize("name", ["jwt_valid.json", "caveat_valid.json"])
def test_valid_tokens_are_accepted_for_what_they_say(name: str) -> None:
    vectors = document(name)
    current = as_configured(vectors)
    for case in vectors["cases"]:
        assert shown(verify(name, case, current)) == case["verified"], case["name"]


@pytest.mark.parametrize("name", ["jwt_invalid.json", "caveat_invalid.json"])
def test_invalid_tokens_are_refused(name: str) -> None:
    vectors = document(name)
    current = as_configured(vectors)
    for case in vectors["cases"]:
        with pytest.raises(TokenRejected) as caught:
            verify(name, case, current)
            pytest.fail(case["name"])
        assert caught.value.code.value == case["error"], case["name"]


def test_every_case_has_a_name_of_its_own() -> None:
    for name in FILES:
        names = [case["name"] for case in document(name)["cases"]]
        assert len(set(names)) == len(names) > 10

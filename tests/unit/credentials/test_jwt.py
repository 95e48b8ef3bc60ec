"""Genuine JWTs: what they look like, and when they are accepted."""

import json
from dataclasses import replace
from typing import Any

import pytest

from talos.credentials import jwt
from talos.credentials.claims import MAX_TOKEN_BYTES
from talos.credentials.rejection import TokenRejected
from talos.credentials.secrets import Retired
from talos.domain.verification import VerificationErrorCode
from talos.errors import InternalError, InvalidRequest
from tests.unit.credentials.material import (
    BASE,
    CLAIMS,
    ED25519_JWK,
    EXPIRES_S,
    ISSUED_S,
    KID,
    NOW_NS,
    NS,
    PAYLOAD,
    jws,
    load,
    private_jwk,
    public_part,
    settings,
    unb64,
    verify_token,
)

VECTOR_C_SIGNATURE = (
    "ZSP1dQ5rFjeGIQnUfAmCqle59vGVt0wV68q9O-MSJ9A_GGmp_SIDDh6GU9OtQEgkqPSgYH6EANNcPknH3mNmDQ"
)


def code(token: str, now_ns: int = NOW_NS, **changes: Any) -> VerificationErrorCode | None:
    try:
        verify_token(jwt, token, settings(**changes), now_ns)
    except TokenRejected as rejected:
        return rejected.code
    return None


INVALID = VerificationErrorCode.SIGNATURE_INVALID


def test_vector_c_of_the_contract_bit_for_bit() -> None:
    token = jwt.sign(CLAIMS, BASE.signing_keys.signer(""))
    header, payload, signature = token.split(".")
    assert unb64(header).decode() == f'{{"alg":"EdDSA","kid":"{KID}","typ":"JWT"}}'
    assert unb64(payload).decode() == (
        '{"acl":["10.0.0.0/8"],"act":"user_123","exp":1750003600,"iat":1750000000,'
        '"iss":"https://api.example.com","jti":"9b2d6a1e-5c3f-4e7a-8d10-2f6b7c8d9e0f",'
        '"meta":{"env":"prod"},"nbf":1750000000,"nid":"00000000-0000-0000-0000-000000000000",'
        '"scp":["read","write"],"sub":"3f2504e0-4f89-41d3-9a0c-0305e82c3301","tier":"gold",'
        '"vis":"secret"}'
    )
    assert signature == VECTOR_C_SIGNATURE
    assert token == jws()
    assert verify_token(jwt, token, BASE, NOW_NS) == CLAIMS


@pytest.mark.parametrize(
    ("kind", "own", "alg"),
    [
        ("Ed25519", None, "EdDSA"),
        ("P-256", None, "ES256"),
        ("P-384", None, "ES384"),
        ("P-521", "ES512", "ES512"),
        ("RSA", None, "RS256"),
        ("RSA", "RS512", "RS512"),
        ("RSA", "PS384", "PS384"),
    ],
)
def test_the_key_type_chooses_the_algorithm(kind: str, own: str | None, alg: str) -> None:
    jwk = private_jwk(kind) | ({"alg": own} if own else {})
    key = load(jwk).signer("")
    token = jwt.sign(CLAIMS, key)
    header = json.loads(unb64(token.split(".")[0]))
    assert header == {"alg": alg, "kid": key.kid, "typ": "JWT"}
    assert verify_token(jwt, token, settings(signing_keys=load(public_part(jwk))), NOW_NS) == CLAIMS
    assert code(token) is INVALID


def test_a_key_without_a_private_half_signs_nothing() -> None:
    [key] = load(public_part(ED25519_JWK)).keys
    with pytest.raises(InternalError, match="get signing key"):
        jwt.sign(CLAIMS, key)


def test_a_token_that_verify_would_refuse_for_its_length_is_not_made() -> None:
    key = BASE.signing_keys.signer("")
    length = len(jwt.sign(replace(CLAIMS, custom={"x": ""}), key))
    room = (MAX_TOKEN_BYTES - length) * 3 // 4
    token = jwt.sign(replace(CLAIMS, custom={"x": "x" * room}), key)
    assert MAX_TOKEN_BYTES - 4 < len(token) <= MAX_TOKEN_BYTES
    assert code(token) is None
    with pytest.raises(InvalidRequest, match="longer than 8192 bytes"):
        jwt.sign(replace(CLAIMS, custom={"x": "x" * (room + 4)}), key)


def test_expiry_has_no_leeway() -> None:
    token = jws()
    assert code(token, EXPIRES_S * NS - 1) is None
    assert code(token, EXPIRES_S * NS) is INVALID
    assert code(token, EXPIRES_S * NS, clock_skew_ns=3600 * NS) is INVALID


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_beginnings_have_the_clock_skew_as_leeway(name: str) -> None:
    token = jws({**PAYLOAD, name: ISSUED_S + 100})
    for skew_s in (0, 1, 300, 86_400):
        begins_ns = (ISSUED_S + 100 - skew_s) * NS
        assert code(token, begins_ns, clock_skew_ns=skew_s * NS) is None
        assert code(token, begins_ns - 1, clock_skew_ns=skew_s * NS) is INVALID


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_times_are_checked_only_where_present(name: str) -> None:
    members = {key: value for key, value in PAYLOAD.items() if key != name}
    verified = verify_token(jwt, jws(members), BASE, NOW_NS)
    assert getattr(verified, f"{name}_s") is None


def test_without_an_expiry_a_token_does_not_expire() -> None:
    members = {key: value for key, value in PAYLOAD.items() if key != "exp"}
    assert code(jws(members), 2**62) is None


@pytest.mark.parametrize("iss", [None, "", "https://other.example.com", "https://api.example.com/"])
def test_the_issuer_must_be_ours(iss: str | None) -> None:
    members = {**PAYLOAD, "iss": iss} if iss is not None else dict(PAYLOAD)
    if iss is None:
        del members["iss"]
    assert code(jws(members)) is INVALID
    assert code(jws(members), issuer="", issuers_retired=(Retired(""),)) is INVALID


def test_retired_issuers_count_until_they_expire() -> None:
    retired = (Retired("https://elsewhere.example.com"), Retired(PAYLOAD["iss"], NOW_NS + 1))
    changes: dict[str, Any] = {"issuer": "https://new.example.com", "issuers_retired": retired}
    assert code(jws(), NOW_NS, **changes) is None
    assert code(jws(), NOW_NS + 1, **changes) is INVALID


def test_the_type_is_looked_at_last() -> None:
    assert code(jws({**PAYLOAD, "tty": "derived"})) is None
    assert code(jws({**PAYLOAD, "tty": ""})) is None
    other = {**PAYLOAD, "tty": "session"}
    assert code(jws(other)) is VerificationErrorCode.INVALID_FORMAT
    assert code(jws(other), EXPIRES_S * NS) is INVALID
    assert code(jws({**other, "iss": "x"})) is INVALID


def test_messages_are_those_of_the_contract() -> None:
    with pytest.raises(TokenRejected) as caught:
        verify_token(jwt, "nonsense", BASE, NOW_NS)
    assert caught.value.message == "Signature verification failed."
    assert caught.value.__suppress_context__
    with pytest.raises(TokenRejected) as caught:
        verify_token(jwt, jws({**PAYLOAD, "tty": "x"}), BASE, NOW_NS)
    assert caught.value.message == "The token type is invalid."


def test_a_null_custom_claim_is_kept() -> None:
    assert verify_token(jwt, jws({**PAYLOAD, "note": None}), BASE, NOW_NS).custom["note"] is None


def test_a_key_taken_out_of_the_set_takes_its_tokens_along() -> None:
    token = jws()
    assert code(token, signing_keys=load(private_jwk("Ed25519"))) is INVALID
    assert code(token, signing_keys=load({**ED25519_JWK, "kid": "other"})) is INVALID
    assert code(token, signing_keys=load({**ED25519_JWK, "use": "enc"})) is INVALID


@pytest.mark.parametrize(
    "extra",
    [
        {"typ": "at+jwt"},
        {"cty": "JWT"},
        {"jwk": {"kty": "oct", "k": "AA"}},
        {"jku": "https://attacker.example/jwks.json"},
        {"x5u": "https://attacker.example/cert.pem"},
        {"x5c": ["AA"]},
        {"unknown": {"a": [1]}},
    ],
)
def test_header_members_that_are_harmless_change_nothing(extra: dict[str, object]) -> None:
    assert code(jws(header={"alg": "EdDSA", "kid": KID, **extra})) is None

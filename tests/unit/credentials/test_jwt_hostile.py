"""JWTs that nobody should accept, made by someone who knows the formats."""

import base64
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from talos.credentials import jwt
from talos.credentials.claims import TokenClaims
from talos.credentials.rejection import TokenRejected
from talos.domain.verification import VerificationErrorCode
from tests.unit.credentials.material import (
    BASE,
    CLAIMS,
    ED25519,
    ED25519_JWK,
    KID,
    NOW_NS,
    PAYLOAD,
    b64,
    compact,
    jws,
    load,
    private_jwk,
    settings,
    verify_token,
)

HEADER = {"alg": "EdDSA", "kid": KID, "typ": "JWT"}


def verdict(token: str, **changes: Any) -> VerificationErrorCode | None:
    try:
        verify_token(jwt, token, settings(**changes), NOW_NS)
    except TokenRejected as rejected:
        return rejected.code
    return None


def rejected(token: str, **changes: Any) -> bool:
    return verdict(token, **changes) is VerificationErrorCode.SIGNATURE_INVALID


def unsigned(header: object, payload: object = PAYLOAD, signature: bytes = b"") -> str:
    return f"{b64(compact(header))}.{b64(compact(payload))}.{b64(signature)}"


def test_the_genuine_token_would_pass() -> None:
    assert verdict(jws()) is None


# --- the algorithm ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "alg",
    ["none", "None", "NONE", "HS256", "RS256", "ES256", "PS256", "Ed25519", "eddsa", "EDDSA", ""],
)
def test_a_genuine_signature_under_another_algorithm_name_is_refused(alg: str) -> None:
    assert rejected(jws(header={**HEADER, "alg": alg}))


@pytest.mark.parametrize("alg", [None, 1, True, ["EdDSA"], {"EdDSA": 1}, {}])
def test_an_algorithm_that_is_no_text_is_refused(alg: object) -> None:
    assert rejected(jws(header={**HEADER, "alg": alg}))


def test_a_missing_algorithm_is_refused() -> None:
    assert rejected(jws(header={"kid": KID}))


@pytest.mark.parametrize("alg", ["none", "nOnE", ""])
def test_no_signature_is_no_signature(alg: str) -> None:
    for header in ({"alg": alg}, {"alg": alg, "kid": KID}, {"alg": alg, "kid": ""}):
        assert rejected(unsigned(header))
        assert rejected(unsigned(header, signature=b"x"))


def test_the_public_key_is_no_hmac_secret() -> None:
    public = ED25519.public_key()
    spellings = [
        public.public_bytes(Encoding.Raw, PublicFormat.Raw),
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        ED25519_JWK["x"].encode(),
        compact(BASE.signing_keys.public_jwks()[0]),
        b"",
    ]
    for alg, digest in (("HS256", "sha256"), ("HS384", "sha384"), ("HS512", "sha512")):
        signed = f"{b64(compact({**HEADER, 'alg': alg}))}.{b64(compact(PAYLOAD))}"
        for secret in spellings:
            token = f"{signed}.{b64(hmac.digest(secret, signed.encode(), digest))}"
            assert rejected(token)


@pytest.mark.parametrize("kid", ["symmetric", KID])
def test_a_symmetric_key_of_the_set_never_verifies(kid: str) -> None:
    secret = b"test-secret-for-hmac-0123456789abcdef"
    oct_jwk = {"kty": "oct", "k": b64(secret), "kid": kid, "alg": "HS256", "use": "sig"}
    signed = f"{b64(compact({'alg': 'HS256', 'kid': kid}))}.{b64(compact(PAYLOAD))}"
    token = f"{signed}.{b64(hmac.digest(secret, signed.encode(), 'sha256'))}"
    assert rejected(token, signing_keys=load({"keys": [oct_jwk, ED25519_JWK]}))


def test_an_rsa_key_verifies_its_own_algorithm_alone() -> None:
    jwk = private_jwk("RSA")
    tokens = {}
    for alg in ("RS256", "RS512", "PS256"):
        keys = load({**jwk, "alg": alg, "kid": "r"})
        tokens[alg] = jwt.sign(CLAIMS, keys.signer("r"))
    keys = load({**jwk, "alg": "RS512", "kid": "r"})
    assert {alg: rejected(token, signing_keys=keys) for alg, token in tokens.items()} == {
        "RS256": True,
        "RS512": False,
        "PS256": True,
    }


# --- the key ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kid", ["", "unknown", KID.lower(), KID + " ", " " + KID, KID + "\0", "../"]
)
def test_an_unknown_kid_is_refused(kid: str) -> None:
    assert rejected(jws(header={**HEADER, "kid": kid}))


@pytest.mark.parametrize("kid", [None, 0, 1, True, [KID], {KID: KID}, {}])
def test_a_kid_that_is_no_text_is_refused(kid: object) -> None:
    assert rejected(jws(header={**HEADER, "kid": kid}))


def test_a_missing_kid_is_refused_even_with_one_key() -> None:
    assert rejected(jws(header={"alg": "EdDSA"}))


def test_the_key_in_the_header_is_nobodys_key() -> None:
    attacker = Ed25519PrivateKey.generate()
    jwk = {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": b64(attacker.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)),
        "kid": KID,
    }
    header = {**HEADER, "jwk": jwk, "jku": "https://attacker.example/", "x5c": ["AA"]}
    assert rejected(jws(header=header, key=attacker))


def test_another_key_of_the_set_is_not_the_one_named() -> None:
    other = Ed25519PrivateKey.generate()
    jwk = {
        "kty": "OKP",
        "crv": "Ed25519",
        "kid": "other",
        "x": b64(other.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)),
    }
    keys = load(ED25519_JWK, jwk)
    assert verdict(jws(header={**HEADER, "kid": "other"}, key=other), signing_keys=keys) is None
    assert rejected(jws(key=other), signing_keys=keys)
    assert rejected(jws(header={**HEADER, "kid": "other"}), signing_keys=keys)


def test_no_keys_no_tokens() -> None:
    assert rejected(jws(), signing_keys=load({"kty": "oct", "k": "AAAA"}))


# --- the header ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "extra",
    [
        {"crit": ["exp"]},
        {"crit": []},
        {"crit": None},
        {"crit": ["b64"], "b64": False},
        {"crit": ["b64"], "b64": True},
        {"b64": False},
        {"b64": True},
        {"typ": 1},
        {"cty": []},
        {"jwk": "x"},
    ],
)
def test_headers_that_ask_for_other_rules_are_refused(extra: dict[str, object]) -> None:
    assert rejected(jws(header={**HEADER, **extra}))


GOOD_HEADER = compact(HEADER)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"null",
        b"[]",
        b'"EdDSA"',
        GOOD_HEADER + b"{}",
        GOOD_HEADER + b"\0",
        b"\xef\xbb\xbf" + GOOD_HEADER,
        GOOD_HEADER[:-1],
        GOOD_HEADER[:-1] + b',"alg":"EdDSA"}',
        GOOD_HEADER[:-1] + b',"alg":"none"}',
        b'{"alg":"none",' + GOOD_HEADER[1:],
        GOOD_HEADER[:-1] + b',"\\u0061lg":"EdDSA"}',
        GOOD_HEADER[:-1] + b',"kid":"' + KID.encode() + b'"}',
        GOOD_HEADER[:-1] + b',"x":1,"x":1}',
        GOOD_HEADER[:-1] + b',"x":NaN}',
        GOOD_HEADER[:-1] + b',"x":1e999}',
        GOOD_HEADER[:-1] + b',"x":"\\ud800"}',
        GOOD_HEADER[:-1] + b',"x":"\xff"}',
        GOOD_HEADER[:-1] + b',"x":' + b"[" * 1500 + b"]" * 1500 + b"}",
    ],
)
def test_headers_that_readers_could_disagree_on_are_refused(header: bytes) -> None:
    assert rejected(jws(header=header))


def test_the_order_of_header_members_and_their_escapes_mean_nothing() -> None:
    header = b'{ "typ":"JWT", "\\u006bid":"' + KID.encode() + b'", "alg":"EdDS\\u0041" }'
    assert verdict(jws(header=header)) is None


# --- the payload -----------------------------------------------------------------------------


GOOD_PAYLOAD = compact(PAYLOAD)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"1",
        GOOD_PAYLOAD + b"{}",
        GOOD_PAYLOAD + b"trailing",
        GOOD_PAYLOAD + b"\0",
        b"\xef\xbb\xbf" + GOOD_PAYLOAD,
        GOOD_PAYLOAD[:-1],
        GOOD_PAYLOAD[:-1] + b',"exp":1750003600}',
        GOOD_PAYLOAD[:-1] + b',"exp":9750003600}',
        GOOD_PAYLOAD[:-1] + b',"\\u0073cp":["admin"]}',
        GOOD_PAYLOAD[:-1] + b',"x":{"a":1,"a":2}}',
        GOOD_PAYLOAD[:-1] + b',"x":NaN}',
        GOOD_PAYLOAD[:-1] + b',"x":-Infinity}',
        GOOD_PAYLOAD[:-1] + b',"x":1e999}',
        GOOD_PAYLOAD[:-1] + b',"x":' + b"9" * 4500 + b"}",
        GOOD_PAYLOAD[:-1] + b',"x":"\\ud800"}',
        GOOD_PAYLOAD[:-1] + b',"x":"\xff"}',
        GOOD_PAYLOAD[:-1] + b',"x":"\xed\xa0\x80"}',
        GOOD_PAYLOAD[:-1] + b',"x":' + b"[" * 256 + b"]" * 256 + b"}",
        GOOD_PAYLOAD[:-1] + b',"x":' + b"[" * 2000 + b"]" * 2000 + b"}",
        GOOD_PAYLOAD[:-1] + b',"x":' + b'{"a":' * 800 + b"1" + b"}" * 800 + b"}",
    ],
)
def test_payloads_that_readers_could_disagree_on_are_refused(payload: bytes) -> None:
    assert rejected(jws(payload))


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        [],
        {},
        "",
        "soon",
        "1e9",
        10**18,
        -(10**18),
        1e300,
        -1e300,
        2**63,
        2**64,
        10**40,
        "99999999999999999999",
        "9" * 4000,
        253402300800,
        -62135596801,
        "10000-01-01T00:00:00Z",
        "2025-06-15T15:06:40",
    ],
)
def test_times_that_are_none_are_refused(name: str, value: object) -> None:
    assert rejected(jws({**PAYLOAD, name: value}))


def test_a_large_and_deep_payload_within_the_bounds_passes() -> None:
    deep = b'"x":' + b"[" * 255 + b"]" * 255
    assert verdict(jws(GOOD_PAYLOAD[:-1] + b"," + deep + b"}")) is None


# --- the text --------------------------------------------------------------------------------


GENUINE = jws()
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def test_no_character_can_be_changed_removed_or_doubled() -> None:
    for position, character in enumerate(GENUINE):
        other = "A" if character != "A" else "B"
        before, after = GENUINE[:position], GENUINE[position + 1 :]
        assert rejected(before + other + after), f"changed at {position}"
        assert rejected(before + after), f"removed at {position}"
        assert rejected(before + character * 2 + after), f"doubled at {position}"


def test_the_last_character_of_every_part_has_one_spelling() -> None:
    """Spare bits are not covered by what a lax decoder returns."""
    ends = [GENUINE.index("."), GENUINE.rindex("."), len(GENUINE)]
    for end in ends:
        for character in ALPHABET.replace(GENUINE[end - 1], ""):
            assert rejected(GENUINE[: end - 1] + character + GENUINE[end:])


@given(st.integers(0, len(GENUINE) - 1), st.characters(codec="utf-8"))
def test_no_character_can_be_replaced_by_any_other(position: int, character: str) -> None:
    if GENUINE[position] != character:
        assert rejected(GENUINE[:position] + character + GENUINE[position + 1 :])


@pytest.mark.parametrize("kind", ["P-256", "P-384", "P-521", "RSA"])
def test_other_signatures_cannot_be_changed_either(kind: str) -> None:
    keys = load({**private_jwk(kind), "kid": "k"})
    token = jwt.sign(CLAIMS, keys.signer("k"))
    assert verdict(token, signing_keys=keys) is None
    start = token.rindex(".") + 1
    for position in range(start, len(token), 5):
        other = "A" if token[position] != "A" else "B"
        changed = token[:position] + other + token[position + 1 :]
        assert rejected(changed, signing_keys=keys)
    assert rejected(token[:-4], signing_keys=keys)
    assert rejected(token + "AAAA", signing_keys=keys)
    assert rejected(token[:start], signing_keys=keys)


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        GENUINE + ".",
        "." + GENUINE,
        GENUINE + ".AAAA",
        GENUINE + "=",
        GENUINE + "\n",
        " " + GENUINE,
        GENUINE.replace(".", ".."),
        GENUINE.replace(".", " ."),
        GENUINE.rpartition(".")[0],
        GENUINE.rpartition(".")[0] + ".",
        GENUINE.partition(".")[2],
        "Bearer " + GENUINE,
        GENUINE + "\0",
        GENUINE + "\ud800",
        GENUINE + "é",
        "eyJ" * 3000,
        "a." * 4000,
        GENUINE + "A" * 8192,
        json.dumps({"payload": GENUINE}),
    ],
)
def test_texts_that_are_almost_tokens_are_refused(token: str) -> None:
    assert rejected(token)


def test_a_token_longer_than_any_credential_is_refused_whatever_its_signature() -> None:
    token = jws({**PAYLOAD, "x": "x" * 8192})
    assert len(token) > 8192
    assert rejected(token)


def only_a_verdict(token: str) -> TokenClaims | VerificationErrorCode:
    """``verify`` returns claims or raises TokenRejected; anything else fails the test."""
    try:
        return verify_token(jwt, token, BASE, NOW_NS)
    except TokenRejected as rejection:
        return rejection.code


@given(st.text())
def test_any_text_gets_a_verdict(token: str) -> None:
    assert only_a_verdict(token) is VerificationErrorCode.SIGNATURE_INVALID


segments = st.binary(max_size=60).map(b64) | st.text(ALPHABET, max_size=20) | st.text(max_size=9)


@given(st.lists(segments, min_size=1, max_size=5).map(".".join))
def test_any_text_of_the_shape_gets_a_verdict(token: str) -> None:
    assert only_a_verdict(token) is VerificationErrorCode.SIGNATURE_INVALID


@given(st.binary(max_size=200))
def test_any_signed_bytes_get_a_verdict(payload: bytes) -> None:
    assert only_a_verdict(jws(payload)) is VerificationErrorCode.SIGNATURE_INVALID


@given(st.binary(max_size=200))
def test_any_header_bytes_get_a_verdict(header: bytes) -> None:
    assert only_a_verdict(jws(header=header)) is VerificationErrorCode.SIGNATURE_INVALID


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
members = st.dictionaries(
    st.sampled_from([*PAYLOAD, "aud", "akid", "pid", "tty", "scope", "oid", "x"]), json_values
)


def printable(value: object) -> bytes:
    """JSON as loosely as Python writes it: NaN, lone surrogates and all."""
    return json.dumps(value).encode()


@given(members)
def test_any_signed_claims_get_a_verdict(changes: dict[str, object]) -> None:
    outcome = only_a_verdict(jws(printable({**PAYLOAD, **changes})))
    if isinstance(outcome, TokenClaims):
        assert outcome.iss == PAYLOAD["iss"]
        # What was accepted can be shown and written again.
        json.loads(outcome.metadata or "{}")
        outcome.encode()


@given(st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "x5c"]), json_values))
def test_any_signed_header_gets_a_verdict(changes: dict[str, object]) -> None:
    outcome = only_a_verdict(jws(header=printable({**HEADER, **changes})))
    if isinstance(outcome, TokenClaims):
        assert not {"alg", "kid", "crit", "b64"} & {
            name for name, value in changes.items() if value != HEADER.get(name)
        }


def test_standard_base64_is_not_the_alphabet_of_a_token() -> None:
    header = base64.b64encode(compact(HEADER)).decode()
    assert rejected(f"{header}.{GENUINE.partition('.')[2]}")

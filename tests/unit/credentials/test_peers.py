"""What others make of our tokens, and we of theirs, with nothing shared but a key."""

from dataclasses import replace
from typing import Any

import jwt as pyjwt
import pytest
from pymacaroons import MACAROON_V2, Macaroon, Verifier
from pymacaroons.exceptions import MacaroonInvalidSignatureException
from pymacaroons.serializers import BinarySerializer, JsonSerializer

from talos import _core
from talos.credentials import jwt, macaroon
from talos.credentials.rejection import TokenRejected
from tests.support.token_peers import fresh
from tests.unit.credentials.material import (
    BASE,
    CLAIMS,
    ED25519_JWK,
    EXPIRES_S,
    IDENTIFIER,
    ISSUER,
    NOW_NS,
    PAYLOAD,
    SECRET,
    compact,
    load,
    private_jwk,
    settings,
    verify_token,
)

# --- JWT -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "alg"),
    [
        ("Ed25519", "EdDSA"),
        ("P-256", "ES256"),
        ("P-384", "ES384"),
        ("P-521", "ES512"),
        ("RSA", "RS256"),
    ],
)
def test_pyjwt_verifies_from_the_published_keys_alone(kind: str, alg: str) -> None:
    keys = load({"keys": [private_jwk("P-256" if kind == "RSA" else "RSA"), private_jwk(kind)]})
    signer = keys.keys[1]
    token = jwt.sign(fresh(), signer)

    published = pyjwt.PyJWKSet.from_dict({"keys": keys.public_jwks()})
    key = published[pyjwt.get_unverified_header(token)["kid"]]
    assert key.algorithm_name == alg
    claims = pyjwt.decode(token, key, [alg], audience="billing", issuer=ISSUER)
    assert (claims["sub"], claims["scp"]) == (CLAIMS.sub, ["read", "write"])

    with pytest.raises(pyjwt.InvalidSignatureError):
        pyjwt.decode(token[:-8] + "AAAAAAAA", key, [alg], audience="billing")


def test_a_jwt_of_pyjwt_is_accepted() -> None:
    for jwk in (ED25519_JWK, private_jwk("P-256"), private_jwk("RSA")):
        keys = load(jwk)
        signer = keys.keys[0]
        key: Any = pyjwt.PyJWK({**jwk, "alg": signer.alg}).key
        token = pyjwt.encode(PAYLOAD, key, signer.alg, {"kid": signer.kid})
        assert verify_token(jwt, token, settings(signing_keys=keys), NOW_NS) == CLAIMS


# --- macaroons -------------------------------------------------------------------------------

ROOT_KEY = _core.macaroon_root_key(SECRET.encode())


def theirs(token: str) -> Macaroon:
    return Macaroon.deserialize(token.removeprefix("mc_v1_"), BinarySerializer())


def ours(token: Macaroon) -> str:
    text: str = token.serialize(BinarySerializer())
    return "mc_v1_" + text.rstrip("=")


def test_pymacaroons_verifies_from_the_derived_root_key_alone() -> None:
    token = theirs(macaroon.mint(CLAIMS, BASE))
    assert (token.location, token.identifier_bytes) == (ISSUER, IDENTIFIER)
    assert [caveat.caveat_id_bytes for caveat in token.caveats] == [compact(PAYLOAD)]

    verifier = Verifier()
    verifier.satisfy_exact(compact(PAYLOAD).decode())
    assert verifier.verify(token, ROOT_KEY)
    with pytest.raises(MacaroonInvalidSignatureException):
        verifier.verify(token, SECRET.encode())


def test_a_macaroon_of_pymacaroons_is_the_same_text() -> None:
    token = Macaroon(ISSUER, IDENTIFIER, ROOT_KEY, version=MACAROON_V2)
    token.add_first_party_caveat(compact(PAYLOAD).decode())
    assert ours(token) == macaroon.mint(CLAIMS, BASE)
    assert verify_token(macaroon, ours(token), BASE, NOW_NS) == CLAIMS


def test_a_holder_narrows_with_pymacaroons() -> None:
    token = theirs(macaroon.mint(CLAIMS, BASE))
    token.add_first_party_caveat('{"scp":["read"]}')
    token.add_first_party_caveat(f'{{"exp": {EXPIRES_S - 5}}}')
    narrowed = replace(CLAIMS, scp=("read",), exp_s=EXPIRES_S - 5)
    assert verify_token(macaroon, ours(token), BASE, NOW_NS) == narrowed
    token.add_first_party_caveat('{"scp":["read","write"]}')
    with pytest.raises(TokenRejected):
        verify_token(macaroon, ours(token), BASE, NOW_NS)


def test_a_third_party_caveat_is_refused() -> None:
    token = theirs(macaroon.mint(CLAIMS, BASE))
    token.add_third_party_caveat("https://elsewhere.example", "third-party-key", "{}")
    with pytest.raises(TokenRejected):
        verify_token(macaroon, ours(token), BASE, NOW_NS)


def test_the_other_forms_of_pymacaroons_are_refused() -> None:
    first = Macaroon(ISSUER, IDENTIFIER, ROOT_KEY)
    first.add_first_party_caveat(compact(PAYLOAD).decode())
    second = theirs(macaroon.mint(CLAIMS, BASE))
    for text in (ours(first), ours(second) + "=", second.serialize(JsonSerializer())):
        for prefix in ("", "mc_v1_"):
            with pytest.raises(TokenRejected):
                verify_token(macaroon, prefix + text, BASE, NOW_NS)

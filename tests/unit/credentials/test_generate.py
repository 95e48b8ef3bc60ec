import base64
from typing import Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from talos.credentials import generate
from talos.credentials.generate import GeneratedKey
from talos.credentials.jwk import SigningKeys
from tests.unit.credentials.material import url

PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "k"}


def check_pair(key: GeneratedKey) -> None:
    """A third party signs with the private JWK and verifies with the public one."""
    assert key.public is not None
    assert not PRIVATE_MEMBERS & set(key.public)
    assert key.private == {**key.private, **key.public}
    private, public = pyjwt.PyJWK(key.private), pyjwt.PyJWK(key.public)
    token = pyjwt.encode({"a": 1}, private.key, key.alg, {"kid": key.kid})
    assert pyjwt.decode(token, public.key, [key.alg]) == {"a": 1}
    assert (key.private["alg"], key.private["kid"]) == (key.alg, key.kid)
    # And our own loader takes it for signing.
    keys, faults = SigningKeys.load([url(key.private)])
    assert faults == ()
    assert keys.signer(key.kid).alg == key.alg


def test_eddsa() -> None:
    key = generate.eddsa()
    assert (key.kty, key.alg, key.private["crv"], key.private["use"]) == (
        "OKP",
        "EdDSA",
        "Ed25519",
        "sig",
    )
    check_pair(key)


@pytest.mark.parametrize(
    ("curve", "name", "alg"),
    [
        ("P-256", "P-256", "ES256"),
        ("P-384", "P-384", "ES384"),
        ("P-521", "P-521", "ES512"),
        ("p256", "P-256", "ES256"),
        ("p384", "P-384", "ES384"),
        ("p521", "P-521", "ES512"),
    ],
)
def test_ecdsa(curve: str, name: str, alg: str) -> None:
    key = generate.ecdsa(curve=curve)
    assert (key.kty, key.alg, key.private["crv"]) == ("EC", alg, name)
    check_pair(key)


@pytest.mark.parametrize("alg", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])
def test_rsa(alg: str) -> None:
    key = generate.rsa_key(alg=alg)
    native: Any = pyjwt.PyJWK(key.private).key
    assert isinstance(native, RSAPrivateKey)
    assert native.key_size == 2048
    check_pair(key)


@pytest.mark.parametrize(
    ("bits", "alg"),
    [
        (256, "HS256"),
        (264, "HS256"),
        (384, "HS384"),
        (392, "HS256"),
        (512, "HS512"),
        (1024, "HS512"),
    ],
)
def test_hmac(bits: int, alg: str) -> None:
    key = generate.hmac(bits=bits)
    assert key.public is None
    assert (key.kty, key.alg, key.private["alg"]) == ("oct", alg, alg)
    k = key.private["k"]
    assert isinstance(k, str)
    assert len(base64.urlsafe_b64decode(k + "==")) * 8 == bits


@pytest.mark.parametrize("make", [generate.eddsa, generate.ecdsa, generate.rsa_key, generate.hmac])
def test_the_key_id_is_the_thumbprint_unless_given(make: Any) -> None:
    key = make(kid="mine", use="any text at all")
    assert (key.kid, key.private["kid"], key.private["use"]) == ("mine", "mine", "any text at all")
    if key.public is not None:
        assert (key.public["kid"], key.public["use"]) == ("mine", "any text at all")
    first, second = make(), make()
    assert first.kid != second.kid
    assert len(base64.urlsafe_b64decode(first.kid + "=")) == 32


def test_nothing_private_is_printed() -> None:
    key = generate.eddsa()
    assert str(key.private["d"]) not in repr(key)


@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        (generate.ecdsa, {"curve": "P-224"}),
        (generate.ecdsa, {"curve": "secp256k1"}),
        (generate.ecdsa, {"curve": ""}),
        (generate.rsa_key, {"bits": 2047}),
        (generate.rsa_key, {"bits": 8193}),
        (generate.rsa_key, {"bits": -1}),
        (generate.rsa_key, {"alg": "ES256"}),
        (generate.rsa_key, {"alg": ""}),
        (generate.hmac, {"bits": 248}),
        (generate.hmac, {"bits": 257}),
        (generate.hmac, {"bits": 0}),
        (generate.hmac, {"bits": 2**40}),
    ],
)
def test_what_makes_no_sense_is_refused(make: Any, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must be"):
        make(**arguments)

"""Keys, settings and forged tokens for the tests of this folder.

Tokens are forged without any code of ours: with ``cryptography`` and ``hmac`` alone, so that
whatever a stranger could send can be sent here.
"""

import base64
import hmac
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from hashlib import sha256
from types import ModuleType
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import ECKey, OKPKey, RSAKey

from talos.credentials.claims import TokenClaims
from talos.credentials.jwk import SigningKeys
from talos.credentials.secrets import Secret, SecretRing
from talos.credentials.settings import CredentialSettings
from talos.domain.keys import NIL_NETWORK
from tests.reference import macaroon as reference

NS = 1_000_000_000
SECRET = "0123456789abcdef0123456789abcdef"
ISSUER = "https://api.example.com"
KID = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
# The key of RFC 8032, test 1, as the contract's vector C has it.
ED25519_JWK: dict[str, Any] = {
    "alg": "EdDSA",
    "crv": "Ed25519",
    "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    "kid": KID,
    "kty": "OKP",
    "use": "sig",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
}
ED25519 = Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(ED25519_JWK["d"] + "="))

ISSUED_S = 1_750_000_000
EXPIRES_S = 1_750_003_600
NOW_NS = (ISSUED_S + 1) * NS

CLAIMS = TokenClaims(
    jti="9b2d6a1e-5c3f-4e7a-8d10-2f6b7c8d9e0f",
    sub="3f2504e0-4f89-41d3-9a0c-0305e82c3301",
    iss=ISSUER,
    iat_s=ISSUED_S,
    nbf_s=ISSUED_S,
    exp_s=EXPIRES_S,
    act="user_123",
    nid=NIL_NETWORK,
    scp=("read", "write"),
    meta={"env": "prod"},
    vis="secret",
    acl=("10.0.0.0/8",),
    custom={"tier": "gold"},
)
"""The claims of the contract's vectors C and D."""

PAYLOAD: dict[str, Any] = {
    "acl": ["10.0.0.0/8"],
    "act": "user_123",
    "exp": EXPIRES_S,
    "iat": ISSUED_S,
    "iss": ISSUER,
    "jti": "9b2d6a1e-5c3f-4e7a-8d10-2f6b7c8d9e0f",
    "meta": {"env": "prod"},
    "nbf": ISSUED_S,
    "nid": NIL_NETWORK,
    "scp": ["read", "write"],
    "sub": "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
    "tier": "gold",
    "vis": "secret",
}
"""The same as JSON members."""


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def url(document: object) -> str:
    """A document as the configuration has it (contract 5.4)."""
    text = document if isinstance(document, bytes) else compact(document)
    return "base64://" + base64.b64encode(text).decode()


def load(*documents: object) -> SigningKeys:
    """Keys from documents that must all be good."""
    keys, faults = SigningKeys.load([url(document) for document in documents])
    assert faults == ()
    return keys


BASE = CredentialSettings(
    hmac=SecretRing(Secret(SECRET)),
    issuer=ISSUER,
    issuers_retired=(),
    clock_skew_ns=300 * NS,
    max_ttl_ns=0,
    prefix="ory_ak",
    prefixes_retired=(),
    public_prefix=None,
    public_prefixes_retired=(),
    macaroon_prefix="mc",
    macaroon_prefixes_retired=(),
    signing_keys=load({"keys": [ED25519_JWK]}),
    signing_key_id="",
    generation=1,
)


def settings(**changes: Any) -> CredentialSettings:
    return replace(BASE, **changes)


def verify_token(
    format_: ModuleType, token: str, current: CredentialSettings, now_ns: int
) -> TokenClaims:
    """Verify a token as ``services.verify_token`` does; ``format_`` is ``jwt`` or ``macaroon``."""
    claims: TokenClaims = format_.authenticate(token, current, now_ns)
    format_.check_claims(claims, current, now_ns)
    return claims


def jws(payload: object = PAYLOAD, header: object = None, key: Ed25519PrivateKey = ED25519) -> str:
    """A JWT signed with Ed25519 over exactly these parts: bytes as they are, the rest as JSON."""
    if header is None:
        header = {"alg": "EdDSA", "kid": KID, "typ": "JWT"}
    parts = [part if isinstance(part, bytes) else compact(part) for part in (header, payload)]
    signed = ".".join(b64(part) for part in parts)
    return f"{signed}.{b64(key.sign(signed.encode()))}"


IDENTIFIER = compact({"jti": PAYLOAD["jti"]})


def macaroon(
    *caveats: object,
    identifier: bytes = IDENTIFIER,
    location: bytes = ISSUER.encode(),
    secret: str = SECRET,
    prefix: str = "mc",
) -> str:
    """A macaroon with exactly these caveats: bytes as they are, the rest as JSON."""
    texts = tuple(item if isinstance(item, bytes) else compact(item) for item in caveats)
    body = reference.mint(location, identifier, texts, reference.root_key(secret.encode()))
    return f"{prefix}_v1_{b64(body)}"


def attenuate(token: str, caveats: Iterable[object]) -> str:
    """What a holder does, who has the token and no secret."""
    # The first one: base64url may hold another.
    prefix, _, text = token.partition("_v1_")
    read = reference.decode(unb64(text))
    added = tuple(item if isinstance(item, bytes) else compact(item) for item in caveats)
    signature = read.signature
    for caveat in added:
        signature = hmac.digest(signature, caveat, "sha256")
    body = reference.write(
        replace(read, caveats=(*read.caveats, *added), signature=signature),
    )
    return f"{prefix}_v1_{b64(body)}"


@cache
def private_jwk(kind: str) -> dict[str, Any]:
    """A key of the kind, the same one all through a run; neither kid nor alg nor use."""
    if kind.startswith("RSA"):
        native = rsa.generate_private_key(65537, int(kind.removeprefix("RSA") or 2048))
        # Not through import_key, which warns about small keys.
        return dict(RSAKey(native, native).as_dict(private=True))
    crv: Any = kind
    key: OKPKey | ECKey = (
        ECKey.generate_key(crv) if kind.startswith("P-") else OKPKey.generate_key(crv)
    )
    return dict(key.as_dict(private=True))


def large_rsa() -> tuple[dict[str, Any], Callable[[bytes], bytes]]:
    """A public RSA key of 7470 bits, and what signs RS256 with its private half.

    Generating and checking such a key takes half a minute; two Mersenne primes need no search, and
    textbook RSA no checks.
    """
    p, q, e = 2**4253 - 1, 2**3217 - 1, 65537
    n, d, size = p * q, pow(e, -1, (p - 1) * (q - 1)), (7470 + 7) // 8

    def sign(message: bytes) -> bytes:
        # EMSA-PKCS1-v1_5 with the DigestInfo of SHA-256 (RFC 8017, 9.2).
        info = bytes.fromhex("3031300d060960864801650304020105000420") + sha256(message).digest()
        padded = b"\x00\x01" + b"\xff" * (size - len(info) - 3) + b"\x00" + info
        return pow(int.from_bytes(padded), d, n).to_bytes(size)

    return {"kty": "RSA", "n": b64(n.to_bytes(size)), "e": "AQAB"}, sign


def public_part(jwk: dict[str, Any]) -> dict[str, Any]:
    return {name: jwk[name] for name in jwk if name not in ("d", "p", "q", "dp", "dq", "qi", "k")}


def without(jwk: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in jwk.items() if name not in names}

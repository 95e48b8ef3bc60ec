"""New keys for ``talos jwk generate`` (contract 13.3).

The material comes from ``cryptography`` and the system's generator; the JWK form from joserfc.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 8192
MIN_HMAC_BITS: Final = 256
MAX_HMAC_BITS: Final = 1_048_576
"""Far beyond sense; asking for more is a slip that should not end in an out-of-memory kill."""

_CURVES: Final = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
_CURVE_SPELLINGS: Final = {
    **{curve: curve for curve in _CURVES},
    **{curve.replace("-", "").lower(): curve for curve in _CURVES},
}
_RSA_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_PUBLIC_EXPONENT: Final = 65537


@dataclass(frozen=True, slots=True)
class GeneratedKey:
    """A new key in JWK form.

    ``public`` is None for a symmetric key, which has nothing to publish.
    """

    kid: str
    kty: str
    alg: str
    private: dict[str, object] = field(repr=False)
    public: dict[str, object] | None


def eddsa(*, kid: str = "", use: str = "sig") -> GeneratedKey:
    """Generate an Ed25519 key. An empty ``kid`` takes the RFC 7638 thumbprint."""
    return _generated(OKPKey.generate_key("Ed25519"), "EdDSA", kid, use)


def ecdsa(*, curve: str = "P-256", kid: str = "", use: str = "sig") -> GeneratedKey:
    """Generate a key on ``P-256``, ``P-384`` or ``P-521``, also spelled ``p256`` and so on.

    Raises ValueError for another curve.
    """
    name = _CURVE_SPELLINGS.get(curve)
    if name is None:
        raise ValueError(f"curve must be one of {', '.join(_CURVES)}")
    parameter: Any = name
    return _generated(ECKey.generate_key(parameter), _CURVES[name], kid, use)


def rsa_key(
    *, bits: int = 2048, alg: str = "RS256", kid: str = "", use: str = "sig"
) -> GeneratedKey:
    """Generate an RSA key of 2048 to 8192 bits for an RS or PS algorithm.

    Raises ValueError for other sizes and algorithms.
    """
    if not MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
        raise ValueError(f"bits must be between {MIN_RSA_BITS} and {MAX_RSA_BITS}")
    if alg not in _RSA_ALGORITHMS:
        raise ValueError(f"alg must be one of {', '.join(_RSA_ALGORITHMS)}")
    native = rsa.generate_private_key(public_exponent=_PUBLIC_EXPONENT, key_size=bits)
    return _generated(RSAKey.import_key(native), alg, kid, use)


def hmac(*, bits: int = 512, kid: str = "", use: str = "sig") -> GeneratedKey:
    """Generate a symmetric key of at least 256 bits, a multiple of 8.

    Its algorithm is HS512 from 512 bits, HS384 at exactly 384, else HS256. Raises ValueError for
    other sizes.
    """
    if not MIN_HMAC_BITS <= bits <= MAX_HMAC_BITS or bits % 8:
        raise ValueError(
            f"bits must be a multiple of 8 between {MIN_HMAC_BITS} and {MAX_HMAC_BITS}"
        )
    alg = "HS512" if bits >= 512 else "HS384" if bits == 384 else "HS256"
    return _generated(OctKey.generate_key(bits), alg, kid, use)


def _generated(key: OKPKey | ECKey | RSAKey | OctKey, alg: str, kid: str, use: str) -> GeneratedKey:
    kid = kid or key.thumbprint()
    # ``use`` may be any text (13.3), which joserfc would refuse among the parameters of a key.
    named: dict[str, object] = {"alg": alg, "kid": kid, **({"use": use} if use else {})}
    public = None if isinstance(key, OctKey) else {**key.as_dict(private=False), **named}
    return GeneratedKey(kid, key.key_type, alg, {**key.as_dict(private=True), **named}, public)

"""Derived JWTs (contract 5.4, 6.4): signed and verified by the key that the ``kid`` names.

The signature itself is joserfc's work. What stands around it here is the strictness that no
library has by default: one spelling per token, one reading per JSON text, and an algorithm that
belongs to the key, not to whoever wrote the header (contract 14.9, 16.28).
"""

from typing import Final

from talos.credentials import base64url, claims, json_text
from talos.credentials.acceptance import accepted_issuers, begun, check_type
from talos.credentials.claims import MAX_TOKEN_BYTES, TokenClaims
from talos.credentials.jwk import SigningKey, SigningKeys
from talos.credentials.rejection import TokenRejected
from talos.credentials.settings import CredentialSettings
from talos.errors import InvalidRequest

_PARTS: Final = 3


def sign(token_claims: TokenClaims, key: SigningKey) -> str:
    """Mint a JWT.

    Raises InvalidRequest when the token would be longer than verify accepts, and InternalError
    (``get signing key``) when the key cannot sign.
    """
    header: dict[str, object] = {"alg": key.alg, "kid": key.kid, "typ": "JWT"}
    token = key.sign(header, token_claims.encode())
    if len(token) > MAX_TOKEN_BYTES:
        raise InvalidRequest(f"the token would be longer than {MAX_TOKEN_BYTES} bytes")
    return token


def authenticate(token: str, settings: CredentialSettings, now_ns: int) -> TokenClaims:
    """Return what a JWT says whose signature is right and whose issuer is accepted.

    A success may be cached for as long as ``acceptance.authentic_until_ns`` tells;
    ``check_claims`` must follow every time. Raises TokenRejected, and nothing else, for any text
    whatever.
    """
    try:
        token_claims = claims.read_jwt(_authentic_payload(token, settings.signing_keys))
    except ValueError:
        # The cause is dropped: such errors may quote the token.
        raise TokenRejected.signature() from None
    if token_claims.iss not in accepted_issuers(settings, now_ns):
        raise TokenRejected.signature()
    return token_claims


def check_claims(token_claims: TokenClaims, settings: CredentialSettings, now_ns: int) -> None:
    """Check the times (``exp`` without leeway, ``nbf`` and ``iat`` with the clock skew), the type.

    Raises TokenRejected.
    """
    expires_at_ns = token_claims.expires_at_ns
    if (
        (expires_at_ns is not None and now_ns >= expires_at_ns)
        or not begun(token_claims.nbf_s, settings, now_ns)
        or not begun(token_claims.iat_s, settings, now_ns)
    ):
        raise TokenRejected.signature()
    check_type(token_claims)


def _authentic_payload(token: str, keys: SigningKeys) -> bytes:
    """Return the payload of a token whose signature is right; raises ValueError otherwise."""
    if len(token) > MAX_TOKEN_BYTES:
        raise ValueError("too long")
    parts = token.split(".")
    if len(parts) != _PARTS:
        raise ValueError("not a compact JWS")
    key = _key(json_text.decode_object(base64url.decode(parts[0])), keys)
    if key is None or not key.signature_valid(token):
        raise ValueError("not signed by a key of the set")
    return base64url.decode(parts[1])


def _key(header: dict[str, object], keys: SigningKeys) -> SigningKey | None:
    """Return the key that the header names, if the header asks for nothing else than that key."""
    kid, alg = header.get("kid"), header.get("alg")
    # ``crit`` asks for rules that are not known here, and ``b64`` changes what is signed.
    if not isinstance(kid, str) or "crit" in header or "b64" in header:
        return None
    key = keys.verifier(kid)
    return key if key is not None and key.alg == alg else None

"""Derived macaroons (contract 5.5, 6.4): an HMAC chain that holders can extend and not shorten.

The binary form and the chain are the core's work; this module is what the parts mean.
"""

from talos import _core
from talos.credentials import base64url, caveats, claims, json_text
from talos.credentials.acceptance import accepted_issuers, begun, check_type
from talos.credentials.claims import MAX_TOKEN_BYTES, TokenClaims
from talos.credentials.rejection import TokenRejected
from talos.credentials.settings import CredentialSettings
from talos.errors import InvalidRequest

_VERSION = "_v1_"


def mint(token_claims: TokenClaims, settings: CredentialSettings) -> str:
    """Mint a macaroon with one caveat, the claims.

    Raises InvalidRequest when the token would be longer than verify accepts.
    """
    caveat = token_claims.encode()
    identifier = json_text.encode_object({"jti": token_claims.jti})
    root_key = _core.macaroon_root_key(settings.hmac.current.reveal())
    try:
        body = _core.macaroon_encode(token_claims.iss.encode(), identifier, (caveat,), root_key)
    except ValueError:
        # One caveat cannot be too many, so it is too long.
        body = b""
    token = f"{settings.macaroon_prefix}{_VERSION}{base64url.encode(body)}"
    if not body or len(token) > MAX_TOKEN_BYTES:
        raise InvalidRequest(f"the token would be longer than {MAX_TOKEN_BYTES} bytes")
    return token


def authenticate(token: str, settings: CredentialSettings, now_ns: int) -> TokenClaims:
    """Return what a macaroon allows whose chain is right and whose issuers are accepted.

    Every caveat is applied. A success may be cached for as long as
    ``acceptance.authentic_until_ns`` tells; ``check_claims`` must follow every time. Raises
    TokenRejected, and nothing else, for any text whatever.
    """
    try:
        return _authentic_claims(token, settings, now_ns)
    except ValueError:
        # The cause is dropped: such errors may quote the token.
        raise TokenRejected.signature() from None


def check_claims(token_claims: TokenClaims, settings: CredentialSettings, now_ns: int) -> None:
    """Check the times (``exp`` without leeway, ``nbf`` with the clock skew, ``iat`` not), the type.

    Raises TokenRejected.
    """
    expires_at_ns = token_claims.expires_at_ns
    # Unlike a JWT, a macaroon is still good at the very instant of its expiry (5.5).
    if (expires_at_ns is not None and now_ns > expires_at_ns) or not begun(
        token_claims.nbf_s, settings, now_ns
    ):
        raise TokenRejected.signature()
    check_type(token_claims)


def _authentic_claims(token: str, settings: CredentialSettings, now_ns: int) -> TokenClaims:
    """Return the narrowed claims of a token whose chain is right; raises ValueError otherwise."""
    macaroon = _core.macaroon_decode(base64url.decode(_body(token, settings)))
    root_keys = tuple(_core.macaroon_root_key(secret) for secret in settings.hmac.accepted(now_ns))
    if not _core.macaroon_signature_valid(macaroon, root_keys):
        raise ValueError("not signed with a secret of the ring")
    if not macaroon.caveats:
        raise ValueError("no claims")
    jti = json_text.decode_object(macaroon.identifier).get("jti")
    if not isinstance(jti, str) or not jti:
        raise ValueError("no token id")
    issuers = accepted_issuers(settings, now_ns)
    first, *appended = macaroon.caveats
    token_claims = claims.read_macaroon(first, jti)
    if token_claims.iss not in issuers:
        raise ValueError("not an accepted issuer")
    for caveat in appended:
        token_claims = caveats.narrow(token_claims, caveat, issuers)
    return token_claims


def _body(token: str, settings: CredentialSettings) -> str:
    """Cut off the first configured prefix that fits (5.6); raises ValueError if none does."""
    if len(token) > MAX_TOKEN_BYTES:
        raise ValueError("too long")
    for prefix in (settings.macaroon_prefix, *settings.macaroon_prefixes_retired):
        if prefix and token.startswith(f"{prefix}{_VERSION}"):
            return token[len(prefix) + len(_VERSION) :]
    raise ValueError("not an allowed prefix")

"""Is this derived token ours, and of this network? (contract 6.4)

To authenticate a token is expensive, and cannot turn out otherwise under the same settings: a
success is cached (contract 16 (6)). What time or the request decides is checked every time.
"""

from talos.credentials import jwt, macaroon
from talos.credentials.acceptance import authentic_until_ns
from talos.credentials.claims import TokenClaims
from talos.credentials.rejection import TokenRejected
from talos.domain.verification import CredentialType
from talos.domain.verification import VerificationErrorCode as Code
from talos.services.attempt import Attempt
from talos.services.ports import VerifiedTokenCache
from talos.services.verdicts import Rejected, token_verified


def verify_token(attempt: Attempt, verified_tokens: VerifiedTokenCache) -> TokenClaims:
    """Return what the token says. Raises ``Rejected``; address and audience are left open."""
    format_ = jwt if attempt.type is CredentialType.JWT else macaroon
    settings, token, now_ns = attempt.tenant.credentials, attempt.draft.credential, attempt.now_ns
    network_id = attempt.tenant.network_id
    known = None
    if attempt.reads_cache:
        known = verified_tokens.get(network_id, settings.generation, token, now_ns)
    try:
        claims = format_.authenticate(token, settings, now_ns) if known is None else known
        if claims.nid == network_id:
            attempt.key_id = claims.key_id
        format_.check_claims(claims, settings, now_ns)
    except TokenRejected as refusal:
        raise Rejected(refusal.code, refusal.message) from None
    if claims.nid != network_id:
        raise Rejected(Code.NOT_FOUND, "token not valid for this network")
    if known is None and attempt.fills_cache:
        ends = (claims.expires_at_ns, authentic_until_ns(settings, now_ns))
        verified_tokens.put(
            network_id,
            settings.generation,
            token,
            claims,
            # Addresses and audiences depend on the request.
            answer=None if claims.acl or claims.aud else token_verified(claims, attempt.tenant),
            ends_ns=min((end for end in ends if end is not None), default=None),
            now_ns=now_ns,
        )
    return claims

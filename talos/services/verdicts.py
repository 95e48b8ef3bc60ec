"""The verification that a verdict on a credential becomes (contract 2.3, 6.7)."""

from dataclasses import dataclass, replace

from talos.credentials.claims import TokenClaims
from talos.domain.keys import NO_METADATA, Key, KeyStatus
from talos.domain.verification import (
    CacheOutcome,
    CredentialType,
    RateLimitState,
    Verification,
    VerificationErrorCode,
)
from talos.services.ports import CachedVerification
from talos.services.tenant import Tenant


class Rejected(Exception):
    """A gate refuses the credential; ``code`` and ``message`` are for the caller.

    ``key_id`` is for the log, where the checksum or signature was right.
    """

    def __init__(self, code: VerificationErrorCode, message: str) -> None:
        """Keep the verdict."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.key_id = ""


@dataclass(frozen=True, slots=True)
class Verified:
    """The verdict, and what the response headers say about how it was reached.

    ``key_id`` is for the log: empty unless the checksum or signature was right.
    """

    verification: Verification
    cache: CacheOutcome
    type: CredentialType
    key_id: str = ""


def denied(refusal: Rejected) -> Verification:
    """Return the verification of a refusal: nothing of the key is shown."""
    return Verification(error=refusal.code, message=refusal.message)


def cacheable_verification(key: Key, tenant: Tenant) -> CachedVerification:
    """Return what every caller is answered about a key that is neither revoked nor expired."""
    verification = Verification(
        error=None,
        key_id=key.key_id,
        actor_id=key.actor_id,
        issuer=tenant.credentials.issuer,
        scopes=key.scopes,
        expires_at_ns=key.expires_at_ns,
        metadata=None if key.metadata == NO_METADATA else key.metadata,
        visibility=key.visibility,
        status=KeyStatus.ACTIVE,
        rate_limit=key.rate_limit,
    )
    return CachedVerification(verification, key.allowed_cidrs)


def key_verified(
    answer: CachedVerification, limit: RateLimitState | None, *, counted: bool
) -> Verification:
    """Return one caller's verification of a key; one over its limit shows all fields (6.7).

    ``counted`` tells that the limiter counts calls of keys with a policy, if perhaps not now.
    """
    found = answer.verification
    if found.rate_limit is None and not answer.allowed_cidrs:
        return found
    refused = limit is not None and not limit.allowed
    return replace(
        found,
        error=VerificationErrorCode.RATE_LIMITED if refused else None,
        message="rate limit exceeded" if refused else "",
        limit_state=limit,
        restricted=bool(answer.allowed_cidrs) or counted,
    )


def token_verified(claims: TokenClaims, tenant: Tenant) -> Verification:
    """Return the verification of a derived token; its issuer is always the current one (6.4)."""
    return Verification(
        error=None,
        key_id=claims.key_id,
        actor_id=claims.act,
        issuer=tenant.credentials.issuer,
        scopes=claims.scp,
        expires_at_ns=claims.expires_at_ns,
        metadata=claims.metadata,
        visibility=claims.visibility,
        status=KeyStatus.ACTIVE,
        audiences=claims.aud,
        restricted=bool(claims.acl),
    )

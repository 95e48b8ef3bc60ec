"""The gates that a credential passes, a question each; ``verify`` has their order (contract 6.2).

They know nothing of caches and databases, and raise ``Rejected``.
"""

from collections.abc import Sequence

from talos import _core
from talos.credentials import issued
from talos.credentials.claims import TokenClaims
from talos.credentials.imported import imported_key_id
from talos.domain.addresses import Caller, allows, caller_address
from talos.domain.keys import Key, KeyKind, KeyRef, KeyStatus
from talos.domain.verification import VerificationErrorCode as Code
from talos.services.attempt import Attempt, ProvenCredential
from talos.services.ports import VerifiedTokenCache
from talos.services.tenant import Tenant
from talos.services.verdicts import Rejected
from talos.services.verify_token import verify_token


def possession(credential: str, tenant: Tenant, now_ns: int) -> ProvenCredential:
    """Step 1, for an issued or imported key."""
    parsed = _core.parse_issued_key(credential)
    if parsed is None:
        key_id = imported_key_id(tenant.network_id, credential)
        return ProvenCredential(KeyRef(tenant.network_id, KeyKind.IMPORTED, key_id), None)
    if not issued.checksum_valid(parsed, tenant.credentials, now_ns):
        raise unknown()
    return ProvenCredential(KeyRef(tenant.network_id, KeyKind.ISSUED, parsed.key_id), parsed)


def check_minting(proven: ProvenCredential, tenant: Tenant, now_ns: int) -> None:
    """Steps 2 and 3; they hold on cache hits too, so a lowered ``max_ttl`` reaches every key."""
    if proven.text is not None and not (
        issued.age_valid(proven.text, tenant.credentials, now_ns)
        and issued.prefix_allowed(proven.text, tenant.credentials)
    ):
        raise unknown()


def check_state(key: Key, now_ns: int) -> None:
    """Steps 5 and 6: revoked beats expired; the very instant of expiry is still alive."""
    if key.status is KeyStatus.REVOKED:
        raise Rejected(Code.REVOKED, "The API key has been revoked.")
    if key.status is KeyStatus.UNSPECIFIED:
        raise unknown()
    if key.status is KeyStatus.EXPIRED or key.expired(now_ns):
        raise Rejected(Code.EXPIRED, "The API key has expired.")


def check_address(allowed_cidrs: Sequence[str], caller: Caller) -> None:
    """Step 7: fails closed; a credential without a list lets every caller in (6.6)."""
    if not allowed_cidrs:
        return
    address = caller_address(caller)
    if address is None:
        raise Rejected(Code.IP_NOT_ALLOWED, "unable to determine client IP")
    try:
        inside = allows(allowed_cidrs, address)
    except ValueError:
        raise Rejected(Code.INTERNAL, "invalid CIDR configuration") from None
    if not inside:
        raise Rejected(Code.IP_NOT_ALLOWED, "The request IP is not allowed for this API key.")


def check_audience(named: Sequence[str], expected: Sequence[str]) -> None:
    """Step 8: one of those expected must be named, and none where none is expected (6.5)."""
    if named and not expected:
        raise Rejected(Code.AUDIENCE_MISMATCH, "The credential is bound to an audience.")
    if expected and set(named).isdisjoint(expected):
        raise Rejected(Code.AUDIENCE_MISMATCH, "The credential names no expected audience.")


def check_token(attempt: Attempt, verified_tokens: VerifiedTokenCache) -> TokenClaims:
    """Verify a derived token for this network and caller (6.4); the audience is left open."""
    claims = verify_token(attempt, verified_tokens)
    check_address(claims.acl, attempt.caller)
    return claims


def unknown() -> Rejected:
    """Steps 1 to 4 refuse in one voice (16 (15))."""
    return Rejected(Code.NOT_FOUND, "API key not found")

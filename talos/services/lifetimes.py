"""How long a key lives, and how long a revoked one is kept (contract 4.1, 4.6)."""

from typing import Final

from talos.domain.durations import format_go
from talos.domain.units import INT64_MAX, NS_PER_S
from talos.errors import InvalidRequest
from talos.services.tenant import Tenant

REVOKED_KEPT_NS: Final = 30 * 86_400 * NS_PER_S
"""A revoked row is kept at least this long for audit."""

LAST_INSTANT_NS: Final = INT64_MAX
"""The last instant that fits into a database column, in the year 2262."""


def key_lifetime_ns(requested_ns: int | None, tenant: Tenant) -> int:
    """Return the lifetime of a new key: the requested one, else the tenant's default.

    Raises ``InvalidRequest`` when there is none or it exceeds the tenant's maximum: a lifetime is
    rejected, never clamped (4.1 steps 3 and 4).
    """
    lifetime_ns = tenant.default_ttl_ns if requested_ns is None else requested_ns
    if lifetime_ns is None or lifetime_ns <= 0:
        raise InvalidRequest("ttl must be greater than 0, and the project has no default ttl")
    require_within_maximum(lifetime_ns, tenant)
    return lifetime_ns


def require_within_maximum(ttl_ns: int, tenant: Tenant) -> None:
    """Raise ``InvalidRequest`` for a ttl beyond the tenant's ``max_ttl``; 0 is no maximum."""
    maximum_ns = tenant.credentials.max_ttl_ns
    if 0 < maximum_ns < ttl_ns:
        raise InvalidRequest(
            f"ttl of {format_go(ttl_ns)} exceeds the configured maximum of {format_go(maximum_ns)}"
        )


def expiry_ns(now_ns: int, lifetime_ns: int) -> int:
    """Return the end of a life that starts now.

    Only a configured default can reach beyond ``LAST_INSTANT_NS``; it then ends there.
    """
    return min(now_ns + lifetime_ns, LAST_INSTANT_NS)


def retained_until_ns(now_ns: int, expires_at_ns: int | None) -> int | None:
    """Return the expiry of a key that is revoked now: never earlier than it was (4.6)."""
    return None if expires_at_ns is None else max(now_ns + REVOKED_KEPT_NS, expires_at_ns)

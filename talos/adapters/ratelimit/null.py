"""The limiter of a server that does not enforce rate limits (contract 6.7)."""

from talos.domain.keys import RateLimitPolicy
from talos.domain.verification import RateLimitState


class UnenforcedLimiter:
    """Implements ``services.ports.RateLimiter``: policies are shown, and nothing is counted."""

    counts = False

    def admit(
        self, network_id: str, key_id: str, policy: RateLimitPolicy, now_ns: int
    ) -> RateLimitState | None:
        """Return None: the policy is echoed and not enforced."""
        return None

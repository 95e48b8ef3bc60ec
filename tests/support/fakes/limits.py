"""A limiter that admits a fixed number of calls and then no more."""

from talos.domain.keys import RateLimitPolicy
from talos.domain.verification import RateLimitState


class CountingLimiter:
    """Implements ``services.ports.RateLimiter``: ``quota`` calls for each key, for good."""

    counts = True

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.failing = False

    def admit(
        self, network_id: str, key_id: str, policy: RateLimitPolicy, now_ns: int
    ) -> RateLimitState | None:
        if self.failing:
            return None
        self.calls.append((network_id, key_id))
        used = self.calls.count((network_id, key_id))
        reset_at_ns = now_ns + policy.window_s * 1_000_000_000
        return RateLimitState(used <= policy.quota, max(policy.quota - used, 0), reset_at_ns)

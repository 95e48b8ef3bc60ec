"""The limiter of all workers of a host: calls are counted in memory that they share (contract 6.7).

Counting itself is compiled; docs/shared-memory.md says why exactly what a policy permits passes.
"""

import logging

from talos import _core
from talos.adapters.observability.log_throttle import LogThrottle
from talos.domain.keys import RateLimitPolicy
from talos.domain.verification import RateLimitState

_log = logging.getLogger(__name__)


class SharedRateLimiter:
    """Implements ``services.ports.RateLimiter`` for every process that inherited one table."""

    counts = True

    def __init__(self, limits: _core.RateLimits) -> None:
        """Count in ``limits``."""
        self._limits = limits
        self._throttle = LogThrottle()

    def admit(
        self, network_id: str, key_id: str, policy: RateLimitPolicy, now_ns: int
    ) -> RateLimitState | None:
        """Count one call; None when there is no room to count it, or the policy is none.

        Limits run on the monotonic clock. ``now_ns``, the wall clock's, only tells when the key has
        recovered in a client's terms.
        """
        try:
            answer = self._limits.admit(network_id, key_id, policy.quota, policy.window_s)
        except ValueError:
            _log.error(
                "a stored rate limit is none, and is not enforced",
                extra={"fields": {"key_id": key_id}},
            )
            return None
        if answer is None:
            self._log_no_room()
            return None
        allowed, remaining, reset_after_ns = answer
        return RateLimitState(allowed, remaining, now_ns + reset_after_ns)

    def _log_no_room(self) -> None:
        if not self._throttle.due():
            return
        _log.warning(
            "too many keys are inside their windows at once: calls of further keys pass uncounted; "
            "raise rate_limit.memory.max_size",
            extra={"fields": {"uncounted": self._limits.unenforced}},
        )

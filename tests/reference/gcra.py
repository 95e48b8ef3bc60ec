"""Rate limits as contract 6.7 has them, one key after the other and with nothing ever forgotten."""

from dataclasses import dataclass, field
from typing import Final

NS_PER_S: Final = 1_000_000_000
LARGEST_QUOTA: Final = 2**63 - 1
LONGEST_WINDOW_S: Final = 9_223_372_036


@dataclass
class Gcra:
    """The generic cell rate algorithm; a key's whole state is the time of its full recovery."""

    tats: dict[str, int] = field(default_factory=dict)

    def admit(self, key: str, quota: int, window_s: int, now_ns: int) -> tuple[bool, int, int]:
        """Count one call: whether it is let through, how many more would be, time to recovery."""
        window_ns = window_s * NS_PER_S
        # Whole nanoseconds, rounded up: never more than the quota in a window.
        interval = -(-window_ns // quota)
        burst = interval * quota
        tat = max(self.tats.get(key, 0), now_ns)
        allowed = tat + interval - now_ns <= burst
        if allowed:
            tat = self.tats[key] = tat + interval
        return allowed, max((burst - (tat - now_ns)) // interval, 0), tat - now_ns

    def inside(self, now_ns: int) -> set[str]:
        """Return the keys that have not recovered."""
        return {key for key, tat in self.tats.items() if tat > now_ns}

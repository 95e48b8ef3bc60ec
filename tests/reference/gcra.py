"""Rate limits as contract 6.7 has them, one key after the other and with nothing ever forgotten.

When a policy changes, what was used stays used (docs/deployment.md): under a longer window as the
same share of it, under a shorter one as the time until the key has recovered.
"""

from dataclasses import dataclass, field
from typing import Final

NS_PER_S: Final = 1_000_000_000
LARGEST_QUOTA: Final = 2**63 - 1
LONGEST_WINDOW_S: Final = 9_223_372_036


@dataclass
class Gcra:
    """The generic cell rate algorithm; a key's state is the time of its full recovery, and the
    window under which it was written."""

    tats: dict[str, int] = field(default_factory=dict)
    windows_s: dict[str, int] = field(default_factory=dict)

    def admit(self, key: str, quota: int, window_s: int, now_ns: int) -> tuple[bool, int, int]:
        """Count one call: whether it is let through, how many more would be, time to recovery."""
        window_ns = window_s * NS_PER_S
        # Whole nanoseconds, rounded up: never more than the quota in a window.
        interval = -(-window_ns // quota)
        burst = interval * quota
        tat = max(self.tats.get(key, 0), now_ns)
        old_s = self.windows_s.get(key, window_s)
        stretched = now_ns + min(tat - now_ns, old_s * NS_PER_S) * window_s // old_s
        if window_s > old_s and stretched > tat:
            tat = self.tats[key] = stretched
            self.windows_s[key] = window_s
        allowed = tat + interval - now_ns <= burst
        if allowed:
            tat = self.tats[key] = tat + interval
            self.windows_s[key] = window_s
        return allowed, max((burst - (tat - now_ns)) // interval, 0), tat - now_ns

    def inside(self, now_ns: int) -> set[str]:
        """Return the keys that have not recovered."""
        return {key for key, tat in self.tats.items() if tat > now_ns}

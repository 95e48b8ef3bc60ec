"""A clock that stands still until it is told to move."""

START_NS = 1_750_000_000_123_456_789


class FrozenClock:
    """Implements ``services.ports.Clock``."""

    def __init__(self, now_ns: int = START_NS) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        return self._now_ns

    def advance(self, *, s: float = 0, ns: int = 0) -> None:
        self._now_ns += int(s * 1_000_000_000) + ns

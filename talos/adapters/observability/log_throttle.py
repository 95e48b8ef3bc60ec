"""A log line that a fault would write at every request, once in a while."""

import time
from typing import Final

REPEAT_NS: Final = 60 * 1_000_000_000
"""How often a process says the same at most."""


class LogThrottle:
    """Knows whether it is time to say something again.

    Shared between threads: at worst two of them say it at once.
    """

    def __init__(self) -> None:
        """Begin with nothing said."""
        self._silent_until_ns = 0

    def due(self) -> bool:
        """Whether it was not said within ``REPEAT_NS``; from now on it was."""
        now_ns = time.monotonic_ns()
        if now_ns < self._silent_until_ns:
            return False
        self._silent_until_ns = now_ns + REPEAT_NS
        return True

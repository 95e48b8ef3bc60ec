"""The clock of the system."""

import time


class SystemClock:
    """Implements ``services.ports.Clock``."""

    def now_ns(self) -> int:
        """Nanoseconds since the Unix epoch."""
        return time.time_ns()

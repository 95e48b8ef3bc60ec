"""Bulkheads: they keep threads free while the database is silent.

A thread that asks a database which does not answer waits for many seconds. If all did, what needs
no database would wait with them: derived tokens, answers from memory, probes. So only some may wait
at once, and the others are told at once what those will be told in the end.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from talos.errors import GatewayTimeout, ServiceUnavailable

LONGEST_WAIT_S: Final = 10.0
"""How long a thread waits for a place at most, even while others get on."""
_PATIENCE_S: Final = 2.0
_PROBES: Final = 1
_NOT_STUCK: Final = math.inf
_LONG_AGO: Final = -math.inf


class Bulkhead:
    """A context for each question to the database; at most ``places`` are open at once.

    Who finds every place taken waits while others get on. Where nobody has been answered for
    ``patience_s`` since the last place was taken, it is turned away at once; those in the places
    find out when the database answers again.
    """

    def __init__(
        self,
        places: int,
        *,
        patience_s: float = _PATIENCE_S,
        longest_wait_s: float = LONGEST_WAIT_S,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Have so many places; ``now_s`` is a monotonic clock."""
        self.places = self._free = places
        self._patience_s = patience_s
        self._longest_wait_s = longest_wait_s
        self._now_s = now_s
        self._changed = threading.Condition()
        self._stuck_since_s = _NOT_STUCK
        """When the last place was taken, if nobody has been answered since."""
        self._failed_at_s = _LONG_AGO

    def __enter__(self) -> None:
        """Take a place. Raises ``ServiceUnavailable``, and ``GatewayTimeout`` for a long wait."""
        with self._changed:
            now_s = self._now_s()
            if self._free == self.places and now_s > self._failed_at_s + self._patience_s:
                # Nobody has asked for a while: what was is no sign of what will be.
                self._stuck_since_s = _NOT_STUCK
            until_s = now_s + self._longest_wait_s
            while not self._free:
                patient_until_s = self._stuck_since_s + self._patience_s
                if now_s >= patient_until_s:
                    raise ServiceUnavailable
                if now_s >= until_s:
                    raise GatewayTimeout
                self._changed.wait(min(patient_until_s, until_s) - now_s)
                now_s = self._now_s()
            self._free -= 1
            if not self._free:
                self._stuck_since_s = min(self._stuck_since_s, now_s)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the place back."""
        with self._changed:
            self._free += 1
            if isinstance(error, ServiceUnavailable | GatewayTimeout):
                self._failed_at_s = self._now_s()
            else:
                # Whatever else went wrong, the database has answered.
                self._stuck_since_s = _NOT_STUCK
            self._changed.notify()


@dataclass(frozen=True, slots=True)
class Bulkheads:
    """Bulkhead of one process, a kind of question each, so that none waits for another kind."""

    reading: Bulkhead
    writing: Bulkhead
    probing: Bulkhead

    @classmethod
    def of(cls, threads: int) -> Self:
        """Divide so many threads, of which one at least stays free if there are four or more."""
        writing = max(1, threads // 4)
        return cls(
            Bulkhead(max(1, threads - writing - _PROBES - 1)), Bulkhead(writing), Bulkhead(_PROBES)
        )

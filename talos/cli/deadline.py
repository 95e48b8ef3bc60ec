"""An end to a call that no single read or write notices.

A time-out of a socket bounds each wait. A server that sends a byte of a header whenever the
time-out is about to pass is bounded by the clock alone.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn

# Where the exception met code that drops exceptions, it comes again.
_AGAIN_S: Final = 1.0


class DeadlinePassed(Exception):
    """The time is over."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raise ``DeadlinePassed`` inside the block once ``seconds`` have passed.

    Signals reach the main thread only; in another one the block has no end of its own.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise DeadlinePassed

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

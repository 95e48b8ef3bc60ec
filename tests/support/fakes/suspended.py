"""Operations that stop in the middle until they are told to go on.

One thread runs at a time and every hand-over is explicit, so an interleaving is as repeatable as a
sequence of calls.
"""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class Suspended(Generic[T]):
    """An operation that runs until it reaches ``park``, or to its end if it never does.

    ``parked`` tells which of the two it was, at the start and after every ``advance``.
    """

    def __init__(
        self, operation: Callable[[], T], arm: Callable[[Callable[[], None]], None]
    ) -> None:
        """Hand ``park`` to ``arm``, which puts it wherever the operation is to stop, and start."""
        self._operation = operation
        self._reports: SimpleQueue[bool] = SimpleQueue()
        self._orders: SimpleQueue[None] = SimpleQueue()
        self._result: T | None = None
        self._error: Exception | None = None
        arm(self._park)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self.parked = self._reports.get()

    def advance(self) -> None:
        """Let the operation run to its next stop, or to its end."""
        self._orders.put(None)
        self.parked = self._reports.get()

    def finish(self) -> T:
        """Let the operation run to its end; returns or raises what it did."""
        while self.parked:
            self.advance()
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]

    def _park(self) -> None:
        self._reports.put(True)
        self._orders.get()

    def _run(self) -> None:
        try:
            self._result = self._operation()
        except Exception as error:
            self._error = error
        self._reports.put(False)

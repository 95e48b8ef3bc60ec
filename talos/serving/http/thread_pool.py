"""The threads of a worker that run the applications."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final, Protocol

from talos.serving.http.response import Response

_log = logging.getLogger(__name__)

_AHEAD: Final = 4
"""How many tasks the threads may be ahead of the event loop, for each thread."""


class Recipient(Protocol):
    """A client whose request is answered by a thread."""

    def answer(self, response: Response) -> None:
        """Send the answer."""
        ...

    def give_up(self) -> None:
        """Close the connection."""
        ...


class ThreadPool:
    """A fixed number of threads that take tasks in the order in which they come.

    Less than ``concurrent.futures``: nobody waits for a task, or asks what became of it. The other
    methods are for the thread of the event loop alone. It lets the threads have few tasks at a
    time: an answer takes far more memory than its request, and threads that are ahead of the loop
    keep it from running, since one of them at a time holds the interpreter.
    """

    def __init__(self, size: int) -> None:
        """Start ``size`` threads. They keep no process from ending."""
        self.finished: deque[tuple[Recipient, Response]] = deque()
        """What the threads have made and the event loop has not sent yet."""
        self._most = size * (1 + _AHEAD)
        self._underway = 0
        self._fresh: deque[Callable[[], None]] = deque()
        self._pipelined: deque[Callable[[], None]] = deque()
        self._pipelined_is_next = False
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(size)]
        for thread in self._threads:
            thread.start()

    @property
    def backlog(self) -> int:
        """How many tasks no thread has been given yet."""
        return len(self._fresh) + len(self._pipelined)

    def run(self, task: Callable[[], None], *, pipelined: bool = False) -> None:
        """Have a thread call ``task`` when one is free, and call ``handed_over`` after that.

        Where tasks have to wait, those of requests that were sent ahead of the answer before get
        every second turn at most.
        """
        if self._underway < self._most:
            self._underway += 1
            self._tasks.put(task)
        elif pipelined:
            self._pipelined.append(task)
        else:
            self._fresh.append(task)

    def handed_over(self) -> None:
        """Take notice that what a task has made is on its way to the client."""
        self._pipelined_is_next = not self._pipelined_is_next
        if self._pipelined and (self._pipelined_is_next or not self._fresh):
            self._tasks.put(self._pipelined.popleft())
        elif self._fresh:
            self._tasks.put(self._fresh.popleft())
        else:
            self._underway -= 1

    def end(self, *, wait: bool) -> None:
        """End the threads that have nothing to do, and the others when they have finished.

        ``wait`` says whether to return only after that.
        """
        for _ in self._threads:
            self._tasks.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                task()
            except Exception:
                _log.exception("unhandled exception in a thread")
            # A reference here would keep the request in memory until the next task.
            del task

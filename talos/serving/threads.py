"""The threads of a worker that run the applications."""

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

_log = logging.getLogger(__name__)


class Crew:
    """A fixed number of threads that take tasks in the order in which they come.

    Less than ``concurrent.futures``: nobody waits for a task, or asks what became of it.
    """

    def __init__(self, size: int) -> None:
        """Start ``size`` threads. They keep no process from ending."""
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(size)]
        for thread in self._threads:
            thread.start()

    def submit(self, task: Callable[[], None]) -> None:
        """Have a thread call ``task`` when one is free."""
        self._tasks.put(task)

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
            # Or its request would stay in memory until the next one comes.
            del task

"""Clients that keep asking, on connections they keep, and remember every failure."""

import threading
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from types import TracebackType

from tests.e2e.processes import PATIENCE_S, eventually


class Load:
    """``clients`` threads that call ``ask`` over and over until the block ends."""

    def __init__(
        self, port: int, ask: Callable[[HTTPConnection], None], *, clients: int = 8
    ) -> None:
        self._port = port
        self._ask = ask
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]
        self.answered = 0
        self.failures: list[str] = []

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End, and wait for the last answers."""
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def wait_for_more(self, count: int = 200) -> None:
        """Wait until ``count`` more requests have been answered."""
        goal = self.answered + count
        eventually(lambda: self.answered >= goal or self.failures, "answers under load")

    def _run(self) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
        while not self._ending.is_set():
            try:
                self._ask(connection)
            except (OSError, HTTPException, AssertionError) as error:
                self.failures.append(repr(error))
                connection.close()
                return
            self.answered += 1
        connection.close()


def get(path: str) -> Callable[[HTTPConnection], None]:
    """Ask for ``path``, and expect 200."""

    def ask(connection: HTTPConnection) -> None:
        connection.request("GET", path)
        response = connection.getresponse()
        assert response.status == 200, response.read()
        response.read()

    return ask

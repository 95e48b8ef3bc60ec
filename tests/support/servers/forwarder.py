"""A TCP address that leads to one server, and later to another: a virtual address of a cluster."""

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType


class Forwarder:
    """Passes connections on to a loopback port; those that are open keep their server."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.accepted = 0
        """How many connections were made so far."""
        self.spoil: Callable[[bytes], bytes] = bytes
        """What becomes of what the server says."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> "Forwarder":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.close()
        for end in self._open:
            end.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.accepted += 1
                try:
                    server = socket.create_connection(("127.0.0.1", self.target))
                except OSError:
                    client.close()
                    continue
                self._open += [client, server]
                for work, ends in ((self._ask, (client, server)), (self._answer, (server, client))):
                    threading.Thread(target=work, args=ends, daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                server.sendall(data)
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                client.sendall(self.spoil(data))
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_WR)

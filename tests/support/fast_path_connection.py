"""A connection of the fast path and its client."""

import socket
import time

from talos import _core
from tests.support.fast_path import Host, asking

BODY = b'{"is_valid":true}'


YEAR_NS = 365 * 86400 * 10**9


class Connection(_core.FastPathProtocol):
    """Keeps what it is told."""

    def __init__(self, context: _core.FastPathContext, descriptor: int) -> None:
        super().__init__(context, descriptor)
        self.fast_path_allowed = True
        self.left = b""
        self.waiting = b""
        self.over = False
        self.closing = False

    def received(self, data: memoryview) -> None:
        self.left += data

    def unsent(self, data: bytes, closing: bool) -> None:
        self.waiting += data
        self.closing = closing

    def answered_last(self) -> None:
        self.closing = True

    def broken(self) -> None:
        self.over = True

    def read(self, data: bytes) -> None:
        """Do as the event loop does with what a socket has."""
        buffer = self.get_buffer(-1)
        buffer[: len(data)] = data
        self.buffer_updated(len(data))


class Pair:
    """A connection, its client, and a host whose cache knows one key."""

    def __init__(self) -> None:
        self.host = Host()
        now_ns = time.time_ns()
        self.credential = self.host.key(
            made_s=now_ns // 10**9, body=BODY, entry_ends_ns=now_ns + YEAR_NS
        )
        self.client, self.server = socket.socketpair()
        self.client.setblocking(False)
        self.server.setblocking(False)
        self.connection = Connection(
            _core.FastPathContext(self.host.fast_path), self.server.fileno()
        )

    def close(self) -> None:
        self.client.close()
        self.server.close()

    def request(self, request_id: str = "x") -> bytes:
        return asking(self.credential, b"X-Request-Id: " + request_id.encode())

    def received(self) -> bytes:
        pieces = []
        try:
            while piece := self.client.recv(65536):
                pieces.append(piece)
        except BlockingIOError:
            pass
        return b"".join(pieces)

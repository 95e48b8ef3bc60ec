"""A client that asks for verifications byte by byte."""

import socket

from tests.e2e.processes import PATIENCE_S
from tests.support.talos_server import Talos
from tests.support.verify_requests import request

CACHED = {"cache": {"enabled": True}}


# What the recogniser leaves to the parser, though it means nothing.
ODD = b"X-Odd:\tvalue"


PER_ANSWER = (b"date", b"x-request-id", b"connection", b"server")


class Peer:
    """One kept connection, to whoever answers."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self._reader = self.socket.makefile("rb")

    def ask(self, data: bytes) -> bytes:
        """Send a request; return the answer as it came."""
        self.socket.sendall(data)
        head = b"".join(iter(self._reader.readline, b"\r\n"))
        assert head, "no answer"
        length = next(
            int(line.split()[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        return head + b"\r\n" + self._reader.read(length)

    def close(self) -> None:
        self._reader.close()
        self.socket.close()


def asking(credential: str, *lines: bytes) -> bytes:
    return request(*lines, body=b'{"credential":"%b"}' % credential.encode())


def head(answer: bytes) -> list[bytes]:
    """The lines before the body."""
    return answer.partition(b"\r\n\r\n")[0].split(b"\r\n")


def comparable(answer: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Status, headers in their order, and body, without what no two answers have in common."""
    status, *lines = head(answer)
    body = answer.partition(b"\r\n\r\n")[2]
    return status, [line for line in lines if line.split(b":")[0].lower() not in PER_ANSWER], body


def logged(talos: Talos) -> set[str]:
    """The ids of the requests that have a line in the log, so that Python answered them."""
    return {
        record["http_request"]["request_id"]
        for record in talos.server.records
        if record["msg"] == "HTTP request completed"
    }

"""One request and its answer, byte for byte."""

import json
import socket
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from bench.load.requests import Request

_PATIENCE_S: Final = 10.0


class WrongAnswer(Exception):
    """A server does not do what it would be measured for."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer with a Content-Length."""

    head: bytes
    body: bytes

    @property
    def size(self) -> int:
        """All bytes."""
        return len(self.head) + len(self.body)

    @cached_property
    def status(self) -> int:
        """The status code."""
        return int(self.head.split(b" ", 2)[1])

    @cached_property
    def headers(self) -> list[tuple[str, str]]:
        """Names, as sent, and values."""
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        pairs = (line.partition(":") for line in lines if line)
        return [(name, value.strip()) for name, _, value in pairs]

    def header(self, name: str) -> str | None:
        """Return the first value of a header, whatever the case of its name."""
        return next((value for given, value in self.headers if given.lower() == name.lower()), None)

    def json(self) -> Any:
        """Return the decoded body."""
        return json.loads(self.body)


def ask(port: int, request: Request) -> Answer:
    """Send a request on a connection of its own. Raises ``OSError`` and ``WrongAnswer``."""
    with socket.create_connection(("127.0.0.1", port), _PATIENCE_S) as connection:
        connection.sendall(request.encode(f"127.0.0.1:{port}"))
        stream = connection.makefile("rb")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = stream.readline()
            if not line:
                raise ConnectionError("the server closed the connection")
            head += line
        answer = Answer(head, b"")
        length = answer.header("Content-Length")
        if length is None:
            raise WrongAnswer("the answer has no Content-Length")
        return Answer(head, stream.read(int(length)))


def expect(fulfilled: bool, what: str, answer: Answer) -> None:
    """Raise ``WrongAnswer`` unless ``fulfilled``."""
    if not fulfilled:
        raise WrongAnswer(f"{what}: {answer.status} {answer.body[:200]!r}")

"""What the server reads in the bytes of a connection, without a socket or an application."""

from dataclasses import dataclass

from talos.serving.connection import Connection, Step, Timeouts
from talos.serving.exchange import Ends
from talos.serving.framing import FramingError
from talos.serving.request_head import parse

_ENDS = Ends(peer=("192.0.2.7", 1), server=("192.0.2.1", 4420))
_BODY_LIMIT = 4 * 1024 * 1024

WAITS = "waits"
"""The outcome of bytes that may yet become a request."""
CLOSES = "closes"
"""The outcome of bytes behind the last request of a connection: nobody looks at them."""
END = ""
"""The outcome of bytes that all belong to requests."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``headers`` are as the parser gives them."""

    method: str
    target: str
    version: tuple[int, int]
    headers: tuple[tuple[str, str], ...]
    body: str


def read_connection(data: bytes, step: int) -> tuple[list[Request], str]:
    """Return the requests that come in with ``data``, ``step`` bytes at a time, and the outcome.

    An outcome that is none of the above is the status of a refusal.
    """
    requests: list[Request] = []
    connection = Connection(_ENDS, Timeouts(), _BODY_LIMIT, opened_at=0.0)
    try:
        for start in range(0, len(data), step):
            connection.buffer += data[start : start + step]
            while connection.advance(0.0) is Step.ANSWER:
                head = parse(connection.head)
                body = bytes(connection.body or b"").decode("latin-1")
                version, headers = head.version, tuple(head.headers)
                requests.append(Request(head.method, head.target, version, headers, body))
                rest = connection.buffer or data[start + step :]
                connection.forget_request()
                connection.await_next(0.0)
                if not head.keep_alive:
                    return requests, CLOSES if rest else END
    except FramingError as error:
        return requests, str(error.status.value)
    return requests, END if connection.idle and not connection.buffer else WAITS

"""What the server reads in the bytes of a connection, and what gunicorn's own parser reads there.

No socket, no application: ``talos.serving`` up to the parser, beside the parser in Python that it
once had, with the limits and the trust of this server.
"""

from dataclasses import dataclass, replace

from gunicorn.config import Config
from gunicorn.http.errors import ParseException
from gunicorn.http.parser import RequestParser

from talos.serving.http.connection import Connection, Step, Timeouts
from talos.serving.http.endpoints import Endpoints
from talos.serving.http.framing import HEAD_LIMIT, FramingError
from talos.serving.http.head import parse

_ENDPOINTS = Endpoints(peer=("192.0.2.7", 1), server=("192.0.2.1", 4420))
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
    connection = Connection(_ENDPOINTS, Timeouts(), lambda _head, _ends: _BODY_LIMIT, opened_at=0.0)
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


def parity(data: bytes) -> bool:
    """Insist that gunicorn reads the requests that we read; tell whether there were any.

    It may stop before us where it sees an end of the connection that is none: it does not read
    ``Connection`` as a list. And it refuses what contradicts only in headers that nobody reads.
    """
    requests, _ = read_connection(data, max(len(data), 1))
    read: list[Request] = []
    try:
        for message in RequestParser(_CONFIG, [data], _ENDPOINTS.peer):
            if len(read) == len(requests):
                break
            body = message.body.read().decode("latin-1")
            version, headers = min(message.version, (1, 1)), tuple(message.headers)
            read.append(Request(message.method, message.uri, version, headers, body))
    except (ParseException, OSError):
        if len(read) < len(requests):
            names = [name for name, _ in requests[len(read)].headers]
            assert names.count("CONTENT-TYPE") > 1
    both = list(zip(requests, read, strict=False))
    for ours, theirs in both:
        assert _without_host(ours) == _without_host(theirs)
    return bool(both)


def _without_host(request: Request) -> Request:
    """The host of an absolute target is the target's to us and the header's to gunicorn."""
    if request.target.startswith("/"):
        return request
    headers = tuple(header for header in request.headers if header[0] != "HOST")
    return replace(request, headers=headers)


def _gunicorn_config() -> Config:
    config = Config()
    settings = {
        "http_parser": "python",
        "limit_request_line": 0,
        "limit_request_fields": HEAD_LIMIT,
        "limit_request_field_size": HEAD_LIMIT,
        "forwarded_allow_ips": "",
    }
    for name, value in settings.items():
        config.set(name, value)
    return config


_CONFIG = _gunicorn_config()

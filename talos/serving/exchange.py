"""One request through a WSGI application: received bytes in, bytes to send out, no socket in sight.

The head is read by gunicorn's parser and the answer written by gunicorn's ``Response``; what is
ours is the environ, which differs from gunicorn's in three ways: of headers that the contract
reads by their first line only that line is kept, a header can never change ``SCRIPT_NAME`` or the
scheme, and the body is there already.
"""

import io
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, cast

from gunicorn.config import Config
from gunicorn.http.errors import ParseException
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader
from gunicorn.http.wsgi import Response
from gunicorn.util import unquote_to_wsgi_str

if TYPE_CHECKING:
    import socket

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_log = logging.getLogger(__name__)

FIRST_LINE_COUNTS = frozenset(
    {
        "HOST",
        "X-FORWARDED-HOST",
        "X-REQUEST-ID",
        "CACHE-CONTROL",
        "PRAGMA",
        "CF-CONNECTING-IP",
        "X-FORWARDED-FOR",
        "X-REAL-IP",
        "TRUE-CLIENT-IP",
        "TRACEPARENT",
        "ORIGIN",
        "CONTENT-TYPE",
    }
)
"""Headers of which only the first line is read (contract 2.2, 6.6, 6.8, 9)."""

_MAPPED_IPV4 = "::ffff:"


@dataclass(frozen=True, slots=True)
class Ends:
    """The two ends of a connection, as host and port."""

    peer: tuple[str, int]
    server: tuple[str, int]


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back to the client, and whether another request may follow."""

    data: bytes
    keep_alive: bool


class _LogStream(io.TextIOBase):
    """``wsgi.errors``: what an application writes there becomes log records."""

    def write(self, text: str) -> int:
        if text.strip():
            _log.error("written by the application: %s", text.rstrip())
        return len(text)


class _BareResponse(Response):
    """gunicorn's response without the ``Server`` header: what serves here is nobody's business."""

    def default_headers(self) -> list[str]:
        return [line for line in super().default_headers() if not line.startswith("Server:")]


class _Sink:
    """The side of a socket that ``Response`` uses, collecting instead of sending."""

    def __init__(self) -> None:
        self.data = bytearray()

    def sendall(self, data: bytes) -> None:
        self.data += data


def refusal(status: HTTPStatus, text: str) -> Reply:
    """Return a low-level error: plain text, no envelope, the connection closes (contract 2.1)."""
    body = f"{status.value} {status.phrase}: {text}\n".encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Connection: close\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return Reply(head.encode() + body, keep_alive=False)


def exchange(
    config: Config,
    application: "WSGIApplication",
    head: bytes,
    body: bytes | bytearray | None,
    ends: Ends,
    *,
    must_close: Callable[[], bool],
) -> Reply:
    """Answer one request whose head has passed ``framing.examine``. Never raises.

    ``body`` is None when the request announced none. ``must_close`` is asked as late as possible
    whether the answer shall be the connection's last.
    """
    try:
        request = Request(config, IterUnreader([head]), ends.peer)
    except (ParseException, OSError, StopIteration):
        # OSError and StopIteration are the parser's words for a head that ends too early.
        return refusal(HTTPStatus.BAD_REQUEST, "malformed request")
    except Exception:
        _log.exception("unhandled exception in the parser")
        return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "an internal error occurred")
    sink = _Sink()
    response = _BareResponse(request, cast("socket.socket", sink), config)
    try:
        chunks = application(
            environ(request, body, ends), cast("StartResponse", response.start_response)
        )
        _send(response, chunks, lambda: must_close() or _close_requested(request))
    except Exception:
        _log.exception("unhandled exception in the application")
        return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "an internal error occurred")
    return Reply(bytes(sink.data), keep_alive=not response.should_close())


def _send(response: Response, chunks: Iterable[bytes], must_close: Callable[[], bool]) -> None:
    try:
        if must_close():
            response.force_close()
        for chunk in chunks:
            response.write(chunk)
        response.close()
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()


def _close_requested(request: Request) -> bool:
    """Whether ``Connection`` names ``close``, which gunicorn sees only when it stands alone."""
    return any(
        token.strip(" \t").lower() == "close"
        for name, value in request.headers
        if name == "CONNECTION"
        for token in value.split(",")
    )


def environ(request: Request, body: bytes | bytearray | None, ends: Ends) -> "WSGIEnvironment":
    """Return the WSGI environ of a request whose body, unchunked, is ``body``."""
    major, minor = request.version or (1, 1)
    result: WSGIEnvironment = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_wsgi_str(request.path or "/"),
        "QUERY_STRING": request.query,
        "RAW_URI": request.uri,
        "SERVER_PROTOCOL": f"HTTP/{major}.{minor}",
        "SERVER_NAME": ends.server[0],
        "SERVER_PORT": str(ends.server[1]),
        "REMOTE_ADDR": _address(ends.peer[0]),
        "REMOTE_PORT": str(ends.peer[1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body or b""),
        "wsgi.input_terminated": True,
        "wsgi.errors": cast("IO[str]", _LogStream()),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in request.headers:
        if name in ("CONTENT-LENGTH", "TRANSFER-ENCODING"):
            continue
        key = "CONTENT_TYPE" if name == "CONTENT-TYPE" else f"HTTP_{name.replace('-', '_')}"
        if key not in result:
            result[key] = value
        elif name not in FIRST_LINE_COUNTS:
            result[key] += f",{value}"
    if body is not None:
        result["CONTENT_LENGTH"] = str(len(body))
    return result


def _address(host: str) -> str:
    """Print an IPv4 peer of a dual-stack listener as the IPv4 address it is."""
    mapped = host[len(_MAPPED_IPV4) :]
    return mapped if host.startswith(_MAPPED_IPV4) and "." in mapped else host

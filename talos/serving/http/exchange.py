"""One request through a WSGI application: received bytes in, bytes to send out, no socket in sight.

The environ is gunicorn's with three differences: of headers that the contract reads by their first
line the variable holds only that line (``ALL_LINES`` has all of them), a header can never change
``SCRIPT_NAME`` or the scheme, and the body is there already.
"""

import io
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, cast
from urllib.parse import unquote_to_bytes

from talos.http.request import ALL_LINES
from talos.serving.http.endpoints import Endpoints
from talos.serving.http.framing import FramingError
from talos.serving.http.head import RequestHead, parse
from talos.serving.http.response import Response, refusal
from talos.serving.http.wsgi_response import WsgiResponse

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

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
        "CONTENT-TYPE",
    }
)
"""Headers of which only the first line is read (contract 2.2, 6.6, 6.8, 9); those that name a
caller with all lines where proxies are listed (16 (41))."""


class _LogStream(io.TextIOBase):
    """``wsgi.errors``: what an application writes there becomes log records."""

    def write(self, text: str) -> int:
        if text.strip():
            _log.error("written by the application: %s", text.rstrip())
        return len(text)


def body_limit(
    of_request: "Callable[[WSGIEnvironment], int]", head: bytes, endpoints: Endpoints
) -> int:
    """Ask ``of_request`` how many bytes of its body are worth reading, by a head alone.

    Raises ``FramingError`` as the parser does, and nothing else: what fails in there makes the
    request one whose body is not read.
    """
    request = parse(head)
    try:
        return of_request(environ(request, None, endpoints))
    except Exception:
        _log.exception("unhandled exception before the body of a request")
        return 0


class WsgiHandler:
    """Answers requests by a WSGI application. A ``RequestHandler``."""

    def __init__(
        self, application: "WSGIApplication", body_limit: "Callable[[WSGIEnvironment], int]"
    ) -> None:
        """Answer by ``application``; ``body_limit`` is asked with the environ without the body."""
        self._application = application
        self._body_limit = body_limit

    def body_limit(self, head: bytes, endpoints: Endpoints) -> int:
        """Return how many bytes of a body are worth reading. See ``RequestHandler``."""
        return body_limit(self._body_limit, head, endpoints)

    def handle(
        self,
        head: bytes,
        body: bytearray | None,
        endpoints: Endpoints,
        *,
        length_bytes: int,
        must_close: Callable[[], bool],
    ) -> Response:
        """Run the application. See ``RequestHandler``."""
        return exchange(
            self._application,
            head,
            body,
            endpoints,
            length_bytes=length_bytes,
            must_close=must_close,
        )


def exchange(
    application: "WSGIApplication",
    head: bytes,
    body: bytes | bytearray | None,
    endpoints: Endpoints,
    *,
    length_bytes: int | None = None,
    must_close: Callable[[], bool],
) -> Response:
    """Answer one request whose head has passed ``framing.examine``. Never raises.

    ``body`` is None when the request announced none; ``length_bytes`` is its length, unless it is
    all there. ``must_close`` is asked as late as possible whether the answer shall be the
    connection's last.
    """
    try:
        request = parse(head)
    except FramingError as error:
        return refusal(error.status, error.text)
    except Exception:
        _log.exception("unhandled exception in the parser")
        return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "an internal error occurred")
    try:
        answer = WsgiResponse(request)
        variables = environ(request, body, endpoints)
        if length_bytes is not None and body is not None:
            variables["CONTENT_LENGTH"] = str(length_bytes)
        chunks = application(variables, answer.start_response)
        return answer.finish(chunks, must_close)
    except Exception:
        _log.exception("unhandled exception in the application")
        return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "an internal error occurred")


def _variable(name: str) -> str:
    return "CONTENT_TYPE" if name == "CONTENT-TYPE" else f"HTTP_{name.replace('-', '_')}"


_FIRST_LINE_VARIABLES = frozenset(map(_variable, FIRST_LINE_COUNTS))


def environ(
    request: RequestHead, body: bytes | bytearray | None, endpoints: Endpoints
) -> "WSGIEnvironment":
    """Return the WSGI environ of a request whose body, unchunked, is ``body``."""
    major, minor = request.version
    result: WSGIEnvironment = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": _unescape(request.path),
        "QUERY_STRING": request.query,
        "RAW_URI": request.target,
        "SERVER_PROTOCOL": f"HTTP/{major}.{minor}",
        "SERVER_NAME": endpoints.server[0],
        "SERVER_PORT": str(endpoints.server[1]),
        "REMOTE_ADDR": endpoints.peer[0],
        "REMOTE_PORT": str(endpoints.peer[1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body or b""),
        "wsgi.input_terminated": True,
        "wsgi.errors": cast("IO[str]", _LogStream()),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    repeated: dict[str, list[str]] = {}
    for name, value in request.headers:
        if name in ("CONTENT-LENGTH", "TRANSFER-ENCODING"):
            continue
        key = _variable(name)
        if key not in result:
            result[key] = value
        else:
            repeated.setdefault(key, [result[key]]).append(value)
    all_lines = {}
    for key, values in repeated.items():
        # Joined once: a head may repeat a header thousands of times.
        joined = ",".join(values)
        if key in _FIRST_LINE_VARIABLES:
            all_lines[key] = joined
        else:
            result[key] = joined
    if all_lines:
        result[ALL_LINES] = all_lines
    if body is not None:
        result["CONTENT_LENGTH"] = str(len(body))
    return result


def _unescape(path: str) -> str:
    """Decode the escapes of a path once, into bytes that are tunnelled as Latin-1 (PEP 3333)."""
    return unquote_to_bytes(path).decode("latin-1") if "%" in path else path

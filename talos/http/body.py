"""Reading a request's body off the server's stream, within bounds (contract 2.1)."""

from typing import Any, Protocol

from talos._core import measure_json
from talos.errors import InvalidRequest
from talos.http.body_limits import limit_bytes, limit_values
from talos.http.request import Request


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


def read_body(req: Request) -> bytes:
    """Return the whole body, empty where there is none.

    Raises ``InvalidRequest`` for a body over the limits of the operation, one that ends early, and
    one whose length the server cannot tell.
    """
    environ = req.env
    most_bytes = limit_bytes(req.method, environ["PATH_INFO"])
    if "HTTP_TRANSFER_ENCODING" in environ:
        body = _read_to_the_end(environ, most_bytes)
    else:
        body = _read_announced(environ, most_bytes)
    most_values = limit_values(most_bytes)
    if len(body) > most_values and measure_json(body)[0] > most_values:
        raise InvalidRequest(f"the body holds more than the limit of {most_values} JSON values")
    return body


def _read_announced(environ: dict[str, Any], most_bytes: int) -> bytes:
    announced: str = environ.get("CONTENT_LENGTH") or ""
    if not announced:
        return b""
    length_bytes = _length(announced, most_bytes)
    body = _read(environ["wsgi.input"], length_bytes)
    if len(body) < length_bytes:
        raise InvalidRequest("the body is shorter than its Content-Length")
    return body


def _read_to_the_end(environ: dict[str, Any], most_bytes: int) -> bytes:
    """Read a chunked body, whatever length stands beside it."""
    if not environ.get("wsgi.input_terminated"):
        raise InvalidRequest("the body needs a Content-Length")
    body = _read(environ["wsgi.input"], most_bytes + 1)
    if len(body) > most_bytes:
        raise _too_large(most_bytes)
    return body


def _length(announced: str, most_bytes: int) -> int:
    if not (announced.isascii() and announced.isdigit()):
        raise InvalidRequest("the Content-Length is malformed")
    # The digits are counted first: a number of thousands of them is an error in Python.
    if len(announced) > 18 or int(announced) > most_bytes:
        raise _too_large(most_bytes)
    return int(announced)


def _read(stream: _Stream, size_bytes: int) -> bytes:
    """Read up to ``size_bytes``; less only where the stream ends."""
    pieces: list[bytes] = []
    while size_bytes > 0:
        try:
            piece = stream.read(size_bytes)
        except Exception as error:
            # Each server has its own errors for a broken chunk, a deadline and a client that left;
            # all of them are the client's doing.
            raise InvalidRequest("the body could not be read") from error
        if not piece:
            break
        pieces.append(piece)
        size_bytes -= len(piece)
    return b"".join(pieces)


def _too_large(most_bytes: int) -> InvalidRequest:
    return InvalidRequest(f"the body is larger than the limit of {most_bytes} bytes")

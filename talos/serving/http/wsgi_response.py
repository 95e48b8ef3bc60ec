"""What a WSGI application answers, collected and written as the bytes of a response (PEP 3333).

Nothing is sent before the application has said everything, so whatever it does wrong becomes an
error of its own and never half an answer. The lines and their order are those of gunicorn's
``Response``, without ``Server``: what serves here is nobody's business.
"""

import re
import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from typing import TYPE_CHECKING

from talos.serving.http.head import RequestHead
from talos.serving.http.response import Response

if TYPE_CHECKING:
    from _typeshed import OptExcInfo

_STATUS = re.compile(r"[2-5][0-9]{2}(?: [\t\x20-\x7e\x80-\xff]*)?")
_LINES = re.compile(r"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [\t\x20-\x7e\x80-\xff]*\r\n)*")
_LENGTH = re.compile(r"[0-9]{1,18}")
# Between this server and its peer; not for an application to set (PEP 3333).
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "trailers",
        "transfer-encoding",
        "upgrade",
    }
)
_NO_CONTENT, _NOT_MODIFIED = 204, 304


class WsgiResponse:
    """The answer to one request."""

    def __init__(self, request: RequestHead) -> None:
        """Expect ``start_response``."""
        self._request = request
        self._status = ""
        self._code = 0
        self._lines = ""
        self._length_bytes: int | None = None
        self._body: list[bytes] = []

    def start_response(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: "OptExcInfo | None" = None,
    ) -> Callable[[bytes], None]:
        """Take status and headers; with ``exc_info``, in place of those taken before.

        Raises ``ValueError`` for what would be read as something else on the other end, and
        ``RuntimeError`` for a second call.
        """
        if self._status and exc_info is None:
            raise RuntimeError("start_response was called twice")
        if _STATUS.fullmatch(status) is None:
            raise ValueError("malformed status")
        self._status, self._code, self._length_bytes = status, int(status[:3]), None
        kept = []
        for name, text in headers:
            known = name.lower()
            if known in _HOP_BY_HOP:
                continue
            if known == "content-length":
                if self._length_bytes is not None or _LENGTH.fullmatch(text) is None:
                    raise ValueError("malformed or repeated Content-Length of an answer")
                self._length_bytes = int(text)
                if self._code == _NO_CONTENT:
                    continue
            value = text.strip(" \t")
            kept.append(f"{name}: {value}\r\n")
        self._lines = "".join(kept)
        # As many line ends as lines: no value has brought one along.
        if _LINES.fullmatch(self._lines) is None or self._lines.count("\n") != len(kept):
            raise ValueError("malformed header of an answer")
        return self._body.append

    def finish(self, chunks: Iterable[bytes], must_close: Callable[[], bool]) -> Response:
        """Take the body and return the whole.

        ``must_close`` is asked last whether the answer shall be the connection's last. Raises
        ``RuntimeError`` when there was no ``start_response``, or another length was announced.
        """
        try:
            self._body.extend(chunks)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
        if not self._status:
            raise RuntimeError("start_response was not called")
        bodiless = self._request.method == "HEAD" or self._code in (_NO_CONTENT, _NOT_MODIFIED)
        body = b"" if bodiless else b"".join(self._body)
        announced = self._length_bytes
        if announced is not None and announced != len(body) and not bodiless:
            raise RuntimeError("the body has another length than announced")
        chunked = announced is None and not bodiless and self._request.version >= (1, 1)
        framed = bodiless or chunked or announced is not None
        keep_alive = framed and self._request.keep_alive and not must_close()
        framing = ""
        if chunked:
            framing = "Transfer-Encoding: chunked\r\n"
            body = b"".join(b"%X\r\n%b\r\n" % (len(piece), piece) for piece in self._body if piece)
            body += b"0\r\n\r\n"
        major, minor = self._request.version
        head = (
            f"HTTP/{major}.{minor} {self._status}\r\nDate: {_date()}\r\n"
            f"Connection: {'keep-alive' if keep_alive else 'close'}\r\n"
            f"{framing}{self._lines}\r\n"
        )
        return Response(head.encode("latin-1") + body, keep_alive)


_printed = (0, "")


def _date() -> str:
    """Return the present second as an HTTP date, printed once a second."""
    global _printed
    second, text = _printed
    now = int(time.time())
    if now != second:
        text = formatdate(now, usegmt=True)
        # One assignment: another thread sees the old pair or the new one.
        _printed = (now, text)
    return text

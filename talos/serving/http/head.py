"""The head of a request as llhttp reads it, after the strict ``talos.serving.http.framing``.

``examine`` has decided by then where the request ends and what frames its body; the parser sees a
whole head and nothing else, and both have to take it. What llhttp leaves open is closed here: it
keeps the blanks behind a value, knows targets that are for proxies, and takes CONNECT and upgrades
for the end of HTTP on the connection (ADR 8).
"""

import re
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlsplit

from httptools import (
    HttpParserCallbackError,
    HttpParserError,
    HttpParserUpgrade,
    HttpRequestParser,
)

from talos.serving.http.framing import AUTHORITY, FramingError

_ABSOLUTE_FORM = re.compile(r"https?://(" + AUTHORITY + r")((?:/[^?]*)?)(?:\?(.*))?", re.IGNORECASE)


@dataclass(slots=True)
class RequestHead:
    """A request without its body. Text is the client's bytes, decoded as Latin-1."""

    method: str = ""
    target: str = ""
    path: str = ""
    """The target's path, escapes and all."""
    query: str = ""
    version: tuple[int, int] = (1, 1)
    """1.0 or 1.1: as the latter are read those that were not written yet (RFC 9110, 2.5)."""
    headers: list[tuple[str, str]] = field(default_factory=list)
    """In the order of the wire; names in upper case, values without outer blanks. ``HOST`` has the
    host that an absolute target names (RFC 9112, 3.2.2). Names with an underscore are left out.
    """

    @property
    def keep_alive(self) -> bool:
        """Whether the client wants to use the connection for another request (RFC 9112, 9.3)."""
        options = {
            option.strip(" \t").lower()
            for name, value in self.headers
            if name == "CONNECTION"
            for option in value.split(",")
        }
        return "close" not in options and (self.version >= (1, 1) or "keep-alive" in options)


class _Collector:
    """What the parser calls, once for each part of the head."""

    __slots__ = ("complete", "headers", "target")

    def __init__(self) -> None:
        self.complete = False
        self.headers: list[tuple[str, str]] = []
        self.target = b""

    def on_url(self, target: bytes) -> None:
        self.target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        if b"_" in name:
            # Under the name that it gets in an environ it would pass for another header.
            return
        text = value.decode("latin-1")
        self.headers.append((name.decode("ascii").upper(), text.strip(" \t")))

    def on_headers_complete(self) -> None:
        self.complete = True


def parse(head: bytes) -> RequestHead:
    """Read a head that has passed ``examine``, blank line included.

    Raises ``FramingError`` for what llhttp does not take, methods that it has not heard of among
    it, and for targets that are not this server's to serve.
    """
    collector = _Collector()
    parser = HttpRequestParser(collector)
    # What versions are served, ``examine`` has decided.
    parser.set_dangerous_leniencies(lenient_version=True)
    try:
        parser.feed_data(head)
    except HttpParserUpgrade:
        # Nothing is upgraded here, so the offer is ignored (RFC 9110, 7.8).
        pass
    except HttpParserCallbackError:
        raise
    except HttpParserError as error:
        raise FramingError(HTTPStatus.BAD_REQUEST, "malformed request") from error
    if not collector.complete:
        raise FramingError(HTTPStatus.BAD_REQUEST, "incomplete request")
    request = RequestHead(
        method=parser.get_method().decode("ascii"),
        target=collector.target.decode("latin-1"),
        version=(1, 0) if parser.get_http_version() == "1.0" else (1, 1),
        headers=collector.headers,
    )
    _split_target(request)
    return request


def _split_target(request: RequestHead) -> None:
    """Find path and query. Raises ``FramingError`` for a target of the wrong form."""
    if request.method == "CONNECT":
        raise FramingError(HTTPStatus.BAD_REQUEST, "no tunnel is opened here")
    if request.target.startswith("/"):
        request.path, _, request.query = request.target.partition("?")
    elif request.target == "*" and request.method == "OPTIONS":
        request.path = "*"
    elif absolute := _ABSOLUTE_FORM.fullmatch(request.target):
        authority, request.path, query = absolute.groups()
        _check_address(request.target)
        request.path, request.query = request.path or "/", query or ""
        # A proxy in front may have judged by either of the two.
        others = [header for header in request.headers if header[0] != "HOST"]
        request.headers = [("HOST", authority), *others]
    else:
        raise FramingError(HTTPStatus.BAD_REQUEST, "malformed request target")


def _check_address(target: str) -> None:
    """Raise ``FramingError`` where an address in brackets is none."""
    try:
        urlsplit(target)
    except ValueError as error:
        raise FramingError(HTTPStatus.BAD_REQUEST, "malformed request target") from error

"""Where a request endpoints, decided strictly, before the parser proper sees a byte of it.

Whatever a proxy in front might read otherwise than this server is refused here (contract 16, 37),
so that one request on the wire is one request to everybody. What passes still has to pass the
parser proper; this module only ever narrows what that parser takes.
"""

import re
from dataclasses import dataclass
from http import HTTPStatus

HEAD_LIMIT = 32 * 1024
"""Longest request line and headers together, in bytes (contract 16, 37)."""

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])")
# Possessive: the blanks and the value share characters, and a run of them has to be read one way.
_HEADER = re.compile(rb"(" + _TOKEN + rb"):[ \t]*+([\t\x20-\x7e\x80-\xff]*+)")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
AUTHORITY = (
    r"(?:\[[0-9A-Fa-f:.]{2,45}\](?::[0-9]{0,5})?"  # an IPv6 address, in brackets (RFC 3986, 3.2.2)
    r"|[A-Za-z0-9\-._~%!$&'()*+,;=:]+)"
)
"""A host with its port; no user stands before it (RFC 9110, 4.2.4)."""
_HOST = re.compile(AUTHORITY.encode())
_LENGTH = re.compile(rb"[0-9]{1,18}")


class FramingError(Exception):
    """The bytes are no request this server reads. ``status`` is that of the response.

    The text is fixed: nothing of the request is repeated, in the answer or in the log.
    """

    def __init__(self, status: HTTPStatus, text: str) -> None:
        """Keep the status and the one-line explanation."""
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True)
class Framing:
    """How the body of a request is delimited. ``length_bytes`` is None for a chunked body."""

    length_bytes: int | None
    expects_continue: bool


def head_end(buffer: bytearray, scanned: int) -> int:
    """Return the position behind the blank line that ends the head, or -1 while it is missing.

    ``scanned`` is how many bytes an earlier call has seen. Raises ``FramingError`` for a head that
    is too long and for a line that ends in a bare LF, as soon as either shows.
    """
    end = buffer.find(b"\r\n\r\n", max(scanned - 3, 0))
    limit = end + 4 if end >= 0 else len(buffer)
    line_feeds = buffer.count(b"\n", scanned, limit)
    if line_feeds != buffer.count(b"\r\n", max(scanned - 1, 0), limit):
        raise FramingError(HTTPStatus.BAD_REQUEST, "a line ends in a bare LF")
    if limit > HEAD_LIMIT:
        raise FramingError(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            f"request line and headers exceed {HEAD_LIMIT} bytes",
        )
    return end + 4 if end >= 0 else -1


def examine(head: bytes) -> Framing:
    """Return the framing that ``head``, blank line included, announces.

    Raises ``FramingError`` for everything ambiguous: Content-Length beside Transfer-Encoding or
    given twice, any coding but ``chunked``, folded headers, blanks before the colon, control
    characters, and on HTTP/1.1 any number of Host headers but one.
    """
    first, *lines = head[:-4].split(b"\r\n")
    version = _request_line(first)
    hosts: list[bytes] = []
    lengths: list[bytes] = []
    codings: list[bytes] = []
    expectations: list[bytes] = []
    watched = {
        b"host": hosts,
        b"content-length": lengths,
        b"transfer-encoding": codings,
        b"expect": expectations,
    }
    for line in lines:
        match = _HEADER.fullmatch(line)
        if match is None:
            raise FramingError(HTTPStatus.BAD_REQUEST, "malformed header line")
        values = watched.get(match[1].lower())
        if values is not None:
            values.append(match[2].rstrip(b" \t"))

    if len(hosts) > 1 or (not hosts and version >= (1, 1)):
        raise FramingError(HTTPStatus.BAD_REQUEST, "exactly one Host header is required")
    if hosts and hosts[0] and _HOST.fullmatch(hosts[0]) is None:
        raise FramingError(HTTPStatus.BAD_REQUEST, "malformed Host header")
    if any(value.lower() != b"100-continue" for value in expectations):
        raise FramingError(HTTPStatus.EXPECTATION_FAILED, "unknown expectation")
    return Framing(
        length_bytes=_body_length(lengths, codings, version),
        expects_continue=bool(expectations) and version >= (1, 1),
    )


def _request_line(line: bytes) -> tuple[int, int]:
    """Check the request line and return the protocol version."""
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise FramingError(HTTPStatus.BAD_REQUEST, "malformed request line")
    version = (int(match[3]), int(match[4]))
    if version[0] != 1:
        raise FramingError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "only HTTP/1.x is served")
    path = match[2].partition(b"?")[0]
    if _BAD_ESCAPE.search(path) or b"#" in match[2]:
        raise FramingError(HTTPStatus.BAD_REQUEST, "malformed request target")
    return version


def _body_length(
    lengths: list[bytes], codings: list[bytes], version: tuple[int, int]
) -> int | None:
    """Return the length of the body in bytes, None when it is chunked."""
    if not codings:
        if not lengths:
            return 0
        if len(lengths) > 1 or _LENGTH.fullmatch(lengths[0]) is None:
            raise FramingError(HTTPStatus.BAD_REQUEST, "malformed or repeated Content-Length")
        return int(lengths[0])
    if lengths:
        raise FramingError(HTTPStatus.BAD_REQUEST, "Content-Length beside Transfer-Encoding")
    if len(codings) > 1 or codings[0].lower() != b"chunked" or version < (1, 1):
        raise FramingError(HTTPStatus.BAD_REQUEST, "unsupported transfer coding")
    return None

"""Collecting a request's body from what the socket happens to give, a piece at a time.

The decoders own no socket and never block: the event loop feeds them, and hands the request on
when they say that it is whole. Of a body that is too large no more is taken than it needs to see
that: nothing where the length is announced, one byte past the limit where it is not.
"""

import enum
import re
from http import HTTPStatus
from typing import Protocol

from talos.serving.http.framing import Framing, FramingError

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'
_EXTENSION = (
    rb"[ \t]*;[ \t]*" + _TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?"
)
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:" + _EXTENSION + rb")*")
_SIZE_LINE_LIMIT = 256
_TRAILER_LINE = re.compile(rb"(" + _TOKEN + rb"):[\t\x20-\x7e\x80-\xff]*")
# Nobody reads trailers here; elsewhere these might change what the request was (RFC 9110, 6.5.1).
_NO_TRAILERS = frozenset(
    {b"authorization", b"content-length", b"host", b"te", b"trailer", b"transfer-encoding"}
)
_TRAILER_LIMIT = 8 * 1024
_OVERHEAD_LIMIT = 16 * 1024
"""Bytes of chunk framing that any body may spend; past them one in sixteen bytes of content."""


class BodyDecoder(Protocol):
    """Turns received bytes into the body they carry."""

    content: bytearray
    truncated: bool
    """The body goes on past the limit; the connection cannot be used again."""

    @property
    def length_bytes(self) -> int:
        """Length of a whole body; of one that goes on, some length beyond the limit."""
        ...

    def feed(self, buffer: bytearray) -> bool:
        """Take what belongs to the body from the front of ``buffer``; True when it is whole.

        Raises ``FramingError`` for a body that is framed wrongly.
        """
        ...


class LengthBody:
    """A body of announced length."""

    def __init__(self, length_bytes: int, limit_bytes: int) -> None:
        """Expect ``length_bytes``; take nothing if that is more than ``limit_bytes``."""
        self.content = bytearray()
        self.length_bytes = length_bytes
        self.truncated = length_bytes > limit_bytes

    def feed(self, buffer: bytearray) -> bool:
        """Take the missing bytes. See ``BodyDecoder``."""
        if self.truncated:
            return True
        missing = self.length_bytes - len(self.content)
        self.content += buffer[:missing]
        del buffer[:missing]
        return len(self.content) == self.length_bytes


class _Expecting(enum.Enum):
    SIZE = enum.auto()
    DATA = enum.auto()
    DATA_END = enum.auto()
    TRAILER = enum.auto()


class ChunkedBody:
    """A chunked body (RFC 9112, 7.1). Extensions and trailers are checked and forgotten."""

    def __init__(self, limit_bytes: int) -> None:
        """Take at most one byte more than ``limit_bytes`` of content; nothing if that is 0."""
        self.content = bytearray()
        # Whether it is empty after all is not waited for.
        self.truncated = limit_bytes == 0
        self._most_bytes = limit_bytes + 1
        self._expecting = _Expecting.SIZE
        self._missing = 0
        self._overhead = 0
        self._trailer_bytes = 0

    @property
    def length_bytes(self) -> int:
        """How much has come, or one more than the limit."""
        return self._most_bytes if self.truncated else len(self.content)

    def feed(self, buffer: bytearray) -> bool:
        """Take as many whole elements as there are. See ``BodyDecoder``."""
        if self.truncated:
            return True
        while True:
            if self._expecting is _Expecting.DATA:
                if self._take_data(buffer):
                    return True
                if self._missing:
                    return False
                self._expecting = _Expecting.DATA_END
            elif self._expecting is _Expecting.DATA_END:
                if not b"\r\n".startswith(buffer[:2]):
                    raise FramingError(HTTPStatus.BAD_REQUEST, "malformed chunk")
                if len(buffer) < 2:
                    return False
                del buffer[:2]
                self._expecting = _Expecting.SIZE
            else:
                line = self._take_line(buffer)
                if line is None:
                    return False
                if self._expecting is _Expecting.SIZE:
                    self._begin_chunk(line)
                elif self._end_of_trailer(line):
                    return True

    def _take_data(self, buffer: bytearray) -> bool:
        """Take content of the present chunk; True when that oversteps the limit."""
        taken = min(self._missing, self._most_bytes - len(self.content))
        piece = buffer[:taken]
        self.content += piece
        del buffer[:taken]
        self._missing -= len(piece)
        self.truncated = len(self.content) == self._most_bytes
        return self.truncated

    def _take_line(self, buffer: bytearray) -> bytes | None:
        """Take one line without its CRLF, or None while it is incomplete."""
        end = buffer.find(b"\n")
        if end < 0:
            if len(buffer) > _TRAILER_LIMIT:
                raise FramingError(HTTPStatus.BAD_REQUEST, "chunk line too long")
            return None
        if end == 0 or buffer[end - 1] != ord("\r"):
            raise FramingError(HTTPStatus.BAD_REQUEST, "a line ends in a bare LF")
        line = bytes(buffer[: end - 1])
        del buffer[: end + 1]
        return line

    def _begin_chunk(self, line: bytes) -> None:
        match = _SIZE_LINE.fullmatch(line) if len(line) <= _SIZE_LINE_LIMIT else None
        if match is None:
            raise FramingError(HTTPStatus.BAD_REQUEST, "malformed chunk size")
        # A flood of tiny chunks costs far more to read than it carries.
        self._overhead += len(line) + 4
        if self._overhead > _OVERHEAD_LIMIT + len(self.content) // 16:
            raise FramingError(HTTPStatus.BAD_REQUEST, "more chunk framing than content")
        self._missing = int(match[1], 16)
        self._expecting = _Expecting.DATA if self._missing else _Expecting.TRAILER

    def _end_of_trailer(self, line: bytes) -> bool:
        if not line:
            return True
        self._trailer_bytes += len(line)
        if self._trailer_bytes > _TRAILER_LIMIT:
            raise FramingError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "trailers too long")
        match = _TRAILER_LINE.fullmatch(line)
        if match is None or match[1].lower() in _NO_TRAILERS:
            raise FramingError(HTTPStatus.BAD_REQUEST, "malformed trailer")
        return False


def decoder(framing: Framing, limit_bytes: int) -> BodyDecoder:
    """Return the decoder for a body framed so."""
    if framing.length_bytes is None:
        return ChunkedBody(limit_bytes)
    return LengthBody(framing.length_bytes, limit_bytes)

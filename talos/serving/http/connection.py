"""The state of one client connection, without its socket: what has come in and what is due when.

``talos.serving.http.protocol`` owns the socket; this class owns the rules of when a request has
begun, is whole, or has taken too long (contract 1.1).
"""

import enum
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from talos.serving.http.body import BodyDecoder, decoder
from talos.serving.http.endpoints import Endpoints
from talos.serving.http.framing import Framing, FramingError, examine, head_end

_LARGE_BODY_BYTES: Final = 64 * 1024
_PACE_BYTES: Final = 48 * 1024
"""How much more of a large body has to arrive within ``Timeouts.pace_s`` each time."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a client may take, in seconds (contract 1.1)."""

    head_s: float = 5.0
    """From the first byte of a request (or the connection's start) to the end of its headers."""
    read_s: float = 15.0
    """From the first byte of a request to its last."""
    pace_s: float = 3.0
    """For the next ``_PACE_BYTES`` of a large body, or its end: 16 KiB a second."""
    wait_s: float = 60.0
    """For room for a large body; the time to send it stands still meanwhile."""
    write_s: float = 15.0
    """From the first byte of an answer to its last."""
    idle_s: float = 60.0
    """Between two requests of a connection."""
    linger_s: float = 2.0
    """Silence after a connection's last answer, and between requests while the server drains."""


class Phase(enum.Enum):
    """What a connection is waiting for."""

    HEAD = enum.auto()
    """For a request: its first byte, or the rest of its head."""
    BODY = enum.auto()
    RUNNING = enum.auto()
    """For a thread that answers the request."""
    SENDING = enum.auto()
    """For the client to take the answer."""
    LINGERING = enum.auto()
    """For the client to close; what it still sends is dropped."""


class Step(enum.Enum):
    """What ``Connection.advance`` asks of its caller."""

    WAIT = enum.auto()
    CONTINUE = enum.auto()
    """Tell the client to go on (``100 Continue``), then wait."""
    ANSWER = enum.auto()


@dataclass(slots=True, eq=False)
class Connection:
    """One connection. Times are seconds of the monotonic clock."""

    endpoints: Endpoints
    timeouts: Timeouts
    body_limit: Callable[[bytes, Endpoints], int]
    """Tells by the head of a request, and the endpoints of its connection, how many bytes of the
    body are worth reading.
    """
    opened_at: float
    takes_bodies: bool = True
    """Whether a request may have a body at all; else one that announces any is refused."""
    buffer: bytearray = field(default_factory=bytearray)
    """Received, and not yet part of a request."""
    phase: Phase = Phase.HEAD
    deadline: float = math.inf
    """When the client is given up, unless the phase changes before."""
    head: bytes = b""
    keep_alive: bool = True
    """Whether a request may follow the answer that is being sent."""
    held: bool = False
    """The head of the next request is here, and unread until its body is, too."""
    _begun: bool = False
    _forgiven: bool = False
    _scanned: int = 0
    _read_by: float = math.inf
    _pace_by: float = math.inf
    _pace_bytes: int = 0
    _waiting_since: float = math.inf
    _framing: Framing | None = None
    _body: BodyDecoder | None = None

    def __post_init__(self) -> None:
        """Start the clock of the first head."""
        self.deadline = self.opened_at + self.timeouts.head_s

    @property
    def idle(self) -> bool:
        """Whether no byte of a next request has come."""
        return self.phase is Phase.HEAD and not self._begun

    @property
    def body(self) -> bytearray | None:
        """The body of the request at hand, None when it has none."""
        if self._body is None or self._framing is None or self._framing.length_bytes == 0:
            return None
        return self._body.content

    @property
    def body_length(self) -> int:
        """The length of that body as announced; the content of a truncated one is shorter."""
        return self._body.length_bytes if self._body is not None else 0

    @property
    def has_large_body(self) -> bool:
        """Whether so much of a body is here that its request shall not hold up others."""
        return self.arrived_bytes > _LARGE_BODY_BYTES

    @property
    def arrived_bytes(self) -> int:
        """How much of the body of the request at hand is here."""
        return len(self._body.content) if self._body is not None else 0

    @property
    def truncated(self) -> bool:
        """Whether the client sends more body than is read: no request can follow."""
        return self._body is not None and self._body.truncated

    def advance(self, now: float) -> Step:
        """Read as far into the buffer as one request goes.

        A request whose body is not worth reading is whole with its head. Raises ``FramingError``
        when the bytes are no request.
        """
        arrived = self.phase is Phase.HEAD and self._take_head(now)
        if self.phase is not Phase.BODY or self._body is None:
            return Step.WAIT
        if self._body.feed(self.buffer):
            self.phase = Phase.RUNNING
            self.deadline = math.inf
            return Step.ANSWER
        if self.has_large_body:
            self._keep_pace(now)
        asks = arrived and self._framing is not None and self._framing.expects_continue
        return Step.CONTINUE if asks else Step.WAIT

    def _take_head(self, now: float) -> bool:
        """Move a complete head out of the buffer; False while it is incomplete."""
        self.held = False
        if not self._begun:
            # One empty line before a request is forgiven (RFC 9112, 2.2), however it arrives.
            if not self._forgiven and self.buffer[:2] == b"\r\n":
                del self.buffer[:2]
                self._forgiven = True
            if not self.buffer or (self.buffer == b"\r" and not self._forgiven):
                return False
            self._begun = True
            self._read_by = now + self.timeouts.read_s
            self.deadline = min(self.deadline, now + self.timeouts.head_s)
        end = head_end(self.buffer, self._scanned)
        self._scanned = len(self.buffer)
        if end < 0:
            return False
        self.head = bytes(self.buffer[:end])
        del self.buffer[:end]
        self._framing = examine(self.head)
        if not self.takes_bodies and self._framing.length_bytes != 0:
            raise FramingError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "no body is taken here")
        length_bytes = self._framing.length_bytes
        if length_bytes is not None and length_bytes <= len(self.buffer):
            # It is here already; whether it is too large, the application will see.
            limit_bytes = length_bytes
        else:
            limit_bytes = self.body_limit(self.head, self.endpoints)
        self._body = decoder(self._framing, limit_bytes)
        self.phase = Phase.BODY
        self.deadline = self._read_by
        self._pace_bytes = 0
        return True

    def _keep_pace(self, now: float) -> None:
        """Start the clock of the next part of a large body whenever one has arrived."""
        if self.arrived_bytes >= self._pace_bytes:
            self._pace_bytes = self.arrived_bytes + _PACE_BYTES
            self._pace_by = now + self.timeouts.pace_s
        self.deadline = min(self._read_by, self._pace_by)

    def start_waiting(self, now: float) -> None:
        """Stop the clocks of a large body that is not read for want of room."""
        self._waiting_since = now
        self.deadline = now + self.timeouts.wait_s

    def stop_waiting(self, now: float) -> None:
        """Let the clocks of a large body go on where they stood."""
        waited_s = now - self._waiting_since
        self._read_by += waited_s
        self._pace_by += waited_s
        self.deadline = min(self._read_by, self._pace_by)

    def hold(self, now: float) -> None:
        """Leave the head in the buffer until the body is there, which has as long as ever."""
        if not self._begun:
            self._begun = True
            self._read_by = now + self.timeouts.read_s
        self.held = True
        self.deadline = self._read_by

    def start_sending(self, now: float) -> None:
        """Wait for the client to take the rest of an answer."""
        self.phase = Phase.SENDING
        self.deadline = now + self.timeouts.write_s

    def start_lingering(self, now: float) -> None:
        """Wait for the client to close, within what a request might have taken."""
        self.phase = Phase.LINGERING
        self._read_by = now + self.timeouts.read_s
        self.deadline = now + self.timeouts.linger_s

    def heard_while_lingering(self, now: float) -> None:
        """Give a client that is still sending more time, but not without end."""
        self.deadline = min(now + self.timeouts.linger_s, self._read_by)

    def forget_request(self) -> None:
        """Let go of the head and body of the request at hand."""
        self.head = b""
        self._framing = self._body = None

    def await_next(self, now: float) -> None:
        """Wait for the next request on the connection."""
        self.phase = Phase.HEAD
        self._begun = self._forgiven = False
        self._scanned = 0
        self.deadline = now + self.timeouts.idle_s

    def begin_drain(self, now: float) -> None:
        """Shorten the wait for a next request: the server drains."""
        if self.idle:
            self.deadline = min(self.deadline, now + self.timeouts.linger_s)

"""One client: reads its requests, has them answered in order, and sends the answers.

A thread is given a request only when the whole of it is in memory, and gives back an answer
without waiting for the client to take it. So a slow client costs a file descriptor and its
bytes, never a thread (contract 1.1).

What the fast path answers never comes here: ``FastPathProtocol``, which is compiled, deals with it
as it is read. It does so only while ``fast_path_allowed`` is set, which is while the connection is
at rest: between two requests, nothing begun, nothing to be sent. That keeps answers in order.
"""

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol, cast

from talos._core import FastPathProtocol
from talos.serving.http.body_memory import BodyMemoryBudget
from talos.serving.http.connection import Connection, Phase, Step, Timeouts
from talos.serving.http.endpoints import Endpoints
from talos.serving.http.framing import FramingError
from talos.serving.http.listener import ListenerState
from talos.serving.http.response import Response, refusal
from talos.serving.http.thread_pool import ThreadPool
from talos.serving.http.unsent import UnsentAnswers

_log = logging.getLogger(__name__)

_GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"


class ServerContext(Protocol):
    """What a connection needs of the server that accepted it; on the event loop's thread."""

    loop: asyncio.AbstractEventLoop
    timeouts: Timeouts
    draining: bool
    body_memory: BodyMemoryBudget
    unsent: UnsentAnswers
    large_body_pool: ThreadPool
    """For requests whose bodies take long to decode."""

    def note(self, client: "HttpProtocol", *, delivered: bool = False) -> None:
        """Take notice of what the client waits for. See ``ListenerState.note``."""
        ...

    def left(self, client: "HttpProtocol") -> None:
        """Forget a client whose connection is closed."""
        ...

    def relieve_body_memory(self) -> None:
        """Close slow bodies for as long as others wait for memory."""
        ...

    def run(self, task: Callable[[], None], pool: ThreadPool, *, pipelined: bool) -> None:
        """Have a thread of ``pool`` do ``task``, which ends with ``deliver``."""
        ...

    def deliver(self, client: "HttpProtocol", response: Response, pool: ThreadPool) -> None:
        """Have the event loop send an answer that a thread of ``pool`` has made; on that thread."""
        ...


class HttpProtocol(FastPathProtocol, asyncio.BufferedProtocol):
    """The protocol of one connection, on the thread of the event loop but for ``_exchange``."""

    def __init__(
        self,
        server: ServerContext,
        listener_state: ListenerState,
        connected: socket.socket,
        endpoints: Endpoints,
    ) -> None:
        """Serve what comes in on ``connected``, which was accepted from ``listener_state``."""
        listener = listener_state.listener
        super().__init__(listener.fast_path, connected.fileno())
        self.listener_state = listener_state
        self.connection = Connection(
            endpoints=endpoints,
            timeouts=server.timeouts,
            body_limit=listener.handler.body_limit,
            opened_at=time.monotonic(),
            takes_bodies=listener.takes_bodies,
        )
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._closed = False
        self._ended = False
        """The client has sent all that it ever will."""
        self._blocked = False
        """The transport holds bytes that the client has not taken."""
        self._unsent_bytes: int | None = None
        """How much that was at the last sweep, None where nothing was due."""
        self._stalled = False
        """The client has taken nothing of its answer between two sweeps."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to read."""
        self._transport = cast("asyncio.Transport", transport)
        # Blocked is then: anything at all could not be sent.
        self._transport.set_write_buffer_limits(high=0)
        if self._closed:
            self._transport.abort()
        else:
            self.fast_path_allowed = self._at_rest
            # Behind the first read: what came with the connection is known by then.
            self._server.loop.call_soon(self._settle)

    def _settle(self) -> None:
        if not self._closed:
            self._server.note(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client, which left or was closed."""
        self.give_up()

    def give_up(self) -> None:
        """Close the connection now; what was not sent yet never will be."""
        if self._closed:
            return
        self._closed = True
        self.fast_path_allowed = False
        if self._transport is not None:
            self._transport.abort()
        if self.connection.phase is not Phase.RUNNING:
            self._release()
        self.connection.buffer.clear()
        self._server.unsent.release(self)
        self._server.left(self)

    @property
    def may_be_evicted(self) -> bool:
        """Whether nothing is lost with the client but what it has not delivered yet itself."""
        phase = self.connection.phase
        return phase is not Phase.RUNNING and (phase is not Phase.SENDING or self._stalled)

    @property
    def unsent_bytes(self) -> int:
        """How much of its answers the client has not taken."""
        return self._open.get_write_buffer_size()

    def watch_sending(self) -> None:
        """Take notice of whether the client goes on taking its answer. Called at each sweep."""
        if self.connection.phase is Phase.SENDING:
            unsent_bytes = self.unsent_bytes
            self._stalled = unsent_bytes == self._unsent_bytes
            self._unsent_bytes = unsent_bytes
            self._server.note(self)

    @property
    def _at_rest(self) -> bool:
        connection = self.connection
        return (
            connection.idle
            and not connection.buffer
            and not self._blocked
            and not self._server.draining
        )

    def rest(self) -> None:
        """Take notice of fast path answers: the wait for the next request begins now."""
        self.served = False
        self.connection.await_next(time.monotonic())

    def begin_drain(self) -> None:
        """Answer one more request at most, and soon: the server drains."""
        if self.served:
            self.rest()
        self.fast_path_allowed = False
        self.connection.begin_drain(time.monotonic())

    # Requests

    def received(self, data: memoryview) -> None:
        """Parse what the fast path has not answered. See ``FastPathProtocol``."""
        connection = self.connection
        if self._closed:
            return
        if connection.phase is Phase.LINGERING:
            connection.heard_while_lingering(time.monotonic())
            return
        connection.buffer += data
        if connection.phase is Phase.HEAD or connection.phase is Phase.BODY:
            self._advance()
        else:
            # A pipelined request: after the answer.
            self._open.pause_reading()

    def eof_received(self) -> bool:
        """End the connection, after the answer that is due; True when one is."""
        self.fast_path_allowed = False
        self._ended = self.connection.phase in (Phase.RUNNING, Phase.SENDING)
        if not self._ended:
            self.give_up()
        return self._ended

    @property
    def _open(self) -> asyncio.Transport:
        if self._transport is None:
            raise RuntimeError("the connection has not been made")
        return self._transport

    def _advance(self, *, pipelined: bool = False) -> None:
        """Read a request out of what has been received, after those that the fast path answers.

        ``pipelined`` says that it was received before the last answer was sent.
        """
        connection = self.connection
        self.fast_path_allowed = False
        if self.served:
            self.rest()
        if self._try_fast_path():
            return
        try:
            step = connection.advance(time.monotonic())
        except FramingError as error:
            self._refuse(error)
            return
        self._server.note(self, delivered=connection.phase is Phase.BODY)
        if step is Step.ANSWER:
            self._run(pipelined=pipelined)
            return
        if step is Step.CONTINUE:
            self._open.write(_GO_ON)
        if connection.has_large_body and not self._server.body_memory.may_go_on(
            self, connection.arrived_bytes
        ):
            connection.start_waiting(time.monotonic())
            self._open.pause_reading()
            self._server.relieve_body_memory()
        else:
            self._read_on()

    def admitted(self) -> None:
        """Read on: there is memory for the large body now."""
        self.connection.stop_waiting(time.monotonic())
        self._open.resume_reading()

    def _release(self) -> None:
        """Let go of the request at hand, and of its memory."""
        self.connection.forget_request()
        self._server.body_memory.leave(self)

    # Answers

    def _try_fast_path(self) -> bool:
        """Answer what was collected as far as the fast path can; True when that is all for now.

        Many clients send the head and the body apart. A head that the fast path may
        answer is not parsed before its body is there.
        """
        connection = self.connection
        if connection.phase is not Phase.HEAD or self._blocked or self._server.draining:
            return False
        data = bytes(connection.buffer)
        used = self.answer_by_fast_path(data)
        if used:
            del connection.buffer[:used]
            if self._closed or self._blocked or connection.phase is not Phase.HEAD:
                return True
            self.rest()
            data = data[used:]
        if not self.lacks_body(data):
            return False
        connection.hold(time.monotonic())
        self._server.note(self, delivered=True)
        self._read_on()
        return True

    def _read_on(self) -> None:
        if self._ended:
            self.give_up()
        else:
            self._open.resume_reading()
            self.fast_path_allowed = self._at_rest

    def unsent(self, data: bytes, closing: bool) -> None:
        """Send the rest of fast path answers. See ``FastPathProtocol``."""
        self.rest()
        self._write(data, keep_alive=not closing)
        if closing:
            self._go_on()

    def answered_last(self) -> None:
        """Close the connection behind what was sent. See ``FastPathProtocol``."""
        self.unsent(b"", closing=True)

    def broken(self) -> None:
        """Close a client that reads nothing any more. See ``FastPathProtocol``."""
        self.give_up()

    def _run(self, *, pipelined: bool) -> None:
        """Have a thread run the application."""
        connection = self.connection
        pool = self.listener_state.pool
        if connection.has_large_body:
            pool = self._server.large_body_pool
            self._server.body_memory.charge_whole(self, connection.arrived_bytes)
        task = partial(
            self._exchange, pool, connection.head, connection.body, connection.body_length
        )
        self._server.run(task, pool, pipelined=pipelined)

    def _exchange(
        self, pool: ThreadPool, head: bytes, body: bytearray | None, length_bytes: int
    ) -> None:
        """Run the application, on a thread. It may be that the client has left."""
        response = self.listener_state.listener.handler.handle(
            head,
            body,
            self.connection.endpoints,
            length_bytes=length_bytes,
            must_close=self._must_close,
        )
        self._server.deliver(self, response, pool)

    def _must_close(self) -> bool:
        """Whether the answer shall be the last, asked by a thread when it is made.

        At capacity it is: clients who pipeline requests would else keep others out for as long as
        they like.
        """
        return (
            self.connection.truncated or self._server.draining or self.listener_state.few_evictable
        )

    def answer(self, response: Response) -> None:
        """Send what the application answered."""
        self._release()
        if not self._closed:
            self._write(response.data, keep_alive=response.keep_alive)
            self._go_on()

    def _refuse(self, error: FramingError) -> None:
        fields = {
            "status": int(error.status),
            "cause": error.text,
            "http_request": {"remote": self.connection.endpoints.peer[0]},
        }
        _log.info("request refused", extra={"fields": fields})
        self._release()
        self._write(refusal(error.status, error.text).data, keep_alive=False)
        self._go_on()

    def _write(self, data: bytes, *, keep_alive: bool) -> None:
        self.connection.keep_alive = keep_alive
        self._open.write(data)
        if self._open.is_closing():
            self.give_up()
        elif self._blocked:
            self._start_sending()
            # Or a client could have ever more answers wait for it.
            self._open.pause_reading()
            self._server.unsent.hold(self)

    def _start_sending(self) -> None:
        self.connection.start_sending(time.monotonic())
        self._unsent_bytes, self._stalled = None, False
        self._server.note(self)

    def pause_writing(self) -> None:
        """Take notice that something could not be sent."""
        self._blocked = True

    def resume_writing(self) -> None:
        """Go on when the client has taken everything."""
        self._blocked = False
        self._server.unsent.release(self)
        if self.connection.phase is Phase.SENDING:
            self._start_sending()
            self._server.loop.call_soon(self._sent)

    def _sent(self) -> None:
        if not self._closed and self.connection.phase is Phase.SENDING:
            self._go_on()

    def _go_on(self) -> None:
        """Do what comes after an answer, if all of it was sent."""
        if self._closed or self._blocked:
            return
        connection = self.connection
        now = time.monotonic()
        if connection.keep_alive:
            connection.await_next(now)
            if self._server.draining:
                connection.begin_drain(now)
            self._advance(pipelined=bool(connection.buffer))
        elif self._ended:
            self.give_up()
        else:
            # Close our side and wait for the client's: a reset could destroy what it has not read.
            self._open.write_eof()
            connection.buffer.clear()
            connection.start_lingering(now)
            self._server.note(self)
            self._open.resume_reading()

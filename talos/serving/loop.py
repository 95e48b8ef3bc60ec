"""The event loop of a worker: it does all waiting, and threads run the application.

A thread is given a request only when the whole of it is in memory, and gives back an answer
without waiting for the client to take it. So a slow client costs a file descriptor and its
bytes, never a thread (contract 1.1).
"""

import logging
import selectors
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import cast

from gunicorn.config import Config
from gunicorn.workers.gthread import PollableMethodQueue

from talos.serving.connection import Connection, Phase, Step, Timeouts
from talos.serving.exchange import Ends, exchange, refusal
from talos.serving.framing import FramingError
from talos.serving.listening import Client, Listening
from talos.serving.site import Site

_log = logging.getLogger(__name__)

SWEEP_INTERVAL_S = 1.0
_DRAIN_SWEEP_INTERVAL_S = 0.2
_RECEIVE_BYTES = 64 * 1024
_LARGE_BODY_BYTES = 64 * 1024
_LARGE_BODIES_LIMIT_BYTES = 64 * 1024 * 1024
"""Room for all large bodies at once; whose does not fit any more waits for others to be done."""
_LARGE_BODY_THREADS = 2
"""Who answers requests with large bodies. Decoding one can take half a second of the processor and
many times its size in memory: the others must not wait for it, and there must not be many at once.
"""
_PROBE_THREADS = 4
_PROBE_CAPACITY = 64


class Loop:
    """Serves a ``Site`` on listening sockets, until ``drain`` has returned."""

    def __init__(
        self,
        config: Config,
        site: Site,
        listeners: Sequence[socket.socket],
        *,
        timeouts: Timeouts,
        on_sweep: Callable[[], None] = lambda: None,
    ) -> None:
        """Start accepting. ``on_sweep`` is called about every second."""
        self._config = config
        self._body_limit = site.body_limit
        self._timeouts = timeouts
        self._on_sweep = on_sweep
        self._draining = False
        self._large_body_threads = ThreadPoolExecutor(_LARGE_BODY_THREADS)
        self._clients: set[Client] = set()
        self._granted_bytes = 0
        self._waiting_for_room: dict[Client, None] = {}
        self._next_sweep = 0.0
        self._selector = selectors.DefaultSelector()
        self._answered = PollableMethodQueue()
        self._answered.init()
        self.watch(cast("int", self._answered.fileno()), lambda: self._answered.run_callbacks(None))
        self._listening = [
            Listening(
                socket=listener,
                application=application,
                # The second listener answers probes; it keeps threads and room of its own, so
                # that it answers while the first is busy.
                threads=ThreadPoolExecutor(_PROBE_THREADS if index else config.threads),
                capacity=_PROBE_CAPACITY if index else config.worker_connections,
            )
            for index, (listener, application) in enumerate(
                zip(listeners, site.applications, strict=True)
            )
        ]
        for listening in self._listening:
            self._accept_on(listening, True)

    def watch(self, descriptor: int, callback: Callable[[], None]) -> None:
        """Call ``callback`` whenever ``descriptor`` can be read."""
        self._selector.register(descriptor, selectors.EVENT_READ, lambda mask: callback())

    def turn(self) -> None:
        """Wait for something to happen, a second at most, and deal with it."""
        interval_s = _DRAIN_SWEEP_INTERVAL_S if self._draining else SWEEP_INTERVAL_S
        doors = []
        for key, mask in self._selector.select(interval_s):
            if isinstance(key.data, Listening):
                doors.append(key.data)
            else:
                key.data(mask)
        # Last, so that who has asked something is known not to be asking nothing.
        for listening in doors:
            if listening.accepting:
                self._accept(listening)
        now = time.monotonic()
        if now >= self._next_sweep:
            self._next_sweep = now + interval_s
            self._sweep(now)

    def drain(self, grace_s: float) -> bool:
        """Take nothing new and finish what was begun; False when that took longer than allowed.

        A client may have sent a request on a kept-alive connection already, so these stay open
        for a moment, and their next answer says that it is the last.
        """
        self._draining = True
        for listening in self._listening:
            while self._accept(listening):
                pass
            self._accept_on(listening, False)
            listening.socket.close()
        now = time.monotonic()
        give_up = now + grace_s
        for client in self._clients:
            client.connection.hurry(now)
        while self._clients and time.monotonic() < give_up:
            self.turn()
        finished = not any(c.connection.phase is Phase.RUNNING for c in self._clients)
        for client in list(self._clients):
            if client.connection.phase is not Phase.RUNNING:
                self._close(client)
        for threads in (self._large_body_threads, *(each.threads for each in self._listening)):
            threads.shutdown(wait=finished, cancel_futures=True)
        return finished

    def _sweep(self, now: float) -> None:
        """Give up clients whose time has passed, and accept again where there is room."""
        self._on_sweep()
        for client in [c for c in self._clients if c.connection.deadline <= now]:
            self._close(client)
        for listening in self._listening:
            listening.exhausted = False
            self._mind_the_door(listening)

    # Clients

    def _accept_on(self, listening: Listening, wanted: bool) -> None:
        if wanted == listening.accepting:
            return
        listening.accepting = wanted
        if wanted:
            self._selector.register(listening.socket, selectors.EVENT_READ, listening)
        else:
            self._selector.unregister(listening.socket)

    def _accept(self, listening: Listening) -> bool:
        """Take one client; False when none was waiting."""
        try:
            connected, peer = listening.socket.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False
        except OSError as error:
            _log.error("cannot accept a connection", extra={"fields": {"cause": error.strerror}})
            listening.exhausted = True
            self._mind_the_door(listening)
            return False
        connected.setblocking(False)
        connection = Connection(
            ends=Ends(peer=peer[:2], server=connected.getsockname()[:2]),
            timeouts=self._timeouts,
            body_limit=self._body_limit,
            opened_at=time.monotonic(),
        )
        client = Client(socket=connected, connection=connection, home=listening)
        self._clients.add(client)
        listening.clients += 1
        listening.asking_nothing[client] = None
        self._want(client, selectors.EVENT_READ)
        if listening.clients > listening.capacity:
            # Strangers who connect and say nothing shall not keep out those who do.
            self._close(next(iter(listening.asking_nothing)))
        return True

    def _want(self, client: Client, mask: int) -> None:
        """Register interest in ``mask``, 0 for none."""
        if client.closed or client.interest == mask:
            return
        if not client.interest:
            self._selector.register(client.socket, mask, partial(self._ready, client))
        elif mask:
            self._selector.modify(client.socket, mask, partial(self._ready, client))
        else:
            self._selector.unregister(client.socket)
        client.interest = mask

    def _ready(self, client: Client, mask: int) -> None:
        """Deal with a socket that can be read or written."""
        if client.closed:
            return
        if mask & selectors.EVENT_WRITE:
            self._send(client)
            self._after_send(client)
        elif client.connection.phase is Phase.RUNNING:
            # A pipelined request, or the client's farewell: after the answer.
            self._want(client, 0)
        else:
            self._receive(client)

    def _receive(self, client: Client) -> None:
        try:
            data = client.socket.recv(_RECEIVE_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._close(client)
        elif client.connection.phase is Phase.LINGERING:
            client.connection.heard_while_lingering(time.monotonic())
        else:
            client.connection.buffer += data
            self._advance(client)

    def _close(self, client: Client) -> None:
        if client.closed:
            return
        self._want(client, 0)
        client.closed = True
        client.socket.close()
        self._clients.discard(client)
        self._release(client)
        client.home.asking_nothing.pop(client, None)
        client.home.clients -= 1
        self._mind_the_door(client.home)

    def _mind_the_door(self, listening: Listening) -> None:
        """Accept clients exactly while they are welcome."""
        if not self._draining:
            self._accept_on(listening, listening.welcoming)

    # Requests

    def _advance(self, client: Client) -> None:
        """Read a request out of what has been received."""
        connection = client.connection
        try:
            step = connection.advance(time.monotonic())
        except FramingError as error:
            self._refuse(client, error)
            return
        if connection.phase is Phase.HEAD:
            client.home.asking_nothing.setdefault(client)
        else:
            client.home.asking_nothing.pop(client, None)
        self._mind_the_door(client.home)
        large = len(connection.body or b"") > _LARGE_BODY_BYTES
        if step is Step.ANSWER:
            threads = self._large_body_threads if large else client.home.threads
            threads.submit(self._answer, client)
            return
        if step is Step.CONTINUE:
            connection.outgoing = memoryview(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._send(client)
        if large and not client.granted_bytes and not self._grant(client):
            self._waiting_for_room[client] = None
            self._want(client, 0)
        else:
            self._want(client, selectors.EVENT_READ)

    def _grant(self, client: Client) -> bool:
        """Give the client room for all that its body may become, if there is as much."""
        wanted = client.connection.most_body_bytes
        if self._granted_bytes + wanted > _LARGE_BODIES_LIMIT_BYTES:
            return False
        self._granted_bytes += wanted
        client.granted_bytes = wanted
        return True

    def _release(self, client: Client) -> None:
        """Let go of the client's request, and let those go on who waited for its room."""
        client.connection.forget_request()
        self._waiting_for_room.pop(client, None)
        if not client.granted_bytes:
            return
        self._granted_bytes -= client.granted_bytes
        client.granted_bytes = 0
        for waiting in list(self._waiting_for_room):
            if not self._grant(waiting):
                break
            del self._waiting_for_room[waiting]
            self._want(waiting, selectors.EVENT_READ)

    # Answers

    def _answer(self, client: Client) -> None:
        """Run the application, on a thread, and send what the client takes at once."""
        connection = client.connection
        reply = exchange(
            self._config,
            client.home.application,
            connection.head,
            connection.body,
            connection.ends,
            must_close=lambda: connection.truncated or self._draining,
        )
        connection.outgoing = memoryview(reply.data)
        connection.keep_alive = reply.keep_alive
        self._send(client)
        self._answered.defer(self._after_send, client)

    def _refuse(self, client: Client, error: FramingError) -> None:
        fields = {"status": int(error.status), "cause": error.text}
        _log.info("request refused", extra={"fields": fields})
        client.home.asking_nothing.pop(client, None)
        client.connection.outgoing = memoryview(refusal(error.status, error.text).data)
        client.connection.keep_alive = False
        self._send(client)
        self._after_send(client)

    def _send(self, client: Client) -> None:
        """Send as much of the answer as fits; the client's trouble ends the connection."""
        connection = client.connection
        try:
            while connection.outgoing:
                sent = client.socket.send(connection.outgoing)
                connection.outgoing = connection.outgoing[sent:]
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            connection.outgoing = memoryview(b"")
            connection.keep_alive = False

    def _after_send(self, client: Client) -> None:
        """Wait for what comes after an answer, or after a piece of one."""
        if client.closed:
            return
        self._release(client)
        connection = client.connection
        now = time.monotonic()
        if connection.outgoing:
            if connection.phase is not Phase.SENDING:
                connection.start_sending(now)
            self._want(client, selectors.EVENT_WRITE)
        elif connection.keep_alive:
            connection.await_next(now)
            if self._draining:
                connection.hurry(now)
            self._advance(client)
        else:
            self._linger(client, now)

    def _linger(self, client: Client, now: float) -> None:
        """Say farewell and wait for the client's, so that it can read the answer to its end."""
        try:
            client.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(client)
            return
        client.connection.start_lingering(now)
        self._want(client, selectors.EVENT_READ)

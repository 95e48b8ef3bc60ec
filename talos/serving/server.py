"""Accepts connections, closes those past their deadlines, and drains at the end."""

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial

from talos.adapters.observability.log_throttle import LogThrottle
from talos.serving.connection_counts import WorkerSlot
from talos.serving.http.body_memory import BodyMemoryBudget
from talos.serving.http.connection import Timeouts
from talos.serving.http.endpoints import Endpoints, endpoints_of
from talos.serving.http.listener import Listener, ListenerState
from talos.serving.http.protocol import HttpProtocol
from talos.serving.http.response import Response
from talos.serving.http.thread_pool import ThreadPool
from talos.serving.http.unsent import UnsentAnswers
from talos.serving.peers import PeerBound

_log = logging.getLogger(__name__)

SWEEP_INTERVAL_S = 1.0
_DRAIN_SWEEP_INTERVAL_S = 0.2
_RELIEF_INTERVAL_S = 0.1
"""How often slow bodies are checked while others wait for memory."""
_LARGE_BODY_THREADS = 2
"""Who answers requests with large bodies. Decoding one can take half a second of the processor and
many times its size in memory: the others must not wait for it, and there must not be many at once.
"""
_YIELD_S = 0.001
"""How long a client is left to a worker with fewer; it may be busy, or not run at all."""
_ACCEPTED_PER_TURN = 64
"""Clients that connect at once wait for as many turns of the loop as this makes of them, and those
who are served already wait for these to be taken in.
"""


class ConnectionServer:
    """Serves listeners on the thread of an event loop, until drained."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listeners: Sequence[Listener],
        *,
        timeouts: Timeouts,
        body_memory: BodyMemoryBudget | None = None,
        unsent: UnsentAnswers | None = None,
        slot: WorkerSlot | None = None,
        peers: PeerBound | None = None,
        on_sweep: Callable[[], None] = lambda: None,
    ) -> None:
        """Start accepting. ``on_sweep`` is called about every second.

        ``slot`` is this worker's in the counts; without one it takes whomever it can. ``peers``
        bounds what each peer holds of the listeners that are to, for workers that have a slot.
        """
        self.loop = loop
        self.timeouts = timeouts
        self.draining = False
        self.large_body_pool = ThreadPool(_LARGE_BODY_THREADS)
        self.body_memory = body_memory or BodyMemoryBudget()
        self.unsent = unsent or UnsentAnswers()
        self.clients: set[HttpProtocol] = set()
        self._peer_log = LogThrottle()
        self._body_log = LogThrottle()
        self._relieving = False
        self._running = 0
        self._answers_told = False
        self._connecting: set[asyncio.Task[None]] = set()
        self._drained = asyncio.Event()
        self._slot = slot
        self._peers = peers if slot is not None else None
        self._on_sweep = on_sweep
        self.listeners = [
            ListenerState(listener, ThreadPool(listener.threads)) for listener in listeners
        ]
        # Those of the later listeners first: they are for probes.
        self._pools = [*(each.pool for each in reversed(self.listeners)), self.large_body_pool]
        self._publish_count()
        for state in self.listeners:
            self.update_accepting(state)
        self._timer = loop.call_soon(self._sweep)

    async def drain(self, grace_s: float) -> bool:
        """Take nothing new and finish what was begun; False when that took longer than allowed.

        A client may have sent a request on a kept-alive connection already, so these stay open
        for a moment, and their next answer says that it is the last.
        """
        self.draining = True
        if self._slot is not None:
            self._slot.leave()
        for state in self.listeners:
            while self._accept(state):
                pass
            self._accept_on(state, False)
            state.listener.socket.close()
        for client in self.clients:
            client.begin_drain()
        self._timer.cancel()
        self._sweep()
        self._check_drained()
        try:
            await asyncio.wait_for(self._drained.wait(), grace_s)
        except TimeoutError:
            for client in list(self.clients):
                client.give_up()
        self._timer.cancel()
        finished = not self._running
        for pool in self._pools:
            pool.end(wait=finished)
        return finished

    def _sweep(self) -> None:
        """Give up clients whose time has passed, and accept again where there is room."""
        interval_s = _DRAIN_SWEEP_INTERVAL_S if self.draining else SWEEP_INTERVAL_S
        self._timer = self.loop.call_later(interval_s, self._sweep)
        self._on_sweep()
        now = time.monotonic()
        for client in list(self.clients):
            if client.served:
                client.listener_state.renew(client)
            elif client.connection.deadline <= now:
                client.give_up()
            else:
                client.watch_sending()
        for state in self.listeners:
            state.exhausted = False
            self.update_accepting(state)

    # Clients

    def update_accepting(self, state: ListenerState) -> None:
        """Accept while there is capacity, and only then."""
        if not self.draining:
            self._accept_on(state, state.can_accept)

    def _accept_on(self, state: ListenerState, wanted: bool) -> None:
        if wanted == state.accepting:
            return
        state.accepting = wanted
        if wanted:
            # After all that is read in this turn of the loop: at capacity, accepting first could
            # evict a client whose request has arrived but is not yet read.
            ready = partial(self.loop.call_soon, self._accept_ready, state)
            self.loop.add_reader(state.listener.socket.fileno(), ready)
        else:
            self.loop.remove_reader(state.listener.socket.fileno())

    def _accept_ready(self, state: ListenerState) -> None:
        if not state.accepting:
            return
        if self._others_are_freer:
            state.yielding = True
            self.update_accepting(state)
            self.loop.call_later(_YIELD_S, self._accept_after_yield, state)
            return
        for _ in range(state.most_to_accept(_ACCEPTED_PER_TURN)):
            if not self._accept(state) or not state.accepting:
                return
            if self._others_are_freer:
                return

    @property
    def _others_are_freer(self) -> bool:
        return self._slot is not None and self._slot.others_are_freer()

    def _accept_after_yield(self, state: ListenerState) -> None:
        """Take the client that was left to others, if it still waits."""
        state.yielding = False
        if state.can_accept and not self.draining:
            self._accept(state)
        self.update_accepting(state)

    def _publish_count(self) -> None:
        if self._slot is not None and not self.draining:
            self._slot.tell(len(self.clients))

    def _accept(self, state: ListenerState) -> bool:
        """Take one client; False when none was waiting."""
        try:
            connected, peer = state.listener.socket.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False
        except OSError as error:
            _log.error("cannot accept a connection", extra={"fields": {"cause": error.strerror}})
            # Descriptors run out before a listener is full where the system allows too few.
            state.evict()
            state.exhausted = True
            self.update_accepting(state)
            return False
        connected.setblocking(False)
        endpoints = endpoints_of(connected, peer)
        if state.listener.bounds_peers and not self._admits(endpoints):
            connected.close()
            return True
        client = HttpProtocol(self, state, connected, endpoints)
        self.clients.add(client)
        state.clients += 1
        self._publish_count()
        task = self.loop.create_task(self._connect(client, connected))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        if state.clients > state.listener.capacity:
            # Idle or silent connections must not keep out clients that send requests.
            state.evict()
        self.update_accepting(state)
        return True

    def _admits(self, endpoints: Endpoints) -> bool:
        """Count a connection to a listener that bounds peers, unless its peer has too many."""
        if self._peers is None or self._slot is None:
            return True
        admitted = self._peers.admit(self._slot.index, endpoints.peer[0])
        if not admitted and self._peer_log.due():
            _log.warning(
                "a peer holds as many connections as serve.http.max_connections_per_peer allows; "
                "more are closed",
                extra={"fields": {"peer": endpoints.peer[0]}},
            )
        return admitted

    async def _connect(self, client: HttpProtocol, connected: socket.socket) -> None:
        try:
            await self.loop.connect_accepted_socket(lambda: client, connected)
        except (OSError, RuntimeError):
            # It left, or was given up, before anything was read.
            client.give_up()
            connected.close()

    def note(self, client: HttpProtocol, *, delivered: bool = False) -> None:
        """Take notice of what the client waits for. See ``ListenerState.note``."""
        client.listener_state.note(client, delivered=delivered)
        self.update_accepting(client.listener_state)

    def left(self, client: HttpProtocol) -> None:
        """Forget a client whose connection is closed."""
        self.clients.discard(client)
        client.listener_state.evictable.pop(client, None)
        client.listener_state.clients -= 1
        if (
            client.listener_state.listener.bounds_peers
            and self._peers is not None
            and self._slot is not None
        ):
            self._peers.left(self._slot.index, client.connection.endpoints.peer[0])
        self._publish_count()
        self.update_accepting(client.listener_state)
        self._check_drained()

    def _check_drained(self) -> None:
        if self.draining and not self.clients and not self._running:
            self._drained.set()

    def relieve_body_memory(self) -> None:
        """Close slow bodies for as long as others wait for memory."""
        if not self._relieving:
            self._relieving = True
            self.loop.call_later(_RELIEF_INTERVAL_S, self._relieve_body_memory)

    def _relieve_body_memory(self) -> None:
        self._relieving = False
        closed = self.body_memory.relieve()
        if closed and self._body_log.due():
            _log.warning(
                "the memory for large bodies is full; connections that send theirs slowly are "
                "closed",
                extra={"fields": {"closed": closed}},
            )
        if self.body_memory.waiting:
            self.relieve_body_memory()

    # Answers

    def run(self, task: Callable[[], None], pool: ThreadPool, *, pipelined: bool) -> None:
        """Have one of ``pool`` do ``task``, which ends with ``deliver``."""
        self._running += 1
        pool.run(task, pipelined=pipelined)

    def deliver(self, client: HttpProtocol, response: Response, pool: ThreadPool) -> None:
        """Have the event loop send an answer that a thread of ``pool`` has made."""
        pool.finished.append((client, response))
        # Once for all that are finished before the loop has had a look: waking it costs as much as
        # handing over. It takes the mark back first, so an answer that finds it set is seen.
        if not self._answers_told:
            self._answers_told = True
            self.loop.call_soon_threadsafe(self._hand_over)

    def _hand_over(self) -> None:
        """Send what is finished by now, what the probes' threads have made before the rest.

        What comes meanwhile waits for another turn of the loop, and so for all who are read in it.
        """
        self._answers_told = False
        for pool in self._pools:
            for _ in range(len(pool.finished)):
                client, response = pool.finished.popleft()
                self._running -= 1
                pool.handed_over()
                try:
                    client.answer(response)
                except Exception:
                    # Whatever it is, the answers behind this one are due.
                    _log.exception("unhandled exception while answering")
                    client.give_up()
        self._check_drained()

"""A listener as it is described, and what the event loop knows of it and its clients."""

import socket
from dataclasses import dataclass, field
from typing import Final, Protocol

from talos._core import FastPathContext
from talos.serving.http.handler import RequestHandler
from talos.serving.http.thread_pool import ThreadPool

_FEW: Final = 32
"""At capacity, less than this part of all clients that could make room is too few."""


@dataclass(frozen=True, slots=True, eq=False)
class Listener:
    """What one worker is to do with one listening socket, TCP or Unix."""

    name: str
    """As the log names it."""
    socket: socket.socket
    handler: RequestHandler
    threads: int
    """How many requests its handler answers at once."""
    capacity: int
    """Most clients at once."""
    fast_path: FastPathContext = field(default_factory=FastPathContext)
    """What answers requests before they are given to a thread; without a path: nothing."""
    takes_bodies: bool = True
    """Whether requests may have bodies."""
    bounds_peers: bool = False
    """Whether what each peer holds of it is bounded."""


class Evictable(Protocol):
    """A client, as far as its listener has to know it."""

    served: bool
    """The fast path has answered it since ``rest`` was called."""

    @property
    def may_be_evicted(self) -> bool:
        """Whether nothing is lost with the client but what it has not delivered yet itself."""
        ...

    def rest(self) -> None:
        """Take notice of answers of the fast path: the wait for the next request begins now."""
        ...

    def give_up(self) -> None:
        """Close the connection."""
        ...


@dataclass(slots=True, eq=False)
class ListenerState:
    """One listener of one worker, as it stands."""

    listener: Listener
    pool: ThreadPool
    clients: int = 0
    accepting: bool = False
    yielding: bool = False
    """The next client is left to another worker for a moment."""
    exhausted: bool = False
    """The last attempt to accept failed, for want of descriptors most likely."""
    evictable: dict[Evictable, None] = field(default_factory=dict)
    """Clients that may be closed to make room: all but those whose request is run and those that
    take their answer. Who has delivered nothing for longest is the first, those apart that were
    answered by the fast path since they were put here.
    """

    @property
    def can_accept(self) -> bool:
        """Whether to accept: below capacity, or with a client that may be evicted."""
        if self.exhausted or self.yielding:
            return False
        return self.clients < self.listener.capacity or bool(self.evictable)

    @property
    def few_evictable(self) -> bool:
        """Whether at capacity too few clients may be evicted. Asked by any thread."""
        few = max(1, self.listener.capacity // _FEW)
        return self.clients >= self.listener.capacity and len(self.evictable) < few

    def most_to_accept(self, limit: int) -> int:
        """Return how many clients may be accepted in one turn of the event loop.

        At capacity each of them has another one closed. They are half of those who may be, so that
        nobody who was accepted a moment ago has to leave before it was heard.
        """
        room = self.listener.capacity - self.clients
        return min(limit, room if room > 0 else max(1, len(self.evictable) // 2))

    def evict(self) -> None:
        """Close the evictable connection that has delivered nothing for longest, if there is one.

        The fast path only sets ``served`` on the client that it answers. Clients that have it set
        are put behind the others here.
        """
        while self.evictable:
            client = next(iter(self.evictable))
            if not client.served:
                client.give_up()
                return
            self.renew(client)

    def note(self, client: Evictable, *, delivered: bool) -> None:
        """Take notice of whether the client may be evicted, and whether it has delivered something.

        Bytes of a head count for nothing before its end: a client could otherwise stay in front of
        others for a byte at a time, and a head comes at once.
        """
        if delivered or not client.may_be_evicted:
            self.evictable.pop(client, None)
        if client.may_be_evicted:
            self.evictable.setdefault(client)

    def renew(self, client: Evictable) -> None:
        """Put a client that the fast path has answered behind the others, and clear ``served``."""
        client.rest()
        self.note(client, delivered=True)

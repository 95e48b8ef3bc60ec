"""Memory for large bodies: one that does not fit beside the others waits for them to be done."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

LIMIT_BYTES: Final = 64 * 1024 * 1024
"""How much of large bodies a worker holds before it stops reading them."""

TURN_S: Final = 1.0
"""How long a body is read, undisturbed, while others wait for memory."""

_READ_BYTES: Final = 64 * 1024
"""The most that one read adds to a body."""


class Waiter(Protocol):
    """A connection with a large body."""

    def admitted(self) -> None:
        """Take notice that the wait is over."""
        ...

    def give_up(self) -> None:
        """Close the connection."""
        ...


@dataclass(slots=True)
class _Account:
    """What one waiter holds, and for how long it has been read. Paused time does not count."""

    held_bytes: int = 0
    read_s: float = 0.0
    read_since: float | None = None
    """None while it waits, and once it is whole."""
    granted_bytes: int = 0
    """How much it may hold before it waits where there is no room."""

    def read_for_s(self, now: float) -> float:
        return self.read_s if self.read_since is None else self.read_s + now - self.read_since

    def pause(self, now: float) -> None:
        self.read_s, self.read_since = self.read_for_s(now), None


class BodyMemoryBudget:
    """Counts what has arrived of the large bodies of one worker, never what was announced.

    Whoever came first is read on even past the limit, so that one always goes on.
    The others are read on for one read more each before they wait, or who sends a little at a time
    would wait, and not be slow, most of the time. What is held goes past the limit by that one
    body, and by two reads of each other.

    While anybody waits, a body that has been read for ``TURN_S`` and is still not whole gives way:
    of several the one that has held most memory for longest. So clients that fill the memory and
    then send slowly hold up the others for about two turns, however well they keep the pace that
    is asked of all; and a body that is read within a turn is never closed.
    """

    def __init__(
        self,
        limit_bytes: int = LIMIT_BYTES,
        turn_s: float = TURN_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with nobody waiting; ``clock`` returns seconds."""
        self._limit_bytes = limit_bytes
        self._turn_s = turn_s
        self._clock = clock
        self._accounts: dict[Waiter, _Account] = {}
        self._held_bytes = 0
        self._waiting: dict[Waiter, None] = {}

    @property
    def waiting(self) -> int:
        """How many waiters wait."""
        return len(self._waiting)

    @property
    def held_bytes(self) -> int:
        """How much has arrived and is not done with."""
        return self._held_bytes

    def charge_whole(self, waiter: Waiter, held_bytes: int) -> None:
        """Charge the waiter with its body, which is whole: it does not give way any more."""
        self._charge(waiter, held_bytes).pause(self._clock())

    def may_go_on(self, waiter: Waiter, held_bytes: int) -> bool:
        """Charge the waiter with what has arrived, and return whether to read on.

        If not, ``admitted`` is called later. Newcomers wait behind those who wait already.
        """
        behind_others = waiter not in self._accounts and bool(self._waiting)
        account = self._charge(waiter, held_bytes)
        fits = self._held_bytes <= self._limit_bytes and not behind_others
        if fits:
            account.granted_bytes = held_bytes + _READ_BYTES
        elif waiter is not self._first and held_bytes >= account.granted_bytes:
            account.pause(self._clock())
            self._waiting[waiter] = None
        return waiter not in self._waiting

    def leave(self, waiter: Waiter) -> None:
        """Forget the waiter and what it holds, and let those go on for whom there is room."""
        self._waiting.pop(waiter, None)
        account = self._accounts.pop(waiter, None)
        if account is not None:
            self._held_bytes -= account.held_bytes
        free_bytes = self._limit_bytes - self._held_bytes
        for waiting in list(self._waiting):
            if free_bytes >= _READ_BYTES or waiting is self._first:
                free_bytes -= _READ_BYTES
                del self._waiting[waiting]
                account = self._accounts[waiting]
                account.granted_bytes = account.held_bytes + _READ_BYTES
                account.read_since = self._clock()
                waiting.admitted()

    def relieve(self) -> int:
        """Close those whose turn is over, while anybody waits. Return how many that were."""
        now, closed = self._clock(), 0
        while self._waiting:
            slow = [
                (account.held_bytes * account.read_for_s(now), waiter)
                for waiter, account in self._accounts.items()
                if account.read_since is not None and account.read_for_s(now) >= self._turn_s
            ]
            if not slow:
                break
            _, victim = max(slow, key=lambda each: each[0])
            victim.give_up()
            self.leave(victim)
            closed += 1
        return closed

    def _charge(self, waiter: Waiter, held_bytes: int) -> _Account:
        account = self._accounts.get(waiter)
        if account is None:
            account = self._accounts[waiter] = _Account(read_since=self._clock())
        self._held_bytes += held_bytes - account.held_bytes
        account.held_bytes = held_bytes
        return account

    @property
    def _first(self) -> Waiter | None:
        return next(iter(self._accounts), None)

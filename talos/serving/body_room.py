"""Room for large bodies: one that does not fit beside the others waits for them to be done."""

from typing import Final, Protocol

LIMIT_BYTES: Final = 64 * 1024 * 1024
"""How much of large bodies a worker holds before it stops reading them."""

_READ_BYTES: Final = 64 * 1024
"""The most that one read adds to a body."""


class Guest(Protocol):
    """Who brings a large body."""

    def admitted(self) -> None:
        """Take notice that the wait is over."""
        ...


class BodyRoom:
    """Counts what has arrived of the large bodies of one worker, never what was announced.

    Whoever came first is read to the end even where there is no room left: so one always ends and
    makes room. What is held goes past the limit by that one body, and by one read of each other.
    """

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        """Begin with nobody."""
        self._limit_bytes = limit_bytes
        self._held: dict[Guest, int] = {}
        self._held_bytes = 0
        self._waiting: dict[Guest, None] = {}

    @property
    def waiting(self) -> int:
        """How many guests wait."""
        return len(self._waiting)

    @property
    def held_bytes(self) -> int:
        """How much has arrived and is not done with."""
        return self._held_bytes

    def charge(self, guest: Guest, held_bytes: int) -> None:
        """Charge the guest with what has arrived of its body."""
        self._held_bytes += held_bytes - self._held.get(guest, 0)
        self._held[guest] = held_bytes

    def may_go_on(self, guest: Guest, held_bytes: int) -> bool:
        """Charge the guest, and return whether to read on.

        If not, ``admitted`` is called later. Newcomers wait behind those who wait already.
        """
        behind_others = guest not in self._held and bool(self._waiting)
        self.charge(guest, held_bytes)
        fits = self._held_bytes <= self._limit_bytes and not behind_others
        if not fits and guest is not self._first:
            self._waiting[guest] = None
        return guest not in self._waiting

    def leave(self, guest: Guest) -> None:
        """Forget the guest and what it holds, and let those go on for whom there is room."""
        self._waiting.pop(guest, None)
        self._held_bytes -= self._held.pop(guest, 0)
        free_bytes = self._limit_bytes - self._held_bytes
        for waiting in list(self._waiting):
            if free_bytes >= _READ_BYTES or waiting is self._first:
                free_bytes -= _READ_BYTES
                del self._waiting[waiting]
                waiting.admitted()

    @property
    def _first(self) -> Guest | None:
        return next(iter(self._held), None)

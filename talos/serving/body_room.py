"""Room for large bodies: as many at once as fit in memory, whoever came first."""

from typing import Protocol

LIMIT_BYTES = 64 * 1024 * 1024
"""Room for all large bodies at once; whose does not fit any more waits for others to be done."""


class Guest(Protocol):
    """Who brings a large body."""

    def admitted(self) -> None:
        """Take notice of having been given the room that was waited for."""
        ...


class BodyRoom:
    """Hands out the room of one worker.

    Each is given at once all that its body may become, so that who has been admitted comes to an
    end without more.
    """

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        """Hand out ``limit_bytes``, which is at least what one guest may ask for."""
        self._limit_bytes = limit_bytes
        self._taken: dict[Guest, int] = {}
        self._taken_bytes = 0
        self._waiting: dict[Guest, int] = {}

    @property
    def waiting(self) -> int:
        """How many guests wait."""
        return len(self._waiting)

    @property
    def taken_bytes(self) -> int:
        """How much is handed out."""
        return self._taken_bytes

    def enter(self, guest: Guest, wanted_bytes: int) -> bool:
        """Give the guest room, or let it wait: then False, and ``admitted`` is called later.

        Who is in, or waits already, changes nothing.
        """
        if guest in self._taken:
            return True
        if guest not in self._waiting and not self._take(guest, wanted_bytes):
            self._waiting[guest] = wanted_bytes
        return guest in self._taken

    def leave(self, guest: Guest) -> None:
        """Take back what the guest has or waits for, and let those in who waited for it."""
        self._waiting.pop(guest, None)
        self._taken_bytes -= self._taken.pop(guest, 0)
        for waiting, wanted_bytes in list(self._waiting.items()):
            if not self._take(waiting, wanted_bytes):
                break
            del self._waiting[waiting]
            waiting.admitted()

    def _take(self, guest: Guest, wanted_bytes: int) -> bool:
        if self._taken_bytes + wanted_bytes > self._limit_bytes:
            return False
        self._taken[guest] = wanted_bytes
        self._taken_bytes += wanted_bytes
        return True

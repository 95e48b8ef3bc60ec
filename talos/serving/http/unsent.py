"""Bounds what a worker holds of answers that clients have not taken."""

from itertools import islice
from typing import Final, Protocol

LIMIT_BYTES: Final = 64 * 1024 * 1024
"""How much may wait to be sent before connections are closed."""

_COMPARED: Final = 16
"""How many of those that wait longest are looked at to find one that takes nothing."""


class Receiver(Protocol):
    """A client to whom something could not be sent yet."""

    @property
    def unsent_bytes(self) -> int:
        """How much still waits to be sent."""
        ...

    def give_up(self) -> None:
        """Close the connection."""
        ...


class UnsentAnswers:
    """Adds up what waits to be sent, as it was when sending began: at most that is held.

    A client that pipelines requests and takes no answer costs nothing but memory, a few hundred
    kilobytes a connection; many of them together must not fill it.
    """

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        """Hold up to ``limit_bytes``, and always what one client is sent."""
        self._limit_bytes = limit_bytes
        self._held: dict[Receiver, int] = {}
        self._held_bytes = 0

    @property
    def held_bytes(self) -> int:
        """The sum."""
        return self._held_bytes

    def hold(self, receiver: Receiver) -> None:
        """Count what waits for ``receiver``, and close connections while it is too much in sum.

        Of those that wait longest one goes that has taken nothing, else the first.
        """
        self.release(receiver)
        size_bytes = receiver.unsent_bytes
        self._held[receiver] = size_bytes
        self._held_bytes += size_bytes
        while self._held_bytes > self._limit_bytes and len(self._held) > 1:
            first = next(iter(self._held))
            longest = islice(self._held.items(), min(_COMPARED, len(self._held) - 1))
            victim = next((one for one, held in longest if one.unsent_bytes >= held), first)
            self.release(victim)
            victim.give_up()

    def release(self, receiver: Receiver) -> None:
        """Forget a client that has taken everything, or is closed."""
        self._held_bytes -= self._held.pop(receiver, 0)

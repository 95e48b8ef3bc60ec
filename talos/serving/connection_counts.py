"""How many clients each worker has, for all of them to read: the one with fewest accepts next.

The workers accept from the same listeners, and without this whoever runs at the moment takes all
that is waiting: 32 clients that connect at once were all served by one of two workers. Listeners of
their own (``SO_REUSEPORT``) would spread clients, too, but lose those that wait at a worker that
ends.
"""

import mmap
from collections.abc import Container
from typing import Final

SLOTS: Final = 512
"""How many workers can be told apart."""
_ABSENT: Final = -1


class ConnectionCounts:
    """A row of numbers in memory that all workers share, one for each. Made before they are forked.

    Each worker writes its own and reads the others'. A number that is old by the time it is read
    costs a client a moment, and nothing else.
    """

    def __init__(self) -> None:
        """Begin without workers."""
        # The first number is how many of the others have ever been used.
        self._counts = memoryview(mmap.mmap(-1, (1 + SLOTS) * 8)).cast("q")
        self._holders: dict[int, int] = {}

    def free_slot(self) -> "WorkerSlot | None":
        """Return a slot for the worker that is forked next, None when there are too many."""
        taken = set(self._holders.values())
        free = next((index for index in range(1, 1 + SLOTS) if index not in taken), None)
        if free is None:
            return None
        self._counts[free] = _ABSENT
        self._counts[0] = max(self._counts[0], free)
        return WorkerSlot(self._counts, free)

    def assigned(self, pid: int, slot: "WorkerSlot | None") -> None:
        """Take notice in the master of whose slot it became."""
        if slot is not None:
            self._holders[pid] = slot.index

    def clear(self, living: Container[int]) -> None:
        """Free the slots of the workers that are not among the ``living``."""
        for pid in [pid for pid in self._holders if pid not in living]:
            self._counts[self._holders.pop(pid)] = _ABSENT


class WorkerSlot:
    """One worker's place in the counts."""

    def __init__(self, counts: memoryview, index: int) -> None:
        """Take the place at ``index``; until ``tell`` is called nobody knows of it."""
        self._counts = counts
        self.index = index

    def tell(self, clients: int) -> None:
        """Write down how many clients this worker has."""
        self._counts[self.index] = clients

    def leave(self) -> None:
        """Leave the count: this worker accepts no more connections."""
        self._counts[self.index] = _ABSENT

    def others_are_freer(self) -> bool:
        """Whether another worker has clearly fewer clients than this one has told of.

        Fewer by an eighth and one: with no slack workers would take turns client by client, and
        hundreds that connect at once would wait for as many turns.
        """
        own = self._counts[self.index]
        return any(
            count != _ABSENT and count + count // 8 < own
            for count in self._counts[1 : 1 + self._counts[0]]
        )

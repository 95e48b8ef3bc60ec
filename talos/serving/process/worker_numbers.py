"""Which share of what a server has to divide is whose: workers numbered from 0."""

from collections import Counter
from collections.abc import Container


class WorkerNumbers:
    """Gives each worker the number that fewest of the living have.

    So all numbers are held once, and twice for as long as new workers take over from old ones.
    Kept by the master.
    """

    def __init__(self, workers: int) -> None:
        """Number so many workers."""
        self._workers = workers
        self._holders: dict[int, int] = {}

    def next(self) -> int:
        """Return the number of the worker that is forked next."""
        held = Counter(self._holders.values())
        return min(range(self._workers), key=lambda number: (held[number], number))

    def taken(self, pid: int, number: int) -> None:
        """Take notice of whose it became."""
        self._holders[pid] = number

    def clear(self, living: Container[int]) -> None:
        """Forget the workers that are not among the ``living``."""
        self._holders = {pid: held for pid, held in self._holders.items() if pid in living}

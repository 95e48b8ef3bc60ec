"""A flag that the master sets and all workers read."""

import mmap


class SharedFlag:
    """Memory that a process shares with all it forks later. It is set once, and never cleared."""

    def __init__(self) -> None:
        """Begin with no."""
        self._memory = mmap.mmap(-1, 1)

    def set(self) -> None:
        """Set the flag."""
        self._memory[0] = 1

    def is_set(self) -> bool:
        """Whether any of the processes has said yes."""
        return self._memory[0] != 0

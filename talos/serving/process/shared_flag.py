"""A yes or no that the master says and all workers see."""

import mmap


class SharedFlag:
    """Memory that a process shares with all it forks later. It is set once, and never cleared."""

    def __init__(self) -> None:
        """Begin with no."""
        self._memory = mmap.mmap(-1, 1)

    def set(self) -> None:
        """Say yes."""
        self._memory[0] = 1

    def is_set(self) -> bool:
        """Whether any of the processes has said yes."""
        return self._memory[0] != 0

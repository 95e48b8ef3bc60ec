"""A 64-bit word in a file that a test and the processes it starts have mapped."""

from mmap import mmap
from pathlib import Path


def shared_word(path: Path, *, signed: bool = False) -> memoryview:
    """Return the word; the file is made if it is not there."""
    if not path.exists():
        path.write_bytes(bytes(8))
    with path.open("r+b") as file:
        return memoryview(mmap(file.fileno(), 8)).cast("B").cast("q" if signed else "Q")

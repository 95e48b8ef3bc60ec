"""The file of an SQLite database, as the file system has it.

SQLite goes on with a file that was replaced or removed under it: old connections read and write
what no path leads to any more, new ones the other file. Half of the answers would be of before the
change, and what is written would be lost.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_COMPANIONS: Final = ("", "-wal", "-shm")
"""Of a database with write-ahead logging: all of them hold its content."""


class FileReplaced(OSError):
    """The path leads to another file than before, or to none."""


class SqliteFile:
    """Remembers which file it is. Safe for use by many threads and across forks."""

    def __init__(self, path: Path) -> None:
        """Remember the file at ``path``, or the first that will be there."""
        self._path = path
        self._pin = -1
        self._identity: tuple[int, int] | None = None
        self._remember()

    def require_same(self) -> None:
        """Raise ``FileReplaced`` where the path does not lead to the file that it did at first."""
        try:
            found = self._path.stat()
        except OSError as error:
            raise FileReplaced(f"{self._path}: {error.strerror}") from error
        if self._identity is None:
            self._remember()
        elif (found.st_dev, found.st_ino) != self._identity:
            raise FileReplaced(f"{self._path} was replaced; the server must be started again")

    def require_writable(self) -> None:
        """Raise ``OSError`` that names the file or the folder which cannot be written."""
        # The folder too: SQLite makes and removes its other files there.
        for kind, path in (("file", self._path), ("folder", self._path.parent)):
            if not os.access(path, os.W_OK, effective_ids=_EFFECTIVE):
                raise PermissionError(f"the {kind} {path} cannot be written")

    def _remember(self) -> None:
        try:
            if hasattr(os, "O_PATH"):
                # Held for good, since a number is given to another file once nobody holds it.
                # Any other descriptor, when closed, would take SQLite's locks with it.
                self._pin = os.open(self._path, os.O_PATH | os.O_CLOEXEC)
                found = os.fstat(self._pin)
            else:
                found = self._path.stat()
        except OSError:
            return
        self._identity = (found.st_dev, found.st_ino)


_EFFECTIVE: Final = os.access in os.supports_effective_ids


def exposures(path: Path) -> Iterator[str]:
    """Yield a warning for each part of the database at ``path`` that is open to others."""
    for companion in _COMPANIONS:
        yield from _exposure("file", path.with_name(path.name + companion), "read or written")
    yield from _exposure("folder", path.parent, "written")


def _exposure(kind: str, path: Path, how: str) -> Iterator[str]:
    refused = stat.S_IWOTH | (stat.S_IROTH if kind == "file" else 0)
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if mode & refused:
        yield (
            f"the database {kind} {path} can be {how} by every user of this machine "
            f"(mode {stat.S_IMODE(mode):04o}); take that away with chmod o-rwx"
        )

"""What the processes of one server know of the state of their database."""

import logging
import mmap
from collections.abc import Callable
from typing import Final

from talos.adapters.observability.log_throttle import LogThrottle
from talos.adapters.sql.dsn import DatabaseUrl
from talos.adapters.sql.sqlite_file import FileReplaced, SqliteFile
from talos.errors import ServiceUnavailable

_FAILED: Final = 1

_logger = logging.getLogger(__name__)


class DatabaseHealth:
    """Made once, before the processes are forked: what one of them notices, all know."""

    def __init__(self, url: DatabaseUrl) -> None:
        """Remember the file of an SQLite database; writes are taken to work."""
        self._file = None if url.path is None else SqliteFile(url.path)
        # Anonymous and shared with every process forked from this one.
        self._writes = mmap.mmap(-1, 1)
        self._replaced = LogThrottle()
        self.on_replaced: Callable[[], None] = lambda: None
        """Called, seldom, by a process that finds the file replaced."""

    def require_same_file(self) -> None:
        """Raise ``ServiceUnavailable`` where the SQLite file is not the one of the start."""
        if self._file is None:
            return
        try:
            self._file.require_same()
        except FileReplaced as error:
            if self._replaced.due():
                _logger.error("the database was replaced or removed under the server: %s", error)
                self.on_replaced()
            raise ServiceUnavailable from error

    def require_writable_file(self) -> None:
        """Raise ``ServiceUnavailable`` where the SQLite file or its folder cannot be written."""
        if self._file is None:
            return
        try:
            self._file.require_writable()
        except OSError as error:
            raise ServiceUnavailable from error

    @property
    def writes_failed(self) -> bool:
        """Whether storage refused a write (a full disk), and none was tried with success since."""
        return self._writes[0] == _FAILED

    def note_failed_write(self) -> None:
        """Let every process know that storage refused a write."""
        self._writes[0] = _FAILED

    def note_good_write(self) -> None:
        """Let every process know that writes work again."""
        self._writes[0] = 0

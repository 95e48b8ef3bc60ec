"""Reading the SQLite file of another system, which may have been made to do harm.

Nothing of its schema is executed: only plain tables are read, no view, no trigger and no generated
column. Whatever the file is, each step of reading it ends, and holds a bounded amount of memory.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from talos.errors import FailedPrecondition

BUSY_TIMEOUT_S: Final = 10.0
STEP_TIMEOUT_S: Final = 60.0
"""How long one step (a portion of rows, a count) may take."""
LONGEST_VALUE_BYTES: Final = 1 << 20
_PORTION_BYTES: Final = 16 << 20
_LONGEST_SCHEMA_TEXT: Final = 1 << 20

# Bytes 18 and 19 of the file header are 2 where write-ahead logging is on.
_WAL_HEADER: Final = slice(18, 20)
_COMPANIONS: Final = ("-wal", "-shm", "-journal")

_PRAGMAS: Final = frozenset({"table_xinfo"})
_FUNCTIONS: Final = frozenset({"count"})

Row = Mapping[str, Any]


class Unreadable(FailedPrecondition):
    """The file is damaged, or is made in a way that is not read."""


class _TooLarge(Unreadable):
    """A value is longer than ``LONGEST_VALUE_BYTES``."""


class OldFile:
    """A file that is read and never changed.

    Every method raises ``FailedPrecondition`` where the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        """Open the file so that neither it nor the folder around it changes."""
        with _in_words():
            self._connection = _open(path)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def has(self, table: str, columns: Sequence[str]) -> bool:
        """Return whether there is a plain table with these columns, each of them stored.

        Raises ``FailedPrecondition`` for a view, a virtual table and a generated column.
        """
        found = self._all(
            "SELECT type, sql FROM sqlite_master WHERE name = ? COLLATE NOCASE", (table,)
        )
        if not found:
            return False
        sql = found[0]["sql"]
        if len(found) > 1 or found[0]["type"] != b"table" or not _is_plain(sql):
            raise Unreadable(f"{table} of the old database is no plain table")
        hidden = {
            str(column["name"], errors="replace").lower(): column["hidden"]
            # The name is a constant.
            for column in self._all(f"PRAGMA table_xinfo({table})")
        }
        if "rowid" in hidden:
            raise Unreadable(f"{table} of the old database has a column named rowid")
        if any(hidden.get(name) for name in columns):
            raise Unreadable(f"{table} of the old database computes what it should store")
        return all(name in hidden for name in columns)

    def count(self, table: str) -> int:
        """Return the number of rows."""
        # The name is a constant.
        return int(self._all(f"SELECT COUNT(*) AS number FROM {table}")[0]["number"])  # noqa: S608

    def portions(
        self, table: str, columns: Sequence[str], rows: int, too_large: Callable[[Row], None]
    ) -> Iterator[Sequence[Row]]:
        """Yield all rows, up to ``rows`` at a time; between two portions no lock is held.

        ``too_large`` is called with the id columns of a row that holds more than
        ``LONGEST_VALUE_BYTES`` in one place; None stands for an id that cannot be read itself.
        """
        after = -(2**63)
        # Of constants.
        statement = (
            f"SELECT rowid AS position, {', '.join(columns)} FROM {table} "  # noqa: S608
            "WHERE rowid > ? ORDER BY rowid LIMIT ?"
        )
        while True:
            try:
                portion = self._all(statement, (after, rows))
            except _TooLarge:
                portion = self._one_by_one(table, statement, after, rows, too_large)
            if not portion:
                return
            _require_order(after, portion)
            after = portion[-1]["position"]
            yield [row for row in portion if len(row.keys()) > 1]

    def _one_by_one(
        self,
        table: str,
        statement: str,
        after: int,
        rows: int,
        too_large: Callable[[Row], None],
    ) -> list[Row]:
        """Return the next rows, those that are too large as their position alone."""
        # A constant.
        positions = self._all(
            f"SELECT rowid AS position FROM {table} "  # noqa: S608
            "WHERE rowid > ? ORDER BY rowid LIMIT ?",
            (after, rows),
        )
        _require_order(after, positions)
        found: list[Row] = []
        held = 0
        for position in positions:
            try:
                row = self._all(statement, (position["position"] - 1, 1))[0]
            except _TooLarge:
                too_large(self._id_of(table, position["position"]))
                found.append(position)
            else:
                found.append(row)
                held += _size(row)
            if held > _PORTION_BYTES:
                break
        return found

    def _id_of(self, table: str, position: int) -> Row:
        row: dict[str, Any] = {}
        for column in ("nid", "key_id"):
            try:
                # Constants.
                statement = f"SELECT {column} FROM {table} WHERE rowid = ?"  # noqa: S608
                row[column] = self._all(statement, (position,))[0][column]
            except (_TooLarge, IndexError):
                row[column] = None
        return row

    def _all(self, statement: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Return the rows of a statement, as many as fit into a portion."""
        late = threading.Timer(STEP_TIMEOUT_S, self._connection.interrupt)
        late.daemon = True
        late.start()
        rows: list[Row] = []
        held = 0
        try:
            with _in_words():
                cursor = self._connection.execute(statement, parameters)
                for row in cursor:
                    rows.append(row)
                    held += _size(row)
                    if held > _PORTION_BYTES:
                        break
                cursor.close()
        finally:
            late.cancel()
        return rows


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code == sqlite3.SQLITE_TOOBIG:
            raise _TooLarge("the old database cannot be read: a value is too long") from error
        if code == sqlite3.SQLITE_INTERRUPT:
            raise Unreadable(
                f"the old database cannot be read: a step took longer than {STEP_TIMEOUT_S:g} s"
            ) from error
        raise Unreadable(f"the old database cannot be read: {error}") from error
    except (MemoryError, OSError) as error:
        raise Unreadable(f"the old database cannot be read: {error}") from error


def _open(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise FailedPrecondition(f"there is no file {path}")
    for companion in _COMPANIONS:
        beside = path.with_name(path.name + companion)
        # Opening a pipe would wait for a writer.
        if beside.exists() and not beside.is_file():
            raise Unreadable(f"{beside} is no file")
    with path.open("rb") as file:
        header = file.read(100)
    write_ahead_log = path.with_name(f"{path.name}-wal")
    # A file with write-ahead logging that was closed cleanly would get its helper files back by
    # being opened; it is all there, and nobody writes to it.
    settled = header[_WAL_HEADER] == b"\2\2" and not write_ahead_log.exists()
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if settled else ''}",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
    )
    connection.row_factory = sqlite3.Row
    # Text that is not UTF-8 is a fault of its row, found when the row is read.
    connection.text_factory = bytes
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE_BYTES)
    connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, _LONGEST_SCHEMA_TEXT)
    for pragma in ("trusted_schema = OFF", "query_only = ON", "cell_size_check = ON"):
        connection.execute(f"PRAGMA {pragma}")
    connection.set_authorizer(_allow)
    return connection


def _allow(
    action: int, first: str | None, second: str | None, _: str | None, inside: str | None
) -> int:
    """Allow what this module asks for. ``inside`` is the view or trigger that asks, if one does."""
    allowed = {
        sqlite3.SQLITE_SELECT: True,
        sqlite3.SQLITE_READ: True,
        sqlite3.SQLITE_FUNCTION: (second or "").lower() in _FUNCTIONS,
        sqlite3.SQLITE_PRAGMA: (first or "").lower() in _PRAGMAS,
    }
    return sqlite3.SQLITE_OK if inside is None and allowed.get(action) else sqlite3.SQLITE_DENY


def _is_plain(sql: object) -> bool:
    return isinstance(sql, bytes) and sql[:13].upper() == b"CREATE TABLE "


def _require_order(after: int, rows: Sequence[Row]) -> None:
    """Raise ``Unreadable`` where positions do not grow, as in a file whose tree has a loop."""
    for row in rows:
        position = row["position"]
        if not isinstance(position, int) or position <= after:
            raise Unreadable("the old database cannot be read: its rows are out of order")
        after = position


def _size(row: Row) -> int:
    return sum(len(value) for value in tuple(row) if isinstance(value, bytes))

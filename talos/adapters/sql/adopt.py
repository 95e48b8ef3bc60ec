"""Taking over the keys of the reference's free edition from its SQLite file (contract 8.6).

The old file is opened read-only and each batch is a read of its own, so the old server may go on
meanwhile. Keys that are there already are left as they are: after the old server's last write the
same call brings what is missing.
"""

import itertools
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from talos.adapters.sql.adopted_rows import key_of, parse_time
from talos.adapters.sql.database import SqlDatabase
from talos.adapters.sql.dsn import DatabaseUrl, Product
from talos.adapters.sql.engine import create_engine
from talos.adapters.sql.repository import SqlKeyRepository
from talos.adapters.sql.rows import UndecodableRow
from talos.adapters.sql.tables import NETWORK_ID_LENGTH
from talos.domain.keys import Key, KeyKind
from talos.errors import ConfigurationError, FailedPrecondition, InternalError

SCHEMA_VERSION: Final = 1
"""The version of the old schema that can be adopted."""

Progress = Callable[[int, int], None]
"""Called after every batch with the number of rows done and the number there were at the start."""

_BATCH_ROWS: Final = 500
_BUSY_TIMEOUT_S: Final = 10.0
# Bytes 18 and 19 of the file header are 2 where write-ahead logging is on.
_WAL_HEADER: Final = slice(18, 20)

_COMMON_COLUMNS: Final = (
    "nid",
    "key_id",
    "name",
    "actor_id",
    "scopes",
    "status",
    "metadata",
    "last_used_at",
    "expires_at",
    "created_at",
    "updated_at",
    "rate_limit_quota",
    "rate_limit_window",
    "revocation_reason",
    "revocation_reason_text",
    "allowed_cidrs",
    "request_id",
    "visibility",
)
_COLUMNS: Final = {
    KeyKind.ISSUED: (*_COMMON_COLUMNS, "token_prefix"),
    KeyKind.IMPORTED: _COMMON_COLUMNS,
}

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AdoptionFault:
    """A row that did not come over, and why; ``problem`` never holds a stored value."""

    table: str
    network_id: str
    key_id: str
    problem: str


@dataclass(frozen=True, slots=True)
class Adoption:
    """What happened to the keys of the old file."""

    adopted: int
    already_there: int
    faults: tuple[AdoptionFault, ...]


def adopt(
    source: DatabaseUrl,
    target: DatabaseUrl,
    *,
    progress: Progress | None = None,
    batch_rows: int = _BATCH_ROWS,
) -> Adoption:
    """Copy networks and keys from the old file ``source`` into the migrated database ``target``.

    Raises ``ConfigurationError`` where ``source`` is no SQLite file, ``FailedPrecondition`` where
    it cannot be read or is of another version, ``SchemaBehind`` where ``target`` is not migrated,
    and as ``KeyRepository`` does where ``target`` is in trouble: what went over stays.
    """
    if source.product is not Product.SQLITE or source.path is None:
        raise ConfigurationError("keys are adopted from an SQLite file, such as sqlite:///old.db")
    engine = create_engine(target)
    database = SqlDatabase(engine)
    try:
        database.wait_until_reachable()
        database.require_schema()
        with closing(_open_read_only(source.path)) as old:
            _require_version(old)
            for network_id, created_at_ns in _networks(old):
                database.ensure_network(network_id, created_at_ns)
            return _Copy(SqlKeyRepository(engine), progress).run(old, batch_rows)
    except sqlite3.Error as error:
        raise FailedPrecondition(f"the old database cannot be read: {error}") from error
    finally:
        database.close()


class _Copy:
    """One run, and what it has counted so far."""

    def __init__(self, repository: SqlKeyRepository, progress: Progress | None) -> None:
        self._repository = repository
        self._progress = progress
        self._adopted = 0
        self._already_there = 0
        self._faults: list[AdoptionFault] = []

    def run(self, old: sqlite3.Connection, batch_rows: int) -> Adoption:
        total = sum(
            # A constant.
            old.execute(f"SELECT COUNT(*) FROM {_table(kind)}").fetchone()[0]  # noqa: S608
            for kind in KeyKind
        )
        done = 0
        for kind in KeyKind:
            for batch in _batches(old, kind, batch_rows):
                self._copy(kind, batch)
                done += len(batch)
                if self._progress is not None:
                    self._progress(done, max(done, total))
        return Adoption(self._adopted, self._already_there, tuple(self._faults))

    def _copy(self, kind: KeyKind, batch: Sequence[sqlite3.Row]) -> None:
        keys: list[Key] = []
        for row in batch:
            try:
                keys.append(key_of(kind, dict(row)))
            except UndecodableRow as error:
                self._fault(kind, _readable(row["nid"]), _readable(row["key_id"]), str(error))
        keys.sort(key=lambda key: key.network_id)
        for _, of_network in itertools.groupby(keys, key=lambda key: key.network_id):
            self._insert(list(of_network))

    def _insert(self, keys: Sequence[Key]) -> None:
        try:
            outcome = self._repository.insert_batch(keys, quota=0, now_ns=0)
        except InternalError:
            # One of them is refused: the others must not stay behind for it.
            for key in keys:
                self._insert_one(key)
        else:
            self._already_there += len(outcome.existing)
            self._adopted += len(keys) - len(outcome.existing)

    def _insert_one(self, key: Key) -> None:
        try:
            if self._repository.get(key.network_id, key.kind, key.key_id) is not None:
                self._already_there += 1
            elif self._repository.insert(key, quota=0, now_ns=0).created:
                self._adopted += 1
            else:
                self._fault(
                    key.kind, key.network_id, key.key_id, "its request_id belongs to another key"
                )
        except InternalError as error:
            _logger.warning("a row was refused", exc_info=error)
            self._fault(key.kind, key.network_id, key.key_id, "the new database refuses it")

    def _fault(self, kind: KeyKind, network_id: str, key_id: str, problem: str) -> None:
        self._faults.append(AdoptionFault(_table(kind), network_id, key_id, problem))


def _open_read_only(path: Path) -> sqlite3.Connection:
    """Open the file so that neither it nor the folder around it changes."""
    if not path.is_file():
        raise FailedPrecondition(f"there is no file {path}")
    with path.open("rb") as file:
        header = file.read(100)
    write_ahead_log = path.with_name(f"{path.name}-wal")
    # A file with write-ahead logging that was closed cleanly would get its helper files back by
    # being opened; it is all there, and nobody writes to it.
    settled = header[_WAL_HEADER] == b"\2\2" and not write_ahead_log.exists()
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if settled else ''}",
        uri=True,
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,
    )
    connection.row_factory = sqlite3.Row
    # Text that is not UTF-8 is a fault of its row, found when the row is read.
    connection.text_factory = bytes
    return connection


def _require_version(old: sqlite3.Connection) -> None:
    try:
        row = old.execute("SELECT version, dirty FROM schema_migrations").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise
        row = None
    if row is None:
        raise FailedPrecondition("the old file is no database of the system to adopt from")
    if row["dirty"] or row["version"] != SCHEMA_VERSION:
        raise FailedPrecondition(
            f"the old database has schema version {row['version']}"
            f"{' and is dirty' if row['dirty'] else ''}; only {SCHEMA_VERSION} can be adopted"
        )


def _networks(old: sqlite3.Connection) -> Iterator[tuple[str, int]]:
    """Yield id and creation time (ns) of every network whose id can be stored."""
    for row in old.execute("SELECT id, created_at FROM networks").fetchall():
        network_id = _readable(row["id"])
        try:
            created_at_ns = parse_time(_readable(row["created_at"]))
        except ValueError:
            created_at_ns = time.time_ns()
        if len(network_id) <= NETWORK_ID_LENGTH and "\0" not in network_id:
            yield network_id, created_at_ns


def _batches(
    old: sqlite3.Connection, kind: KeyKind, batch_rows: int
) -> Iterator[Sequence[sqlite3.Row]]:
    """Yield all rows in portions; between two of them no lock is held on the file."""
    last_rowid = -(2**63)
    # Of constants.
    statement = (
        f"SELECT rowid AS position, {', '.join(_COLUMNS[kind])} FROM {_table(kind)} "  # noqa: S608
        "WHERE rowid > ? ORDER BY rowid LIMIT ?"
    )
    while batch := old.execute(statement, (last_rowid, batch_rows)).fetchall():
        yield batch
        last_rowid = batch[-1]["position"]


def _table(kind: KeyKind) -> str:
    return f"{kind.value}_api_keys"


def _readable(value: Any) -> str:
    """Return a stored id for a report, whatever it holds."""
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)

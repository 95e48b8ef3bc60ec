"""Taking over the keys of the reference's free edition from its SQLite file (contract 8.6).

The old file is opened read-only and each batch is a read of its own, so the old server may go on
meanwhile. Keys that are there already are left as they are: after the old server's last write the
same call brings what is missing.
"""

import itertools
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

from talos.adapters.sql.adopted_rows import key_of, parse_time
from talos.adapters.sql.database import SqlDatabase
from talos.adapters.sql.dsn import DatabaseUrl, Product
from talos.adapters.sql.engine import create_engine
from talos.adapters.sql.old_file import LONGEST_VALUE_BYTES, OldFile, Row
from talos.adapters.sql.repository import SqlKeyRepository
from talos.adapters.sql.rows import RowDecodeError
from talos.adapters.sql.tables import NETWORK_ID_LENGTH
from talos.domain.keys import Key, KeyKind
from talos.errors import ConfigurationError, FailedPrecondition, InternalError

SCHEMA_VERSION: Final = 1
"""The version of the old schema that can be adopted."""

Progress = Callable[[int, int], None]
"""Called after every batch with the number of rows done and the number there were at the start."""

_BATCH_ROWS: Final = 500
_LONGEST_SHOWN: Final = 200

_VERSION: Final = ("version", "dirty")
_NETWORK_COLUMNS: Final = ("id", "created_at")
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
_TABLES: Final = {
    "schema_migrations": _VERSION,
    "networks": _NETWORK_COLUMNS,
    **{f"{kind.value}_api_keys": columns for kind, columns in _COLUMNS.items()},
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
        with closing(OldFile(source.path)) as old:
            _require_version(old)
            for network_id, created_at_ns in _networks(old, batch_rows):
                database.ensure_network(network_id, created_at_ns)
            return _Copy(SqlKeyRepository(engine), progress).run(old, batch_rows)
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

    def run(self, old: OldFile, batch_rows: int) -> Adoption:
        total = sum(old.count(_table(kind)) for kind in KeyKind)
        done = 0
        for kind in KeyKind:

            def too_large(row: Row, kind: KeyKind = kind) -> None:
                self._fault(
                    kind,
                    _readable(row["nid"]),
                    _readable(row["key_id"]),
                    f"a column is longer than {LONGEST_VALUE_BYTES} bytes",
                )

            for batch in old.portions(_table(kind), _COLUMNS[kind], batch_rows, too_large):
                self._copy(kind, batch)
                done += len(batch)
                if self._progress is not None:
                    self._progress(done, max(done, total))
        return Adoption(self._adopted, self._already_there, tuple(self._faults))

    def _copy(self, kind: KeyKind, batch: Sequence[Row]) -> None:
        keys: list[Key] = []
        for row in batch:
            try:
                keys.append(key_of(kind, dict(row)))
            except RowDecodeError as error:
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
            if self._repository.get(key.ref) is not None:
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


def _require_version(old: OldFile) -> None:
    """Raise ``FailedPrecondition`` where the tables are not those to adopt from."""
    # A missing table is reported as a whole: the file is another one.
    if not all(old.has(table, columns) for table, columns in _TABLES.items()):
        raise FailedPrecondition("the old file is no database of the system to adopt from")
    rows = [row for some in old.portions("schema_migrations", _VERSION, 2, _ignore) for row in some]
    if not rows:
        raise FailedPrecondition("the old file is no database of the system to adopt from")
    version, dirty = rows[0]["version"], rows[0]["dirty"]
    if dirty or version != SCHEMA_VERSION:
        raise FailedPrecondition(
            f"the old database has schema version {_readable(version)}"
            f"{' and is dirty' if dirty else ''}; only {SCHEMA_VERSION} can be adopted"
        )


def _networks(old: OldFile, batch_rows: int) -> Iterator[tuple[str, int]]:
    """Yield id and creation time (ns) of every network whose id can be stored."""
    for portion in old.portions("networks", _NETWORK_COLUMNS, batch_rows, _ignore):
        for row in portion:
            network_id = _readable(row["id"])
            try:
                created_at_ns = parse_time(_readable(row["created_at"]))
            except ValueError:
                created_at_ns = time.time_ns()
            if len(network_id) <= NETWORK_ID_LENGTH and "\0" not in network_id:
                yield network_id, created_at_ns


def _ignore(_: Row) -> None:
    """Leave a row out that no network or version can be."""


def _table(kind: KeyKind) -> str:
    return f"{kind.value}_api_keys"


def _readable(value: Any) -> str:
    """Return a stored id for a report, whatever it holds, and no more than a line of it."""
    if isinstance(value, bytes):
        return value[:_LONGEST_SHOWN].decode(errors="backslashreplace")
    return str(value)[:_LONGEST_SHOWN]

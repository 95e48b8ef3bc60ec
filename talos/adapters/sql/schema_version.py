"""Which version of the schema a database has, and which one this program needs.

Versions are the numbers of the files in ``migrations/versions``. Alembic keeps the number of the
last applied one as text in ``VERSION_TABLE``. A step that was begun and not finished has a row in
``STEP_TABLE``; only databases that commit schema changes one by one (MySQL) can be left so.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Column, Integer, MetaData, Table, inspect, select, table
from sqlalchemy import column as lightweight_column
from sqlalchemy.engine import Connection

MIGRATIONS: Final = Path(__file__).with_name("migrations")
VERSION_TABLE: Final = "talos_schema"

STEP_TABLE: Final = Table(
    "talos_schema_step", MetaData(), Column("version", Integer, primary_key=True)
)

_FOREIGN_TABLES: Final = frozenset({"schema_migrations", "issued_api_keys"})
_VERSIONS: Final = table(VERSION_TABLE, lightweight_column("version_num"))


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """State of a database's schema. ``version`` is None where nothing was ever applied."""

    version: int | None
    dirty: bool
    latest: int
    foreign: bool = False
    """The tables are those of the system that ``talos migrate adopt`` takes over from."""

    @property
    def pending(self) -> int:
        """How many versions ``talos migrate up`` would apply."""
        return max(0, self.latest - (self.version or 0))

    @property
    def is_current(self) -> bool:
        """Whether this program can work with the database; a newer schema counts as good."""
        return not self.dirty and not self.foreign and self.pending == 0


def latest_version() -> int:
    """Return the version that this program brings."""
    return max(int(path.name[:4]) for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def revision_of(version: int) -> str:
    """Return Alembic's name of a version."""
    return f"{version:04d}"


def read_status(connection: Connection) -> SchemaStatus:
    """Read the state; nothing is created or changed. Raises the driver's exceptions."""
    inspector = inspect(connection)
    tables = set(inspector.get_table_names())
    revision = None
    if VERSION_TABLE in tables:
        revision = connection.execute(select(_VERSIONS.c.version_num)).scalar_one_or_none()
    interrupted = (
        STEP_TABLE.name in tables
        and connection.execute(select(STEP_TABLE.c.version)).first() is not None
    )
    return SchemaStatus(
        None if revision is None else int(revision),
        dirty=interrupted,
        latest=latest_version(),
        foreign=VERSION_TABLE not in tables and tables >= _FOREIGN_TABLES,
    )

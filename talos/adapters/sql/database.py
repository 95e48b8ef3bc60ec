"""The database as a whole: whether it is there, which schema it has, which networks it knows."""

import logging
import sqlite3
import time
from collections.abc import Callable
from typing import Final

from sqlalchemy import exc, insert, select
from sqlalchemy.engine import Connection, Engine

from talos.adapters.sql import write_probe
from talos.adapters.sql.bulkheads import Bulkhead
from talos.adapters.sql.driver_errors import explain
from talos.adapters.sql.health import DatabaseHealth
from talos.adapters.sql.schema_version import SchemaStatus, read_status
from talos.adapters.sql.tables import networks
from talos.adapters.sql.transactions import Transactions
from talos.domain.units import NS_PER_S
from talos.errors import SchemaBehind, ServiceUnavailable, TalosError

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 3.0
_QUIET_ATTEMPTS: Final = 3
PATIENCE_NS: Final = 300 * NS_PER_S
"""How long a start waits for a network database (contract 8.5)."""

_logger = logging.getLogger(__name__)


class SqlDatabase:
    """Implements ``talos.services.ports.Database``, and what a start needs beyond it."""

    def __init__(
        self,
        engine: Engine,
        now_ns: Callable[[], int] = time.time_ns,
        *,
        probing: Bulkhead | None = None,
        health: DatabaseHealth | None = None,
    ) -> None:
        """Use ``engine``, within the bulkhead ``probing``, and dispose of it at ``close``."""
        self._engine = engine
        self._health = health
        self._transactions = Transactions(
            engine, reading_bulkhead=probing, writing_bulkhead=probing, health=health
        )
        self._now_ns = now_ns

    def ping(self) -> None:
        """Return when the database answers and takes writes. Raises as ``KeyRepository`` does.

        A server is asked to change no row. An SQLite file is read, and looked at: asking it would
        wait for whoever writes. After storage has refused a write, a real one is tried.
        """
        if self._health is not None and self._health.writes_failed:
            self._transactions.write("ping", write_probe.write_and_remove)
            self._health.note_good_write()
        elif self._engine.dialect.name == "sqlite":
            statement = select(networks.c.id).limit(1)
            self._transactions.read("ping", lambda connection: connection.execute(statement).all())
            if self._health is not None:
                self._health.require_writable_file()
        else:
            self._transactions.read("ping", write_probe.ask_server)

    def close(self) -> None:
        """Close every pooled connection."""
        self._engine.dispose()

    def wait_until_reachable(self, patience_ns: int = PATIENCE_NS) -> None:
        """Return when a connection can be made, trying with growing pauses (contract 8.5).

        A file is there or is not, so SQLite is not waited for. Raises what the last attempt met.
        """
        if self._engine.dialect.name == "sqlite":
            return
        deadline_ns = time.monotonic_ns() + patience_ns
        pause_s, attempt = _FIRST_PAUSE_S, 0
        while True:
            attempt += 1
            try:
                self._transactions.read("connect", lambda _: None)
            except TalosError as error:
                if time.monotonic_ns() + pause_s * NS_PER_S >= deadline_ns:
                    raise
                if attempt > _QUIET_ATTEMPTS:
                    reason = explain(error)
                    _logger.warning("database not reachable, attempt %d: %s", attempt, reason)
            else:
                return
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    def schema_state(self) -> SchemaStatus:
        """Return the version of the schema. Raises as ``KeyRepository`` does."""
        return self._transactions.read("read schema version", read_status)

    def require_schema(self) -> None:
        """Return when the schema is one that this program can work with.

        Raises ``SchemaBehind`` with the command to run (contract 16, 2). A schema newer than the
        program passes: while a deployment is being updated, old processes go on.
        """
        try:
            state = self.schema_state()
        except ServiceUnavailable as error:
            if _is_missing_file(error):
                raise SchemaBehind(
                    "the database file cannot be opened; if there is none yet, "
                    "run `talos migrate up`"
                ) from error
            raise
        if state.foreign:
            raise SchemaBehind(
                "the database belongs to another system; run `talos migrate up` on a new one, "
                "then `talos migrate adopt --from` with this one"
            )
        if state.dirty:
            raise SchemaBehind(
                "a migration of the database did not end; run `talos migrate status`, "
                "then `talos migrate force VERSION`"
            )
        if not state.is_current:
            present = "no schema" if state.version is None else f"schema version {state.version}"
            raise SchemaBehind(
                f"the database has {present}, version {state.latest} is needed; "
                "run `talos migrate up`"
            )

    def ensure_network(self, network_id: str, created_at_ns: int | None = None) -> None:
        """Make the row of a network unless it is there; starts at the same time all succeed.

        A new one is as old as ``created_at_ns`` says, or begins now.
        """
        statement = select(networks.c.id).where(networks.c.id == network_id)

        def present(connection: Connection) -> bool:
            return connection.execute(statement).first() is not None

        def create(connection: Connection) -> None:
            at_ns = self._now_ns() if created_at_ns is None else created_at_ns
            connection.execute(
                insert(networks).values(id=network_id, created_at_ns=at_ns, updated_at_ns=at_ns)
            )

        if not self._transactions.read("create network", present):
            # In conflict with another start: then it is there.
            self._transactions.write("create network", create, on_conflict=lambda: None)


def _is_missing_file(error: ServiceUnavailable) -> bool:
    cause = error.__cause__
    driver = cause.orig if isinstance(cause, exc.DBAPIError) else None
    return getattr(driver, "sqlite_errorcode", None) == sqlite3.SQLITE_CANTOPEN

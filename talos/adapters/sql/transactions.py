"""Reads and write transactions, with the retries that are safe and no others."""

import secrets
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Final, TypeVar

from sqlalchemy import exc
from sqlalchemy.engine import Connection, Engine

from talos.adapters.sql.bulkheads import Bulkhead
from talos.adapters.sql.driver_errors import (
    forget_locals,
    is_lost_connection,
    is_retriable,
    is_storage_failure,
    is_wrong_server,
    translate,
)
from talos.adapters.sql.engine import writing
from talos.adapters.sql.health import DatabaseHealth
from talos.errors import TalosError

ATTEMPTS: Final = 8
LONGEST_FIRST_PAUSE_US: Final = 4_000

_T = TypeVar("_T")


class Transactions:
    """Runs pieces of work against one engine.

    A piece of work may be called again after its transaction was undone, so it keeps nothing
    between calls. Errors of ours pass through and undo the transaction; any other exception is
    trouble with the database, since a driver raises more than its own errors.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        reading_bulkhead: Bulkhead | None = None,
        writing_bulkhead: Bulkhead | None = None,
        health: DatabaseHealth | None = None,
    ) -> None:
        """Use the connections of ``engine``, each kind within its bulkhead where there is one.

        With ``health`` an SQLite file that was replaced is refused, and a write that storage
        refuses is noted.
        """
        self._health = health
        self._reading = engine
        self._writing = writing(engine)
        self._reading_bulkhead: AbstractContextManager[None] = reading_bulkhead or nullcontext()
        self._writing_bulkhead: AbstractContextManager[None] = writing_bulkhead or nullcontext()

    def read(self, operation: str, work: Callable[[Connection], _T]) -> _T:
        """Return ``work(connection)``, each statement of which sees what is committed.

        A pooled connection that turns out dead, as after a restart of the database, or whose
        server takes no writes, is replaced once. Raises as ``driver_errors.translated`` does, with
        ``operation`` for an ``InternalError``.
        """
        with self._reading_bulkhead:
            return self._read(operation, work)

    def _read(self, operation: str, work: Callable[[Connection], _T]) -> _T:
        replaced = False
        self._require_same_file()
        while True:
            try:
                with self._reading.connect() as connection:
                    return work(connection)
            except exc.SQLAlchemyError as error:
                forget_locals(error)
                if replaced or not is_lost_connection(error):
                    raise translate(error, operation) from error
                replaced = True
            except TalosError:
                raise
            except Exception as error:
                raise translate(error, operation) from error

    def write(
        self,
        operation: str,
        work: Callable[[Connection], _T],
        *,
        on_conflict: Callable[[], _T] | None = None,
    ) -> _T:
        """Return ``work(connection)`` when its transaction is committed.

        Deadlocks and the like are tried again, up to a bound; so is a connection lost before the
        commit was sent, and once one whose server takes no writes. After that nobody knows, and it
        is told as ``ServiceUnavailable``; so is a commit to an SQLite file that was replaced.
        A broken constraint leads to ``on_conflict`` where it is given, called after the
        transaction was undone. Raises as ``driver_errors.translated`` does.
        """
        with self._writing_bulkhead:
            return self._write(operation, work, on_conflict)

    def _write(
        self,
        operation: str,
        work: Callable[[Connection], _T],
        on_conflict: Callable[[], _T] | None,
    ) -> _T:
        attempt = 0
        redialled = False
        self._require_same_file()
        while True:
            attempt += 1
            committing = False
            try:
                with self._writing.begin() as connection:
                    result = work(connection)
                    committing = True
            except exc.SQLAlchemyError as error:
                forget_locals(error)
                if isinstance(error, exc.IntegrityError) and on_conflict is not None:
                    break
                wrong_server = is_wrong_server(error)
                # A statement may have been sent with the commit. Where the server refused it for
                # being read-only, nothing was committed.
                unharmed = wrong_server or (is_lost_connection(error) and not committing)
                in_vain = attempt == ATTEMPTS or (wrong_server and redialled)
                redialled = redialled or wrong_server
                if in_vain or not (unharmed or is_retriable(error)):
                    self._note_failed_write(error)
                    raise translate(error, operation) from error
            except TalosError:
                raise
            except Exception as error:
                raise translate(error, operation) from error
            else:
                self._require_same_file()
                return result
            _pause(attempt)
        return on_conflict()

    def _require_same_file(self) -> None:
        if self._health is not None:
            self._health.require_same_file()

    def _note_failed_write(self, error: exc.SQLAlchemyError) -> None:
        if self._health is not None and is_storage_failure(error):
            self._health.note_failed_write()


def _pause(attempt: int) -> None:
    """Let the others go first, for a random while that grows with every attempt."""
    time.sleep(secrets.randbelow(LONGEST_FIRST_PAUSE_US << attempt) / 1_000_000)

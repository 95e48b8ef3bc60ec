"""Reads and write transactions, with the retries that are safe and no others."""

import secrets
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Final, TypeVar

from sqlalchemy import exc
from sqlalchemy.engine import Connection, Engine

from talos.adapters.sql.engine import writing
from talos.adapters.sql.faults import is_lost_connection, is_retriable, translate
from talos.adapters.sql.turns import Turns

ATTEMPTS: Final = 8
LONGEST_FIRST_PAUSE_US: Final = 4_000

_T = TypeVar("_T")


class Transactions:
    """Runs pieces of work against one engine.

    A piece of work may be called again after its transaction was undone, so it keeps nothing
    between calls. Exceptions that are not the database's pass through and undo the transaction.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        reading_turns: Turns | None = None,
        writing_turns: Turns | None = None,
    ) -> None:
        """Use the connections of ``engine``, each in its turn where there are turns."""
        self._reading = engine
        self._writing = writing(engine)
        self._reading_turns: AbstractContextManager[None] = reading_turns or nullcontext()
        self._writing_turns: AbstractContextManager[None] = writing_turns or nullcontext()

    def read(self, operation: str, work: Callable[[Connection], _T]) -> _T:
        """Return ``work(connection)``, each statement of which sees what is committed.

        A pooled connection that turns out dead, as after a restart of the database, is replaced
        once. Raises as ``faults.translated`` does, with ``operation`` for an ``InternalError``.
        """
        with self._reading_turns:
            return self._read(operation, work)

    def _read(self, operation: str, work: Callable[[Connection], _T]) -> _T:
        replaced = False
        while True:
            try:
                with self._reading.connect() as connection:
                    return work(connection)
            except exc.SQLAlchemyError as error:
                if replaced or not is_lost_connection(error):
                    raise translate(error, operation) from error
                replaced = True

    def write(
        self,
        operation: str,
        work: Callable[[Connection], _T],
        *,
        on_conflict: Callable[[], _T] | None = None,
    ) -> _T:
        """Return ``work(connection)`` when its transaction is committed.

        Deadlocks and the like are tried again, up to a bound; so is a connection lost before the
        commit was sent. After that nobody knows, and it is told as ``ServiceUnavailable``.
        A broken constraint leads to ``on_conflict`` where it is given, called after the
        transaction was undone. Raises as ``faults.translated`` does.
        """
        with self._writing_turns:
            return self._write(operation, work, on_conflict)

    def _write(
        self,
        operation: str,
        work: Callable[[Connection], _T],
        on_conflict: Callable[[], _T] | None,
    ) -> _T:
        attempt = 0
        while True:
            attempt += 1
            committing = False
            try:
                with self._writing.begin() as connection:
                    result = work(connection)
                    committing = True
                return result
            except exc.SQLAlchemyError as error:
                if isinstance(error, exc.IntegrityError) and on_conflict is not None:
                    break
                unharmed = is_lost_connection(error) and not committing
                if attempt == ATTEMPTS or not (unharmed or is_retriable(error)):
                    raise translate(error, operation) from error
            _pause(attempt)
        return on_conflict()


def _pause(attempt: int) -> None:
    """Let the others go first, for a random while that grows with every attempt."""
    time.sleep(secrets.randbelow(LONGEST_FIRST_PAUSE_US << attempt) / 1_000_000)

"""Whether others are connected to a database: a server that seems to run on it."""

import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from talos.adapters.sql.dsn import DatabaseUrl, Product
from talos.adapters.sql.engine import create_engine
from talos.errors import TalosError

_OTHER_CONNECTIONS: Final = {
    Product.POSTGRES: "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
    Product.MYSQL: "SELECT count(*) FROM information_schema.processlist WHERE db = database() "
    "AND id <> connection_id()",
}
# Every connection to an SQLite database with a write-ahead log holds a shared lock on this byte of
# the file beside it ("dead man's switch" of the shared memory).
_SHARED_MEMORY_LOCK_BYTE: Final = 128
# short l_type, short l_whence, off_t l_start, off_t l_len, pid_t l_pid, as Linux has it.
_FLOCK: Final = "hhqqi"


def others_are_connected(url: DatabaseUrl) -> bool:
    """Return whether other processes are connected; no, where that cannot be found out.

    For SQLite, no connection of this process to that file may be open: closing the file that this
    opens would end its locks.
    """
    if url.path is not None:
        return _is_locked(Path(f"{url.path}-shm"))
    engine = create_engine(url)
    try:
        with suppress(SQLAlchemyError, TalosError), engine.connect() as connection:
            statement = text(_OTHER_CONNECTIONS[url.product])
            return int(connection.execute(statement).scalar_one()) > 0
    finally:
        engine.dispose()
    return False


def _is_locked(path: Path) -> bool:
    if sys.platform != "linux":
        return False
    import fcntl

    question = struct.pack(_FLOCK, fcntl.F_WRLCK, 0, _SHARED_MEMORY_LOCK_BYTE, 1, 0)
    try:
        with path.open("rb") as file:
            answer = fcntl.fcntl(file, fcntl.F_GETLK, question)
    except OSError:
        return False
    return bool(struct.unpack(_FLOCK, answer)[0] != fcntl.F_UNLCK)

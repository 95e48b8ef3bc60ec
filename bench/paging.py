"""What a page of a list costs at the start, in the middle and at the end of a long list.

    python bench/paging.py [--rows 1000000] [--database DSN] [--limit 50]

Fills a fresh SQLite file, or the empty migrated database that ``--database`` names, and prints for
every kind of filter the time of a page at each place, in ratios to the first page of the unfiltered
list. The statuses are laid out to be unkind: almost everything has expired.

Its correctness twin is ``tests/integration/test_paging_cost.py``.
"""

import argparse
import hashlib
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import insert
from sqlalchemy.engine import Engine

from talos.adapters.sql import migrate
from talos.adapters.sql.database import SqlDatabase
from talos.adapters.sql.dsn import DatabaseUrl, parse_dsn
from talos.adapters.sql.engine import create_engine, writing
from talos.adapters.sql.repository import SqlKeyRepository
from talos.adapters.sql.rows import encode
from talos.adapters.sql.tables import KEY_TABLES
from talos.domain.keys import NIL_NETWORK, Key, KeyKind, KeyStatus, KeyVisibility, Metadata

NOW_NS = 1_790_000_000_000_000_000
DAY_NS = 86_400_000_000_000
ROUNDS = 31
CHUNK = 10_000


def key(number: int) -> Key:
    """The key of a number; its id is as good as random."""
    digest = hashlib.sha256(number.to_bytes(8, "big")).hexdigest()
    # One in a thousand has not expired, one in a thousand is revoked.
    expired = number % 1000 != 0
    return Key(
        kind=KeyKind.IMPORTED,
        network_id=NIL_NETWORK,
        key_id=digest,
        name=f"key {number}",
        # One actor has half of all keys, the others ten each.
        actor_id="machine" if number % 2 else f"user_{number // 20}",
        scopes=("read", "write"),
        metadata=Metadata('{"team":"platform","plan":"pro"}'),
        status=KeyStatus.REVOKED if number % 1000 == 501 else KeyStatus.ACTIVE,
        visibility=KeyVisibility.SECRET,
        created_at_ns=NOW_NS - DAY_NS,
        updated_at_ns=NOW_NS - DAY_NS,
        expires_at_ns=NOW_NS + (-number if expired else DAY_NS + number),
    )


def fill(engine: Engine, rows: int) -> None:
    """Insert the keys past the repository, which would check each."""
    SqlDatabase(engine).ensure_network(NIL_NETWORK)
    statement = insert(KEY_TABLES[KeyKind.IMPORTED])
    for start in range(0, rows, CHUNK):
        chunk = [encode(key(number)) for number in range(start, min(start + CHUNK, rows))]
        with writing(engine).begin() as connection:
            connection.execute(statement, chunk)
        print(f"\r{start + len(chunk):,} rows", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    with engine.connect() as connection:
        match connection.dialect.name:
            case "postgresql":
                connection.exec_driver_sql("VACUUM ANALYZE imported_api_keys")
            case "mysql":
                connection.exec_driver_sql("ANALYZE TABLE imported_api_keys").all()


def page_time_s(
    keys: SqlKeyRepository,
    before_id: str | None,
    limit: int,
    actor_id: str | None,
    status: KeyStatus | None,
) -> tuple[float, int]:
    """The least time of a page, since a busy machine only ever adds, and how many rows it has."""
    times: list[float] = []
    found = 0
    for _ in range(ROUNDS):
        started = time.perf_counter()
        page = keys.list_page(
            NIL_NETWORK,
            KeyKind.IMPORTED,
            limit=limit + 1,
            before_id=before_id,
            actor_id=actor_id,
            status=status,
            now_ns=NOW_NS,
        )
        times.append(time.perf_counter() - started)
        found = len(page)
    return min(times), found


def report(engine: Engine, limit: int) -> None:
    """Print the table."""
    keys = SqlKeyRepository(engine)
    places = {"start": None, "middle": "8", "end": "01"}
    unit_s, _ = page_time_s(keys, None, limit, None, None)
    print(f"1.0 = {unit_s * 1e6:.0f} microseconds, the first page of {limit} without a filter\n")
    print(f"{'filter':<28}" + "".join(f"{place:>16}" for place in places))
    for actor_id in (None, "user_5", "machine"):
        for status in (None, KeyStatus.ACTIVE, KeyStatus.EXPIRED, KeyStatus.REVOKED):
            name = " ".join(filter(None, (actor_id, status.name if status else None)))
            cells = []
            for before_id in places.values():
                taken_s, found = page_time_s(keys, before_id, limit, actor_id, status)
                cells.append(f"{taken_s / unit_s:.1f} ({min(found, limit)})")
            print(f"{name or '(none)':<28}" + "".join(f"{cell:>16}" for cell in cells))


@contextmanager
def database(dsn: str | None) -> Iterator[DatabaseUrl]:
    """The database to fill."""
    if dsn is not None:
        yield parse_dsn(dsn)
        return
    with tempfile.TemporaryDirectory(prefix="talos-paging-") as folder:
        yield parse_dsn(f"sqlite://{Path(folder) / 'paging.db'}")


def main() -> None:
    """Fill and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--limit", type=int, default=50)
    parser.add_argument("--database", metavar="DSN")
    arguments = parser.parse_args()
    with database(arguments.database) as url:
        migrate.up(url)
        engine = create_engine(url)
        fill(engine, arguments.rows)
        report(engine, arguments.limit)
        engine.dispose()


if __name__ == "__main__":
    main()

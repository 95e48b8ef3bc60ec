"""What the event log adds to a write: keys changed with their event and without, in turns.

    python -m bench.writes [--rounds 15] [--writes 300] [--database DSN ...]

Without ``--database`` it measures SQLite, and throwaway PostgreSQL and MariaDB servers that wait
for the disk as in production. One client does the same writes both ways, in turns; printed is the
median of the rounds' ratios. The correctness twin is ``tests/integration/test_event_log.py``.
"""

import argparse
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from talos.adapters.sql import migrate
from talos.adapters.sql.database import SqlDatabase
from talos.adapters.sql.dsn import parse_dsn
from talos.adapters.sql.engine import create_engine
from talos.adapters.sql.repository import SqlKeyRepository
from talos.domain.events import AuditEvent, Requester
from talos.domain.keys import NIL_NETWORK, Key, KeyKind, KeyStatus, KeyVisibility, Metadata
from talos.services import audit
from talos.services.ports import Change
from tests.support.servers import MySqlService, PostgresService, ServerProcess, mariadb, postgres

_DURABLE: Final = "--innodb-flush-log-at-trx-commit=1"
_NOW_NS: Final = 1_790_000_000_000_000_000
_REQUESTER: Final = Requester(str(uuid.UUID(int=1)), "192.0.2.1", "", "curl/8.5.0")


def _key(kind: KeyKind = KeyKind.ISSUED) -> Key:
    return Key(
        kind=kind,
        network_id=NIL_NETWORK,
        key_id=str(uuid.uuid4()),
        name="a key",
        actor_id="service:billing",
        scopes=("read", "write"),
        metadata=Metadata('{"team":"platform","plan":"pro"}'),
        status=KeyStatus.ACTIVE,
        visibility=KeyVisibility.SECRET,
        created_at_ns=_NOW_NS,
        updated_at_ns=_NOW_NS,
        expires_at_ns=_NOW_NS * 2,
        token_prefix="ory_ak" if kind is KeyKind.ISSUED else None,
    )


def _told(event: AuditEvent) -> AuditEvent:
    return replace(event, requester=_REQUESTER, time_ns=time.time_ns())


class _Writes:
    """The kinds of write, each with events or without."""

    def __init__(self, keys: SqlKeyRepository) -> None:
        self._keys = keys
        self._key = _key()
        keys.insert(self._key, quota=0, now_ns=_NOW_NS)

    def issue(self, told: bool) -> None:
        key = _key()
        event = _told(audit.created(key)) if told else None
        self._keys.insert(key, quota=0, now_ns=_NOW_NS, event=event)

    def update(self, told: bool) -> None:
        def change(before: Key) -> Change:
            after = replace(before, name=str(time.time_ns()))
            events = (replace(_told(audit.updated(after)), changed=("name",)),) if told else ()
            return Change(after, events)

        self._keys.change(self._key.ref, change)

    def import_100(self, told: bool) -> None:
        keys = [_key(KeyKind.IMPORTED) for _ in range(100)]
        events = [_told(audit.created(key)) for key in keys] if told else []
        self._keys.insert_batch(keys, quota=0, now_ns=_NOW_NS, events=events)


def _timed(write: Callable[[bool], None], times: int) -> tuple[float, float]:
    """Return the seconds of ``times`` writes without events, and with them, in turns."""
    without = with_events = 0.0
    for number in range(times):
        for told in (False, True) if number % 2 else (True, False):
            start = time.perf_counter()
            write(told)
            spent = time.perf_counter() - start
            if told:
                with_events += spent
            else:
                without += spent
    return without, with_events


def measure(name: str, dsn: str, rounds: int, writes: int) -> None:
    """Print a line for each kind of write."""
    url = parse_dsn(dsn)
    migrate.up(url)
    engine = create_engine(url)
    SqlDatabase(engine).ensure_network(NIL_NETWORK)
    kinds = _Writes(SqlKeyRepository(engine))
    for write, times in (
        (kinds.issue, writes),
        (kinds.update, writes),
        (kinds.import_100, max(1, writes // 20)),
    ):
        _timed(write, max(1, times // 10))
        spent = [_timed(write, times) for _ in range(rounds)]
        ratio = statistics.median(told / silent for silent, told in spent)
        silent_us = statistics.median(silent for silent, _ in spent) / times * 1e6
        print(
            f"{name:<9} {write.__name__:<10} without {silent_us:9.1f} us   with / without "
            f"{ratio:5.3f}",
            flush=True,
        )
    engine.dispose()


@contextmanager
def _running(process: ServerProcess) -> Iterator[ServerProcess]:
    with process:
        process.start()
        yield process


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--writes", type=int, default=300)
    parser.add_argument("--database", action="append", metavar="DSN")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        places = [("given", dsn) for dsn in arguments.database or ()]
        if not places:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            postgres_ = stack.enter_context(_running(postgres.postgres_process(durable=True)))
            mysql = stack.enter_context(_running(mariadb.mysql_process(_DURABLE)))
            places = [
                ("sqlite", f"sqlite://{Path(folder) / 'bench.db'}"),
                ("postgres", PostgresService(postgres.dsn_of(postgres_)).create_database()),
                ("mysql", MySqlService(mariadb.dsn_of(mysql)).create_database()),
            ]
        for name, dsn in places:
            measure(name, dsn, arguments.rounds, arguments.writes)


if __name__ == "__main__":
    main()

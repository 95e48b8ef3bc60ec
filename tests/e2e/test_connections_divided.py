"""``max_conns`` of a DSN is the server's, whatever its workers are (contract 8.5)."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pymysql
import pytest

from tests.e2e.processes import eventually
from tests.support.talos_server import ADMIN, Serve, Talos

CLIENTS = 48
NEW_KEY = {"name": "n", "actor_id": "a"}


def workers(count: int) -> dict[str, Any]:
    # Keys are marked as used at once: that is a connection of the background.
    return {
        "serve": {"http": {"workers": count}},
        "cache": {"enabled": False},
        "last_used": {"flush_interval": "100ms"},
    }


@contextmanager
def everything_waits_on_postgres(dsn: str) -> Iterator[Callable[[], int]]:
    """Lock the tables; the block can count the server's connections."""
    count = (
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'talos'"
    )
    # Another one counts: what a transaction has seen of the activity, it goes on seeing.
    with psycopg.connect(dsn) as locking, psycopg.connect(dsn, autocommit=True) as counting:
        locking.execute("LOCK TABLE issued_api_keys, imported_api_keys, networks")
        yield lambda: counting.execute(count).fetchone()[0]  # type: ignore[index]


@contextmanager
def everything_waits_on_mysql(dsn: str) -> Iterator[Callable[[], int]]:
    parts = re.fullmatch(r"mysql://(.*):(.*)@tcp\((.*):(\d+)\)/([^?]*).*", dsn)
    assert parts is not None
    user, password, host, port, database = parts.groups()
    connection = pymysql.connect(
        host=host, port=int(port), user=user, password=password, database=database
    )

    def count() -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT COUNT(*) FROM information_schema.processlist "
                "WHERE db = DATABASE() AND id <> CONNECTION_ID()"
            )
            return int(cursor.fetchone()[0])  # type: ignore[index]

    with connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLES issued_api_keys WRITE, imported_api_keys WRITE")
        yield count


def ask(talos: Talos, number: int) -> int:
    """A read, a write or a probe."""
    if number % 3 == 0:
        return talos.ask("POST", f"{ADMIN}/issuedApiKeys", NEW_KEY)[0]
    if number % 3 == 1:
        return talos.ask("GET", f"{ADMIN}/issuedApiKeys?page_size=1")[0]
    return talos.ask("GET", "/health/ready")[0]


@pytest.mark.parametrize(
    ("product", "processes", "most"),
    [("postgres", 3, 7), ("postgres", 4, 4), ("mysql", 3, 7)],
)
def test_no_more_connections_than_the_dsn_says(
    serve: Serve, request: pytest.FixtureRequest, product: str, processes: int, most: int
) -> None:
    dsn = request.getfixturevalue(f"{product}_dsn")
    waiting = {
        "postgres": everything_waits_on_postgres,
        "mysql": everything_waits_on_mysql,
    }[product]
    # All of them are kept, so that none is made anew while they are counted.
    talos = serve(dsn=f"{dsn}&max_conns={most}&max_idle_conns={most}", over=workers(processes))
    [line] = [r for r in talos.server.records if r["msg"] == "database"]
    assert (line["max_conns"], line["max_conns_per_worker"]) == (most, -(-most // processes))
    credentials = [talos.issue()["secret"] for _ in range(3)]
    with ThreadPoolExecutor(CLIENTS) as clients:
        with waiting(dsn) as count:
            asked = [clients.submit(ask, talos, number) for number in range(2 * CLIENTS)]
            highest = eventually(lambda: (c := count()) >= most and c, "all connections in use")
            assert highest == most
        assert {future.result() for future in asked} <= {200, 201, 503, 504}
        for _ in range(3):
            verdicts = [clients.submit(talos.verify, secret) for secret in credentials * CLIENTS]
            with waiting(dsn) as count:
                assert count() <= most
            assert all(future.result()["is_valid"] for future in verdicts)
    assert {ask(talos, number) for number in range(9)} == {200, 201}


def test_a_worker_that_is_replaced_has_the_share_of_the_one_before(
    serve: Serve, postgres_dsn: str
) -> None:
    talos = serve(dsn=f"{postgres_dsn}&max_conns=5&max_idle_conns=5", over=workers(2))
    for _ in range(3):
        before = talos.server.workers
        victim = max(before)
        os.kill(victim, signal.SIGKILL)
        eventually(
            lambda gone=victim: (
                gone not in talos.server.workers  # type: ignore[misc]
                and len(talos.server.workers) == 2
            ),
            "a new worker",
        )
    talos.server.signal(signal.SIGHUP)
    old = talos.server.workers
    eventually(
        lambda: len(talos.server.workers) == 2 and not talos.server.workers & old, "new workers"
    )
    os.kill(max(talos.server.workers), signal.SIGKILL)
    with (
        ThreadPoolExecutor(CLIENTS) as clients,
        everything_waits_on_postgres(postgres_dsn) as count,
    ):
        asked = [clients.submit(ask, talos, number) for number in range(2 * CLIENTS)]
        highest = eventually(lambda: (c := count()) >= 5 and c, "all connections in use")
        assert highest == 5
    assert asked


def test_more_workers_than_connections_are_told_of(serve: Serve, postgres_dsn: str) -> None:
    talos = serve(dsn=f"{postgres_dsn}&max_conns=2&max_idle_conns=1", over=workers(3))
    [warning] = [r for r in talos.server.records if "max_conns" in r["msg"]]
    assert warning["level"] == "WARN"
    assert "is 2" in warning["msg"]
    assert "3 workers" in warning["msg"]
    assert {ask(talos, number) for number in range(9)} == {200, 201}

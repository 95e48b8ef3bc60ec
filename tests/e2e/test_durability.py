"""What was acknowledged survives kill -9 of every process at any moment (contract 16 (12), (19)).

Clients work on keys while workers, the master, all of them at once, or the database server are
killed. After every restart everything that was written since the restart before it is compared
with the database, through HTTP: what was acknowledged is there as it was told, what was taken back
verifies no more, a rotated key has exactly one successor, and what was never answered is there
whole or not at all. At the end everything is compared again.

``make durability`` does the same for many more kills, and on MariaDB too.
"""

import os
import random
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from talos.adapters.sql import migrate
from talos.adapters.sql.dsn import parse_dsn
from tests.e2e.forkserver import ForkServer
from tests.e2e.ledger import Ledger
from tests.e2e.processes import eventually, free_ports, session, try_get
from tests.e2e.storm import Storm
from tests.support.servers import ServerProcess, Unavailable, mariadb, postgres
from tests.support.talos_server import ADMIN, Serve, merge, settings

LONG = os.environ.get("TALOS_DURABILITY") == "long"
CLIENTS = 4
WORKERS = 3
OUTAGES = (503, 504)
"""What a server may say while its database is down."""


@dataclass
class Site:
    """A server that is killed and started again, on the same ports and the same database."""

    starter: ForkServer
    configuration: Path
    port: int
    metrics_port: int
    pid: int = 0

    def start(self) -> None:
        arguments = ["serve", "--config", str(self.configuration)]
        log = self.configuration.with_suffix(".log")
        self.pid = self.starter.start(arguments, log)

        def ready() -> bool:
            assert session(self.pid), log.read_text()[-4000:]
            return try_get(self.metrics_port, "/health/ready") == 200

        eventually(ready, "a ready server")

    def workers(self) -> list[int]:
        return [pid for pid in session(self.pid) if pid != self.pid]

    def kill_a_worker(self) -> None:
        workers = self.workers()
        if workers:
            kill(random.choice(workers))

    def kill_all_workers(self) -> None:
        for pid in self.workers():
            kill(pid)

    def kill_the_master(self) -> None:
        """Kill the master alone: its workers notice, finish what they have, and end."""
        kill(self.pid)
        eventually(lambda: not session(self.pid), "the end of the orphans")

    def kill_everything(self) -> None:
        for pid in session(self.pid):
            kill(pid)
        eventually(lambda: not session(self.pid), "the end of every process")


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@contextmanager
def site(folder: Path, dsn: str) -> Iterator[Site]:
    port, metrics_port = free_ports(2)
    configuration = folder / "talos.yaml"
    over = {"serve": {"http": {"workers": WORKERS}}, "log": {"level": "warn"}}
    configuration.write_text(yaml.safe_dump(merge(settings(dsn, port, metrics_port), over)))
    with ForkServer(folder) as starter:
        server = Site(starter, configuration, port, metrics_port)
        try:
            yield server
        finally:
            server.kill_everything()


def some_milliseconds() -> None:
    """Let the moment of a kill be any moment of a request."""
    threading.Event().wait(random.random() * 0.01)


def campaign(
    server: Site,
    *,
    cycles: int,
    kills_in_a_cycle: int,
    last_kill: Callable[[Site, int], None],
    kill_database: Callable[[], None] | None = None,
) -> list[Ledger]:
    """Run ``cycles`` lives of the server under load; return all that was written down."""
    ledgers = []
    for cycle in range(cycles):
        server.start()
        if ledgers:
            ledgers[-1].check(server.port)
        ledgers.append(Ledger(f"cycle-{cycle}"))
        outages = OUTAGES if kill_database else ()
        with Storm(server.port, ledgers[-1], clients=CLIENTS, outages=outages) as storm:
            for _ in range(kills_in_a_cycle):
                storm.wait_for_more(random.randint(1, 8))
                some_milliseconds()
                if kill_database and random.random() < 0.3:
                    kill_database()
                else:
                    random.choice((server.kill_a_worker, server.kill_all_workers))()
            storm.wait_for_more(random.randint(1, 8))
            some_milliseconds()
            last_kill(server, cycle)
        assert storm.surprises == []
    server.start()
    for ledger in ledgers:
        ledger.check(server.port)
    return ledgers


def everything(server: Site, cycle: int) -> None:
    """Kill all processes, now and then the master alone."""
    if cycle % 16 == 8:
        server.kill_the_master()
    else:
        server.kill_everything()


def test_sqlite_loses_nothing(tmp_path: Path, sqlite_dsn: str) -> None:
    with site(tmp_path, sqlite_dsn) as server:
        cycles, kills = (400, 5) if LONG else (25, 8)
        ledgers = campaign(server, cycles=cycles, kills_in_a_cycle=kills, last_kill=everything)
    assert all(ledger.lineages for ledger in ledgers)
    connection = sqlite3.connect(sqlite_dsn.removeprefix("sqlite://"))
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


@contextmanager
def database_of_ones_own(kind: str) -> Iterator[tuple[ServerProcess, str]]:
    """A database server to kill, and a migrated database in it."""
    try:
        process = (
            postgres.postgres_process(durable=LONG)
            if kind == "postgres"
            else mariadb.mysql_process()
        )
    except Unavailable as missing:
        if os.environ.get("TALOS_REQUIRE_SERVICES") == "1":
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))
    with process:
        process.start()
        service = (
            postgres.PostgresService(postgres.dsn_of(process))
            if kind == "postgres"
            else mariadb.MySqlService(mariadb.dsn_of(process))
        )
        dsn = service.create_database()
        migrate.up(parse_dsn(dsn))
        yield process, dsn


@pytest.mark.parametrize("kind", ["postgres", "mysql"] if LONG else ["postgres"])
def test_a_database_server_that_is_killed_too_loses_nothing(kind: str, tmp_path: Path) -> None:
    with database_of_ones_own(kind) as (process, dsn), site(tmp_path, dsn) as server:

        def crash() -> None:
            process.kill()
            process.start()

        campaign(
            server,
            cycles=100 if LONG else 3,
            kills_in_a_cycle=6,
            last_kill=everything,
            kill_database=crash,
        )


@pytest.mark.parametrize("kind", ["postgres", "mysql"] if LONG else ["postgres"])
def test_a_killed_database_gives_no_wrong_verdict_and_is_found_again(
    kind: str, tmp_path: Path
) -> None:
    with database_of_ones_own(kind) as (process, dsn), site(tmp_path, dsn) as server:
        server.start()
        eventually(lambda: len(server.workers()) == WORKERS, "every worker")
        workers = server.workers()
        ledger = Ledger("survivor")
        with Storm(server.port, ledger, clients=CLIENTS, outages=OUTAGES) as storm:
            for _ in range(20 if LONG else 2):
                storm.wait_for_more(20)
                some_milliseconds()
                process.kill()
                met = storm.refused
                eventually(lambda met=met: storm.refused >= met + 20, "refusals in an outage")  # type: ignore[misc]
                assert try_get(server.metrics_port, "/health/ready") == 503
                assert try_get(server.metrics_port, "/health/alive") == 200
                process.start()
            storm.wait_for_more(20)
        assert storm.surprises == []
        ledger.check(server.port)
        assert server.workers() == workers


def test_every_operation_tells_of_an_outage_and_of_nothing_else(
    serve: Serve,
) -> None:
    """Contract 16 (19): no 401, 404 or NOT_FOUND because the database is down."""
    with database_of_ones_own("postgres") as (process, dsn):
        talos = serve(dsn=dsn)
        issued = talos.issue()
        secret, key_id = issued["secret"], issued["issued_api_key"]["key_id"]
        key = {"name": "n", "actor_id": "a", "ttl": "1h"}
        process.kill()
        credential = {"credential": secret}
        raw_key = {**key, "raw_key": "raw"}
        for method, path, body in (
            ("POST", f"{ADMIN}/issuedApiKeys", key),
            ("GET", f"{ADMIN}/issuedApiKeys", None),
            ("GET", f"{ADMIN}/issuedApiKeys/{key_id}", None),
            ("PATCH", f"{ADMIN}/issuedApiKeys/{key_id}", {"name": "m"}),
            ("POST", f"{ADMIN}/issuedApiKeys/{key_id}:rotate", {}),
            ("POST", f"{ADMIN}/issuedApiKeys/{key_id}:revoke", {}),
            ("POST", f"{ADMIN}/importedApiKeys", raw_key),
            ("POST", f"{ADMIN}/importedApiKeys:batchCreate", {"requests": [raw_key]}),
            ("GET", f"{ADMIN}/importedApiKeys", None),
            ("GET", f"{ADMIN}/importedApiKeys/x", None),
            ("PATCH", f"{ADMIN}/importedApiKeys/x", {"name": "m"}),
            ("DELETE", f"{ADMIN}/importedApiKeys/x", None),
            ("POST", f"{ADMIN}/importedApiKeys/x:revoke", {}),
            ("POST", f"{ADMIN}/apiKeys/{key_id}:revoke", {}),
            ("POST", f"{ADMIN}/apiKeys:derive", credential),
            ("POST", f"{ADMIN}/apiKeys:batchVerify", {"requests": [credential]}),
            ("POST", "/v2alpha1/apiKeys:selfRevoke", credential),
            ("GET", "/health/ready", None),
        ):
            status, answer = talos.ask(method, path, body)
            assert (status, answer["error"]["status"]) == (503, "UNAVAILABLE"), (path, answer)
        verdict = talos.verify(secret)
        assert (verdict["is_valid"], verdict["error_code"]) == (
            False,
            "VERIFICATION_ERROR_INTERNAL",
        )
        assert talos.ask("GET", "/v2alpha1/derivedKeys/jwks.json")[0] == 200
        process.start()
        assert talos.verify(secret)["is_valid"] is True
        assert "test-password" not in talos.server.log


def test_of_two_rotations_at_once_one_succeeds(serve: Serve, database_dsn: str) -> None:
    """Through HTTP, with two workers, again and again."""
    talos = serve(dsn=database_dsn)
    for _ in range(50):
        key_id = talos.issue()["issued_api_key"]["key_id"]
        together = threading.Barrier(2)
        answers: list[tuple[int, dict[str, object]]] = []

        def rotate(key_id: str = key_id, together: threading.Barrier = together) -> None:
            together.wait()
            answers.append(talos.ask("POST", f"{ADMIN}/issuedApiKeys/{key_id}:rotate", {}))  # noqa: B023

        threads = [threading.Thread(target=rotate) for _ in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(status for status, _ in answers) == [201, 409]
    _, page = talos.ask("GET", f"{ADMIN}/issuedApiKeys?page_size=1000")
    statuses = [key["status"] for key in page["issued_api_keys"]]
    assert statuses.count("KEY_STATUS_ACTIVE") == statuses.count("KEY_STATUS_REVOKED") == 50

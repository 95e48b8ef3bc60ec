"""What goes wrong around a server that answers from memory: memory, clocks, processes, locks."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from tests.e2e.connections import Connections, batch_verify, verify
from tests.e2e.processes import eventually
from tests.e2e.wall_clock import HOUR_S, WallClock
from tests.support.talos_server import ADMIN, Serve, Talos

CACHED: Final[dict[str, Any]] = {"cache": {"type": "memory", "enabled": True, "ttl": "48h"}}


def derived(talos: Talos, secret: str, ttl: str) -> str:
    """A JWT of the key."""
    body = {"credential": secret, "algorithm": "TOKEN_ALGORITHM_JWT", "ttl": ttl}
    status, answer = talos.ask("POST", f"{ADMIN}/apiKeys:derive", body)
    assert status == 200, answer
    return str(answer["token"]["token"])


def test_more_keys_than_the_cache_has_room_for(serve: Serve) -> None:
    """Entries make room for others: every key verifies, and those in use are kept."""
    smallest = {"cache": {**CACHED["cache"], "memory": {"max_size": 1_048_576}}}
    talos = serve(over=smallest)
    raw_keys = [f"a-key-from-elsewhere-{number:06}" for number in range(3_000)]
    fields = {"name": "n", "actor_id": "a", "ttl": "24h", "metadata": {"filling": "x" * 300}}
    for start in range(0, len(raw_keys), 1_000):
        some = [{**fields, "raw_key": raw_key} for raw_key in raw_keys[start : start + 1_000]]
        body = {"requests": some}
        assert talos.ask("POST", f"{ADMIN}/importedApiKeys:batchCreate", body)[0] == 200
    in_use = [talos.issue()["secret"] for _ in range(4)]
    with Connections(talos.server, workers=2, each=1) as connections:
        outcomes = []
        for start in range(0, len(raw_keys), 100):
            volley = [*map(verify, in_use), batch_verify(raw_keys[start : start + 100])]
            for answer in connections.volley(volley):
                assert all(v["is_valid"] for v in answer.body.get("results", [answer.body]))
                outcomes.append(answer.headers.get("ory-talos-cache"))
    assert outcomes.count("MISS") < outcomes.count("HIT") / 4
    assert "ERROR" not in {record["level"] for record in talos.server.records}


def test_steps_of_the_wall_clock_make_no_yes_of_a_no(serve: Serve, tmp_path: Path) -> None:
    wall = WallClock(tmp_path)
    wall.step_to(-3 * HOUR_S)
    talos = serve(over=CACHED, environment=wall.environment)
    lasting, revoked = talos.issue(ttl="2400h"), talos.issue(ttl="2400h")
    # Both end an hour after what is now for the system.
    ending = talos.issue(ttl="4h")["secret"]
    token = derived(talos, ending, "3h59m")
    for credential in (lasting["secret"], revoked["secret"], ending, token):
        assert talos.verify(credential)["is_valid"] is True
    key_id = revoked["issued_api_key"]["key_id"]
    path = f"{ADMIN}/issuedApiKeys/{lasting['issued_api_key']['key_id']}"
    wall.step_to(-2 * HOUR_S)
    assert talos.ask("POST", f"{ADMIN}/issuedApiKeys/{key_id}:revoke", {})[0] == 204
    for number, hours in enumerate((-1, 0, 2, -2, 0, 3, -1, 2)):
        wall.step_to(hours * HOUR_S)
        scopes = [f"step:{number}"]
        assert talos.ask("PATCH", path, {"scopes": scopes})[0] == 200
        for _ in range(4):
            assert talos.verify(lasting["secret"])["scopes"] == scopes
            verdict = talos.verify(revoked["secret"])
            assert verdict["error_code"] == "VERIFICATION_ERROR_REVOKED"
            expired = hours > 1
            assert talos.verify(ending).get("error_code") == (
                "VERIFICATION_ERROR_EXPIRED" if expired else None
            )
            assert talos.verify(token)["is_valid"] is not expired


@contextmanager
def locked(dsn: str) -> Iterator[Callable[[], int]]:
    """Lock the tables of keys, so that even who reads them waits; the block is told how many do."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'"
    with psycopg.connect(dsn) as connection:
        connection.execute("LOCK TABLE issued_api_keys, imported_api_keys")
        yield lambda: connection.execute(waiting).fetchone()[0]  # type: ignore[index]


def test_a_worker_is_killed_in_the_middle_of_a_request(serve: Serve, postgres_dsn: str) -> None:
    """Its client gets no answer, other clients get theirs, and the cache goes on."""
    talos = serve(dsn=postgres_dsn, over=CACHED)
    cached, uncached = talos.issue()["secret"], talos.issue()["secret"]
    assert talos.verify(cached)["is_valid"] is True
    with Connections(talos.server, workers=2, each=1) as connections, ThreadPoolExecutor(1) as one:
        victim, survivor = connections.of_worker
        [doomed], [other] = connections.of_worker.values()
        with locked(postgres_dsn) as waiting:
            asked = one.submit(doomed.ask, verify(uncached))
            eventually(waiting, "a worker that waits for the database")
            os.kill(victim, signal.SIGKILL)
            with pytest.raises(OSError, match=r"cut short|reset by peer"):
                asked.result()
            for _ in range(10):
                assert other.ask(verify(cached)).headers["ory-talos-cache"] == "HIT"
            eventually(
                lambda: victim not in talos.server.workers and len(talos.server.workers) == 2,
                "a new worker",
            )
            [fresh] = talos.server.workers - {survivor}
        assert talos.verify(uncached)["is_valid"] is True
    with Connections(talos.server, workers=2, each=1) as connections:
        [connection] = connections.of_worker[fresh]
        # What others have put there before the new worker was born.
        assert connection.ask(verify(cached)).headers["ory-talos-cache"] == "HIT"


def test_a_silent_database_holds_up_nothing_that_does_without_it(
    serve: Serve, postgres_dsn: str
) -> None:
    """However many wait for it, on however few threads."""
    talos = serve(dsn=postgres_dsn, over=CACHED | {"serve": {"http": {"workers": 1, "threads": 4}}})
    # From the cache, but not by its quickest way: a limit has to be counted.
    limited = talos.issue(rate_limit_policy={"quota": 1_000, "window": "60s"})["secret"]
    uncached = talos.issue()["secret"]
    token = derived(talos, uncached, "1h")
    assert talos.verify(limited)["is_valid"] is True
    with (
        Connections(talos.server, workers=1, each=24) as connections,
        ThreadPoolExecutor(24) as crowd,
        locked(postgres_dsn) as waiting,
    ):
        [all_of_them] = connections.of_worker.values()
        asked = [
            crowd.submit(one.ask, verify(uncached, Cache_Control="no-cache")) for one in all_of_them
        ]
        eventually(waiting, "somebody who waits for the database")
        assert talos.ask("GET", "/health/alive")[0] == 200
        for credential in (token, limited):
            assert talos.verify(credential)["is_valid"] is True
        # On a thread that was free, and not on one that had given the database up.
        assert not all(one.done() for one in asked)
        eventually(lambda: sum(one.done() for one in asked) >= 23, "the others to be turned away")
        assert talos.ask("GET", "/health/ready")[0] == 200
    for one in asked:
        verdict = one.result().body
        # Of the key nothing is said; the one that waited may have been answered in the end.
        assert verdict.get("error_code") in (None, "VERIFICATION_ERROR_INTERNAL")
    assert talos.verify(uncached)["is_valid"] is True

"""Rate limits of a whole server: exact, whichever worker is asked (contract 6.7)."""

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

import pytest

from talos.adapters.sql import migrate
from talos.adapters.sql.dsn import parse_dsn
from tests.e2e.connections import (
    Answer,
    Connection,
    Connections,
    batch_verify,
    suspended,
    verify,
)
from tests.e2e.processes import eventually, session
from tests.e2e.shared_word import shared_word
from tests.e2e.wall_clock import HOUR_S, WallClock
from tests.reference.gcra import NS_PER_S, Gcra
from tests.reference.permitted import Call, assert_permitted
from tests.support.talos_server import ADMIN, Serve, Talos, serving

MONTH_S: Final = 30 * 24 * 3_600
"""A window in which no call comes back while a test runs."""
LIMITED: Final = "VERIFICATION_ERROR_RATE_LIMITED"
CACHES: Final[dict[str, Any]] = {
    "cached": {"type": "memory", "enabled": True, "ttl": "1h"},
    "uncached": {"enabled": False},
}
Verdict = dict[str, Any]


def over(workers: int, cache: str = "cached", **limits: Any) -> dict[str, Any]:
    """Settings of a server that enforces limits."""
    return {
        "serve": {"http": {"workers": workers, "client_ip_source": "CLIENT_IP_SOURCE_X_REAL_IP"}},
        "cache": CACHES[cache],
        "rate_limit": {"enabled": True, **limits},
    }


def policy(quota: int, window_s: int = MONTH_S) -> dict[str, str]:
    return {"quota": str(quota), "window": f"{window_s}s"}


def verdicts(answers: list[Answer]) -> list[Verdict]:
    """What single verifications and batches say about keys, all of them good."""
    assert {answer.status for answer in answers} == {200}
    found = [result for answer in answers for result in answer.body.get("results", [answer.body])]
    for verdict in found:
        assert verdict["is_valid"] is ("error_code" not in verdict)
        assert verdict.get("error_code") in (None, LIMITED)
    return found


def remaining(found: list[Verdict]) -> Counter[int]:
    """How often those that passed were told each number of calls that remain."""
    return Counter(int(verdict["rate_limit_remaining"]) for verdict in found if verdict["is_valid"])


@pytest.fixture(scope="module", params=list(CACHES))
def crowd(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Talos, Connections]]:
    """A server of 8 workers and 64 connections, 8 to each of them."""
    folder = tmp_path_factory.mktemp("limits")
    dsn = f"sqlite://{folder}/talos.db"
    migrate.up(parse_dsn(dsn))
    with serving(folder, dsn) as start:
        talos = start(over=over(8, request.param))
        with Connections(talos.server, workers=8, each=8) as connections:
            yield talos, connections


Crowd = tuple[Talos, Connections]


def test_exactly_the_quota_passes(crowd: Crowd, request: pytest.FixtureRequest) -> None:
    """And each that passes is told another number of calls that remain."""
    talos, connections = crowd
    secret = talos.issue(rate_limit_policy=policy(300))["secret"]
    answers = connections.volley([verify(secret)] * 8)
    assert remaining(verdicts(answers)) == Counter(range(300))
    assert len(answers) == 512
    # Or it would be about something else than it says.
    outcomes = {answer.headers["ory-talos-cache"] for answer in answers}
    assert ("HIT" in outcomes) is (request.node.callspec.params["crowd"] == "cached")


def test_exactly_the_quota_passes_in_single_calls_and_batches_together(crowd: Crowd) -> None:
    talos, connections = crowd
    secret = talos.issue(rate_limit_policy=policy(500))["secret"]
    found = verdicts(connections.volley([verify(secret), batch_verify([secret] * 10)] * 2))
    assert remaining(found) == Counter(range(500))


def test_exactly_the_quota_passes_of_requests_that_come_at_once(crowd: Crowd) -> None:
    """Each connection sends all of its requests before it reads an answer."""
    talos, connections = crowd
    secret = talos.issue(rate_limit_policy=policy(400))["secret"]
    answers = connections.each(lambda connection: connection.ask_all([verify(secret)] * 12))
    assert remaining(verdicts(answers)) == Counter(range(400))
    assert len(answers) == 768


def test_each_key_has_a_limit_of_its_own(crowd: Crowd) -> None:
    talos, connections = crowd
    secrets = [talos.issue(rate_limit_policy=policy(20))["secret"] for _ in range(4)]
    answers = connections.volley([batch_verify(secrets), batch_verify(secrets[::-1])])
    found: dict[str, list[Verdict]] = {}
    for verdict in verdicts(answers):
        found.setdefault(verdict["key_id"], []).append(verdict)
    assert [remaining(of_one) for of_one in found.values()] == [Counter(range(20))] * 4


def test_a_batch_counts_its_items_in_order(crowd: Crowd) -> None:
    talos, connections = crowd
    secret = talos.issue(rate_limit_policy=policy(3))["secret"]
    status, answer = talos.ask(
        "POST", f"{ADMIN}/apiKeys:batchVerify", {"requests": [{"credential": secret}] * 5}
    )
    told = [(v["is_valid"], v["rate_limit_remaining"]) for v in answer["results"]]
    assert (status, told) == (
        200,
        [(True, "2"), (True, "1"), (True, "0"), (False, "0"), (False, "0")],
    )
    # The next batches of all workers find nothing left.
    assert not remaining(verdicts(connections.volley([batch_verify([secret])])))


def test_only_what_would_have_verified_is_counted(crowd: Crowd) -> None:
    talos, connections = crowd
    restriction = {"allowed_cidrs": ["203.0.113.0/24"]}
    secret = talos.issue(rate_limit_policy=policy(30), ip_restriction=restriction)["secret"]
    inside, outside = {"X_Real_IP": "203.0.113.7"}, {"X_Real_IP": "198.51.100.9"}
    refused = [
        verify(secret, **outside),
        batch_verify([secret] * 3, **outside),
        verify(secret[:-4] + "1111", **inside),
    ]
    answers = connections.volley(refused)
    codes = {v["error_code"] for a in answers for v in a.body.get("results", [a.body])}
    assert codes == {"VERIFICATION_ERROR_IP_NOT_ALLOWED", "VERIFICATION_ERROR_NOT_FOUND"}
    found = verdicts(connections.volley([verify(secret, **inside)]))
    assert remaining(found) == Counter(range(30))


def test_what_is_told(crowd: Crowd) -> None:
    talos, connections = crowd
    key = talos.issue(rate_limit_policy=policy(64, 86_400), scopes=["read"])
    answers = connections.volley([verify(key["secret"])])
    assert sorted(int(answer.body["rate_limit_remaining"]) for answer in answers) == [*range(64)]
    for answer in answers:
        left = answer.body["rate_limit_remaining"]
        assert answer.headers["ratelimit"] == f'"default";r={left}'
        assert answer.headers["ratelimit-policy"] == '"default";q=64;w=86400'
        assert answer.headers["cache-control"] == "no-store"
        assert "retry-after" not in answer.headers
        assert answer.body["rate_limit_policy"] == {**policy(64, 86_400), "unit": "requests"}
        assert "rate_limit_reset_time" in answer.body
    for answer in connections.volley([verify(key["secret"])]):
        verdict = answer.body
        assert (verdict["error_code"], verdict["error_message"]) == (LIMITED, "rate limit exceeded")
        assert verdict["key_id"] == key["issued_api_key"]["key_id"]
        assert (verdict["status"], verdict["scopes"]) == ("KEY_STATUS_ACTIVE", ["read"])
        assert verdict["rate_limit_remaining"] == "0"
        assert answer.headers["ratelimit"] == '"default";r=0'
        assert answer.headers["cache-control"] == "no-store"
        # A day, less what the test has taken.
        assert 80_000 < int(answer.headers["retry-after"]) < 86_400


def test_a_change_of_the_quota_counts_from_the_next_call_of_every_worker(crowd: Crowd) -> None:
    """What was used before stays used, as a share of the window."""
    talos, connections = crowd
    key = talos.issue(rate_limit_policy=policy(128))
    path = f"{ADMIN}/issuedApiKeys/{key['issued_api_key']['key_id']}"
    asked = [verify(key["secret"])]
    assert remaining(verdicts(connections.volley(asked))) == Counter(range(64, 128))
    # A quarter of it is left after the first of these, nothing after the second.
    for quota, passing in ((256, 64), (16, 4), (1024, 0)):
        change = {"rate_limit_policy": policy(quota)}
        assert talos.ask("PATCH", path, change)[0] == 200
        found = verdicts(connections.volley(asked))
        assert {verdict["rate_limit_policy"]["quota"] for verdict in found} == {str(quota)}
        assert remaining(found).total() == passing
    assert talos.ask("PATCH", f"{path}?update_mask=rate_limit_policy", {})[0] == 200
    assert all("rate_limit_policy" not in v for v in verdicts(connections.volley(asked)))


def test_a_longer_window_forgets_nothing_in_any_worker(crowd: Crowd) -> None:
    """Half of the old one used, half of the new one is left; all of it used, nothing is."""
    talos, connections = crowd
    key = talos.issue(rate_limit_policy=policy(128, 24 * HOUR_S))
    path = f"{ADMIN}/issuedApiKeys/{key['issued_api_key']['key_id']}"
    asked = [verify(key["secret"])]
    assert remaining(verdicts(connections.volley(asked))) == Counter(range(64, 128))
    for window_s, passing in ((MONTH_S, 64), (6 * MONTH_S, 0), (HOUR_S, 0), (12 * MONTH_S, 0)):
        change = {"rate_limit_policy": policy(128, window_s)}
        assert talos.ask("PATCH", path, change)[0] == 200
        found = verdicts(connections.volley(asked * 2))
        assert {verdict["rate_limit_policy"]["window"] for verdict in found} == {f"{window_s}s"}
        assert remaining(found) == Counter(range(passing))


def test_exactly_what_is_permitted_passes_in_real_time(crowd: Crowd) -> None:
    """Over three windows on the system's clock."""
    talos, connections = crowd
    quota, window_s, windows = 40, 1, 3
    secret = talos.issue(rate_limit_policy=policy(quota, window_s))["secret"]
    end_ns = time.monotonic_ns() + windows * window_s * NS_PER_S
    asked = verify(secret)

    def ask_on(connection: Connection) -> list[Answer]:
        answers = [connection.ask(asked)]
        while answers[-1].after_ns < end_ns:
            answers.append(connection.ask(asked))
        return answers

    calls = [
        Call(
            answer.before_ns,
            answer.after_ns,
            answer.body["is_valid"],
            answer.body["rate_limit_remaining"] == str(quota - 1),
        )
        for answer in connections.each(ask_on)
    ]
    assert_permitted(calls, quota, window_s * NS_PER_S // quota)


def test_exactly_what_is_permitted_passes_in_every_window(serve: Serve, tmp_path: Path) -> None:
    """64 connections ask until all are refused, at one time after the other."""
    path = tmp_path / "clock"
    clock = shared_word(path)
    clock[0] = 1_000 * NS_PER_S
    talos = serve(program=("tests.e2e.with_limits_on", str(path)), over=over(8))
    chance, oracle = random.Random(7), Gcra()
    quota, window_s = 100, 10
    secret = talos.issue(rate_limit_policy=policy(quota, window_s))["secret"]
    with Connections(talos.server, workers=8, each=8) as connections:
        for _ in range(20):
            clock[0] += chance.choice([0, 1, 10, 33, 95, 99, 100, 600]) * NS_PER_S // 10
            permitted = 0
            while oracle.admit("k", quota, window_s, clock[0])[0]:
                permitted += 1
            found = verdicts(connections.volley([verify(secret), verify(secret)]))
            assert remaining(found) == Counter(range(permitted))


def test_limits_survive_a_reload_of_the_server_and_end_with_it(serve: Serve) -> None:
    first = serve(over=over(2))
    secret = first.issue(rate_limit_policy=policy(3))["secret"]
    assert [first.verify(secret)["is_valid"] for _ in range(4)] == [True, True, True, False]
    old = first.server.workers
    first.server.signal(signal.SIGHUP)
    eventually(lambda: not old & set(session(first.server.pid)), "workers to be replaced")
    assert first.verify(secret)["error_code"] == LIMITED
    assert first.server.stop() == 0
    again = serve(over=over(2))
    assert [again.verify(secret)["is_valid"] for _ in range(4)] == [True, True, True, False]


def test_limits_are_switched_on_and_off_while_the_server_runs(serve: Serve) -> None:
    talos = serve(over=over(4) | {"rate_limit": {"enabled": False}})
    secret = talos.issue(rate_limit_policy=policy(24))["secret"]

    def switch(enabled: bool) -> None:
        reloads = talos.server.log.count("configuration reloaded")
        talos.edit({"rate_limit": {"enabled": enabled}})
        eventually(lambda: talos.server.log.count("configuration reloaded") > reloads, "the reload")

    def shown() -> set[bool]:
        return {"rate_limit_remaining" in v for v in verdicts(connections.volley(asked))}

    asked = [verify(secret)]
    with Connections(talos.server, workers=4, each=4) as connections:
        # Two volleys of 16 that are not counted.
        assert shown() | shown() == {False}
        switch(True)
        found = verdicts(connections.volley(asked * 2))
        assert remaining(found) == Counter(range(24))
        switch(False)
        assert shown() == {False}
        switch(True)
        assert not remaining(verdicts(connections.volley(asked)))


@pytest.mark.parametrize("worker_class", ["talos", "gthread", "sync"])
def test_workers_of_every_class_count_together(serve: Serve, worker_class: str) -> None:
    talos = serve("--worker-class", worker_class, over=over(2))
    secret = talos.issue(rate_limit_policy=policy(2))["secret"]
    workers = eventually(lambda: len(talos.server.workers) == 2 and talos.server.workers, "workers")
    told = []
    for worker in sorted(workers):
        with suspended(workers - {worker}):
            told.append([talos.verify(secret)["is_valid"] for _ in range(3)])
    assert told == [[True, True, False], [False] * 3]


class Customer(Thread):
    """Verifies one key over and over, whatever happens to the workers."""

    def __init__(self, port: int, credential: str, ending: Event) -> None:
        super().__init__()
        self._port = port
        self._request = verify(credential)
        self._ending = ending
        self.answers: list[Answer] = []
        self.unanswered = 0

    def run(self) -> None:
        while not self._ending.is_set():
            try:
                connection = Connection(self._port)
            except OSError:
                continue
            try:
                while not self._ending.is_set():
                    self.unanswered += 1
                    self.answers.append(connection.ask(self._request))
                    self.unanswered -= 1
            except (OSError, HTTPException):
                continue
            finally:
                connection.close()


def test_killed_workers_cost_no_more_than_the_calls_they_were_at(serve: Serve) -> None:
    quota, kills = 1_500, 12
    talos = serve(over=over(4))
    secret = talos.issue(rate_limit_policy=policy(quota))["secret"]
    ending = Event()
    customers = [Customer(talos.server.port, secret, ending) for _ in range(16)]
    for customer in customers:
        customer.start()

    def answered() -> int:
        return sum(len(customer.answers) for customer in customers)

    try:
        for kill in range(1, kills + 1):
            goal = kill * quota // (kills + 1)
            eventually(lambda goal=goal: answered() >= goal, "answers under load")  # type: ignore[misc]
            victim = eventually(lambda: sorted(talos.server.workers), "a worker")[0]
            # It may be the one that was killed before, and gone by now.
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        goal = quota + 100
        eventually(lambda: answered() >= goal, "the end of the quota")
    finally:
        ending.set()
        for customer in customers:
            customer.join()
    found = verdicts([answer for customer in customers for answer in customer.answers])
    passed = remaining(found)
    unanswered = sum(customer.unanswered for customer in customers)
    # No number is told twice; those that are missing went with the dead.
    assert set(passed.values()) == {1}
    assert quota - unanswered <= passed.total() <= quota
    assert talos.verify(secret)["error_code"] == LIMITED


def test_steps_of_the_wall_clock_move_no_limit(serve: Serve, tmp_path: Path) -> None:
    wall = WallClock(tmp_path)
    wall.step_to(-3 * HOUR_S)
    talos = serve(over=over(2), environment=wall.environment)
    secret = talos.issue(rate_limit_policy=policy(6), ttl="2400h")["secret"]
    told = []
    for hours in (-3, -2, -1, 0, -1, 1, -2, 40 * 24, 0):
        wall.step_to(hours * HOUR_S)
        verdict = talos.verify(secret)
        told.append((verdict["is_valid"], verdict["rate_limit_remaining"]))
    assert told == [(True, str(left)) for left in (5, 4, 3, 2, 1, 0)] + [(False, "0")] * 3


def test_calls_pass_uncounted_where_the_table_is_full(serve: Serve, tmp_path: Path) -> None:
    """The limiter fails open: the answer is good, and says nothing of the limit's state."""
    talos = serve(over=over(2, memory={"max_size": 65_536}))
    places, keys = 4_088, 5_000
    raw_keys = [f"a-key-from-elsewhere-{number:06}" for number in range(keys)]
    fields = {"name": "n", "actor_id": "a", "ttl": "24h", "rate_limit_policy": policy(1)}
    for start in range(0, keys, 1_000):
        some = [{**fields, "raw_key": raw_key} for raw_key in raw_keys[start : start + 1_000]]
        status, answer = talos.ask(
            "POST", f"{ADMIN}/importedApiKeys:batchCreate", {"requests": some}
        )
        assert (status, answer["success_count"]) == (200, len(some))
    found = []
    for start in range(0, keys, 100):
        batch = {"requests": [{"credential": text} for text in raw_keys[start : start + 100]]}
        found += talos.ask("POST", f"{ADMIN}/apiKeys:batchVerify", batch)[1]["results"]
    assert all(verdict["is_valid"] for verdict in found)
    uncounted = [n for n, verdict in enumerate(found) if "rate_limit_remaining" not in verdict]
    assert keys - places <= len(uncounted) < keys
    eventually(lambda: "raise rate_limit.memory.max_size" in talos.server.log, "the warning")
    connection = Connection(talos.server.port)
    answer = connection.ask(verify(raw_keys[uncounted[-1]]))
    connection.close()
    assert answer.body["is_valid"] is True
    assert answer.body["rate_limit_policy"]["quota"] == "1"
    assert "rate_limit_reset_time" not in answer.body
    assert answer.headers["ratelimit-policy"] == f'"default";q=1;w={MONTH_S}'
    assert answer.headers["cache-control"] == "no-store"
    assert not {"ratelimit", "retry-after"} & set(answer.headers)
    # Who has a place is still held to the limit.
    counted = next(n for n in range(keys) if n not in uncounted)
    assert talos.verify(raw_keys[counted])["error_code"] == LIMITED

"""One cache for all workers of a server: filled by any, and emptied for all at once (contract 6.8).

What a worker acknowledges as taken back is refused by every other from that moment on (16 (5)).
"""

import json
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.client import HTTPConnection
from typing import Any

import pytest

from tests.e2e.processes import PATIENCE_S, eventually
from tests.support.talos_server import ADMIN, Serve, Talos

WORKERS = 3
VERIFY = f"{ADMIN}/apiKeys:verify"
ISSUED = f"{ADMIN}/issuedApiKeys"
IMPORTED = f"{ADMIN}/importedApiKeys"
OVER = {"serve": {"http": {"workers": WORKERS}}, "log": {"level": "warn"}}


class Client:
    """One kept connection, and so one worker."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        self._connection.connect()
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        data = None if body is None else json.dumps(body, separators=(",", ":"))
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, path, data, named)
        response = self._connection.getresponse()
        text = response.read()
        answer = json.loads(text) if text else {}
        return response.status, answer, {k.lower(): v for k, v in response.getheaders()}

    def verify(self, credential: str, **headers: str) -> tuple[str, bool]:
        """The cache outcome and the verdict."""
        status, answer, heard = self.ask("POST", VERIFY, {"credential": credential}, **headers)
        assert status == 200, answer
        return heard["ory-talos-cache"], answer["is_valid"]

    def close(self) -> None:
        self._connection.close()


@contextmanager
def clients(talos: Talos, count: int = 6 * WORKERS) -> Iterator[list[Client]]:
    """Connections enough that no worker is likely to be without one."""
    with ExitStack() as stack:
        opened = []
        for _ in range(count):
            client = Client(talos.server.port)
            stack.callback(client.close)
            opened.append(client)
        yield opened


def import_key(client: Client, raw_key: str) -> str:
    body = {"raw_key": raw_key, "name": "a key", "actor_id": "user:1"}
    status, answer, _ = client.ask("POST", IMPORTED, body)
    assert status == 201, answer
    return str(answer["key_id"])


def test_what_one_worker_read_every_worker_knows(serve: Serve) -> None:
    talos = serve(over=OVER)
    issued = talos.issue(metadata={"tier": "gold"}, scopes=["read"])
    with clients(talos) as everyone:
        import_key(everyone[0], "sk_test_first")
        for credential in (issued["secret"], "sk_test_first"):
            assert everyone[0].verify(credential) == ("MISS", True)
            assert {client.verify(credential) for client in everyone} == {("HIT", True)}
        body = {"credential": issued["secret"]}
        fresh = everyone[0].ask("POST", VERIFY, body, Cache_Control="no-cache")
        for client in everyone:
            told = client.ask("POST", VERIFY, body)
            assert told[:2] == fresh[:2]
            assert told[2].keys() == fresh[2].keys()
        assert everyone[0].verify("sk_test_second") == ("MISS", False)
        assert everyone[1].verify("sk_test_second") == ("MISS", False)


DIRECTIVES = [
    ({"Cache-Control": "no-cache"}, "SKIP", "HIT"),
    ({"Cache-Control": "max-age=0, No-Cache"}, "SKIP", "HIT"),
    ({"Pragma": "no-cache"}, "SKIP", "HIT"),
    ({"Cache-Control": "no-store"}, "SKIP", "MISS"),
    ({"Cache-Control": "max-age=0"}, "MISS", "HIT"),
    ({"Pragma": "no-cache, x"}, "MISS", "HIT"),
]


def test_directives(shared: Talos) -> None:
    with clients(shared, 2) as (one, other):
        for headers, outcome, then in DIRECTIVES:
            credential = shared.issue()["secret"]
            assert one.verify(credential, **headers) == (outcome, True), headers
            assert other.verify(credential) == (then, True), headers
            # What is there is passed over as well.
            found = "HIT" if outcome == "MISS" else "SKIP"
            assert one.verify(credential, **headers) == (found, True), headers


def test_derive_fills_and_batch_reads(shared: Talos) -> None:
    credential = shared.issue()["secret"]
    with clients(shared, 2) as (one, other):
        status, token, _ = one.ask("POST", f"{ADMIN}/apiKeys:derive", {"credential": credential})
        assert status == 200, token
        assert other.verify(credential) == ("HIT", True)
        assert other.verify(token["token"]["token"]) == ("SKIP", True)
        batch = {"requests": [{"credential": credential}] * 3}
        status, answer, headers = other.ask("POST", f"{ADMIN}/apiKeys:batchVerify", batch)
        assert [item["is_valid"] for item in answer["results"]] == [True] * 3
        assert "ory-talos-cache" not in headers


def test_addresses_and_limits_are_judged_on_hits(shared: Talos) -> None:
    bound = shared.issue(ip_restriction={"allowed_cidrs": ["127.0.0.0/8"]})["secret"]
    limited = shared.issue(rate_limit_policy={"quota": "5", "window": "60s"})["secret"]
    with clients(shared, 2) as (one, other):
        for credential in (bound, limited):
            assert one.verify(credential) == ("MISS", True)
            assert other.verify(credential) == ("HIT", True)
        _, _, headers = other.ask("POST", VERIFY, {"credential": bound})
        assert headers["cache-control"] == "no-store"
        _, answer, headers = other.ask("POST", VERIFY, {"credential": limited})
        assert headers["ratelimit-policy"] == '"default";q=5;w=60'
        assert answer["rate_limit_policy"]["quota"] == "5"


@pytest.mark.parametrize(
    "cache", [{"type": "noop", "enabled": True}, {"enabled": False}, {"type": "memory"}], ids=str
)
def test_a_cache_that_is_not_wanted_is_not_used(serve: Serve, cache: dict[str, Any]) -> None:
    talos = serve(over=OVER | {"cache": cache})
    credential = talos.issue()["secret"]
    outcome = "MISS" if cache.get("enabled") else "SKIP"
    with clients(talos, WORKERS) as everyone:
        assert {client.verify(credential) for client in everyone} == {(outcome, True)}


def test_switching_it_off_empties_it(serve: Serve) -> None:
    talos = serve(over=OVER)
    credential = talos.issue()["secret"]
    with clients(talos) as everyone:
        assert everyone[0].verify(credential) == ("MISS", True)
        assert everyone[1].verify(credential) == ("HIT", True)
        for enabled, first, then in ((False, "SKIP", "SKIP"), (True, "MISS", "HIT")):
            talos.edit({"cache": {"enabled": enabled}})
            found = eventually(partial(other_than, everyone[0], credential, enabled), "the edit")
            assert found == (first, True)
            assert {client.verify(credential) for client in everyone} == {(then, True)}


def test_a_shorter_life_holds_for_what_is_there_in_every_worker(serve: Serve) -> None:
    """And a longer one afterwards brings nothing back (contract 16 (42))."""
    talos = serve(over=OVER)
    credential = talos.issue()["secret"]
    with clients(talos) as everyone:
        assert everyone[0].verify(credential) == ("MISS", True)
        assert {client.verify(credential) for client in everyone} == {("HIT", True)}
        talos.edit({"cache": {"ttl": "0s"}})
        eventually(lambda: everyone[0].verify(credential) == ("MISS", True), "the edit")
        assert {client.verify(credential) for client in everyone * 2} == {("MISS", True)}
        talos.edit({"cache": {"ttl": "1h"}})
        # The first HIT is of an answer that was published after the edit, by a MISS before it.
        eventually(lambda: everyone[1].verify(credential) == ("HIT", True), "the edit")
        assert {client.verify(credential) for client in everyone} == {("HIT", True)}


def test_strangers_who_guess_leave_the_cache_alone(serve: Serve) -> None:
    """With directives that pass the cache by, too: an eviction takes others' answers with it."""
    smallest = {"cache": {"type": "memory", "enabled": True, "memory": {"max_size": 1 << 20}}}
    talos = serve(over=OVER | smallest)
    keys = [talos.issue()["secret"] for _ in range(40)]
    with clients(talos) as everyone:
        for credential in keys:
            assert everyone[0].verify(credential) == ("MISS", True)
        for number in range(600):
            client = everyone[number % len(everyone)]
            directive = ("no-cache", "no-store")[number % 2]
            told = client.verify(f"a-guess-{number}", Cache_Control=directive)
            assert told == ("SKIP", False)
        assert [everyone[1].verify(credential) for credential in keys] == [("HIT", True)] * 40


def other_than(client: Client, credential: str, enabled: bool) -> tuple[str, bool] | None:
    """The first answer under the new setting."""
    found = client.verify(credential)
    return found if (found[0] != "SKIP") is enabled else None


@pytest.fixture
def shared(serve: Serve) -> Talos:
    return serve(over=OVER)


# Taking keys back

Key = tuple[str, str]
"""Id and credential."""


def issued_key(client: Client, number: int) -> Key:
    status, answer, _ = client.ask("POST", ISSUED, {"name": "n", "actor_id": "a"})
    assert status == 201, answer
    return answer["issued_api_key"]["key_id"], answer["secret"]


def imported_key(client: Client, number: int) -> Key:
    raw_key = f"sk_test_{number}_{uuid.uuid4()}"
    return import_key(client, raw_key), raw_key


def revoke(client: Client, key: Key) -> int:
    return client.ask("POST", f"{ADMIN}/apiKeys/{key[0]}:revoke", {})[0]


def rotate(client: Client, key: Key) -> int:
    return client.ask("POST", f"{ISSUED}/{key[0]}:rotate", {})[0]


def delete(client: Client, key: Key) -> int:
    return client.ask("DELETE", f"{IMPORTED}/{key[0]}")[0]


def self_revoke(client: Client, key: Key) -> int:
    return client.ask("POST", "/v2alpha1/apiKeys:selfRevoke", {"credential": key[1]})[0]


WAYS = [
    (issued_key, revoke),
    (issued_key, rotate),
    (issued_key, self_revoke),
    (imported_key, revoke),
    (imported_key, delete),
    (imported_key, self_revoke),
]


class Hammer(threading.Thread):
    """Verifies one key after another, each until it is refused; tells of a yes after the no."""

    def __init__(self, client: Client, keys: list[Key], taken_back: set[str]) -> None:
        super().__init__()
        self._client = client
        self._keys = keys
        self._taken_back = taken_back
        self.began = threading.Event()
        self.ending = threading.Event()
        self.stale: list[str] = []
        self.hits = 0

    def run(self) -> None:
        while not self.ending.is_set():
            for key_id, credential in self._keys:
                # Asked before the request: only what was acknowledged by then must be obeyed.
                must_refuse = key_id in self._taken_back
                outcome, valid = self._client.verify(credential)
                self.hits += outcome == "HIT"
                if valid and must_refuse:
                    self.stale.append(key_id)
            self.began.set()


def test_what_is_taken_back_is_refused_by_every_worker_at_once(shared: Talos) -> None:
    with clients(shared) as everyone:
        hammered, others = everyone[:6], everyone[6:]
        for make, take_back in WAYS:
            keys = [make(others[0], number) for number in range(12)]
            taken_back: set[str] = set()
            hammers = [Hammer(client, keys, taken_back) for client in hammered]
            with working(hammers):
                for number, key in enumerate(keys):
                    writer = others[number % len(others)]
                    assert take_back(writer, key) in (200, 201, 204)
                    taken_back.add(key[0])
                    assert not others[0].verify(key[1])[1]
            assert [hammer.stale for hammer in hammers] == [[]] * len(hammers)
            assert sum(hammer.hits for hammer in hammers) > 0
            for client in everyone:
                assert not any(client.verify(credential)[1] for _, credential in keys)


@contextmanager
def working(hammers: list[Hammer]) -> Iterator[None]:
    """Let them hammer, from when each has met every key."""
    for hammer in hammers:
        hammer.start()
    try:
        for hammer in hammers:
            assert hammer.began.wait(PATIENCE_S)
        yield
    finally:
        for hammer in hammers:
            hammer.ending.set()
        for hammer in hammers:
            hammer.join()


def test_an_update_is_seen_by_every_worker_at_once(shared: Talos) -> None:
    with clients(shared) as everyone:
        key_id, credential = issued_key(everyone[0], 0)
        for number in range(30):
            for client in everyone:
                assert client.verify(credential)[1]
            writer = everyone[number % len(everyone)]
            change = {"scopes": [f"scope-{number}"]}
            assert writer.ask("PATCH", f"{ISSUED}/{key_id}", change)[0] == 200
            for client in everyone:
                _, answer, _ = client.ask("POST", VERIFY, {"credential": credential})
                assert answer["scopes"] == [f"scope-{number}"]

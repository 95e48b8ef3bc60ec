"""What workers remember of derived tokens ends everywhere at once (contract 16, 6)."""

import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.connections import Answer, Connection, Connections, batch_verify, verify
from tests.e2e.processes import PATIENCE_S, eventually
from tests.e2e.wall_clock import HOUR_S, WallClock
from tests.reference import macaroon
from tests.support.talos_server import ADMIN, HMAC_SECRET, Serve, Talos, signing_keys

WORKERS = 2
NEXT_SECRET = "test-secret-that-comes-next-0123456789"
DENIED = "VERIFICATION_ERROR_SIGNATURE_INVALID"
AFTERWARDS = 5
LATE_S = 4_000_000_000


def derive(talos: Talos, algorithm: str, **fields: Any) -> str:
    body = {"credential": talos.issue()["secret"], "algorithm": f"TOKEN_ALGORITHM_{algorithm}"}
    status, answer = talos.ask("POST", f"{ADMIN}/apiKeys:derive", body | fields)
    assert status == 200, answer
    return str(answer["token"]["token"])


def until_denied(request: bytes) -> Callable[[Connection], list[Answer]]:
    """Ask until the answer is no, and then a few times more."""

    def work(connection: Connection) -> list[Answer]:
        deadline = time.monotonic() + PATIENCE_S
        answers = [connection.ask(request)]
        while answers[-1].body["is_valid"]:
            assert time.monotonic() < deadline, "waited in vain for the end of a token"
            answers.append(connection.ask(request))
        return answers + [connection.ask(request) for _ in range(AFTERWARDS)]

    return work


def shown(answer: Answer) -> tuple[int, dict[str, str], Any]:
    """What an answer says, without what no two answers have in common."""
    headers = {
        name: value
        for name, value in answer.headers.items()
        if name not in ("date", "x-request-id")
    }
    return answer.status, headers, answer.body


@pytest.mark.parametrize("algorithm", ["JWT", "MACAROON"])
def test_a_token_that_was_proved_is_answered_for_from_memory(serve: Serve, algorithm: str) -> None:
    talos = serve()
    token = derive(talos, algorithm, custom_claims={"tier": "gold"})
    with Connections(talos.server, workers=WORKERS, each=2) as connections:
        first = connections.of_worker[min(connections.of_worker)][0]
        proved = first.ask(verify(token, X_Request_Id="proved"))
        assert proved.body["is_valid"] is True
        assert proved.headers["ory-talos-cache"] == "SKIP"
        told = connections.volley([verify(token, X_Request_Id="told")] * 3)
        batches = connections.volley([batch_verify([token, token], X_Request_Id="told")])
        # The last in the log of each connection: what is asked for anew, Python answers.
        anew = connections.volley([verify(token, X_Request_Id="anew", Cache_Control="no-cache")])
    assert all(shown(answer) == shown(proved) for answer in (*told, *anew))
    assert all(answer.body == {"results": [proved.body] * 2} for answer in batches)

    def logged() -> list[str]:
        """The ids of the requests that have a line in the log, so that Python answered them."""
        return [
            record["http_request"]["request_id"]
            for record in talos.server.records
            if record["msg"] == "HTTP request completed"
        ]

    eventually(lambda: logged().count("anew") == len(anew), "the log")
    assert logged().count("proved") == 1
    assert "told" not in logged()


def renamed(token: str, number: int) -> str:
    """Another name of a macaroon, as its holder makes it offline: with one caveat more."""
    prefix, version, encoded = token.partition("_v1_")
    whole = macaroon.decode(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    caveat = json.dumps({"exp": LATE_S + number}).encode()
    again = replace(
        whole,
        caveats=(*whole.caveats, caveat),
        signature=macaroon.mac(whole.signature, caveat),
    )
    return prefix + version + base64.urlsafe_b64encode(macaroon.write(again)).decode().rstrip("=")


def test_keys_in_use_stay_cached_while_one_macaroon_is_renamed(serve: Serve) -> None:
    """More names than the cache has room for, each often enough to be let in and to be in use."""
    memory = {"type": "memory", "enabled": True, "memory": {"max_size": 1 << 20}}
    talos = serve(over={"cache": memory})
    keys = [talos.issue()["secret"] for _ in range(200)]
    token = derive(talos, "MACAROON")
    in_use = [batch_verify(keys[:100]), batch_verify(keys[100:])]
    with Connections(talos.server, workers=WORKERS, each=1) as connections:
        connections.volley(in_use * 3)
        connection = connections.of_worker[min(connections.of_worker)][0]
        for first in range(0, 2_000, 100):
            names = batch_verify([renamed(token, number) for number in range(first, first + 100)])
            for _ in range(3):
                told = connection.ask(names).body["results"]
                assert [verdict["is_valid"] for verdict in told] == [True] * 100
        outcomes = [connection.ask(verify(key)).headers["ory-talos-cache"] for key in keys]
    assert outcomes.count("HIT") >= 0.99 * len(keys)


def derived_tokens(**settings: Any) -> dict[str, Any]:
    return {"credentials": {"derived_tokens": settings}}


@pytest.mark.parametrize(
    ("algorithm", "edit"),
    [
        ("JWT", derived_tokens(jwt={"signing_keys": {"urls": [signing_keys()]}})),
        ("JWT", derived_tokens(jwt={"signing_keys": {"urls": []}})),
        ("JWT", {"credentials": {"issuer": "https://other.example.com"}}),
        ("MACAROON", {"secrets": {"hmac": {"current": NEXT_SECRET}}}),
        ("MACAROON", {"credentials": {"issuer": "https://other.example.com"}}),
    ],
    ids=["other signing key", "no signing key", "issuer", "secret", "issuer of a macaroon"],
)
def test_a_reload_ends_what_is_remembered_in_all_workers_at_once(
    serve: Serve, algorithm: str, edit: Mapping[str, Any]
) -> None:
    talos = serve()
    token = derive(talos, algorithm)
    with Connections(talos.server, workers=WORKERS, each=4) as connections:
        first, *others = connections.of_worker.values()
        # Proved by one worker, and good in all.
        assert first[0].ask(verify(token)).body["is_valid"] is True
        for connection in (*first, *(each for some in others for each in some)):
            assert connection.ask(verify(token)).body["is_valid"] is True
        talos.edit(edit)
        answers = connections.each(until_denied(verify(token)))
    denials = [answer for answer in answers if not answer.body["is_valid"]]
    assert {answer.body["error_code"] for answer in denials} == {DENIED}
    first_denial_ns = min(answer.after_ns for answer in denials)
    late = [each for each in answers if each.body["is_valid"] and each.before_ns > first_denial_ns]
    assert late == []
    assert {answer.headers["ory-talos-cache"] for answer in answers} == {"SKIP"}


def test_settings_that_come_back_find_their_tokens_good_again(serve: Serve) -> None:
    urls = [signing_keys(), signing_keys()]

    def with_keys(*some: str) -> dict[str, Any]:
        return derived_tokens(jwt={"signing_keys": {"urls": list(some)}})

    talos = serve(over=with_keys(*urls))
    token = derive(talos, "JWT")
    with Connections(talos.server, workers=WORKERS, each=2) as connections:
        connections.volley([verify(token)] * 2)
        # The token's own key is the first.
        for keys, good in ((urls[1:], False), (urls[::-1], True), ([], False), (urls, True)):
            reloads = talos.server.log.count("configuration reloaded")
            talos.edit(with_keys(*keys))
            wait_for_reload(talos, reloads)
            answers = connections.volley([verify(token)] * 3)
            assert {answer.body["is_valid"] for answer in answers} == {good}


def wait_for_reload(talos: Talos, before: int) -> None:
    eventually(lambda: talos.server.log.count("configuration reloaded") > before, "the reload")


def test_the_clock_ends_what_is_remembered_and_brings_it_back(serve: Serve, tmp_path: Path) -> None:
    """A token that ends in two hours, and a secret that falls away after one."""
    wall = WallClock(tmp_path)
    ends = datetime.now(UTC) + timedelta(hours=1)
    retired = {"value": HMAC_SECRET, "expires_at": ends.strftime("%Y-%m-%dT%H:%M:%SZ")}
    talos = serve(environment=wall.environment)
    tokens = [derive(talos, algorithm, ttl="2h") for algorithm in ("JWT", "MACAROON")]
    talos.edit({"secrets": {"hmac": {"current": NEXT_SECRET, "retired": [retired]}}})
    wait_for_reload(talos, 0)
    with Connections(talos.server, workers=WORKERS, each=2) as connections:
        for off_s, good in (
            (0, {0, 1}),
            (HOUR_S + 60, {0}),
            (0, {0, 1}),
            (2 * HOUR_S + 60, set()),
            (HOUR_S + 60, {0}),
            (-HOUR_S, set()),
            (0, {0, 1}),
        ):
            wall.step_to(off_s)
            for index, token in enumerate(tokens):
                answers = connections.volley([verify(token)] * 2)
                found = {answer.body["is_valid"] for answer in answers}
                assert found == {index in good}, (off_s, index)

"""Answers from memory on a whole server: like any other answer, and given whatever else happens."""

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.e2e.processes import PATIENCE_S, eventually, read_all
from tests.support.talos_server import ADMIN, Serve
from tests.support.verify_client import (
    CACHED,
    ODD,
    Peer,
    asking,
    comparable,
    head,
    logged,
)
from tests.support.verify_requests import BATCH_START, request

LINES = (
    (),
    (b"Content-Type: application/json", b"Accept: */*"),
    (b"Content-Type: text/plain", b"Accept-Encoding: gzip", b"X-Http-Method-Override: GET"),
    (b"Connection: keep-alive", b"Range: bytes=0-1", b"If-None-Match: *"),
    (b"X-Forwarded-For: 203.0.113.9", b"X-Forwarded-Proto: https"),
)
KEYS: tuple[dict[str, Any], ...] = (
    {},
    {"metadata": {"tier": "gold", "text": "\u00e9\U0001f511", "n": 1.5, "deep": [{"a": None}]}},
    {"scopes": ["read", "write"], "visibility": "KEY_VISIBILITY_SECRET"},
    {"actor_id": 'quo"ted\\ \u2028 text', "ttl": "2400h"},
)


@pytest.fixture
def peers() -> Iterator[list[Peer]]:
    opened: list[Peer] = []
    yield opened
    for peer in opened:
        peer.close()


def test_fast_path_warm_and_stock_answers_are_identical(serve: Serve, peers: list[Peer]) -> None:
    ours = serve(over=CACHED)
    stock = serve("--worker-class", "gthread", over=CACHED)
    to_ours, to_stock = Peer(ours.server.port), Peer(stock.server.port)
    peers += [to_ours, to_stock]
    count = 0
    for members in KEYS:
        credential = ours.issue(**members)["secret"]
        for peer in (to_ours, to_stock):
            assert b"\r\nOry-Talos-Cache: MISS\r\n" in peer.ask(asking(credential))
        for lines in LINES:
            count += 1
            fast = to_ours.ask(asking(credential, b"X-Request-Id: fast-%d" % count, *lines))
            warm = to_ours.ask(asking(credential, b"X-Request-Id: warm-%d" % count, ODD, *lines))
            theirs = to_stock.ask(asking(credential, b"X-Request-Id: stock-%d" % count, *lines))
            assert b"\r\nOry-Talos-Cache: HIT\r\n" in fast
            assert b"\r\nX-Request-Id: fast-%d\r\n" % count in fast
            assert comparable(fast) == comparable(warm) == comparable(theirs)
            assert b"\r\nConnection: keep-alive\r\n" in fast
            assert b"\r\nDate: " in fast
    # Each was answered by whom it should be: what memory answers has no line in the log.
    warm, others = ({f"{name}-{n}" for n in range(1, count + 1)} for name in ("warm", "stock"))
    eventually(lambda: warm <= logged(ours), "our log")
    eventually(lambda: others <= logged(stock), "the stock server's log")
    assert not any(request_id.startswith("fast-") for request_id in logged(ours))


def test_fast_path_batches_are_those_of_the_application(serve: Serve, peers: list[Peer]) -> None:
    ours = serve(over=CACHED)
    stock = serve("--worker-class", "gthread", over=CACHED)
    to_ours, to_stock = Peer(ours.server.port), Peer(stock.server.port)
    peers += [to_ours, to_stock]
    credentials = [ours.issue(**members)["secret"] for members in KEYS]
    imported = {"raw_key": "sk-test_an.imported/key+1=", "name": "a key", "actor_id": "user:1"}
    assert ours.ask("POST", f"{ADMIN}/importedApiKeys", imported)[0] == 201
    credentials.append(imported["raw_key"])
    for credential in credentials:
        assert b": MISS\r\n" in to_ours.ask(asking(credential))
        assert b": HIT\r\n" in to_ours.ask(asking(credential, b"X-Request-Id: fast-single"))
    for count in (1, len(credentials), 100):
        items = [{"credential": credentials[at % len(credentials)]} for at in range(count)]
        body = json.dumps({"requests": items}).encode()
        fast, warm, theirs = (
            peer.ask(request(b"X-Request-Id: " + name, *lines, start=BATCH_START, body=body))
            for peer, name, lines in (
                (to_ours, b"fast-%d" % count, ()),
                (to_ours, b"warm-%d" % count, (ODD,)),
                (to_stock, b"stock-%d" % count, ()),
            )
        )
        assert comparable(fast) == comparable(warm) == comparable(theirs)
        assert fast.count(b'"is_valid":true') == count
    eventually(lambda: "warm-100" in logged(ours), "the log")
    assert not any(request_id.startswith("fast-") for request_id in logged(ours))


@pytest.mark.parametrize("imported", [False, True], ids=["issued", "imported"])
def test_calls_of_a_limited_key_count_whoever_answers_them(
    serve: Serve, peers: list[Peer], imported: bool
) -> None:
    talos = serve(over=CACHED | {"rate_limit": {"enabled": True}})
    to_talos = Peer(talos.server.port)
    peers.append(to_talos)
    policy = {"quota": "20", "window": "86400s"}
    if imported:
        credential = "sk-test_limited"
        members = {"raw_key": credential, "name": "a key", "actor_id": "user:1"}
        members |= {"rate_limit_policy": policy}
        assert talos.ask("POST", f"{ADMIN}/importedApiKeys", members)[0] == 201
    else:
        credential = talos.issue(rate_limit_policy=policy)["secret"]
    answers = []
    for turn in range(24):
        lines = (ODD, b"X-Request-Id: warm") if turn % 3 == 0 else (b"X-Request-Id: fast",)
        answers.append(to_talos.ask(asking(credential, *lines)))
    told = [json.loads(answer.partition(b"\r\n\r\n")[2]) for answer in answers]
    assert [verdict["is_valid"] for verdict in told] == [True] * 20 + [False] * 4
    assert [int(v["rate_limit_remaining"]) for v in told] == [*range(19, -1, -1), 0, 0, 0, 0]
    # A refusal has one header more.
    names = [tuple(line.split(b":")[0] for line in head(answer)) for answer in answers]
    assert len(set(names[:20])) == len(set(names[20:])) == 1
    assert [list(verdict) for verdict in told[:20]] == [list(told[0])] * 20
    assert [list(verdict) for verdict in told[20:]] == [list(told[20])] * 4
    eventually(lambda: "warm" in logged(talos), "the log")
    assert "fast" not in logged(talos)


@contextlib.contextmanager
def silenced(dsn: str) -> Iterator[None]:
    """Have a database answer nothing about keys: who asks it waits for the end of the block."""
    with psycopg.connect(dsn) as connection:
        connection.execute("LOCK TABLE issued_api_keys, imported_api_keys")
        yield


def test_a_silent_database_and_a_killed_worker_take_nothing_from_the_cache(
    serve: Serve, postgres_dsn: str, peers: list[Peer]
) -> None:
    # One thread: who waits on it for the database holds up all others that need a thread.
    over = CACHED | {"serve": {"http": {"workers": 1, "threads": 1}}}
    talos = serve(dsn=postgres_dsn, over=over)
    known, unknown = talos.issue()["secret"], talos.issue()["secret"]
    peer = Peer(talos.server.port)
    peers.append(peer)
    assert b"MISS" in peer.ask(asking(known))
    with silenced(postgres_dsn):
        waiting = [Peer(talos.server.port) for _ in range(4)]
        peers += waiting
        for each in waiting:
            # Accepted by the worker that will be killed, and not by the one that replaces it.
            assert b"HIT" in each.ask(asking(known))
            each.socket.sendall(asking(unknown))
        # In this order, however long either takes: an answer from memory, none from the database.
        assert b"Ory-Talos-Cache: HIT" in peer.ask(asking(known))
        for each in waiting:
            each.socket.setblocking(False)
            with pytest.raises(BlockingIOError):
                each.socket.recv(1)
            each.socket.settimeout(PATIENCE_S)
        [worker] = talos.server.workers
        os.kill(worker, signal.SIGKILL)
        # Its clients see their connections end, without a byte of an answer.
        for each in waiting:
            with contextlib.suppress(ConnectionResetError):
                assert read_all(each.socket) == b""
        eventually(lambda: talos.server.workers - {worker}, "another worker")
        # It has the cache of the one before, and needs no database for what is in there.
        again = Peer(talos.server.port)
        peers.append(again)
        assert b"Ory-Talos-Cache: HIT" in again.ask(asking(known))
    assert talos.verify(unknown)["is_valid"] is True


def test_a_reload_that_is_logged_is_in_force_for_answers_from_memory(
    serve: Serve, peers: list[Peer]
) -> None:
    talos = serve(over=CACHED)
    credential = talos.issue()["secret"]
    peers += [Peer(talos.server.port) for _ in range(8)]
    assert b"MISS" in peers[0].ask(asking(credential))
    for issuer in ("https://one.example.com", "https://two.example.com"):
        seen = talos.server.log.count("configuration reloaded")
        talos.edit({"credentials": {"issuer": issuer}})
        eventually(
            lambda seen=seen: talos.server.log.count("configuration reloaded") > seen,  # type: ignore[misc]
            "the reload",
        )
        for peer in peers:
            assert issuer.encode() in peer.ask(asking(credential))
    assert b"HIT" in peers[0].ask(asking(credential))
    seen = talos.server.log.count("configuration reloaded")
    talos.edit({"cache": {"enabled": False}})
    eventually(
        lambda: talos.server.log.count("configuration reloaded") > seen, "the cache to be off"
    )
    for peer in peers:
        assert b"HIT" not in peer.ask(asking(credential))

"""Connections through the documented proxies: kept, drained, and with the largest bodies."""

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import pytest

from tests.e2e.certificates import Authority
from tests.e2e.processes import PATIENCE_S, eventually
from tests.e2e.proxies import NAMES, Front, Text, documented, front, prepared, running, settings
from tests.support.talos_server import ADMIN, Serve, Talos

LARGEST = 4 * 1024 * 1024


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextmanager
def before(talos: Talos, name: str) -> Iterator[Front]:
    """The documented proxy in front of a server."""
    authority = Authority()
    text = Text(documented(name), talos.server.port, authority)
    with running(prepared(name, text)) as process:
        yield front(name, process.port, authority)


def connection(to: Front) -> HTTPConnection:
    if to.tls is None:
        return HTTPConnection("127.0.0.1", to.port, timeout=PATIENCE_S)
    return HTTPSConnection("127.0.0.1", to.port, timeout=PATIENCE_S, context=to.tls)


def ask(
    kept: HTTPConnection, method: str, path: str, body: bytes | None = None
) -> tuple[int, bytes]:
    kept.request(method, path, body, {"Host": "keys.example.com"})
    response = kept.getresponse()
    return response.status, response.read()


def upstream_connections(port: int) -> int:
    """How many connections to a port there are, and were a moment ago."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return len({row[1] for row in rows if int(row[2].partition(":")[2], 16) == port})


def test_connections_to_the_server_are_kept(serve: Serve, name: str) -> None:
    talos = serve(over=settings())
    secret = talos.issue()["secret"]
    with before(talos, name) as to:
        kept = connection(to)
        earlier = upstream_connections(talos.server.port)
        for _ in range(60):
            body = json.dumps({"credential": secret}).encode()
            status, answer = ask(kept, "POST", f"{ADMIN}/apiKeys:verify", body)
            assert status == 200
            assert b'"is_valid":true' in answer
        assert upstream_connections(talos.server.port) - earlier < 20
        kept.close()


def test_the_largest_body_passes_and_one_more_byte_does_not(serve: Serve, name: str) -> None:
    talos = serve(over=settings())

    def import_one(to: Front, raw_key: str, size: int) -> tuple[int, bytes]:
        item = {"raw_key": raw_key, "name": raw_key, "actor_id": "a"}
        # An unknown member is ignored, and counts for the size.
        bare = json.dumps({"requests": [item], "padding": ""})
        body = json.dumps({"requests": [item], "padding": "x" * (size - len(bare))}).encode()
        assert len(body) == size
        kept = connection(to)
        try:
            return ask(kept, "POST", f"{ADMIN}/importedApiKeys:batchCreate", body)
        finally:
            kept.close()

    with before(talos, name) as to:
        status, answer = import_one(to, "sk_test_fits", LARGEST)
        assert status == 200, answer[:300]
        # It is refused by its head, so that the connection may end while it is being sent.
        with suppress(ConnectionError):
            status, answer = import_one(to, "sk_test_too_long", LARGEST + 1)
            assert status in (400, 413), answer[:300]
        _, imported = talos.ask("GET", f"{ADMIN}/importedApiKeys")
        assert [key["name"] for key in imported["imported_api_keys"]] == ["sk_test_fits"]


def test_no_request_fails_while_the_workers_are_replaced(serve: Serve, name: str) -> None:
    talos = serve(over=settings())
    body = json.dumps({"credential": talos.issue()["secret"]}).encode()
    stop, answers, lock = threading.Event(), [0], threading.Lock()
    trouble: list[object] = []

    def go_on(to: Front) -> None:
        kept = connection(to)
        while not stop.is_set():
            try:
                status, answer = ask(kept, "POST", f"{ADMIN}/apiKeys:verify", body)
            except OSError as error:
                trouble.append(error)
                return
            if status != 200 or b'"is_valid":true' not in answer:
                trouble.append((status, answer[:300]))
                return
            with lock:
                answers[0] += 1
        kept.close()

    with before(talos, name) as to:
        threads = [threading.Thread(target=go_on, args=(to,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(2):
            old, seen = talos.server.workers, answers[0]
            eventually(lambda seen=seen: answers[0] > seen + 40 or trouble, "requests")
            talos.server.signal(signal.SIGHUP)
            eventually(lambda old=old: not old & talos.server.workers, "new workers")
        seen = answers[0]
        eventually(lambda: answers[0] > seen + 40 or trouble, "requests behind the last change")
        stop.set()
        for thread in threads:
            thread.join(PATIENCE_S)
        assert trouble == []

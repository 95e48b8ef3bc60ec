"""More clients than there is room for, none of which delivers: others are served all the same."""

import os
import resource
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.e2e.processes import (
    PATIENCE_S,
    PYTHON,
    Server,
    eventually,
    free_ports,
    read_all,
    say,
    try_get,
)
from tests.support.talos_server import Serve

MORE_THAN_A_WORKER_HOLDS = 2060
MORE_THAN_THE_PROBES_HOLD = 130
LAST = b"GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
ANNOUNCING = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4000000\r\n\r\n"

Crowd = Callable[[int, int, bytes], list[socket.socket]]

UNFINISHED = {
    "silent": b"",
    "head": b"GET / HTTP/1.1\r\nHost: h\r\nX-Slow: ",
    "announced": ANNOUNCING,
    "body": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345",
    "chunked": b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123",
    "refused": b"no request\r\n\r\n",
}


def serve_plainly(folder: Path, *more: str) -> Server:
    port, metrics_port = free_ports(2)
    numbers = [str(number) for number in (port, metrics_port, 1, 1)]
    command = [PYTHON, "-m", "tests.e2e.plain_site", *numbers, *more]
    return Server(command, folder, port=port, metrics_port=metrics_port).wait_ready()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of which no client's time runs out while a test waits."""
    with serve_plainly(tmp_path_factory.mktemp("crowds"), "unhurried") as server:
        yield server


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    """Connects as many as asked for, from several addresses, and has each send the same."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(4096, hard)), hard))
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))

        def connect(port: int, size: int, data: bytes) -> list[socket.socket]:
            clients = []
            for number in range(size):
                source = (f"127.0.0.{1 + number % 9}", 0)
                client = socket.create_connection(("127.0.0.1", port), PATIENCE_S, source)
                clients.append(stack.enter_context(client))
                client.sendall(data)
            return clients

        yield connect


@pytest.mark.parametrize("data", UNFINISHED.values(), ids=UNFINISHED)
def test_probes_are_answered_whatever_the_others_do_not_finish(
    server: Server, crowd: Crowd, data: bytes
) -> None:
    assert server.metrics_port is not None
    clients = crowd(server.metrics_port, MORE_THAN_THE_PROBES_HOLD, data)
    for _ in range(3):
        assert say(server.metrics_port, LAST).endswith(b"probe")
    assert len(clients) == MORE_THAN_THE_PROBES_HOLD


@pytest.mark.parametrize("data", [ANNOUNCING, UNFINISHED["body"]], ids=["announced", "body"])
def test_requests_are_answered_whatever_the_others_do_not_finish(
    server: Server, crowd: Crowd, data: bytes
) -> None:
    clients = crowd(server.port, MORE_THAN_A_WORKER_HOLDS, data)
    for _ in range(3):
        assert say(server.port, LAST).endswith(b"GET /last 0")
    # Who came first had delivered nothing for longest.
    assert read_all(clients[0]) == b""
    assert still_open(clients[-1])


def still_open(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1) != b""
    except BlockingIOError:
        return True


def test_large_bodies_that_stop_keep_no_other_out(server: Server, crowd: Crowd) -> None:
    # Together they announce more than there is room for, and send little of it.
    clients = crowd(server.port, 17, ANNOUNCING + b"a" * 70_000)
    whole = b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 4000000\r\n\r\n"
    assert say(server.port, whole + b"a" * 4_000_000).endswith(b"POST / 4000000")
    assert all(still_open(client) for client in clients)


def test_large_bodies_that_fill_the_memory_and_go_on_slowly_make_room(
    server: Server, crowd: Crowd
) -> None:
    """Each keeps the pace that is asked of it, and has ten minutes for its request."""
    slow = crowd(server.port, 30, ANNOUNCING)
    filled = threading.Barrier(len(slow) + 1)
    ended = threading.Event()

    def fill_and_trickle(client: socket.socket) -> None:
        # The server closes some of them, and reads on in others only when it has.
        with suppress(OSError):
            client.sendall(b"a" * 2_600_000)
        filled.wait(PATIENCE_S)
        with suppress(OSError):
            while not ended.wait(0.5):
                client.sendall(b"a" * 10_000)

    whole = b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 4000000\r\n\r\n"
    with ThreadPoolExecutor(len(slow)) as senders:
        for client in slow:
            senders.submit(fill_and_trickle, client)
        try:
            filled.wait(PATIENCE_S)
            assert say(server.port, whole + b"a" * 4_000_000).endswith(b"POST / 4000000")
        finally:
            ended.set()


def test_a_large_body_that_stops_is_given_up_before_its_time(server: Server, crowd: Crowd) -> None:
    # Both have ten minutes for their request; who stops in a large body does not get them.
    [slow] = crowd(server.port, 1, UNFINISHED["body"])
    [stopped] = crowd(server.port, 1, ANNOUNCING + b"a" * 70_000)
    assert read_all(stopped) == b""
    assert still_open(slow)


def test_the_metrics_listener_refuses_bodies_at_the_head(server: Server, crowd: Crowd) -> None:
    assert server.metrics_port is not None
    [client] = crowd(server.metrics_port, 1, ANNOUNCING)
    answer = read_all(client)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"Connection: close" in answer


def test_a_large_body_that_trickles_in_is_given_up_before_its_time(
    server: Server, crowd: Crowd
) -> None:
    [slow] = crowd(server.port, 1, ANNOUNCING + b"a" * 70_000)
    slow.settimeout(0.1)
    sent = 0
    with suppress(ConnectionError):
        while True:
            slow.sendall(b"a" * 500)
            sent += 1
            assert sent < PATIENCE_S * 10
            with suppress(TimeoutError):
                assert slow.recv(1) == b""
                break


def test_a_peer_holds_no_more_than_it_may_of_all_workers_together(
    serve: Serve, crowd: Crowd
) -> None:
    over = {"serve": {"http": {"workers": 2, "max_connections_per_peer": 9}}}
    talos = serve(over=over)
    eventually(lambda: len(talos.server.workers) == 2, "both workers")
    ask = b"GET /version HTTP/1.1\r\nHost: h\r\n\r\n"
    # From nine addresses, and each is served nine times.
    clients = crowd(talos.server.port, 81, ask)
    assert all(client.recv(65536).startswith(b"HTTP/1.1 200 ") for client in clients)
    more = crowd(talos.server.port, 9, b"")
    assert [ended(client) for client in more] == [True] * 9
    # Probes are not bounded, and what is given back can be taken.
    assert try_get(talos.server.metrics_port or 0, "/health/alive") == 200
    clients[0].close()
    eventually(lambda: try_get(talos.server.port, "/health/alive") == 200, "room for one")
    eventually(lambda: "serve.http.max_connections_per_peer" in talos.server.log, "a warning")
    # A worker that is killed counts nothing down.
    for worker in talos.server.workers:
        os.kill(worker, signal.SIGKILL)
    eventually(lambda: try_get(talos.server.port, "/health/alive") == 200, "all to be forgotten")


def ended(client: socket.socket) -> bool:
    """Whether the server closes the connection."""
    with suppress(ConnectionResetError):
        return client.recv(1) == b""
    return True


@pytest.mark.parametrize(("timeout", "stays"), [("1s", False), ("1h", True)])
def test_an_idle_connection_is_kept_for_as_long_as_the_setting_says(
    serve: Serve, timeout: str, stays: bool
) -> None:
    talos = serve(over={"serve": {"http": {"workers": 1, "idle_timeout": timeout}}})
    ask = b"GET /version HTTP/1.1\r\nHost: h\r\n\r\n"
    with ExitStack() as stack:
        idle, other = (
            stack.enter_context(socket.create_connection(("127.0.0.1", talos.server.port)))
            for _ in range(2)
        )
        idle.settimeout(PATIENCE_S)
        idle.sendall(ask)
        assert idle.recv(65536).startswith(b"HTTP/1.1 200 ")
        # By the time that one which never asked anything is given up, after 5 s.
        other.settimeout(PATIENCE_S)
        assert read_all(other) == b""
        assert still_open(idle) is stays

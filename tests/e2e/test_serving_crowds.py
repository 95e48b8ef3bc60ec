"""More clients than there is room for, none of which delivers: others are served all the same."""

import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.processes import PATIENCE_S, PYTHON, Server, free_ports, read_all, say

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


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    port, metrics_port = free_ports(2)
    numbers = [str(number) for number in (port, metrics_port, 1, 1)]
    command = [PYTHON, "-m", "tests.e2e.plain_site", *numbers]
    folder: Path = tmp_path_factory.mktemp("crowds")
    with Server(command, folder, port=port, metrics_port=metrics_port).wait_ready() as server:
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
    clients = crowd(server.port, 16, ANNOUNCING + b"a" * 70_000)
    whole = b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 1000000\r\n\r\n"
    assert say(server.port, whole + b"a" * 1_000_000).endswith(b"POST / 1000000")
    assert all(still_open(client) for client in clients)


def test_a_large_body_that_stops_is_given_up_before_its_time(server: Server, crowd: Crowd) -> None:
    # Both have 15 s for their request; who has stopped in a large body does not get them.
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

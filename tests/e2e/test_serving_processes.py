"""Processes: two listeners in one tree, drains, reloads, deaths (contract 1.1, 13.5)."""

import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.e2e.load import Load, get
from tests.e2e.processes import PYTHON, Server, eventually, free_ports, session, try_get

Start = Callable[..., Server]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts plain sites, and ends them with the test."""
    servers: list[Server] = []

    def start_site(*more: str, workers: int = 2, threads: int = 4, ready: bool = True) -> Server:
        port, metrics_port = free_ports(2)
        numbers = [str(number) for number in (port, metrics_port, workers, threads)]
        command = [PYTHON, "-m", "tests.e2e.plain_site", *numbers, *more]
        server = Server(command, tmp_path, port=port, metrics_port=metrics_port)
        servers.append(server)
        return server.wait_ready() if ready else server

    yield start_site
    for server in servers:
        server.destroy()


@dataclass(frozen=True)
class Answer:
    status: int
    connection: str | None
    body: bytes


def read_answer(connection: HTTPConnection) -> Answer:
    response = connection.getresponse()
    answer = Answer(response.status, response.getheader("Connection"), response.read())
    if answer.connection == "close":
        connection.close()
    return answer


def get_once(port: int, path: str) -> Answer:
    connection = HTTPConnection("127.0.0.1", port)
    connection.request("GET", path, headers={"Connection": "close"})
    return read_answer(connection)


class Held:
    """A request whose answer waits for ``release``."""

    def __init__(self, server: Server, folder: Path) -> None:
        self._pipe = folder / f"hold-{os.urandom(4).hex()}"
        os.mkfifo(self._pipe)
        self._connection = HTTPConnection("127.0.0.1", server.port)
        self._connection.request("GET", f"/hold?{self._pipe}")
        # Opening the pipe succeeds once the application has opened its end.
        self._writer = eventually(self._open, "a held request")

    def _open(self) -> int | None:
        try:
            return os.open(self._pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return None

    def release(self) -> "Answer":
        """Let the application go on, and return its answer."""
        os.close(self._writer)
        answer = read_answer(self._connection)
        self._connection.close()
        return answer

    def abandon(self) -> None:
        os.close(self._writer)
        self._connection.close()


def refuses_connections(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    return False


def test_each_listener_has_its_application(start: Start) -> None:
    server = start()
    assert try_get(server.port, "/x") == 200
    for port, part in ((server.port, b"GET /x 0"), (server.metrics_port or 0, b"probe")):
        assert part in get_once(port, "/x").body


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    server = start()
    held = Held(server, tmp_path)
    server.signal(number)
    eventually(lambda: refuses_connections(server.port), "closed listeners")
    assert refuses_connections(server.metrics_port or 0)
    # A second signal changes nothing, whichever it is.
    server.signal(signal.SIGINT)
    server.signal(signal.SIGTERM)
    answer = held.release()
    assert (answer.status, answer.connection) == (200, "close")
    assert answer.body.endswith(b"GET /hold 0")
    assert server.wait() == 0
    assert sorted(server.stdout().splitlines()) == ["server ended", "site closed", "site closed"]


def test_the_interrupt_key_drains_too(start: Start, tmp_path: Path) -> None:
    """A terminal sends SIGINT to every process, workers included."""
    server = start()
    held = Held(server, tmp_path)
    os.killpg(server.pid, signal.SIGINT)
    eventually(lambda: refuses_connections(server.port), "closed listeners")
    assert held.release().status == 200
    assert server.wait() == 0


def test_a_kept_connection_gets_one_more_answer_while_draining(
    start: Start, tmp_path: Path
) -> None:
    server = start(workers=1)
    held = Held(server, tmp_path)
    kept = HTTPConnection("127.0.0.1", server.port)
    kept.request("GET", "/")
    assert read_answer(kept).connection == "keep-alive"
    server.signal(signal.SIGTERM)
    eventually(lambda: refuses_connections(server.port), "closed listeners")
    kept.request("GET", "/")
    answer = read_answer(kept)
    assert (answer.status, answer.connection) == (200, "close")
    held.release()
    assert server.wait() == 0


def test_a_drain_does_not_wait_for_ever(start: Start, tmp_path: Path) -> None:
    server = start("quick")
    held = Held(server, tmp_path)
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert "gave up requests that were still running" in server.log
    held.abandon()


def test_reloads_under_load_fail_no_request(start: Start) -> None:
    server = start()
    with Load(server.port, get("/")) as load:
        for _ in range(5):
            load.wait_for_more()
            old = server.workers
            server.signal(signal.SIGHUP)
            eventually(lambda old=old: not old & set(session(server.pid)), "workers to be replaced")  # type: ignore[misc]
        load.wait_for_more()
    assert load.failures == []
    assert server.stop() == 0


def test_a_hang_up_of_the_terminal_reloads_and_no_more(start: Start) -> None:
    """SIGHUP to every process, as when a terminal closes, is one graceful reload."""
    server = start()
    with Load(server.port, get("/")) as load:
        load.wait_for_more()
        old = server.workers
        os.killpg(server.pid, signal.SIGHUP)
        eventually(lambda: not old & set(session(server.pid)), "workers to be replaced")
        load.wait_for_more()
    assert load.failures == []


def test_workers_that_cannot_start_end_the_server(start: Start) -> None:
    server = start("broken", workers=4, ready=False)
    assert server.wait() == 1
    assert "there is no site" in server.log
    assert server.stdout().splitlines() == ["server ended"]


def test_a_killed_worker_is_replaced(start: Start) -> None:
    server = start()
    victim = min(server.workers)
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: victim not in server.workers and len(server.workers) == 2, "a new worker")
    assert try_get(server.port, "/") == 200


def test_workers_end_when_the_master_is_killed(start: Start, tmp_path: Path) -> None:
    server = start()
    held = Held(server, tmp_path)
    server.signal(signal.SIGKILL)
    eventually(lambda: refuses_connections(server.port), "closed listeners")
    assert held.release().status == 200
    eventually(lambda: not session(server.pid), "the end of the workers")


def test_a_signal_right_after_a_fork_is_not_lost(start: Start) -> None:
    """A reload and an end at once: workers that are being forked end with the others."""
    server = start()
    server.signal(signal.SIGHUP)
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert session(server.pid) == []
    assert "SIGKILL" not in server.log


def test_a_probe_is_answered_while_every_thread_is_busy(start: Start, tmp_path: Path) -> None:
    server = start(workers=1, threads=1)
    held = Held(server, tmp_path)
    answers: list[int | None] = []
    waiting = threading.Thread(target=lambda: answers.append(try_get(server.port, "/")))
    waiting.start()
    assert try_get(server.metrics_port or 0, "/") == 200
    assert answers == []
    held.release()
    waiting.join()
    assert answers == [200]


def test_logs_are_records_and_stdout_is_the_applications(start: Start) -> None:
    server = start()
    assert try_get(server.port, "/fail") == 500
    assert server.stop() == 0
    assert {"time", "level", "msg", "service", "pid"} <= set.intersection(
        *(set(record) for record in server.records)
    )
    [failure] = [record for record in server.records if record["level"] == "ERROR"]
    assert failure["error"]["cause"] == "RuntimeError: as asked"


def test_clients_that_connect_at_once_are_shared_out(start: Start) -> None:
    server = start()

    def shared_out() -> bool:
        """Whether each worker has a fair part; at first the second one may not be there yet."""
        clients = [HTTPConnection("127.0.0.1", server.port) for _ in range(40)]
        served = Counter[int]()
        for client in clients:
            client.connect()
        for client in clients:
            client.request("GET", "/")
            served[int(read_answer(client).body.split()[0])] += 1
            client.close()
        return len(served) == 2 and min(served.values()) >= 15

    eventually(shared_out, "a fair part for each worker")

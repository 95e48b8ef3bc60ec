"""The server at its limits: capacity, too many large bodies, an application that hangs."""

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from talos.serving.http.protocol import HttpProtocol
from tests.unit.serving.harness import BIG_BYTES, ServerHarness, receive

GET = b"GET /%s HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.fixture
def harness(request: pytest.FixtureRequest) -> Iterator[ServerHarness]:
    harness = ServerHarness(getattr(request, "param", 100))
    yield harness
    harness.end()


@pytest.mark.parametrize("harness", [2], indirect=True)
def test_longest_idle_client_is_evicted_at_capacity(harness: ServerHarness) -> None:
    first = harness.connect(GET % b"1")
    assert harness.answer(first).startswith(b"HTTP/1.1 200")
    # Only now: of two at once, either could be answered first.
    second = harness.connect(GET % b"2")
    assert harness.answer(second).startswith(b"HTTP/1.1 200")
    third = harness.connect(GET % b"3")
    assert harness.answer(third).startswith(b"HTTP/1.1 200")
    assert harness.answer(first) == b""
    second.sendall(GET % b"2")
    assert harness.answer(second).startswith(b"HTTP/1.1 200")


LARGE = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4000000\r\n\r\n"
UNFINISHED = {
    "nothing": b"",
    "head": b"GET / HTTP/1.1\r\nHost: h\r\n",
    "announced": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n",
    "body": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n12345",
    "chunk": b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n123",
    "large": LARGE + b"a" * 80_000,
    "asked to go on": LARGE[:-2] + b"Expect: 100-continue\r\n\r\n",
}


@pytest.mark.parametrize("harness", [2], indirect=True)
@pytest.mark.parametrize("said", UNFINISHED.values(), ids=UNFINISHED)
def test_silent_clients_are_evicted_at_capacity(harness: ServerHarness, said: bytes) -> None:
    silent = [harness.connect(said) for _ in range(4)]
    client = harness.connect(GET % b"x")
    assert harness.answer(client).startswith(b"HTTP/1.1 200")
    told = [harness.answer(other) for other in silent if said.endswith(b"continue\r\n\r\n")]
    assert set(told) <= {b"HTTP/1.1 100 Continue\r\n\r\n", b""}
    harness.until(lambda: len(harness.server.clients) == 2, "the others to be gone")
    assert (
        harness.answer(silent[0]) == harness.answer(silent[1]) == harness.answer(silent[2]) == b""
    )
    assert receive(silent[3]) is None


@pytest.mark.parametrize("harness", [2], indirect=True)
def test_refused_client_that_lingers_is_evicted_at_capacity(harness: ServerHarness) -> None:
    refused = [harness.connect(b"no request\r\n\r\n") for _ in range(2)]
    assert all(harness.answer(client).startswith(b"HTTP/1.1 400") for client in refused)
    # Each has been told that nothing follows, and keeps its side open.
    assert [harness.answer(client) for client in refused] == [b"", b""]
    client = harness.connect(GET % b"x")
    assert harness.answer(client).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("harness", [2], indirect=True)
def test_client_that_delivers_is_kept_before_one_that_does_not(harness: ServerHarness) -> None:
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n"
    first = harness.connect(head + b"1")
    harness.until(lambda: len(harness.listener_state.evictable) == 1, "the first")
    second = harness.connect(head + b"1")
    harness.until(lambda: len(harness.listener_state.evictable) == 2, "the second")
    first.sendall(b"2")
    [known] = [client for client in harness.server.clients if is_peer(client, first)]
    harness.until(lambda: known.connection.body == b"12", "more of the first")
    assert harness.answer(harness.connect(GET % b"x")).startswith(b"HTTP/1.1 200")
    assert receive(second) == b""
    first.sendall(b"3")
    assert harness.answer(first).endswith(b"\r\n\r\n3")


def is_peer(client: HttpProtocol, other: socket.socket) -> bool:
    return client.connection.endpoints.peer == other.getsockname()


@pytest.mark.parametrize("harness", [1], indirect=True)
def test_client_that_stops_reading_is_evicted_at_capacity(
    harness: ServerHarness,
) -> None:
    unread = harness.connect(GET % b"big")
    harness.until(lambda: any(client._blocked for client in harness.server.clients), "an answer")
    [known] = harness.server.clients
    waiting = harness.connect(GET % b"x")
    received = 0
    for _ in range(5):
        # It takes a part between any two sweeps.
        before = known._open.get_write_buffer_size()
        while known._open.get_write_buffer_size() == before:
            received += len(receive(unread) or b"")
            harness.turn()
        harness.server._sweep()
    assert receive(waiting) is None
    harness.until(lambda: receive(waiting) is not None, "the end of its patience")
    with contextlib.suppress(ConnectionResetError):
        while piece := harness.answer(unread):
            received += len(piece)
    assert received < BIG_BYTES


def test_the_second_listener_takes_no_bodies(harness: ServerHarness) -> None:
    for framing in (b"Content-Length: 5", b"Transfer-Encoding: chunked"):
        client = harness.connect(b"POST / HTTP/1.1\r\nHost: h\r\n%s\r\n\r\n" % framing, probe=True)
        answer = harness.answer(client)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"Connection: close" in answer
    none = harness.connect(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", probe=True)
    assert harness.answer(none).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("harness", [2], indirect=True)
def test_answered_client_is_evicted_at_capacity(harness: ServerHarness) -> None:
    busy = [harness.connect(GET % b"wait"), harness.connect(GET % b"wait")]
    waiting = harness.connect(GET % b"x")
    harness.until(lambda: len(harness.running) == 2, "two clients that are being served")
    harness.gate.set()
    # Both stay connected, and may ask again for a minute.
    assert harness.answer(waiting).startswith(b"HTTP/1.1 200")
    answers = [harness.answer(client) for client in busy]
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)


@pytest.mark.parametrize("harness", [2], indirect=True)
def test_next_client_waits_at_capacity_without_idle_clients(harness: ServerHarness) -> None:
    busy = [harness.connect(GET % b"wait"), harness.connect(GET % b"wait")]
    waiting = harness.connect(GET % b"x")
    harness.until(lambda: harness.listener_state.clients == 2, "capacity")
    assert receive(waiting) is None
    harness.gate.set()
    assert all(harness.answer(client).startswith(b"HTTP/1.1 200") for client in busy)
    for client in busy:
        client.close()
    assert harness.answer(waiting).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("harness", [2], indirect=True)
def test_pipelining_clients_are_closed_at_capacity(harness: ServerHarness) -> None:
    busy = [harness.connect(GET % b"wait" + GET % b"x" * 9) for _ in range(2)]
    waiting = harness.connect(GET % b"x")
    harness.until(lambda: len(harness.running) == 2, "two clients that are being served")
    assert receive(waiting) is None
    harness.gate.set()
    assert harness.answer(waiting).startswith(b"HTTP/1.1 200")
    answers = [harness.answer(client) for client in busy]
    assert any(b"Connection: close\r\n" in answer for answer in answers)


def test_below_capacity_pipelined_requests_are_all_answered(harness: ServerHarness) -> None:
    client = harness.connect(GET % b"x" * 9)
    answers = b""
    while answers.count(b"HTTP/1.1 200") < 9:
        answers += harness.answer(client)
    assert answers.count(b"Connection: keep-alive") == 9


def test_threads_are_given_few_tasks_at_a_time(harness: ServerHarness) -> None:
    """What they have made and nobody has sent takes memory."""
    clients = [harness.connect(GET % b"wait") for _ in range(60)]
    harness.until(lambda: harness.listener_state.clients == 60, "all clients")
    harness.until(lambda: len(harness.running) == 2, "the threads to be busy")
    assert harness.listener_state.pool._tasks.qsize() <= 8
    assert harness.listener_state.pool.backlog >= 50
    harness.gate.set()
    assert all(harness.answer(client).startswith(b"HTTP/1.1 200") for client in clients)


def test_large_bodies_wait_for_each_other_and_small_ones_for_nobody(harness: ServerHarness) -> None:
    room = harness.server.body_memory
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n"
    # Each stays just short of being whole; there is room for two.
    large = [harness.connect(head + b"a" * 99_999) for _ in range(4)]
    harness.until(lambda: room.waiting == 2, "two clients that wait")
    small = harness.connect(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n12345")
    assert harness.answer(small).endswith(b"\r\n\r\n5")
    # One that waits may leave as well as be served.
    next(iter(room._waiting)).connection.deadline = 0  # type: ignore[attr-defined]  # a HttpProtocol
    harness.until(lambda: room.waiting == 1, "the end of its patience")
    for client in large:
        with contextlib.suppress(ConnectionError):
            client.sendall(b"a")
    answers = sorted(harness.answer(client)[-10:] for client in large)
    assert answers == [b"", *[b"\r\n\r\n100000"] * 3]
    harness.until(lambda: room.held_bytes == 0, "all room to be given back")
    assert not room.waiting


def test_large_bodies_are_charged_by_what_has_arrived(harness: ServerHarness) -> None:
    room = harness.server.body_memory
    for _ in range(3):
        # Each announces more than there is room for.
        harness.connect(LARGE + b"a" * 70_000)
    harness.until(lambda: room.held_bytes == 3 * 70_000, "all that was sent")
    assert not room.waiting
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 39999\r\n\r\n"
    assert harness.answer(harness.connect(head + b"a" * 39_999)).endswith(b"\r\n\r\n39999")


def test_first_large_body_is_read_on_past_the_memory_limit(harness: ServerHarness) -> None:
    room = harness.server.body_memory
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n"
    clients = []
    for number in range(1, 4):
        clients.append(harness.connect(head + b"a" * 80_000))
        harness.until(lambda number=number: room.held_bytes == number * 80_000, "its turn")  # type: ignore[misc]
    for client in reversed(clients):
        client.sendall(b"a" * 220_000)
    assert all(harness.answer(client).endswith(b"\r\n\r\n300000") for client in clients)
    assert room.held_bytes == 0


def test_deadlines_stand_still_while_a_body_waits_for_memory(harness: ServerHarness) -> None:
    room = harness.server.body_memory
    first = harness.connect(LARGE + b"a" * 240_000)
    harness.until(lambda: room.held_bytes == 240_000, "the first")
    second = harness.connect(
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + b"a" * 90_000
    )
    harness.until(lambda: room.waiting == 1, "the second to wait")
    [known] = [client for client in harness.server.clients if is_peer(client, second)]
    # As if it had waited for longer than a request may take.
    known.connection._waiting_since -= 20
    known.connection._read_by -= 20
    known.connection._pace_by -= 20
    known.connection.deadline -= 20
    harness.server._sweep()
    first.close()
    harness.until(lambda: not room.waiting, "room")
    harness.server._sweep()
    second.sendall(b"a" * 10_000)
    assert harness.answer(second).endswith(b"\r\n\r\n100000")


def test_requests_with_large_bodies_leave_the_threads_to_the_others(harness: ServerHarness) -> None:
    head = b"POST /wait HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n"
    large = [harness.connect(head + b"a" * 100_000) for _ in range(4)]
    harness.until(lambda: len(harness.running) == 2, "as many as may run")
    small = harness.connect(GET % b"x")
    assert harness.answer(small).startswith(b"HTTP/1.1 200")
    assert harness.running == ["/wait"] * 2
    harness.gate.set()
    assert all(harness.answer(client).endswith(b"\r\n\r\n100000") for client in large)


def test_clients_that_take_no_answers_do_not_fill_the_memory(harness: ServerHarness) -> None:
    """Two of these answers are more than a worker holds; the first to stop taking goes."""
    first = harness.connect(GET % b"big")
    harness.until(lambda: harness.server.unsent.held_bytes > 0, "the first, who takes nothing")
    second = harness.connect(GET % b"big")
    harness.until(lambda: harness.listener_state.clients == 1, "the first to be closed")
    assert harness.server.unsent.held_bytes <= BIG_BYTES + 1024
    first.close()
    received = 0
    while received < BIG_BYTES:
        harness.turn()
        with contextlib.suppress(BlockingIOError):
            received += len(second.recv(1 << 20))
    harness.until(lambda: harness.server.unsent.held_bytes == 0, "nothing to be held")


def test_running_out_of_descriptors_is_survived(
    harness: ServerHarness, caplog: pytest.LogCaptureFixture
) -> None:
    class Exhausted:
        """A listener that cannot accept for a while."""

        def __init__(self, listener: socket.socket) -> None:
            self.listener = listener
            self.failures = 1

        def accept(self) -> tuple[socket.socket, object]:
            if self.failures:
                self.failures -= 1
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return self.listener.accept()

        def fileno(self) -> int:
            return self.listener.fileno()

        def close(self) -> None:
            self.listener.close()

    harness.listener_state.listener = replace(
        harness.listener_state.listener,
        socket=Exhausted(harness.listener),  # type: ignore[arg-type]
    )
    client = harness.connect(GET % b"x")
    assert harness.answer(client).startswith(b"HTTP/1.1 200")
    assert "cannot accept a connection" in caplog.messages


def test_a_client_that_leaves_in_the_middle_leaves_nothing(harness: ServerHarness) -> None:
    for data in (b"GET /", GET % b"x", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n1"):
        harness.connect(data).close()
    running = harness.connect(GET % b"wait")
    harness.until(lambda: harness.listener_state.clients > 0, "a client")
    running.close()
    harness.gate.set()
    harness.until(lambda: not harness.server.clients, "no clients")
    assert harness.listener_state.clients == 0
    assert not harness.listener_state.evictable


def test_a_drain_tells_that_an_application_hangs(harness: ServerHarness) -> None:
    harness.connect(GET % b"wait")
    idle = harness.connect()
    harness.until(lambda: harness.listener_state.clients == 2, "both clients")
    assert harness.drain(0) is False
    assert receive(idle) == b""
    harness.gate.set()


def test_an_answer_that_cannot_be_given_holds_up_no_other(
    harness: ServerHarness, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets = [harness.connect(GET % b"wait") for _ in range(2)]
    harness.until(lambda: len(harness.running) == 2, "both to be running")
    unlucky = min(harness.server.clients, key=lambda client: client.connection.endpoints.peer[1])

    def fail(response: object) -> None:
        raise RuntimeError("as asked")

    monkeypatch.setattr(unlucky, "answer", fail)
    harness.gate.set()
    answers = {harness.answer(client)[:12] for client in sockets}
    assert answers == {b"HTTP/1.1 200", b""}
    assert "unhandled exception while answering" in caplog.messages
    harness.until(lambda: len(harness.server.clients) == 1, "the other to stay")

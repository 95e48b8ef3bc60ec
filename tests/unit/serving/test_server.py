"""The reception at its limits: a full house, too many large bodies, an application that hangs."""

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from talos.serving.http.protocol import HttpProtocol
from tests.unit.serving.harness import BIG_BYTES, House, receive

GET = b"GET /%s HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.fixture
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    house = House(getattr(request, "param", 100))
    yield house
    house.end()


@pytest.mark.parametrize("house", [2], indirect=True)
def test_in_a_full_house_the_longest_idle_client_makes_room(house: House) -> None:
    first = house.connect(GET % b"1")
    assert house.answer(first).startswith(b"HTTP/1.1 200")
    # Only now: of two at once, either could be answered first.
    second = house.connect(GET % b"2")
    assert house.answer(second).startswith(b"HTTP/1.1 200")
    third = house.connect(GET % b"3")
    assert house.answer(third).startswith(b"HTTP/1.1 200")
    assert house.answer(first) == b""
    second.sendall(GET % b"2")
    assert house.answer(second).startswith(b"HTTP/1.1 200")


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


@pytest.mark.parametrize("house", [2], indirect=True)
@pytest.mark.parametrize("said", UNFINISHED.values(), ids=UNFINISHED)
def test_in_a_full_house_clients_that_deliver_nothing_make_room(house: House, said: bytes) -> None:
    silent = [house.connect(said) for _ in range(4)]
    client = house.connect(GET % b"x")
    assert house.answer(client).startswith(b"HTTP/1.1 200")
    told = [house.answer(other) for other in silent if said.endswith(b"continue\r\n\r\n")]
    assert set(told) <= {b"HTTP/1.1 100 Continue\r\n\r\n", b""}
    house.until(lambda: len(house.reception.clients) == 2, "the others to be gone")
    assert house.answer(silent[0]) == house.answer(silent[1]) == house.answer(silent[2]) == b""
    assert receive(silent[3]) is None


@pytest.mark.parametrize("house", [2], indirect=True)
def test_in_a_full_house_who_was_refused_and_does_not_leave_makes_room(house: House) -> None:
    refused = [house.connect(b"no request\r\n\r\n") for _ in range(2)]
    assert all(house.answer(client).startswith(b"HTTP/1.1 400") for client in refused)
    # Each has been told that nothing follows, and keeps its side open.
    assert [house.answer(client) for client in refused] == [b"", b""]
    client = house.connect(GET % b"x")
    assert house.answer(client).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("house", [2], indirect=True)
def test_in_a_full_house_who_delivers_stays_rather_than_who_does_not(house: House) -> None:
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n"
    first = house.connect(head + b"1")
    house.until(lambda: len(house.listening.evictable) == 1, "the first")
    second = house.connect(head + b"1")
    house.until(lambda: len(house.listening.evictable) == 2, "the second")
    first.sendall(b"2")
    [known] = [client for client in house.reception.clients if is_peer(client, first)]
    house.until(lambda: known.connection.body == b"12", "more of the first")
    assert house.answer(house.connect(GET % b"x")).startswith(b"HTTP/1.1 200")
    assert receive(second) == b""
    first.sendall(b"3")
    assert house.answer(first).endswith(b"\r\n\r\n3")


def is_peer(client: HttpProtocol, other: socket.socket) -> bool:
    return client.connection.ends.peer == other.getsockname()


@pytest.mark.parametrize("house", [1], indirect=True)
def test_in_a_full_house_who_stops_taking_its_answer_makes_room(house: House) -> None:
    unread = house.connect(GET % b"big")
    house.until(lambda: any(client._blocked for client in house.reception.clients), "an answer")
    [known] = house.reception.clients
    waiting = house.connect(GET % b"x")
    received = 0
    for _ in range(5):
        # It takes a part between any two sweeps.
        before = known._open.get_write_buffer_size()
        while known._open.get_write_buffer_size() == before:
            received += len(receive(unread) or b"")
            house.turn()
        house.reception._sweep()
    assert receive(waiting) is None
    house.until(lambda: receive(waiting) is not None, "the end of its patience")
    with contextlib.suppress(ConnectionResetError):
        while piece := house.answer(unread):
            received += len(piece)
    assert received < BIG_BYTES


def test_the_second_listener_takes_no_bodies(house: House) -> None:
    for framing in (b"Content-Length: 5", b"Transfer-Encoding: chunked"):
        client = house.connect(b"POST / HTTP/1.1\r\nHost: h\r\n%s\r\n\r\n" % framing, probe=True)
        answer = house.answer(client)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"Connection: close" in answer
    none = house.connect(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", probe=True)
    assert house.answer(none).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("house", [2], indirect=True)
def test_in_a_full_house_who_has_got_an_answer_makes_room_too(house: House) -> None:
    busy = [house.connect(GET % b"wait"), house.connect(GET % b"wait")]
    waiting = house.connect(GET % b"x")
    house.until(lambda: len(house.running) == 2, "two clients that are being served")
    house.gate.set()
    # Both stay connected, and may ask again for a minute.
    assert house.answer(waiting).startswith(b"HTTP/1.1 200")
    answers = [house.answer(client) for client in busy]
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)


@pytest.mark.parametrize("house", [2], indirect=True)
def test_in_a_full_house_without_idle_clients_the_next_one_waits(house: House) -> None:
    busy = [house.connect(GET % b"wait"), house.connect(GET % b"wait")]
    waiting = house.connect(GET % b"x")
    house.until(lambda: house.listening.clients == 2, "a full house")
    assert receive(waiting) is None
    house.gate.set()
    assert all(house.answer(client).startswith(b"HTTP/1.1 200") for client in busy)
    for client in busy:
        client.close()
    assert house.answer(waiting).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("house", [2], indirect=True)
def test_at_capacity_clients_that_pipeline_requests_make_room(house: House) -> None:
    busy = [house.connect(GET % b"wait" + GET % b"x" * 9) for _ in range(2)]
    waiting = house.connect(GET % b"x")
    house.until(lambda: len(house.running) == 2, "two clients that are being served")
    assert receive(waiting) is None
    house.gate.set()
    assert house.answer(waiting).startswith(b"HTTP/1.1 200")
    answers = [house.answer(client) for client in busy]
    assert any(b"Connection: close\r\n" in answer for answer in answers)


def test_below_capacity_pipelined_requests_are_all_answered(house: House) -> None:
    client = house.connect(GET % b"x" * 9)
    answers = b""
    while answers.count(b"HTTP/1.1 200") < 9:
        answers += house.answer(client)
    assert answers.count(b"Connection: keep-alive") == 9


def test_threads_are_given_few_tasks_at_a_time(house: House) -> None:
    """What they have made and nobody has sent takes memory."""
    clients = [house.connect(GET % b"wait") for _ in range(60)]
    house.until(lambda: house.listening.clients == 60, "all clients")
    house.until(lambda: len(house.running) == 2, "the threads to be busy")
    assert house.listening.pool._tasks.qsize() <= 8
    assert house.listening.pool.backlog >= 50
    house.gate.set()
    assert all(house.answer(client).startswith(b"HTTP/1.1 200") for client in clients)


def test_large_bodies_wait_for_each_other_and_small_ones_for_nobody(house: House) -> None:
    room = house.reception.body_memory
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n"
    # Each stays just short of being whole; there is room for two.
    large = [house.connect(head + b"a" * 99_999) for _ in range(4)]
    house.until(lambda: room.waiting == 2, "two clients that wait")
    small = house.connect(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n12345")
    assert house.answer(small).endswith(b"\r\n\r\n5")
    # One that waits may leave as well as be served.
    next(iter(room._waiting)).connection.deadline = 0  # type: ignore[attr-defined]  # a HttpProtocol
    house.until(lambda: room.waiting == 1, "the end of its patience")
    for client in large:
        with contextlib.suppress(ConnectionError):
            client.sendall(b"a")
    answers = sorted(house.answer(client)[-10:] for client in large)
    assert answers == [b"", *[b"\r\n\r\n100000"] * 3]
    house.until(lambda: room.held_bytes == 0, "all room to be given back")
    assert not room.waiting


def test_large_bodies_are_charged_by_what_has_arrived(house: House) -> None:
    room = house.reception.body_memory
    for _ in range(3):
        # Each announces more than there is room for.
        house.connect(LARGE + b"a" * 70_000)
    house.until(lambda: room.held_bytes == 3 * 70_000, "all that was sent")
    assert not room.waiting
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 39999\r\n\r\n"
    assert house.answer(house.connect(head + b"a" * 39_999)).endswith(b"\r\n\r\n39999")


def test_who_came_first_is_read_on_where_there_is_no_room_left(house: House) -> None:
    room = house.reception.body_memory
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n"
    clients = []
    for number in range(1, 4):
        clients.append(house.connect(head + b"a" * 80_000))
        house.until(lambda number=number: room.held_bytes == number * 80_000, "its turn")  # type: ignore[misc]
    for client in reversed(clients):
        client.sendall(b"a" * 220_000)
    assert all(house.answer(client).endswith(b"\r\n\r\n300000") for client in clients)
    assert room.held_bytes == 0


def test_the_clocks_of_who_waits_for_room_stand_still(house: House) -> None:
    room = house.reception.body_memory
    first = house.connect(LARGE + b"a" * 240_000)
    house.until(lambda: room.held_bytes == 240_000, "the first")
    second = house.connect(
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + b"a" * 90_000
    )
    house.until(lambda: room.waiting == 1, "the second to wait")
    [known] = [client for client in house.reception.clients if is_peer(client, second)]
    # As if it had waited for longer than a request may take.
    known.connection._waiting_since -= 20
    known.connection._read_by -= 20
    known.connection._pace_by -= 20
    known.connection.deadline -= 20
    house.reception._sweep()
    first.close()
    house.until(lambda: not room.waiting, "room")
    house.reception._sweep()
    second.sendall(b"a" * 10_000)
    assert house.answer(second).endswith(b"\r\n\r\n100000")


def test_requests_with_large_bodies_leave_the_threads_to_the_others(house: House) -> None:
    head = b"POST /wait HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n"
    large = [house.connect(head + b"a" * 100_000) for _ in range(4)]
    house.until(lambda: len(house.running) == 2, "as many as may run")
    small = house.connect(GET % b"x")
    assert house.answer(small).startswith(b"HTTP/1.1 200")
    assert house.running == ["/wait"] * 2
    house.gate.set()
    assert all(house.answer(client).endswith(b"\r\n\r\n100000") for client in large)


def test_clients_that_take_no_answers_do_not_fill_the_memory(house: House) -> None:
    """Two of these answers are more than a worker holds; the first to stop taking goes."""
    first = house.connect(GET % b"big")
    house.until(lambda: house.reception.unsent.held_bytes > 0, "the first, who takes nothing")
    second = house.connect(GET % b"big")
    house.until(lambda: house.listening.clients == 1, "the first to be closed")
    assert house.reception.unsent.held_bytes <= BIG_BYTES + 1024
    first.close()
    received = 0
    while received < BIG_BYTES:
        house.turn()
        with contextlib.suppress(BlockingIOError):
            received += len(second.recv(1 << 20))
    house.until(lambda: house.reception.unsent.held_bytes == 0, "nothing to be held")


def test_running_out_of_descriptors_is_survived(
    house: House, caplog: pytest.LogCaptureFixture
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

    house.listening.listener = replace(
        house.listening.listener,
        socket=Exhausted(house.listener),  # type: ignore[arg-type]
    )
    client = house.connect(GET % b"x")
    assert house.answer(client).startswith(b"HTTP/1.1 200")
    assert "cannot accept a connection" in caplog.messages


def test_a_client_that_leaves_in_the_middle_leaves_nothing(house: House) -> None:
    for data in (b"GET /", GET % b"x", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n1"):
        house.connect(data).close()
    running = house.connect(GET % b"wait")
    house.until(lambda: house.listening.clients > 0, "a client")
    running.close()
    house.gate.set()
    house.until(lambda: not house.reception.clients, "an empty house")
    assert house.listening.clients == 0
    assert not house.listening.evictable


def test_a_drain_tells_that_an_application_hangs(house: House) -> None:
    house.connect(GET % b"wait")
    idle = house.connect()
    house.until(lambda: house.listening.clients == 2, "both clients")
    assert house.drain(0) is False
    assert receive(idle) == b""
    house.gate.set()


def test_an_answer_that_cannot_be_given_holds_up_no_other(
    house: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets = [house.connect(GET % b"wait") for _ in range(2)]
    house.until(lambda: len(house.running) == 2, "both to be running")
    unlucky = min(house.reception.clients, key=lambda client: client.connection.ends.peer[1])

    def fail(reply: object) -> None:
        raise RuntimeError("as asked")

    monkeypatch.setattr(unlucky, "answer", fail)
    house.gate.set()
    answers = {house.answer(client)[:12] for client in sockets}
    assert answers == {b"HTTP/1.1 200", b""}
    assert "unhandled exception while answering" in caplog.messages
    house.until(lambda: len(house.reception.clients) == 1, "the other to stay")

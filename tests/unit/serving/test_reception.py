"""The reception at its limits: a full house, too many large bodies, an application that hangs."""

import contextlib
import errno
import os
import socket
from collections.abc import Iterator

import pytest

from tests.unit.serving.house import House, receive

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


@pytest.mark.parametrize("house", [2], indirect=True)
@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: h\r\n"])
def test_in_a_full_house_clients_that_ask_nothing_make_room(house: House, said: bytes) -> None:
    silent = [house.connect(said) for _ in range(4)]
    client = house.connect(GET % b"x")
    assert house.answer(client).startswith(b"HTTP/1.1 200")
    assert [receive(other) for other in silent] == [b"", b"", b"", None]


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


def test_large_bodies_wait_for_each_other_and_small_ones_for_nobody(house: House) -> None:
    room = house.reception.body_room
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n"
    # Each stays just short of being whole; there is room for two.
    large = [house.connect(head + b"a" * 99_999) for _ in range(4)]
    house.until(lambda: room.waiting == 2, "two clients that wait")
    small = house.connect(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n12345")
    assert house.answer(small).endswith(b"\r\n\r\n5")
    # One that waits may leave as well as be served.
    next(iter(room._waiting)).connection.deadline = 0  # type: ignore[attr-defined]  # a Client
    house.until(lambda: room.waiting == 1, "the end of its patience")
    for client in large:
        with contextlib.suppress(ConnectionError):
            client.sendall(b"a")
    answers = sorted(house.answer(client)[-10:] for client in large)
    assert answers == [b"", *[b"\r\n\r\n100000"] * 3]
    house.until(lambda: room.taken_bytes == 0, "all room to be given back")
    assert not room.waiting


def test_requests_with_large_bodies_leave_the_threads_to_the_others(house: House) -> None:
    head = b"POST /wait HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n"
    large = [house.connect(head + b"a" * 100_000) for _ in range(4)]
    house.until(lambda: len(house.running) == 2, "as many as may run")
    small = house.connect(GET % b"x")
    assert house.answer(small).startswith(b"HTTP/1.1 200")
    assert house.running == ["/wait"] * 2
    house.gate.set()
    assert all(house.answer(client).endswith(b"\r\n\r\n100000") for client in large)


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

    house.listening.socket = Exhausted(house.listener)  # type: ignore[assignment]
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
    assert not house.listening.asking_nothing


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

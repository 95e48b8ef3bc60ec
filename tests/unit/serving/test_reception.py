"""The reception at its limits: a full house, too many large bodies, an application that hangs."""

import contextlib
import errno
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import pytest
import uvloop
from gunicorn.config import Config

from talos.serving.body_room import BodyRoom
from talos.serving.connection import Timeouts
from talos.serving.reception import Reception

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

GET = b"GET /%s HTTP/1.1\r\nHost: h\r\n\r\n"
PATIENCE_S = 60.0


class House:
    """A reception with one listener, and its clients, on this thread."""

    hot_path = None
    configuration_revision = None

    def __init__(self, capacity: int) -> None:
        self.applications = (self._application,)
        self.body_limit = 4 * 1024 * 1024
        self.gate = threading.Event()
        self.running: list[str] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        config = Config()
        config.set("threads", 2)
        config.set("worker_connections", capacity)
        self.loop = uvloop.new_event_loop()
        self.reception = Reception(
            self.loop,
            config,
            self,
            [self.listener],
            timeouts=Timeouts(),
            body_room=BodyRoom(250_000),
        )
        [self.listening] = self.reception.listening
        self.clients: list[socket.socket] = []

    def configure_hot_path(self) -> None:
        """Nothing is answered from memory."""

    def turn(self) -> None:
        """Have the event loop look once at everything that has happened, and wait a little."""
        self.loop.call_later(0.005, self.loop.stop)
        self.loop.run_forever()

    def drain(self, grace_s: float) -> bool:
        finished = self.loop.run_until_complete(self.reception.drain(grace_s))
        self.turn()
        return finished

    def close(self) -> None:
        """Nothing to give back."""

    def _application(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        self.running.append(path)
        if path == "/wait":
            self.gate.wait(PATIENCE_S)
        self.running.remove(path)
        body = b"%d" % len(environ["wsgi.input"].read())
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    def connect(self, data: bytes = b"") -> socket.socket:
        client = socket.create_connection(self.listener.getsockname())
        client.setblocking(False)
        client.sendall(data)
        self.clients.append(client)
        return client

    def until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            self.turn()

    def answer(self, client: socket.socket) -> bytes:
        """What the client receives next; empty when the connection was closed."""
        received: list[bytes] = []

        def arrived() -> bool:
            piece = receive(client)
            received.extend([] if piece is None else [piece])
            return bool(received)

        self.until(arrived, "an answer")
        return received[0]


def receive(client: socket.socket) -> bytes | None:
    try:
        return client.recv(65536)
    except BlockingIOError:
        return None
    except ConnectionResetError:
        return b""


@pytest.fixture
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    house = House(getattr(request, "param", 100))
    yield house
    house.gate.set()
    for client in house.clients:
        client.close()
    house.drain(PATIENCE_S)
    house.loop.close()


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

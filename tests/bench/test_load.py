"""The load generators tell what happened, against servers that do one thing each."""

import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.load import closed, open_loop, requests
from bench.load.measured import Load
from bench.load.requests import Request
from bench.tools import Missing

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
FAILURE = b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n"
SERVICE_S = 0.01

Conversation = Callable[[socket.socket], None]


@pytest.fixture(autouse=True)
def _generators() -> None:
    try:
        closed.available()
        open_loop.available()
    except Missing as missing:
        pytest.skip(str(missing))


@contextmanager
def server(converse: Conversation) -> Iterator[int]:
    """A server that has one conversation with each connection; every request is one packet."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    def talk(connection: socket.socket) -> None:
        with connection:
            try:
                converse(connection)
            except OSError:
                return

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        # Closing alone does not wake a thread that accepts.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def answering(*pieces: bytes) -> Conversation:
    def converse(connection: socket.socket) -> None:
        while connection.recv(65536):
            for piece in pieces:
                connection.sendall(piece)

    return converse


def once(answer: bytes) -> Conversation:
    """Answer one request of a connection and leave."""

    def converse(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)

    return converse


def slow(connection: socket.socket) -> None:
    while connection.recv(65536):
        time.sleep(SERVICE_S)
        connection.sendall(OK)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return requests.write(tmp_path / "requests", [Request("/", b"{}").encode("127.0.0.1")])


def at_rate(port: int, file: Path, *, rate: float = 400, connections: int = 4) -> Load:
    return open_loop.run(port, file, rate=rate, connections=connections, seconds=0.25)


class TestOpenLoop:
    def test_answers_count(self, file: Path) -> None:
        with server(answering(OK)) as port:
            load = at_rate(port, file)
        assert load.requests > 0
        assert (load.refused, load.broken) == (0, 0)
        assert 0 < load.latency.p50_us <= load.latency.p99_us <= load.latency.max_us

    def test_an_answer_may_come_in_pieces(self, file: Path) -> None:
        body = b"x" * 100_000
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
        with server(answering(head[:20], head[20:], body[:1], body[1:])) as port:
            load = at_rate(port, file)
        assert load.requests > 0
        assert (load.refused, load.broken) == (0, 0)

    def test_refusals_count(self, file: Path) -> None:
        with server(answering(FAILURE)) as port:
            load = at_rate(port, file)
        assert load.refused == load.requests > 0

    def test_connections_that_the_server_closes_are_opened_again(self, file: Path) -> None:
        with server(once(b"")) as port:
            load = at_rate(port, file)
        assert load.broken == load.requests > 0

    def test_waiting_counts(self, file: Path) -> None:
        """A second's work comes in a quarter of one, over one connection."""
        with server(slow) as port:
            load = at_rate(port, file, rate=1 / SERVICE_S * 4, connections=1)
        # At the end of that quarter, beside those answered and the one under way.
        waiting = load.requests - 0.25 / SERVICE_S - 1
        assert load.longest_queue is not None
        assert load.longest_queue >= waiting > 0
        # The last one is due within the time, and answered when all before it are.
        assert load.latency.max_us >= waiting * SERVICE_S * 1e6

    def test_the_same_seed_is_the_same_load(self, file: Path) -> None:
        with server(answering(OK)) as port:
            first, second = at_rate(port, file), at_rate(port, file)
        assert first.requests == second.requests


class TestClosedLoop:
    def test_answers_count(self, file: Path) -> None:
        with server(answering(OK)) as port:
            load = closed.run(port, file, connections=2, seconds=0.2)
        assert load.requests > 0
        assert (load.refused, load.broken) == (0, 0)
        assert load.answer_bytes is not None
        # What is half received at the end counts as well.
        assert len(OK) <= load.answer_bytes < 2 * len(OK)

    def test_refusals_count(self, file: Path) -> None:
        with server(answering(FAILURE)) as port:
            load = closed.run(port, file, connections=2, seconds=0.2)
        assert load.refused == load.requests > 0

    def test_requests_come_in_their_order(self, tmp_path: Path) -> None:
        seen: list[bytes] = []

        def remember(connection: socket.socket) -> None:
            while data := connection.recv(65536):
                seen.append(data.split(b" ")[1])
                connection.sendall(OK)

        asked = [Request(f"/{name}", b"").encode("127.0.0.1") for name in "abc"]
        file = requests.write(tmp_path / "requests", asked, [2, 0, 0, 1])
        with server(remember) as port:
            closed.run(port, file, connections=1, seconds=0.2)
        # wrk keeps the first for itself, to know what it is going to send.
        assert seen[:8] == [b"/a", b"/a", b"/b", b"/c"] * 2


class TestRequests:
    def test_file(self, tmp_path: Path) -> None:
        data = requests.write(tmp_path / "file", [b"one", b"three"], [1, 0, 1]).read_bytes()
        count, *pairs = struct.unpack_from("<7Q", data)
        assert count == 3
        texts = [data[at : at + size] for at, size in zip(pairs[::2], pairs[1::2], strict=True)]
        assert texts == [b"three", b"one", b"three"]

    def test_bytes_of_a_request(self) -> None:
        request = Request("/verify", b"{}", headers={"Authorization": "Api-Key x"})
        head, _, body = request.encode("127.0.0.1:80").partition(b"\r\n\r\n")
        assert head.startswith(b"POST /verify HTTP/1.1\r\nHost: 127.0.0.1:80\r\n")
        assert b"\r\nContent-Length: 2\r\n" in head
        assert head.endswith(b"\r\nAuthorization: Api-Key x")
        assert body == b"{}"

    def test_uniform_order_meets_every_key_before_one_again(self) -> None:
        order = requests.uniform_order(100, 250)
        assert sorted(order[:100]) == list(range(100))
        assert order[100:200] == order[:100]
        assert len(order) == 250

    def test_zipf_order_follows_the_law(self) -> None:
        counts = Counter(requests.zipf_order(1000, 1.0, 200_000))
        assert counts[0] / counts[1] == pytest.approx(2, rel=0.1)
        assert counts[0] / counts[9] == pytest.approx(10, rel=0.1)
        assert max(counts) < 1000

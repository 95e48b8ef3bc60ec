"""Answers from memory, on connections: in order, bounded, and under the settings of now."""

import contextlib
import re
import socket
import time
from collections.abc import Iterator

import pytest

from tests.support.fast_path import Host, asking
from tests.unit.serving.harness import PATIENCE_S, ServerHarness, receive

GET = b"GET /%s HTTP/1.1\r\nHost: h\r\n\r\n"
YEAR_NS = 365 * 86400 * 10**9
BODY = b'{"is_valid":true}'


class FastPathHarness(ServerHarness):
    """A harness whose shared cache knows one key."""

    def __init__(self, capacity: int) -> None:
        self.host = Host()
        super().__init__(capacity, self.host.fast_path)
        self.credential = self.key()

    def key(self, body: bytes = BODY) -> str:
        now_ns = time.time_ns()
        return self.host.key(made_s=now_ns // 10**9, body=body, entry_ends_ns=now_ns + YEAR_NS)

    def request(self, request_id: bytes = b"", *lines: bytes) -> bytes:
        named = (b"X-Request-Id: " + request_id,) if request_id else ()
        return asking(self.credential, *named, *lines)

    def until_received(self, client: socket.socket, end: bytes) -> bytes:
        """Everything the client receives until that ends with ``end``."""
        received = bytearray()
        while not received.endswith(end):
            piece = self.answer(client)
            assert piece, bytes(received[-200:])
            received += piece
        return bytes(received)


@pytest.fixture
def harness(request: pytest.FixtureRequest) -> Iterator[FastPathHarness]:
    harness = FastPathHarness(getattr(request, "param", 100))
    yield harness
    harness.end()


def test_fast_path_waits_for_no_thread(harness: FastPathHarness) -> None:
    busy = [harness.connect(GET % b"wait") for _ in range(2)]
    harness.until(lambda: len(harness.running) == 2, "both threads to be busy")
    client = harness.connect(harness.request())
    assert harness.until_received(client, BODY).startswith(b"HTTP/1.1 200 OK\r\nDate: ")
    client.sendall(harness.request() * 2)
    assert harness.until_received(client, BODY).count(BODY) == 2
    assert [receive(each) for each in busy] == [None, None]
    harness.gate.set()
    assert all(harness.answer(each).startswith(b"HTTP/1.1 200") for each in busy)


def test_pipelined_answers_keep_their_order_whoever_gives_them(harness: FastPathHarness) -> None:
    fast = harness.request
    client = harness.connect(
        fast(b"1") + fast(b"2") + GET % b"a" + fast(b"3") + GET % b"b" + GET % b"c" + fast(b"4")
    )
    received = harness.until_received(
        client,
        b"X-Request-Id: 4\r\nA: b\r\nContent-Length: 17\r\n"
        b"Content-Type: application/json\r\n\r\n" + BODY,
    )
    found = re.findall(rb"X-Request-Id: (\d)|\r\n\r\n(0)", received)
    assert [request_id or length for request_id, length in found] == [
        *(b"1", b"2", b"0", b"3", b"0", b"0", b"4")
    ]


@pytest.mark.parametrize("step", [1, 7, 64])
def test_a_request_that_comes_in_pieces_is_answered_from_memory_all_the_same(
    harness: FastPathHarness, step: int
) -> None:
    client = harness.connect()
    data = harness.request(b"piecemeal")
    for start in range(0, len(data), step):
        client.sendall(data[start : start + step])
        harness.turn()
    assert b"piecemeal" in harness.until_received(client, BODY)
    assert not harness.running
    # At rest, and fast_path_allowed, again.
    client.sendall(harness.request())
    assert harness.until_received(client, BODY)


def parted(data: bytes) -> tuple[bytes, bytes]:
    head, _, body = data.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", body


def test_a_head_is_left_unread_until_its_body_is_there(harness: FastPathHarness) -> None:
    head, body = parted(harness.request())
    client = harness.connect(harness.request() + head)
    assert harness.until_received(client, BODY)
    [known] = harness.server.clients
    harness.until(lambda: known.connection.held, "the head")
    assert known.connection.buffer == head
    # It has as long for its body as any other.
    left_s = known.connection.deadline - time.monotonic()
    assert 5 < left_s <= 15
    client.sendall(body + head)
    assert harness.until_received(client, BODY)
    harness.until(lambda: known.connection.held, "the next head")
    client.sendall(body)
    assert harness.until_received(client, BODY)
    assert known.fast_path_allowed


def test_a_body_that_does_not_come_ends_the_connection(harness: FastPathHarness) -> None:
    client = harness.connect(parted(harness.request())[0])
    harness.until(lambda: any(c.connection.held for c in harness.server.clients), "the head")
    [known] = harness.server.clients
    known.connection.deadline = 0
    assert harness.answer(client) == b""


def test_a_parted_request_that_memory_cannot_answer_reaches_the_application(
    harness: FastPathHarness,
) -> None:
    head, body = parted(asking(harness.credential + "1"))
    client = harness.connect(head)
    harness.until(lambda: any(c.connection.held for c in harness.server.clients), "the head")
    client.sendall(body[:5])
    harness.turn()
    client.sendall(body[5:])
    assert harness.answer(client).endswith(b"\r\n\r\n%d" % len(body))


def test_half_a_line_end_before_a_request_belongs_to_it(harness: FastPathHarness) -> None:
    client = harness.connect(b"\r")
    harness.until(lambda: bool(harness.server.clients), "the client")
    [known] = harness.server.clients
    harness.until(lambda: bool(known.connection.buffer), "the byte")
    client.sendall(harness.request())
    assert harness.answer(client).startswith(b"HTTP/1.1 400 ")


def test_who_waits_to_be_told_to_go_on_is_told(harness: FastPathHarness) -> None:
    head, body = parted(harness.request(b"x", b"Expect: 100-continue"))
    client = harness.connect(head)
    assert harness.answer(client) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.sendall(body)
    assert harness.answer(client).endswith(b"\r\n\r\n%d" % len(body))


def test_a_parted_request_is_finished_while_the_server_drains(harness: FastPathHarness) -> None:
    head, body = parted(harness.request())
    client = harness.connect(head)
    harness.until(lambda: any(c.connection.held for c in harness.server.clients), "the head")
    client.sendall(body)
    assert harness.drain(PATIENCE_S)
    received = receive(client)
    assert received is not None
    assert b"Connection: close" in received
    assert received.endswith(b"\r\n\r\n%d" % len(body))


def test_declined_request_reaches_the_application(harness: FastPathHarness) -> None:
    request = asking(harness.credential + "1")
    client = harness.connect(request)
    assert harness.answer(client).endswith(b"\r\n\r\n%d" % len(parted(request)[1]))


def numbered(harness: FastPathHarness, count: int) -> bytes:
    return b"".join(harness.request(b"n%d-" % number) for number in range(count))


def numbers(received: bytes) -> list[int]:
    return [int(number) for number in re.findall(rb"X-Request-Id: n(\d+)-", received)]


def test_more_answers_than_fit_at_once_come_in_order(harness: FastPathHarness) -> None:
    count = 1000
    client = harness.connect()
    data = memoryview(numbered(harness, count))
    received = bytearray()

    def exchanged() -> bool:
        nonlocal data
        with contextlib.suppress(BlockingIOError):
            data = data[client.send(data) :]
        received.extend(receive(client) or b"")
        return received.count(BODY) == count

    harness.until(exchanged, "all answers")
    assert numbers(received) == list(range(count))


def test_who_pipelines_and_never_reads_is_not_read_from_any_more(harness: FastPathHarness) -> None:
    harness.credential = harness.key(b'{"is_valid":true,"x":"' + b"y" * 3000 + b'"}')
    client = harness.connect()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    harness.until(lambda: len(harness.server.clients) == 1, "the client")
    [known] = harness.server.clients
    data = harness.request(b"n0-") * 100
    sent = 0

    def full() -> bool:
        """Whether neither side can send any more."""
        nonlocal sent
        try:
            sent += client.send(data[sent % len(data) :])
        except BlockingIOError:
            return known._blocked
        return False

    harness.until(full, "the server to stop reading")
    transport = known._transport
    assert transport is not None
    assert not transport.is_reading()
    # No more than what one call of the fast path answers, however much was asked.
    assert 0 < transport.get_write_buffer_size() <= 256 * 1024
    assert len(known.connection.buffer) <= 65536
    assert not known.fast_path_allowed
    # It may still read, and gets everything.
    rest = data[sent % len(data) :] if sent % len(data) else b""
    received = bytearray()
    expected = (sent + len(rest)) // (len(data) // 100)

    def caught_up() -> bool:
        nonlocal rest
        with contextlib.suppress(BlockingIOError):
            rest = rest[client.send(rest) :] if rest else rest
        while piece := receive(client):
            received.extend(piece)
        return received.count(b"HTTP/1.1 200 OK") == expected

    harness.until(caught_up, "all answers")
    harness.until(lambda: known.fast_path_allowed, "rest")


def test_client_that_does_not_read_a_fast_path_answer_is_closed(harness: FastPathHarness) -> None:
    harness.credential = harness.key(b'{"is_valid":true,"x":"' + b"y" * 3000 + b'"}')
    client = harness.connect()
    harness.until(lambda: len(harness.server.clients) == 1, "the client")
    [known] = harness.server.clients

    def unable() -> bool:
        with contextlib.suppress(BlockingIOError):
            client.send(harness.request() * 100)
        return known._blocked

    harness.until(unable, "an answer that is not taken")
    assert known.connection.deadline <= time.monotonic() + 15
    known.connection.deadline = 0
    harness.until(lambda: not harness.server.clients, "its end")


def test_who_leaves_without_reading_leaves_nothing(harness: FastPathHarness) -> None:
    for _ in range(20):
        client = harness.connect(harness.request() * 50)
        client.close()
    # Whoever connects last is let in last.
    last = harness.connect(harness.request())
    assert harness.until_received(last, BODY)
    last.close()
    harness.until(lambda: not harness.server.clients, "no clients")
    assert harness.listener_state.clients == 0
    assert not harness.listener_state.evictable


def test_a_client_that_was_served_is_idle_from_then_on(harness: FastPathHarness) -> None:
    client = harness.connect(harness.request())
    assert harness.until_received(client, BODY)
    [known] = harness.server.clients
    known.connection.deadline = 0
    harness.until(lambda: not known.served, "the sweep")
    assert time.monotonic() < known.connection.deadline <= time.monotonic() + 60
    known.connection.deadline = 0
    assert harness.answer(client) == b""


@pytest.mark.parametrize("harness", [2], indirect=True)
def test_served_client_is_kept_before_a_silent_one_at_capacity(harness: FastPathHarness) -> None:
    first = harness.connect(harness.request())
    assert harness.until_received(first, BODY)
    silent = harness.connect()
    harness.until(lambda: len(harness.listener_state.evictable) == 2, "two who ask nothing")
    first.sendall(harness.request())
    assert harness.until_received(first, BODY)
    third = harness.connect(harness.request())
    assert harness.until_received(third, BODY)
    assert harness.answer(silent) == b""
    first.sendall(harness.request())
    assert harness.until_received(first, BODY)


@pytest.mark.parametrize("harness", [2], indirect=True)
def test_client_that_withholds_its_body_is_evicted_at_capacity(harness: FastPathHarness) -> None:
    held = [harness.connect(parted(harness.request())[0]) for _ in range(4)]
    client = harness.connect(harness.request())
    assert harness.until_received(client, BODY)
    assert [receive(each) for each in held] == [b"", b"", b"", None]


@pytest.mark.parametrize("harness", [1], indirect=True)
def test_client_being_answered_is_not_evicted_at_capacity(harness: FastPathHarness) -> None:
    harness.credential = harness.key(b'{"is_valid":true,"x":"' + b"y" * 3000 + b'"}')
    client = harness.connect()
    harness.until(lambda: len(harness.listener_state.evictable) == 1, "the client")
    assert harness.listener_state.can_accept
    [known] = harness.server.clients

    def unable() -> bool:
        with contextlib.suppress(BlockingIOError):
            client.send(harness.request() * 100)
        return known._blocked

    harness.until(unable, "an answer that is not taken")
    # Or the next one at the door would have it cut off in the middle.
    assert not harness.listener_state.can_accept


def test_idle_deadline_begins_after_an_answer_sent_in_two_parts(
    harness: FastPathHarness,
) -> None:
    client = harness.connect()
    harness.until(lambda: len(harness.listener_state.evictable) == 1, "the client")
    [known] = harness.server.clients
    known.connection.deadline = 0
    known.unsent(BODY, closing=False)
    assert time.monotonic() < known.connection.deadline
    assert harness.until_received(client, BODY) == BODY
    assert harness.listener_state.evictable


def test_fast_path_is_off_while_the_server_drains(harness: FastPathHarness) -> None:
    client = harness.connect(harness.request())
    assert harness.until_received(client, BODY)
    client.sendall(harness.request())
    assert harness.drain(PATIENCE_S)
    received = receive(client)
    assert received is not None
    assert b"Connection: close" in received
    assert BODY not in received


@pytest.mark.parametrize("pieces", [1, 2])
@pytest.mark.parametrize("follower", [b"", b"GET / HTTP/1.1\r\n\r\n"])
def test_the_connection_is_closed_behind_a_last_answer(
    harness: FastPathHarness, pieces: int, follower: bytes
) -> None:
    data = harness.request(b"x\r\nConnection: close") + follower
    client = harness.connect(data[:60] if pieces == 2 else data)
    if pieces == 2:
        harness.turn()
        client.sendall(data[60:])
    received = harness.until_received(client, BODY)
    assert received.count(b"HTTP/1.1 200") == 1
    assert b"\r\nConnection: close\r\n" in received
    harness.until(lambda: receive(client) == b"", "the server's end of the connection")
    client.close()
    harness.until(lambda: not harness.server.clients, "the end of the connection")


def test_fast_path_is_off_for_probes(harness: FastPathHarness) -> None:
    client = harness.connect(harness.request(), probe=True)
    assert BODY not in harness.answer(client)


def test_an_edit_is_in_force_for_what_is_read_after_it(harness: FastPathHarness) -> None:
    client = harness.connect(harness.request())
    assert harness.until_received(client, BODY)
    harness.configure = harness.host.fast_path.disable
    client.sendall(harness.request())
    assert harness.until_received(client, BODY)
    harness.word[0] += 1
    client.sendall(harness.request())
    assert BODY not in harness.answer(client)
    harness.configure = lambda: None


def test_where_the_settings_cannot_be_had_nothing_is_answered_from_memory(
    harness: FastPathHarness, caplog: pytest.LogCaptureFixture
) -> None:
    client = harness.connect(harness.request())
    assert harness.until_received(client, BODY)

    def fail() -> None:
        raise RuntimeError("as asked")

    harness.configure = fail
    harness.word[0] += 1
    client.sendall(harness.request())
    assert BODY not in harness.answer(client)
    assert "the fast path cannot be configured" in caplog.messages

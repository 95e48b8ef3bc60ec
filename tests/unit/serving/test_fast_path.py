"""Answers from memory, on connections: in order, bounded, and under the settings of now."""

import contextlib
import re
import socket
import time
from collections.abc import Iterator

import pytest

from tests.core.test_hot_path import Host, asking
from tests.unit.serving.harness import PATIENCE_S, House, receive

GET = b"GET /%s HTTP/1.1\r\nHost: h\r\n\r\n"
YEAR_NS = 365 * 86400 * 10**9
BODY = b'{"is_valid":true}'


class HotHouse(House):
    """A house whose shared cache knows one key."""

    def __init__(self, capacity: int) -> None:
        self.host = Host()
        super().__init__(capacity, self.host.hot)
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
def house(request: pytest.FixtureRequest) -> Iterator[HotHouse]:
    house = HotHouse(getattr(request, "param", 100))
    yield house
    house.end()


def test_what_memory_answers_waits_for_no_thread(house: HotHouse) -> None:
    busy = [house.connect(GET % b"wait") for _ in range(2)]
    house.until(lambda: len(house.running) == 2, "both threads to be busy")
    client = house.connect(house.request())
    assert house.until_received(client, BODY).startswith(b"HTTP/1.1 200 OK\r\nDate: ")
    client.sendall(house.request() * 2)
    assert house.until_received(client, BODY).count(BODY) == 2
    assert [receive(each) for each in busy] == [None, None]
    house.gate.set()
    assert all(house.answer(each).startswith(b"HTTP/1.1 200") for each in busy)


def test_pipelined_answers_keep_their_order_whoever_gives_them(house: HotHouse) -> None:
    hot = house.request
    client = house.connect(
        hot(b"1") + hot(b"2") + GET % b"a" + hot(b"3") + GET % b"b" + GET % b"c" + hot(b"4")
    )
    received = house.until_received(
        client,
        b"X-Request-Id: 4\r\nContent-Length: 17\r\nContent-Type: application/json\r\n\r\n" + BODY,
    )
    found = re.findall(rb"X-Request-Id: (\d)|\r\n\r\n(0)", received)
    assert [request_id or length for request_id, length in found] == [
        *(b"1", b"2", b"0", b"3", b"0", b"0", b"4")
    ]


@pytest.mark.parametrize("step", [1, 7, 64])
def test_a_request_that_comes_in_pieces_is_answered_from_memory_all_the_same(
    house: HotHouse, step: int
) -> None:
    client = house.connect()
    data = house.request(b"piecemeal")
    for start in range(0, len(data), step):
        client.sendall(data[start : start + step])
        house.turn()
    assert b"piecemeal" in house.until_received(client, BODY)
    assert not house.running
    # At rest, and fast_path_allowed, again.
    client.sendall(house.request())
    assert house.until_received(client, BODY)


def parted(data: bytes) -> tuple[bytes, bytes]:
    head, _, body = data.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", body


def test_a_head_is_left_unread_until_its_body_is_there(house: HotHouse) -> None:
    head, body = parted(house.request())
    client = house.connect(house.request() + head)
    assert house.until_received(client, BODY)
    [known] = house.reception.clients
    house.until(lambda: known.connection.held, "the head")
    assert known.connection.buffer == head
    # It has as long for its body as any other.
    left_s = known.connection.deadline - time.monotonic()
    assert 5 < left_s <= 15
    client.sendall(body + head)
    assert house.until_received(client, BODY)
    house.until(lambda: known.connection.held, "the next head")
    client.sendall(body)
    assert house.until_received(client, BODY)
    assert known.fast_path_allowed


def test_a_body_that_does_not_come_ends_the_connection(house: HotHouse) -> None:
    client = house.connect(parted(house.request())[0])
    house.until(lambda: any(c.connection.held for c in house.reception.clients), "the head")
    [known] = house.reception.clients
    known.connection.deadline = 0
    assert house.answer(client) == b""


def test_a_parted_request_that_memory_cannot_answer_reaches_the_application(
    house: HotHouse,
) -> None:
    head, body = parted(asking(house.credential + "1"))
    client = house.connect(head)
    house.until(lambda: any(c.connection.held for c in house.reception.clients), "the head")
    client.sendall(body[:5])
    house.turn()
    client.sendall(body[5:])
    assert house.answer(client).endswith(b"\r\n\r\n%d" % len(body))


def test_half_a_line_end_before_a_request_belongs_to_it(house: HotHouse) -> None:
    client = house.connect(b"\r")
    house.until(lambda: bool(house.reception.clients), "the client")
    [known] = house.reception.clients
    house.until(lambda: bool(known.connection.buffer), "the byte")
    client.sendall(house.request())
    assert house.answer(client).startswith(b"HTTP/1.1 400 ")


def test_who_waits_to_be_told_to_go_on_is_told(house: HotHouse) -> None:
    head, body = parted(house.request(b"x", b"Expect: 100-continue"))
    client = house.connect(head)
    assert house.answer(client) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.sendall(body)
    assert house.answer(client).endswith(b"\r\n\r\n%d" % len(body))


def test_a_parted_request_is_finished_while_the_server_drains(house: HotHouse) -> None:
    head, body = parted(house.request())
    client = house.connect(head)
    house.until(lambda: any(c.connection.held for c in house.reception.clients), "the head")
    client.sendall(body)
    assert house.drain(PATIENCE_S)
    received = receive(client)
    assert received is not None
    assert b"Connection: close" in received
    assert received.endswith(b"\r\n\r\n%d" % len(body))


def test_what_memory_does_not_know_reaches_the_application(house: HotHouse) -> None:
    request = asking(house.credential + "1")
    client = house.connect(request)
    assert house.answer(client).endswith(b"\r\n\r\n%d" % len(parted(request)[1]))


def numbered(house: HotHouse, count: int) -> bytes:
    return b"".join(house.request(b"n%d-" % number) for number in range(count))


def numbers(received: bytes) -> list[int]:
    return [int(number) for number in re.findall(rb"X-Request-Id: n(\d+)-", received)]


def test_more_answers_than_fit_at_once_come_in_order(house: HotHouse) -> None:
    count = 1000
    client = house.connect()
    data = memoryview(numbered(house, count))
    received = bytearray()

    def exchanged() -> bool:
        nonlocal data
        with contextlib.suppress(BlockingIOError):
            data = data[client.send(data) :]
        received.extend(receive(client) or b"")
        return received.count(BODY) == count

    house.until(exchanged, "all answers")
    assert numbers(received) == list(range(count))


def test_who_pipelines_and_never_reads_is_not_read_from_any_more(house: HotHouse) -> None:
    house.credential = house.key(b'{"is_valid":true,"x":"' + b"y" * 3000 + b'"}')
    client = house.connect()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    house.until(lambda: len(house.reception.clients) == 1, "the client")
    [known] = house.reception.clients
    data = house.request(b"n0-") * 100
    sent = 0

    def full() -> bool:
        """Whether neither side can send any more."""
        nonlocal sent
        try:
            sent += client.send(data[sent % len(data) :])
        except BlockingIOError:
            return known._blocked
        return False

    house.until(full, "the server to stop reading")
    transport = known._transport
    assert transport is not None
    assert not transport.is_reading()
    # No more than what one call of the hot path answers, however much was asked.
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

    house.until(caught_up, "all answers")
    house.until(lambda: known.fast_path_allowed, "rest")


def test_who_does_not_take_an_answer_from_memory_is_given_up(house: HotHouse) -> None:
    house.credential = house.key(b'{"is_valid":true,"x":"' + b"y" * 3000 + b'"}')
    client = house.connect()
    house.until(lambda: len(house.reception.clients) == 1, "the client")
    [known] = house.reception.clients

    def unable() -> bool:
        with contextlib.suppress(BlockingIOError):
            client.send(house.request() * 100)
        return known._blocked

    house.until(unable, "an answer that is not taken")
    assert known.connection.deadline <= time.monotonic() + 15
    known.connection.deadline = 0
    house.until(lambda: not house.reception.clients, "its end")


def test_who_leaves_without_reading_leaves_nothing(house: HotHouse) -> None:
    for _ in range(20):
        client = house.connect(house.request() * 50)
        client.close()
    # Whoever connects last is let in last.
    last = house.connect(house.request())
    assert house.until_received(last, BODY)
    last.close()
    house.until(lambda: not house.reception.clients, "an empty house")
    assert house.listening.clients == 0
    assert not house.listening.evictable


def test_a_client_that_was_served_is_idle_from_then_on(house: HotHouse) -> None:
    client = house.connect(house.request())
    assert house.until_received(client, BODY)
    [known] = house.reception.clients
    known.connection.deadline = 0
    house.until(lambda: not known.served, "the sweep")
    assert time.monotonic() < known.connection.deadline <= time.monotonic() + 60
    known.connection.deadline = 0
    assert house.answer(client) == b""


@pytest.mark.parametrize("house", [2], indirect=True)
def test_in_a_full_house_who_was_served_stays_rather_than_who_was_not(house: HotHouse) -> None:
    first = house.connect(house.request())
    assert house.until_received(first, BODY)
    silent = house.connect()
    house.until(lambda: len(house.listening.evictable) == 2, "two who ask nothing")
    first.sendall(house.request())
    assert house.until_received(first, BODY)
    third = house.connect(house.request())
    assert house.until_received(third, BODY)
    assert house.answer(silent) == b""
    first.sendall(house.request())
    assert house.until_received(first, BODY)


@pytest.mark.parametrize("house", [2], indirect=True)
def test_in_a_full_house_who_announces_and_does_not_send_makes_room(house: HotHouse) -> None:
    held = [house.connect(parted(house.request())[0]) for _ in range(4)]
    client = house.connect(house.request())
    assert house.until_received(client, BODY)
    assert [receive(each) for each in held] == [b"", b"", b"", None]


@pytest.mark.parametrize("house", [1], indirect=True)
def test_in_a_full_house_who_is_being_answered_stays(house: HotHouse) -> None:
    house.credential = house.key(b'{"is_valid":true,"x":"' + b"y" * 3000 + b'"}')
    client = house.connect()
    house.until(lambda: len(house.listening.evictable) == 1, "the client")
    assert house.listening.can_accept
    [known] = house.reception.clients

    def unable() -> bool:
        with contextlib.suppress(BlockingIOError):
            client.send(house.request() * 100)
        return known._blocked

    house.until(unable, "an answer that is not taken")
    # Or the next one at the door would have it cut off in the middle.
    assert not house.listening.can_accept


def test_an_answer_that_leaves_in_two_parts_begins_the_wait_for_a_request(house: HotHouse) -> None:
    client = house.connect()
    house.until(lambda: len(house.listening.evictable) == 1, "the client")
    [known] = house.reception.clients
    known.connection.deadline = 0
    known.unsent(BODY)
    assert time.monotonic() < known.connection.deadline
    assert house.until_received(client, BODY) == BODY
    assert house.listening.evictable


def test_nothing_is_answered_from_memory_while_the_server_drains(house: HotHouse) -> None:
    client = house.connect(house.request())
    assert house.until_received(client, BODY)
    client.sendall(house.request())
    assert house.drain(PATIENCE_S)
    received = receive(client)
    assert received is not None
    assert b"Connection: close" in received
    assert BODY not in received


def test_probes_are_never_answered_from_memory(house: HotHouse) -> None:
    client = house.connect(house.request(), probe=True)
    assert BODY not in house.answer(client)


def test_an_edit_is_in_force_for_what_is_read_after_it(house: HotHouse) -> None:
    client = house.connect(house.request())
    assert house.until_received(client, BODY)
    house.configure = house.host.hot.disable
    client.sendall(house.request())
    assert house.until_received(client, BODY)
    house.word[0] += 1
    client.sendall(house.request())
    assert BODY not in house.answer(client)
    house.configure = lambda: None


def test_where_the_settings_cannot_be_had_nothing_is_answered_from_memory(
    house: HotHouse, caplog: pytest.LogCaptureFixture
) -> None:
    client = house.connect(house.request())
    assert house.until_received(client, BODY)

    def fail() -> None:
        raise RuntimeError("as asked")

    house.configure = fail
    house.word[0] += 1
    client.sendall(house.request())
    assert BODY not in house.answer(client)
    assert "the hot path cannot be configured" in caplog.messages

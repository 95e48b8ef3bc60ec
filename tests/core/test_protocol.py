"""The compiled half of a connection, on a pair of sockets and without an event loop."""

import pickle
import socket
from collections.abc import Iterator

import pytest

from talos import _core
from tests.support.fast_path import asking
from tests.support.fast_path_connection import BODY, Connection, Pair


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.close()


def test_fast_path_sends_at_once(pair: Pair) -> None:
    pair.connection.read(pair.request("one") + pair.request("two"))
    received = pair.received()
    assert received.index(b"X-Request-Id: one") < received.index(b"X-Request-Id: two")
    assert received.endswith(BODY)
    assert pair.connection.served
    assert pair.connection.fast_path_allowed
    assert pair.connection.left == b""


def test_what_is_behind_it_is_passed_on(pair: Pair) -> None:
    pair.connection.read(pair.request() + b"GET / HTTP/1.1\r\n")
    assert pair.received().count(BODY) == 1
    assert pair.connection.left == b"GET / HTTP/1.1\r\n"


def test_everything_is_passed_on_while_the_fast_path_is_not_allowed(pair: Pair) -> None:
    pair.connection.fast_path_allowed = False
    pair.connection.read(pair.request())
    assert pair.received() == b""
    assert pair.connection.left == pair.request()
    assert not pair.connection.served


def test_without_a_fast_path_everything_is_passed_on(pair: Pair) -> None:
    connection = Connection(_core.FastPathContext(), pair.server.fileno())
    connection.read(pair.request())
    assert connection.left == pair.request()
    assert connection.answer_by_fast_path(pair.request()) == 0


def test_a_request_that_was_collected_can_be_answered_too(pair: Pair) -> None:
    data = pair.request("collected")
    assert pair.connection.answer_by_fast_path(data + b"more") == len(data)
    assert b"collected" in pair.received()
    assert pair.connection.answer_by_fast_path(b"") == 0


def test_a_head_that_memory_may_answer_is_told_from_others(pair: Pair) -> None:
    whole = pair.request()
    head_ends = whole.index(b"\r\n\r\n") + 4
    lacking = [end for end in range(len(whole) + 1) if pair.connection.lacks_body(whole[:end])]
    assert lacking == list(range(head_ends, len(whole)))
    for line in (b"Expect: 100-continue", b"Transfer-Encoding: chunked", b"Connection: x"):
        other = asking(pair.credential, line)
        assert not any(pair.connection.lacks_body(other[:end]) for end in range(len(other)))
    assert not pair.connection.lacks_body(whole[:head_ends].replace(b"Host", b"Hots"))
    without = Connection(_core.FastPathContext(), pair.server.fileno())
    assert not without.lacks_body(whole[:head_ends])


def test_what_the_socket_does_not_take_is_left_to_others(pair: Pair) -> None:
    pair.server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    sent = 0
    while not pair.connection.waiting:
        pair.connection.read(pair.request(f"n{sent}"))
        sent += 1
        assert sent < 10_000
    assert not pair.connection.fast_path_allowed
    received = pair.received() + pair.connection.waiting
    assert received.count(BODY) == sent
    assert received.endswith(BODY)
    # From then on nothing is sent past what waits.
    pair.connection.read(pair.request())
    assert pair.received() == b""
    assert pair.connection.left == pair.request()


def test_behind_the_last_answer_of_a_connection_nothing_is_answered(pair: Pair) -> None:
    last = asking(pair.credential, b"Connection: close")
    pair.connection.read(pair.request() + last + pair.request())
    assert pair.received().count(BODY) == 2
    assert pair.connection.left == pair.request()
    assert pair.connection.closing
    assert not pair.connection.fast_path_allowed


def test_a_last_answer_that_is_not_taken_at_once_is_told_as_such(pair: Pair) -> None:
    pair.server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    for line in (b"Connection: close", b"Connection: keep-alive"):
        pair.received()
        pair.connection.waiting = b""
        for _ in range(10_000):
            pair.connection.fast_path_allowed = True
            pair.connection.read(asking(pair.credential, line))
            if pair.connection.waiting:
                break
        assert pair.connection.waiting
        assert pair.connection.closing is (line == b"Connection: close")
        assert not pair.connection.fast_path_allowed


def test_answering_ends_where_an_answer_waits(pair: Pair) -> None:
    pair.server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    many = pair.request() * 150
    for _ in range(100):
        pair.connection.read(many)
        if pair.connection.waiting:
            break
    assert pair.connection.waiting
    answers = (pair.received() + pair.connection.waiting).count(BODY)
    asked = answers + len(pair.connection.left) // len(pair.request())
    assert asked % 150 == 0


def test_a_client_that_has_left_breaks_the_connection(pair: Pair) -> None:
    pair.client.close()
    pair.connection.read(pair.request())
    assert pair.connection.over
    assert not pair.connection.fast_path_allowed
    assert pair.connection.waiting == b""


def test_more_than_was_read_is_refused(pair: Pair) -> None:
    room = len(pair.connection.get_buffer(-1))
    for nbytes in (-1, room + 1):
        with pytest.raises(ValueError, match="room"):
            pair.connection.buffer_updated(nbytes)


def test_settings_are_those_of_the_revision_that_is_read(pair: Pair) -> None:
    word = memoryview(bytearray(8)).cast("Q")
    asked: list[int] = []
    context = _core.FastPathContext(
        pair.host.fast_path, configure=lambda: asked.append(word[0]), revision=word
    )
    connection = Connection(context, pair.server.fileno())
    assert asked == [0]
    connection.read(pair.request())
    assert asked == [0]
    word[0] = 5
    connection.read(pair.request())
    connection.read(pair.request())
    assert asked == [0, 5]


def test_settings_that_cannot_be_had_are_asked_for_again(pair: Pair) -> None:
    word = memoryview(bytearray(8)).cast("Q")
    failing = False

    def configure() -> None:
        if failing:
            raise RuntimeError("as asked")

    context = _core.FastPathContext(pair.host.fast_path, configure=configure, revision=word)
    connection = Connection(context, pair.server.fileno())
    word[0], failing = 1, True
    for _ in range(2):
        with pytest.raises(RuntimeError, match="as asked"):
            connection.read(pair.request())
    assert pair.received() == b""
    failing = False
    connection.read(pair.request())
    assert pair.received().endswith(BODY)


@pytest.mark.parametrize("data", [bytearray(7), bytearray(16), memoryview(bytearray(17))[1:9]])
def test_a_revision_is_one_aligned_word(data: bytearray | memoryview) -> None:
    with pytest.raises(ValueError, match="aligned word"):
        _core.FastPathContext(revision=memoryview(data))


def test_neither_part_can_be_pickled_or_does_anything_by_itself(pair: Pair) -> None:
    bare = _core.FastPathProtocol(_core.FastPathContext(), pair.server.fileno())
    for thing in (bare, _core.FastPathContext()):
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(thing)
    with pytest.raises(NotImplementedError):
        bare.received(memoryview(b""))
    with pytest.raises(NotImplementedError):
        bare.unsent(b"", False)
    for called in (bare.answered_last, bare.broken):
        with pytest.raises(NotImplementedError):
            called()

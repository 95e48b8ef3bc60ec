"""When a request has begun, is whole, or has taken too long (contract 1.1)."""

import pytest

from talos.serving.http.connection import Connection, Phase, Step, Timeouts
from talos.serving.http.endpoints import Endpoints
from talos.serving.http.framing import FramingError

ENDPOINTS = Endpoints(peer=("192.0.2.7", 1), server=("127.0.0.1", 2))
TIMEOUTS = Timeouts(head_s=5, read_s=15, write_s=15, idle_s=60, linger_s=2)
HEAD = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"


@pytest.fixture
def connection() -> Connection:
    return Connection(
        endpoints=ENDPOINTS,
        timeouts=TIMEOUTS,
        body_limit=lambda _head, _ends: 100,
        opened_at=1000.0,
    )


def receive(connection: Connection, data: bytes, now: float) -> Step:
    connection.buffer += data
    return connection.advance(now)


def test_a_connection_that_says_nothing_gets_the_time_of_a_head(connection: Connection) -> None:
    assert connection.idle
    assert connection.deadline == 1005


def test_the_head_has_its_own_deadline_from_its_first_byte(connection: Connection) -> None:
    connection.await_next(1000)
    assert connection.deadline == 1060
    assert receive(connection, b"P", 1010) is Step.WAIT
    assert not connection.idle
    assert connection.deadline == 1015
    receive(connection, b"O", 1014)
    assert connection.deadline == 1015


def test_the_whole_request_has_a_deadline_from_its_first_byte(connection: Connection) -> None:
    connection.await_next(1000)
    receive(connection, HEAD[:3], 1010)
    receive(connection, HEAD[3:], 1014)
    assert connection.phase is Phase.BODY
    assert connection.deadline == 1025
    receive(connection, b"1234", 1024)
    assert connection.deadline == 1025


def test_a_whole_request_is_to_be_answered_whatever_the_time(connection: Connection) -> None:
    assert receive(connection, HEAD + b"12345", 1000) is Step.ANSWER
    assert connection.phase is Phase.RUNNING
    assert connection.deadline == float("inf")
    assert connection.head == HEAD
    assert connection.body == b"12345"


def test_a_pipelined_request_waits_for_its_turn(connection: Connection) -> None:
    receive(connection, HEAD + b"12345" + HEAD + b"abcde", 1000)
    assert connection.advance(1001) is Step.WAIT
    connection.forget_request()
    connection.await_next(1002)
    assert connection.advance(1002) is Step.ANSWER
    assert connection.body == b"abcde"
    assert not connection.buffer


def test_one_empty_line_before_a_request_is_forgiven(connection: Connection) -> None:
    assert receive(connection, b"\r", 1000) is Step.WAIT
    assert receive(connection, b"\n", 1000) is Step.WAIT
    assert connection.idle
    assert receive(connection, HEAD + b"12345", 1000) is Step.ANSWER


@pytest.mark.parametrize("step", [1, 2, 3, 100])
def test_a_second_empty_line_is_not_forgiven(connection: Connection, step: int) -> None:
    """However it arrives: a request means the same in one packet and in many."""
    data = b"\r\n\r\n" + HEAD
    with pytest.raises(FramingError):
        for start in range(0, len(data), step):
            receive(connection, data[start : start + step], 1000)


def test_a_client_that_asks_is_told_to_go_on_once(connection: Connection) -> None:
    head = HEAD[:-2] + b"Expect: 100-continue\r\n\r\n"
    assert receive(connection, head, 1000) is Step.CONTINUE
    assert receive(connection, b"123", 1000) is Step.WAIT
    assert receive(connection, b"45", 1000) is Step.ANSWER


def test_a_client_that_has_sent_its_body_is_not_told_to_go_on(connection: Connection) -> None:
    head = HEAD[:-2] + b"Expect: 100-continue\r\n\r\n"
    assert receive(connection, head + b"12345", 1000) is Step.ANSWER


def test_a_body_past_the_limit_ends_the_connection(connection: Connection) -> None:
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n"
    assert receive(connection, head, 1000) is Step.ANSWER
    assert connection.truncated
    assert connection.body == b""
    assert connection.body_length == 101


def test_a_chunked_body_past_the_limit_ends_the_connection(connection: Connection) -> None:
    head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert receive(connection, head + b"fff\r\n" + b"a" * 100, 1000) is Step.WAIT
    assert receive(connection, b"aa", 1000) is Step.ANSWER
    assert connection.truncated
    assert connection.body == b"a" * 101
    assert connection.body_length == 101


@pytest.mark.parametrize("framing", [b"Content-Length: 5", b"Transfer-Encoding: chunked"])
def test_a_body_that_is_not_worth_reading_is_not_waited_for(framing: bytes) -> None:
    connection = Connection(
        endpoints=ENDPOINTS, timeouts=TIMEOUTS, body_limit=lambda _head, _ends: 0, opened_at=1000.0
    )
    head = b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n" + framing + b"\r\n\r\n"
    assert receive(connection, head, 1000) is Step.ANSWER
    assert connection.truncated
    assert connection.body == b""
    assert connection.body_length > 0


def test_the_limit_is_asked_for_by_head_and_ends_where_a_body_is_not_here_yet() -> None:
    asked: list[tuple[bytes, Endpoints]] = []

    def limit(head: bytes, endpoints: Endpoints) -> int:
        asked.append((head, endpoints))
        return 100

    connection = Connection(
        endpoints=ENDPOINTS, timeouts=TIMEOUTS, body_limit=limit, opened_at=1000.0
    )
    assert receive(connection, HEAD + b"12345", 1000) is Step.ANSWER
    assert not asked
    connection.forget_request()
    connection.await_next(1000)
    assert receive(connection, HEAD + b"1234", 1000) is Step.WAIT
    assert asked == [(HEAD, ENDPOINTS)]


def test_a_request_without_a_body_has_none(connection: Connection) -> None:
    assert receive(connection, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", 1000) is Step.ANSWER
    assert connection.body is None


def test_a_bad_head_raises(connection: Connection) -> None:
    with pytest.raises(FramingError):
        receive(connection, b"GET / HTTP/1.1\n", 1000)


def test_lingering_ends_with_silence_and_never_goes_on_for_long(connection: Connection) -> None:
    connection.start_lingering(1000)
    assert connection.deadline == 1002
    connection.heard_while_lingering(1001)
    assert connection.deadline == 1003
    connection.heard_while_lingering(1014)
    assert connection.deadline == 1015


def large(connection: Connection, bytes_before: int, now: float) -> None:
    """Have a request begin of which so much of a large body is there."""
    receive(connection, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 999999\r\n\r\n", now)
    receive(connection, b"a" * bytes_before, now)


@pytest.fixture
def roomy() -> Connection:
    return Connection(
        endpoints=ENDPOINTS,
        timeouts=TIMEOUTS,
        body_limit=lambda _head, _ends: 1_000_000,
        opened_at=1000.0,
    )


def test_a_large_body_has_to_keep_a_pace(roomy: Connection) -> None:
    large(roomy, 64 * 1024, 1000)
    assert roomy.deadline == 1015
    receive(roomy, b"a", 1001)
    assert roomy.has_large_body
    assert roomy.deadline == 1004
    # Too little to count.
    receive(roomy, b"a" * (48 * 1024 - 1), 1003.5)
    assert roomy.deadline == 1004
    receive(roomy, b"a", 1003.5)
    assert roomy.deadline == 1006.5


def test_a_large_body_that_keeps_its_pace_has_no_more_time_than_others(roomy: Connection) -> None:
    large(roomy, 70_000, 1000)
    for now in range(1002, 1016):
        receive(roomy, b"a" * 50_000, now)
    assert roomy.deadline == 1015


def test_the_time_of_a_large_body_stands_still_while_it_is_not_read(roomy: Connection) -> None:
    large(roomy, 70_000, 1000)
    roomy.start_waiting(1001)
    assert roomy.deadline == 1061
    roomy.stop_waiting(1041)
    assert roomy.deadline == 1043
    receive(roomy, b"a" * 50_000, 1042)
    assert roomy.deadline == 1045
    for now in range(1044, 1055):
        receive(roomy, b"a" * 50_000, now)
    assert roomy.deadline == 1055


@pytest.mark.parametrize("framing", [b"Content-Length: 1", b"Transfer-Encoding: chunked"])
def test_where_no_bodies_are_taken_the_head_is_refused(framing: bytes) -> None:
    probe = Connection(
        endpoints=ENDPOINTS,
        timeouts=TIMEOUTS,
        body_limit=lambda _head, _ends: 100,
        opened_at=1000.0,
        takes_bodies=False,
    )
    with pytest.raises(FramingError) as refused:
        receive(probe, b"POST / HTTP/1.1\r\nHost: h\r\n" + framing + b"\r\n\r\n", 1000)
    assert refused.value.status == 413


def test_a_draining_server_waits_less_for_a_next_request(connection: Connection) -> None:
    connection.await_next(1000)
    connection.begin_drain(1000)
    assert connection.deadline == 1002


def test_a_draining_server_does_not_hurry_a_request_that_has_begun(connection: Connection) -> None:
    receive(connection, HEAD, 1000)
    connection.begin_drain(1000)
    assert connection.deadline == 1015

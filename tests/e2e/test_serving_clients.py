"""Clients that are slow, large, rude or wrong, on the real worker (contract 1.1, 2.1, 16.37)."""

import contextlib
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.plain_site import BIG_BYTES, BODY_LIMIT
from tests.e2e.processes import PATIENCE_S, PYTHON, Server, free_ports, read_all, say

GET = b"GET /%s HTTP/1.1\r\nHost: h\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


def serve(folder: Path, *more: str) -> Server:
    port, metrics_port = free_ports(2)
    # One thread: whoever holds it holds everybody up.
    numbers = [str(number) for number in (port, metrics_port, 1, 1)]
    command = [PYTHON, "-m", "tests.e2e.plain_site", *numbers, *more]
    return Server(command, folder, port=port, metrics_port=metrics_port).wait_ready()


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the deadlines of the contract."""
    with serve(tmp_path_factory.mktemp("patient")) as server:
        yield server


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that gives clients a second."""
    with serve(tmp_path_factory.mktemp("quick"), "quick") as server:
        yield server


@pytest.fixture
def connect() -> Iterator[Callable[[Server], socket.socket]]:
    with ExitStack() as stack:
        yield lambda server: stack.enter_context(
            socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S)
        )


def still_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    finally:
        connection.settimeout(PATIENCE_S)


def body_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


SLOW = {
    "silent": b"",
    "head": b"GET / HTTP/1.1\r\nHost: h\r\nX-Slow: ",
    "length": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345",
    "chunked": b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123",
}


@pytest.mark.parametrize("sent", SLOW.values(), ids=SLOW)
def test_slow_clients_hold_nobody_up(
    patient: Server, connect: Callable[[Server], socket.socket], sent: bytes
) -> None:
    slow = [connect(patient) for _ in range(100)]
    for connection in slow:
        connection.sendall(sent)
    assert say(patient.port, LAST).startswith(b"HTTP/1.1 200 ")
    assert all(still_open(connection) for connection in slow)


@pytest.mark.parametrize("sent", SLOW.values(), ids=SLOW)
def test_a_request_that_is_not_complete_in_time_ends_without_an_answer(
    quick: Server, sent: bytes
) -> None:
    assert say(quick.port, sent) == b""


TRICKLES = {
    "head": (b"G", b"E"),
    "header": (b"GET / HTTP/1.1\r\nHost: h\r\nX-Slow: ", b"a"),
    "body": (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n", b"a"),
    "chunked": (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n", b"a"),
}


@pytest.mark.parametrize(("first", "then"), TRICKLES.values(), ids=TRICKLES)
def test_a_request_that_trickles_in_ends_all_the_same(
    quick: Server, connect: Callable[[Server], socket.socket], first: bytes, then: bytes
) -> None:
    connection = connect(quick)
    connection.settimeout(0.1)
    sent = 0
    while True:
        try:
            connection.sendall(then if sent else first)
            sent += 1
            assert connection.recv(100) == b""
            return
        except TimeoutError:
            assert sent < PATIENCE_S * 10
        except (ConnectionResetError, BrokenPipeError):
            return


def test_two_thousand_idle_clients_hold_nobody_up(patient: Server) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(4096, hard)), hard))
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        idle = []
        for number in range(2000):
            connection = socket.create_connection(("127.0.0.1", patient.port), timeout=PATIENCE_S)
            idle.append(stack.enter_context(connection))
            if number % 2:
                # Idle after an answer, or before the first request.
                connection.sendall(GET % b"one")
                assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
        assert say(patient.port, LAST).startswith(b"HTTP/1.1 200 ")
        for connection in idle[1::2]:
            connection.sendall(GET % b"again")
        for connection in idle[1::2]:
            assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_a_kept_connection_is_closed_when_it_stays_idle(
    quick: Server, connect: Callable[[Server], socket.socket]
) -> None:
    connection = connect(quick)
    connection.sendall(GET % b"one")
    answer = read_all(connection)
    assert b"Connection: keep-alive" in answer
    assert body_of(answer).endswith(b"GET /one 0")


def test_a_client_that_does_not_read_holds_nobody_up(
    patient: Server, connect: Callable[[Server], socket.socket]
) -> None:
    unread = connect(patient)
    unread.sendall(GET % b"big")
    assert unread.recv(1) == b"H"
    assert say(patient.port, LAST).startswith(b"HTTP/1.1 200 ")
    assert still_open(unread)


def test_a_client_that_does_not_read_is_given_up(
    quick: Server, connect: Callable[[Server], socket.socket]
) -> None:
    unread = connect(quick)
    unread.sendall(GET % b"big")
    assert unread.recv(1) == b"H"
    # Whoever comes after it and has longer outlives it.
    assert say(quick.port, SLOW["length"]) == b""
    received = 0
    with contextlib.suppress(ConnectionResetError):
        received = len(read_all(unread))
    assert received < BIG_BYTES


def test_a_slow_reader_that_keeps_up_gets_everything(patient: Server) -> None:
    answer = say(patient.port, (GET % b"big")[:-2] + b"Connection: close\r\n\r\n")
    assert len(body_of(answer)) == BIG_BYTES


def test_pipelined_requests_are_answered_in_order(patient: Server) -> None:
    answers = say(patient.port, GET % b"one" + GET % b"two" + LAST)
    assert answers.count(b"HTTP/1.1 200 OK") == 3
    assert answers.index(b"/one") < answers.index(b"/two") < answers.index(b"/last")


def test_a_client_that_closes_its_side_early_still_gets_its_answer(
    patient: Server, connect: Callable[[Server], socket.socket]
) -> None:
    connection = connect(patient)
    connection.sendall(GET % b"one")
    connection.shutdown(socket.SHUT_WR)
    assert body_of(read_all(connection)).endswith(b"GET /one 0")


def test_a_client_that_asks_before_it_sends_is_told_to_go_on(
    patient: Server, connect: Callable[[Server], socket.socket]
) -> None:
    connection = connect(patient)
    head = b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 5\r\n"
    connection.sendall(head + b"Expect: 100-continue\r\n\r\n")
    assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.sendall(b"12345")
    assert body_of(read_all(connection)).endswith(b"POST / 5")


@pytest.mark.parametrize("size", [BODY_LIMIT, BODY_LIMIT + 1, 10_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_of_a_body_past_the_limit_no_more_is_read_than_shows_it(
    patient: Server, size: int, chunked: bool
) -> None:
    body = b"a" * size
    framing = b"Content-Length: %d" % size
    if chunked:
        framing, body = b"Transfer-Encoding: chunked", b"%x\r\n%s\r\n0\r\n\r\n" % (size, body)
    head = b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" + framing + b"\r\n\r\n"
    answer = say(patient.port, head + body)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"Connection: close" in answer
    read = size if size <= BODY_LIMIT else BODY_LIMIT + 1 if chunked else 0
    assert body_of(answer).endswith(b"POST / %d" % read)


def test_a_body_that_is_announced_as_too_large_is_not_waited_for(patient: Server) -> None:
    head = b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    answer = say(patient.port, head % (BODY_LIMIT + 1))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"Connection: close" in answer


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\nHost: h\n\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400),
        (
            b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"
            b"\r\n0\r\n\r\n",
            400,
        ),
        (
            b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"FFFFFFFFFFFFFFFFF\r\nx",
            400,
        ),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX : a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n", 400),
        (b"get / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        (b"GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nExpect: miracles\r\n\r\n", 417),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"A: b\r\n" * 100_000 + b"\r\n", 431),
        (b"GET /" + b"a" * 40_000, 431),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ],
)
def test_what_is_no_request_is_refused_in_plain_text(
    patient: Server, sent: bytes, status: int
) -> None:
    answer = say(patient.port, sent + GET % b"smuggled")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"Content-Type: text/plain" in head
    assert b"Connection: close" in head
    assert b"X-Request-ID" not in head
    # One answer, and what came behind was not read as a request.
    assert answer.count(b"HTTP/1.1") == 1
    assert b"smuggled" not in body


def test_refusals_repeat_nothing_of_the_request(patient: Server) -> None:
    say(patient.port, b"GET / HTTP/1.1\r\nHost: h\r\nAuthorization : canary-8fb1\r\n\r\n")
    assert "canary-8fb1" not in patient.log

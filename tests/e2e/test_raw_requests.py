"""Raw requests, replayed against our worker and stock gunicorn: one answer, or a listed reason."""

import contextlib
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.processes import PATIENCE_S, PYTHON, Server, free_ports
from tests.e2e.raw_corpus import corpus
from tests.e2e.raw_differences import DIFFERENCES, TAKEN_BY_US_ALONE

CORPUS = corpus()
DIFFERING = frozenset(name for names in DIFFERENCES.values() for name in names)
FOLLOWER = b"GET /follower HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
"""Answered as itself where a case has ended where it should, and its connection is still open."""

_STATUS = re.compile(rb"HTTP/1\.[0-9] ([0-9]{3})[^\r\n]*")
_UNCOMPARED = (b"date", b"server", b"connection")


@dataclass(frozen=True, slots=True)
class Answer:
    """What is compared of an answer: of a refusal, that it is one. Its words are each server's."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    port, metrics_port = free_ports(2)
    command = [PYTHON, "-m", "tests.e2e.echo_site", str(port), str(metrics_port)]
    folder = tmp_path_factory.mktemp("ours")
    with Server(command, folder, port=port, metrics_port=metrics_port) as server:
        yield server.wait_ready()


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    [port] = free_ports(1)
    folder = tmp_path_factory.mktemp("stock")
    command = [PYTHON, "-m", "gunicorn", "tests.e2e.echo_site:application"]
    command += ["--worker-class", "gthread", "--threads", "4", "--bind", f"127.0.0.1:{port}"]
    command += ["--http-parser", "python", "--control-socket", str(folder / "control")]
    with Server(command, folder, port=port, metrics_port=None) as server:
        yield server.wait_ready()


def replay(server: Server, data: bytes) -> list[Answer]:
    """Send a case with its follower and nothing more; return the answers to both."""
    address = ("127.0.0.1", server.port)
    received = bytearray()
    with socket.create_connection(address, timeout=PATIENCE_S) as connection:
        # A server that does not linger resets the connection under bytes that it has not read.
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            connection.sendall(data + FOLLOWER)
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                received += piece
    return answers(bytes(received))


def answers(received: bytes) -> list[Answer]:
    found = []
    while received:
        head, _, received = received.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        match = _STATUS.fullmatch(first)
        assert match is not None, first
        headers = [tuple(line.split(b": ", 1)) for line in lines]
        length = int(dict(headers).get(b"Content-Length", 0))
        body, received = received[:length], received[length:]
        status = int(match[1])
        if status == 100:
            # Nobody need be told to go on who has gone on already (RFC 9110, 10.1.1).
            continue
        if status != 200:
            found.append(Answer(status))
            # Behind a refusal is nothing, or the bytes of a page.
            break
        kept = [(name, text) for name, text in headers if name.lower() not in _UNCOMPARED]
        found.append(Answer(status, tuple(kept), body))
    return found


def taken_of(told: list[Answer]) -> int:
    """How many requests were taken for such, the follower among them."""
    return sum(answer.status == 200 for answer in told)


@pytest.mark.parametrize("name", CORPUS)
def test_one_answer_or_a_listed_reason(ours: Server, stock: Server, name: str) -> None:
    told, told_by_gunicorn = replay(ours, CORPUS[name]), replay(stock, CORPUS[name])
    assert (told != told_by_gunicorn) is (name in DIFFERING)
    taken, taken_by_gunicorn = taken_of(told), taken_of(told_by_gunicorn)
    assert (taken > taken_by_gunicorn) is (name in TAKEN_BY_US_ALONE)


def test_every_listed_case_is_there() -> None:
    listed = [name for names in DIFFERENCES.values() for name in names]
    assert len(set(listed)) == len(listed)
    assert TAKEN_BY_US_ALONE < DIFFERING < CORPUS.keys()

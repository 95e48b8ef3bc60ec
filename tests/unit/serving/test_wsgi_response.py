"""What applications say, on the wire: as gunicorn's ``Response`` would say it, or an error."""

from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from gunicorn.config import Config
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader
from gunicorn.http.wsgi import Response as GunicornResponse
from hypothesis import given
from hypothesis import strategies as st

from talos.serving.http.head import parse
from talos.serving.http.response import Response
from talos.serving.http.wsgi_response import WsgiResponse

if TYPE_CHECKING:
    import socket

Headers = list[tuple[str, str]]


def head(method: str = "GET", version: str = "1.1", *lines: str) -> bytes:
    return "\r\n".join([f"{method} / HTTP/{version}", "Host: h", *lines, "", ""]).encode()


def say(
    status: str, headers: Headers, chunks: Iterable[bytes], *, data: bytes | None = None
) -> Response:
    answer = WsgiResponse(parse(data or head()))
    answer.start_response(status, headers)
    return answer.finish(chunks, lambda: False)


def said_by_gunicorn(status: str, headers: Headers, chunks: Iterable[bytes], data: bytes) -> bytes:
    config = Config()
    config.set("http_parser", "python")
    request = Request(config, IterUnreader([data]), ("192.0.2.7", 1))
    sent = bytearray()
    sink = SimpleNamespace(sendall=sent.extend)
    response = GunicornResponse(request, cast("socket.socket", sink), config)
    response.start_response(status, headers)
    for chunk in chunks:
        response.write(chunk)
    response.close()
    return bytes(sent)


def without(answer: bytes, *names: bytes) -> bytes:
    lines, _, body = answer.partition(b"\r\n\r\n")
    kept = [line for line in lines.split(b"\r\n") if line.partition(b":")[0] not in names]
    return b"\r\n".join(kept) + b"\r\n\r\n" + body


@given(
    st.sampled_from(["GET", "HEAD", "POST"]),
    st.sampled_from(["1.0", "1.1"]),
    st.sampled_from([[], ["Connection: close"], ["Connection: keep-alive"]]),
    st.sampled_from(["200 OK", "201 Created", "204 No Content", "304 Not Modified", "404 ", "503"]),
    st.lists(
        st.tuples(
            st.sampled_from(["X-A", "content-type", "Set-Cookie", "Connection", "Upgrade", "TE"]),
            st.sampled_from(["", "a", " a\t", "caf\xe9", "close"]),
        ),
        max_size=4,
    ),
    st.lists(st.binary(max_size=20), max_size=4),
    st.booleans(),
)
def test_gunicorn_writes_the_same(
    method: str,
    version: str,
    lines: list[str],
    status: str,
    headers: Headers,
    chunks: list[bytes],
    announced: bool,
) -> None:
    if announced:
        headers = [*headers, ("Content-Length", str(sum(map(len, chunks))))]
    data = head(method, version, *lines)
    response = say(status, headers, chunks, data=data)
    theirs = said_by_gunicorn(status, headers, chunks, data)
    assert without(response.data, b"Date") == without(theirs, b"Date", b"Server")
    assert response.keep_alive is (b"Connection: keep-alive\r\n" in theirs)


@pytest.mark.parametrize(
    "header",
    [
        ("X-A", "a\r\nX-B: b"),
        ("X-A", "a\nX-B: b"),
        ("X-A", "a\rb"),
        ("X-A", "a\x00b"),
        ("X-A", "\u20ac"),
        ("X-A: a\r\nX-B", "b"),
        ("X A", "a"),
        ("", "a"),
        ("Content-Length", "5, 5"),
        ("Content-Length", "-5"),
        ("Content-Length", ""),
    ],
)
def test_a_header_that_would_be_read_as_another_is_an_error(header: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="malformed"):
        WsgiResponse(parse(head())).start_response("200 OK", [header])


def test_a_repeated_length_is_an_error() -> None:
    with pytest.raises(ValueError, match="repeated"):
        WsgiResponse(parse(head())).start_response("200 OK", [("Content-Length", "1")] * 2)


@pytest.mark.parametrize("status", ["", "OK", "200OK", "20 OK", "200 a\r\nb", "100 Continue"])
def test_a_malformed_status_is_an_error(status: str) -> None:
    with pytest.raises(ValueError, match="status"):
        WsgiResponse(parse(head())).start_response(status, [])


@pytest.mark.parametrize("length", ["0", "3", "5"])
def test_another_length_than_announced_is_an_error(length: str) -> None:
    with pytest.raises(RuntimeError, match="length"):
        say("200 OK", [("Content-Length", length)], [b"ab", b"cd"])
    assert say("200 OK", [("Content-Length", length)], [], data=head("HEAD")).keep_alive


def test_start_response_is_called_once_or_with_an_exception() -> None:
    answer = WsgiResponse(parse(head()))
    with pytest.raises(RuntimeError):
        answer.finish([], lambda: False)
    answer.start_response("200 OK", [("X-A", "a"), ("Content-Length", "9")])
    with pytest.raises(RuntimeError):
        answer.start_response("200 OK", [])
    write = answer.start_response("500 Oops", [("X-B", "b")], (None, None, None))
    write(b"written")
    response = answer.finish([b"returned"], lambda: True)
    assert response.data.startswith(b"HTTP/1.1 500 Oops\r\n")
    assert response.data.endswith(b"X-B: b\r\n\r\n7\r\nwritten\r\n8\r\nreturned\r\n0\r\n\r\n")
    assert b"X-A" not in response.data
    assert not response.keep_alive


def test_a_body_that_fails_is_closed() -> None:
    closed = []

    def body() -> Iterator[bytes]:
        try:
            yield b"one"
            raise OSError("as asked")
        finally:
            closed.append(True)

    with pytest.raises(OSError, match="as asked"):
        say("200 OK", [], body())
    assert closed

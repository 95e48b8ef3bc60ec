"""The environ an application sees and the bytes a client gets, without a socket."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

from talos.http.request import ALL_LINES
from talos.serving.http import exchange as exchange_module
from talos.serving.http.endpoints import Endpoints
from talos.serving.http.exchange import FIRST_LINE_COUNTS, body_limit, exchange
from talos.serving.http.framing import FramingError
from talos.serving.http.response import Response, refusal

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ENDPOINTS = Endpoints(peer=("192.0.2.7", 50000), server=("127.0.0.1", 4420))


class Recorder:
    """An application that keeps what it was called with."""

    def __init__(self, *body: bytes, status: str = "200 OK", length: int | None = None) -> None:
        self.body = body
        self.status = status
        self.headers = [] if length is None else [("Content-Length", str(length))]
        self.closed = 0

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        self.environ = environ
        start_response(self.status, self.headers)
        return self

    def __iter__(self) -> "Iterable[bytes]":
        return iter(self.body)

    def close(self) -> None:
        self.closed += 1


def ask(
    application: "WSGIApplication",
    *lines: str,
    first: str = "POST /a%2Fb%20c?q=%31 HTTP/1.1",
    body: bytes | None = None,
    closing: bool = False,
    endpoints: Endpoints = ENDPOINTS,
) -> Response:
    head = "\r\n".join([first, "Host: keys.example.com", *lines, "", ""]).encode("latin-1")
    return exchange(application, head, body, endpoints, must_close=lambda: closing)


def test_the_environ_of_a_request() -> None:
    application = Recorder(b"ok", length=2)
    ask(application, "Content-Type: text/x", "X-One: 1", "X-Two: a", "X-Two: b", body=b"body")
    environ = application.environ
    assert environ["REQUEST_METHOD"] == "POST"
    assert environ["PATH_INFO"] == "/a/b c"
    assert environ["RAW_URI"] == "/a%2Fb%20c?q=%31"
    assert environ["QUERY_STRING"] == "q=%31"
    assert environ["REMOTE_ADDR"] == "192.0.2.7"
    assert environ["SERVER_PORT"] == "4420"
    assert environ["CONTENT_TYPE"] == "text/x"
    assert environ["CONTENT_LENGTH"] == "4"
    assert environ["wsgi.input"].read() == b"body"
    assert environ["HTTP_X_ONE"] == "1"
    assert environ["HTTP_X_TWO"] == "a,b"


@pytest.mark.parametrize("name", sorted(FIRST_LINE_COUNTS - {"HOST", "CONTENT-TYPE"}))
def test_of_a_repeated_header_the_first_line_counts(name: str) -> None:
    application = Recorder()
    ask(application, f"{name}: first", f"{name}: second")
    assert application.environ["HTTP_" + name.replace("-", "_")] == "first"


def test_all_lines_of_such_a_header_are_there_too() -> None:
    application = Recorder()
    ask(
        application,
        "x-forwarded-for: 10.0.0.1",
        "X-Real-Ip: 10.0.0.2",
        "X-Other: a",
        "X-FORWARDED-FOR:",
        "X_Forwarded_For: 10.0.0.3",
        "X-Other: b",
        "X-Forwarded-For: 10.0.0.4, 10.0.0.5",
    )
    environ = application.environ
    assert environ["HTTP_X_FORWARDED_FOR"] == "10.0.0.1"
    assert environ[ALL_LINES] == {"HTTP_X_FORWARDED_FOR": "10.0.0.1,,10.0.0.4, 10.0.0.5"}
    ask(application, "X-Forwarded-For: 10.0.0.1", "X-Other: a", "X-Other: b")
    assert ALL_LINES not in application.environ


def test_an_empty_first_line_is_still_the_first() -> None:
    application = Recorder()
    ask(application, "X-Forwarded-For:", "X-Forwarded-For: 10.0.0.1")
    assert application.environ["HTTP_X_FORWARDED_FOR"] == ""


def test_no_header_moves_the_path_or_the_scheme() -> None:
    application = Recorder()
    ask(
        application,
        "SCRIPT_NAME: /v2alpha1",
        "PATH_INFO: /v2alpha1/admin/issuedApiKeys",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Ssl: on",
        "X_Request_Id: forged",
        endpoints=Endpoints(peer=("127.0.0.1", 1), server=ENDPOINTS.server),
    )
    environ = application.environ
    assert environ["SCRIPT_NAME"] == ""
    assert environ["PATH_INFO"] == "/a/b c"
    assert environ["wsgi.url_scheme"] == "http"
    assert "HTTP_X_REQUEST_ID" not in environ
    assert "HTTP_PATH_INFO" not in environ


def test_a_request_without_a_body_has_no_length() -> None:
    application = Recorder()
    ask(application)
    assert "CONTENT_LENGTH" not in application.environ
    assert application.environ["wsgi.input"].read() == b""


def test_the_answer_names_no_software() -> None:
    head = ask(Recorder(b"ok", length=2)).data.partition(b"\r\n\r\n")[0].lower()
    assert b"server:" not in head
    assert b"gunicorn" not in head


@pytest.mark.parametrize(
    ("lines", "first", "closing", "keep_alive"),
    [
        ([], "GET / HTTP/1.1", False, True),
        ([], "GET / HTTP/1.1", True, False),
        (["Connection: close"], "GET / HTTP/1.1", False, False),
        (["Connection: TE, Close"], "GET / HTTP/1.1", False, False),
        (["Connection: keep-alive", "Connection: close"], "GET / HTTP/1.1", False, False),
        ([], "GET / HTTP/1.0", False, False),
        (["Connection: Keep-Alive"], "GET / HTTP/1.0", False, True),
        (["Connection: keep-alive"], "GET / HTTP/1.0", True, False),
    ],
)
def test_when_another_request_may_follow(
    lines: list[str], first: str, closing: bool, keep_alive: bool
) -> None:
    response = ask(Recorder(b"ok", length=2), *lines, first=first, closing=closing)
    assert response.keep_alive is keep_alive
    assert (b"Connection: close" in response.data) is not keep_alive


def test_a_body_of_unknown_length_is_chunked() -> None:
    response = ask(Recorder(b"one", b"two"))
    assert response.data.endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    ("first", "status"), [("HEAD / HTTP/1.1", "200 OK"), ("GET / HTTP/1.1", "204 No Content")]
)
def test_some_answers_have_no_body(first: str, status: str) -> None:
    response = ask(Recorder(b"ok", status=status), first=first)
    assert response.data.endswith(b"\r\n\r\n")
    assert response.keep_alive


def test_the_answer_of_an_application_is_closed() -> None:
    application = Recorder(b"ok")
    ask(application)
    assert application.closed == 1


def test_an_application_that_fails_is_a_plain_500(caplog: pytest.LogCaptureFixture) -> None:
    def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        raise RuntimeError("the cause")

    response = ask(application)
    assert response.data.startswith(b"HTTP/1.1 500 ")
    assert b"the cause" not in response.data
    assert not response.keep_alive
    assert "unhandled exception in the application" in caplog.messages


def test_what_the_parser_proper_refuses_is_a_plain_400() -> None:
    response = ask(Recorder(), first="get / HTTP/1.1")
    assert response.data.startswith(b"HTTP/1.1 400 ")
    assert not response.keep_alive


def test_a_parser_that_fails_is_a_plain_500(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception would leave the client without an answer, and its place taken for ever."""

    def fail(_: object) -> None:
        raise RuntimeError("a fault of the library")

    monkeypatch.setattr(exchange_module, "parse", fail)
    response = ask(Recorder())
    assert response.data.startswith(b"HTTP/1.1 500 ")
    assert b"library" not in response.data
    assert not response.keep_alive
    assert "unhandled exception in the parser" in caplog.messages


def test_a_refusal_is_plain_text_and_closes() -> None:
    response = refusal(HTTPStatus.NOT_IMPLEMENTED, "why")
    head, _, body = response.data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 501 Not Implemented\r\n")
    assert b"Content-Type: text/plain" in head
    assert b"Connection: close" in head
    assert b"Content-Length: %d" % len(body) in head
    assert not response.keep_alive


def test_the_body_limit_is_asked_for_with_an_environ_without_the_body() -> None:
    head = b"POST /a%2Fb HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nOrigin: null\r\n\r\n"
    asked = []

    def limit(environ: "WSGIEnvironment") -> int:
        asked.append(environ)
        return 7

    assert body_limit(limit, head, ENDPOINTS) == 7
    [environ] = asked
    assert (environ["PATH_INFO"], environ["HTTP_ORIGIN"]) == ("/a/b", "null")
    assert environ["wsgi.input"].read() == b""


def test_where_the_body_limit_fails_nothing_is_read() -> None:
    def limit(_environ: "WSGIEnvironment") -> int:
        raise RuntimeError("as asked")

    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"
    assert body_limit(limit, head, ENDPOINTS) == 0
    with pytest.raises(FramingError):
        body_limit(limit, head.replace(b"POST", b"BREW"), ENDPOINTS)


def test_a_body_that_was_not_read_has_its_length_all_the_same() -> None:
    application = Recorder(b"ok", length=2)
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 500\r\n\r\n"
    exchange(application, head, b"", ENDPOINTS, length_bytes=500, must_close=lambda: True)
    assert application.environ["CONTENT_LENGTH"] == "500"
    assert application.environ["wsgi.input"].read() == b""

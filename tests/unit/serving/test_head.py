"""The parser proper behind the framing: what it leaves open is closed, and gunicorn's agrees."""

import re

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import ParseException
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader
from hypothesis import example, given
from hypothesis import strategies as st

from talos.serving.http.framing import FramingError, examine
from talos.serving.http.head import RequestHead, parse


def head(*lines: str, first: str = "GET /x HTTP/1.1", host: str | None = "h") -> bytes:
    hosts = [] if host is None else [f"Host: {host}"]
    return "\r\n".join([first, *hosts, *lines, "", ""]).encode("latin-1")


def read(data: bytes) -> RequestHead | None:
    """What the server makes of a head; None where it refuses it."""
    try:
        examine(data)
        return parse(data)
    except FramingError as error:
        assert 400 <= error.status <= 505
        return None


def reading(data: bytes) -> RequestHead:
    request = read(data)
    assert request is not None
    return request


def test_a_plain_request() -> None:
    request = reading(head("X-One:  1", "x-two:", first="POST /a%2F/b?c=%41?d HTTP/1.1"))
    assert (request.method, request.target) == ("POST", "/a%2F/b?c=%41?d")
    assert (request.path, request.query, request.version) == ("/a%2F/b", "c=%41?d", (1, 1))
    assert request.headers == [("HOST", "h"), ("X-ONE", "1"), ("X-TWO", "")]
    assert request.keep_alive


@pytest.mark.parametrize("value", [" a ", "\ta\t", "a \t ", "a"])
def test_blanks_around_a_value_are_no_part_of_it(value: str) -> None:
    """llhttp drops those before a value and keeps those behind it."""
    assert reading(head(f"X-A:{value}")).headers[-1] == ("X-A", "a")


def test_an_empty_value_is_not_joined_to_what_follows() -> None:
    headers = reading(head("X-A:", "X-B: ", "X-C: c")).headers[1:]
    assert headers == [("X-A", ""), ("X-B", ""), ("X-C", "c")]


def test_a_name_with_an_underscore_passes_for_no_other() -> None:
    request = reading(head("X_Request_Id: forged", "Content_Length: 5", "X-A: a"))
    assert request.headers == [("HOST", "h"), ("X-A", "a")]


def test_bytes_above_ascii_are_kept() -> None:
    assert reading(head("X-A: caf\xe9\xff")).headers[-1] == ("X-A", "caf\xe9\xff")


@pytest.mark.parametrize(
    ("version", "read_as"), [("1.0", (1, 0)), ("1.1", (1, 1)), ("1.2", (1, 1)), ("1.9", (1, 1))]
)
def test_versions_that_were_not_written_yet_are_read_as_1_1(
    version: str, read_as: tuple[int, int]
) -> None:
    """llhttp by itself refuses them."""
    assert reading(head(first=f"GET / HTTP/{version}")).version == read_as


@pytest.mark.parametrize(
    "first",
    [
        "BREW /x HTTP/1.1",
        "get /x HTTP/1.1",
        "GETT /x HTTP/1.1",
        "DESCRIBE /x HTTP/1.1",
        "SOURCE /x ICE/1.0",
        "DESCRIBE /x RTSP/1.0",
        "CONNECT elsewhere:443 HTTP/1.1",
        "CONNECT /x HTTP/1.1",
        "CONNECT http://elsewhere/ HTTP/1.1",
    ],
)
def test_methods_that_are_not_served(first: str) -> None:
    assert read(head(first=first)) is None


@pytest.mark.parametrize(
    "target",
    ["*", "x", "x/y", "elsewhere:80", "?x", "ftp://h/x", "http:/x", "http://", "http:///x",
     "http://user@h/x", "http://[::1/x", "http://::1]/x", "http://[0:1]/x", "http://[]/x",
     "http://a b/x", "//", "https://?x", "x?://h/"],
)  # fmt: skip
def test_targets_of_the_wrong_form(target: str) -> None:
    assert (read(head(first=f"GET {target} HTTP/1.1")) is None) is (target != "//")


def test_the_asterisk_is_for_options() -> None:
    assert reading(head(first="OPTIONS * HTTP/1.1")).path == "*"


@pytest.mark.parametrize(
    ("target", "authority", "path", "query"),
    [
        ("http://elsewhere/x", "elsewhere", "/x", ""),
        ("HTTPS://[::1]:80/x/y?z", "[::1]:80", "/x/y", "z"),
        ("http://elsewhere", "elsewhere", "/", ""),
        ("http://elsewhere?a/b?c", "elsewhere", "/", "a/b?c"),
        ("http://elsewhere//x", "elsewhere", "//x", ""),
    ],
)
def test_an_absolute_target_names_the_host(
    target: str, authority: str, path: str, query: str
) -> None:
    request = reading(head("X-A: a", first=f"GET {target} HTTP/1.1"))
    assert (request.path, request.query) == (path, query)
    assert request.headers == [("HOST", authority), ("X-A", "a")]


@pytest.mark.parametrize(
    "lines",
    [
        ["Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABk"],
        ["Upgrade: websocket", "Connection: upgrade", "Content-Length: 5"],
        ["Upgrade: websocket", "Connection: upgrade", "Transfer-Encoding: chunked"],
    ],
)
def test_an_offer_to_upgrade_is_ignored(lines: list[str]) -> None:
    request = reading(head(*lines, first="POST /x HTTP/1.1"))
    assert (request.method, request.path) == ("POST", "/x")
    assert len(request.headers) == len(lines) + 1
    assert request.keep_alive


@pytest.mark.parametrize(
    ("version", "lines", "keep_alive"),
    [
        ("1.1", [], True),
        ("1.1", ["Connection: x,\tCLOSE "], False),
        ("1.1", ["Connection: keep-alive", "Connection: close"], False),
        ("1.1", ["Connection: closed"], True),
        ("1.0", [], False),
        ("1.0", ["Connection: x, Keep-Alive"], True),
        # Here llhttp sees the one and overlooks the other.
        ("1.0", ["Connection: keep-alive, close"], False),
        ("1.0", ["Proxy-Connection: keep-alive"], False),
    ],
)
def test_what_the_client_wants_of_the_connection(
    version: str, lines: list[str], keep_alive: bool
) -> None:
    assert reading(head(*lines, first=f"GET / HTTP/{version}")).keep_alive is keep_alive


NAMES = st.one_of(
    st.sampled_from(["Connection", "Content-Type", "X-A", "x-b", "Accept", "Upgrade", "Host",
                     "Content-Length", "Transfer-Encoding", "Expect", "Trailer", "Te"]),
    st.text("!#$%&'*+-.^_`|~aZ09", min_size=1, max_size=6),
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(["close", "keep-alive", "h2c", "upgrade", "chunked", "5", "gzip", "",
                     "100-continue", "a, b", "\t a", "identity"]),
    st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=8),
)  # fmt: skip
TARGETS = st.one_of(
    st.sampled_from(["/", "*", "/x?y", "//x", "http://h/x", "http://h", "/%zz", "/x#y", "h:80"]),
    st.text(st.characters(max_codepoint=255), max_size=8).map(lambda text: "/" + text),
)
METHODS = st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "CONNECT", "BREW", "M-SEARCH", "get"])
VERSIONS = st.sampled_from(["HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "HTTP/0.9"])


@given(METHODS, TARGETS, VERSIONS, st.lists(st.tuples(NAMES, VALUES), max_size=5))
@example("GET", "/", "HTTP/1.1", [("X-A", "a\xa0\x85")])
def test_what_is_read_gunicorn_reads_alike(
    method: str, target: str, version: str, fields: list[tuple[str, str]]
) -> None:
    lines = [f"{name}: {value}" for name, value in fields]
    data = head(*lines, first=f"{method} {target} {version}")
    request = read(data)
    if request is None:
        return
    config = Config()
    config.set("http_parser", "python")
    config.set("forwarded_allow_ips", "")
    try:
        theirs = Request(config, IterUnreader([data]), ("192.0.2.7", 1))
    except ParseException:
        # The one thing that we take and gunicorn does not: nobody here reads Content-Type.
        assert sum(name.lower() == "content-type" for name, _ in fields) > 1
        return
    assert (request.method, request.target) == (theirs.method, theirs.uri)
    assert request.query == theirs.query
    assert request.path == (theirs.path or "/")
    assert request.version == min(theirs.version, (1, 1))
    if target.startswith("/") or target == "*":
        assert request.headers == theirs.headers
    if re.search(rb"(?i)\nconnection:", data) is None:
        assert request.keep_alive is not theirs.should_close()

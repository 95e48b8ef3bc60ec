"""Where a request endpoints, and which ambiguous requests are refused (contract 2.1, 16.37)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.serving.http.framing import HEAD_LIMIT, Framing, FramingError, examine, head_end


def head(*lines: str, first: str = "POST /x HTTP/1.1", host: str | None = "h") -> bytes:
    hosts = [] if host is None else [f"Host: {host}"]
    return "\r\n".join([first, *hosts, *lines, "", ""]).encode("latin-1")


@pytest.mark.parametrize(
    ("lines", "framing"),
    [
        ([], Framing(0, False)),
        (["Content-Length: 5"], Framing(5, False)),
        (["content-length:\t005 "], Framing(5, False)),
        (["Transfer-Encoding: chunked"], Framing(None, False)),
        (["TRANSFER-ENCODING: Chunked"], Framing(None, False)),
        (["Content-Length: 5", "Expect: 100-Continue"], Framing(5, True)),
        (["X-Text: caf\xe9\tau lait"], Framing(0, False)),
        (["X-Empty:"], Framing(0, False)),
    ],
)
def test_what_is_unambiguous_passes(lines: list[str], framing: Framing) -> None:
    assert examine(head(*lines)) == framing


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Content-Length: 5", "Content-Length: 5"],
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: 5, 5"],
        ["Content-Length: +5"],
        ["Content-Length: -5"],
        ["Content-Length: 0x5"],
        ["Content-Length: 5_0"],
        ["Content-Length: \xb2"],
        ["Content-Length:"],
        ["Content-Length: 9999999999999999999"],
        ["Transfer-Encoding: gzip"],
        ["Transfer-Encoding: identity"],
        ["Transfer-Encoding: gzip, chunked"],
        ["Transfer-Encoding: chunked, chunked"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
        ["Transfer-Encoding:"],
        ["Transfer-Encoding: \x0bchunked"],
        ["Content-Length : 5"],
        ["Content-Length\t: 5"],
        [" Content-Length: 5"],
        ["X-Folded: a", " b"],
        ["X-Folded: a", "\tb"],
        ["X-Nul: a\x00b"],
        ["X-Bell: a\x07b"],
        ["X-Delete: a\x7fb"],
        ["X-Carriage: a\rb"],
        ["No colon"],
        [": no name"],
        ["X(y): z"],
        ["Host: other"],
        ["Host: h"],
    ],
)
def test_what_a_proxy_might_read_otherwise_is_refused(lines: list[str]) -> None:
    with pytest.raises(FramingError) as refused:
        examine(head(*lines))
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("first", "status"),
    [
        ("GET /x HTTP/2.0", 505),
        ("PRI * HTTP/2.0", 505),
        ("GET /x HTTP/3.0", 505),
        ("GET /x HTTP/0.9", 505),
        ("GET /x HTTP/1.10", 400),
        ("GET /x HTTP/x.1", 400),
        ("GET /x http/1.1", 400),
        ("GET /x", 400),
        ("GET  /x HTTP/1.1", 400),
        ("GET /x  HTTP/1.1", 400),
        ("GET\t/x HTTP/1.1", 400),
        (" GET /x HTTP/1.1", 400),
        ("G(T /x HTTP/1.1", 400),
        ("GET /\xe9 HTTP/1.1", 400),
        ("GET /a b HTTP/1.1", 400),
        ("GET /%4 HTTP/1.1", 400),
        ("GET /%zz HTTP/1.1", 400),
        ("GET /% HTTP/1.1", 400),
        ("GET /a#b HTTP/1.1", 400),
        ("", 400),
    ],
)
def test_bad_request_lines(first: str, status: int) -> None:
    with pytest.raises(FramingError) as refused:
        examine(head(first=first))
    assert refused.value.status == status


@pytest.mark.parametrize(
    "first",
    [
        "GET /%2F?q=%zz HTTP/1.1",
        "GET http://elsewhere/x HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "BREW /x HTTP/1.1",
    ],
)
def test_unusual_request_lines_pass(first: str) -> None:
    assert examine(head(first=first)) == Framing(0, False)


def test_exactly_one_host_on_1_1_and_at_most_one_on_1_0() -> None:
    with pytest.raises(FramingError):
        examine(head(host=None))
    assert examine(head(host=None, first="GET / HTTP/1.0")) == Framing(0, False)
    with pytest.raises(FramingError):
        examine(head("Host: b", first="GET / HTTP/1.0"))


@pytest.mark.parametrize(
    "host", ["a b", "a/b", "a@b", "[::1", "::1]", "[::1]x", "[::1]:x", "[a]:1:2"]
)
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(FramingError):
        examine(head(host=host))


@pytest.mark.parametrize(
    "host", ["", "a", "a.b:80", "10.0.0.1", "[::1]", "[::1]:4420", "a_b", "a:"]
)
def test_what_may_be_a_host_passes(host: str) -> None:
    assert examine(head(host=host)) == Framing(0, False)


def test_chunked_needs_1_1_and_continue_is_not_known_to_1_0() -> None:
    with pytest.raises(FramingError):
        examine(head("Transfer-Encoding: chunked", first="POST / HTTP/1.0"))
    assert not examine(head("Expect: 100-continue", first="POST / HTTP/1.0")).expects_continue


@pytest.mark.parametrize("value", ["200-ok", "", "100-continue, 200-ok"])
def test_other_expectations_fail(value: str) -> None:
    with pytest.raises(FramingError) as refused:
        examine(head(f"Expect: {value}"))
    assert refused.value.status == 417


@given(st.lists(st.integers(1, 9), max_size=60), st.binary(max_size=20))
def test_the_end_is_found_however_the_bytes_arrive(cuts: list[int], rest: bytes) -> None:
    whole = head("A: b", "C: d")
    data, buffer, scanned = whole + rest, bytearray(), 0
    sizes = iter([*cuts, len(data)])
    while True:
        size = next(sizes)
        buffer += data[len(buffer) : len(buffer) + size]
        end = head_end(buffer, scanned)
        assert (end == len(whole)) == (len(buffer) >= len(whole))
        if end >= 0:
            return
        scanned = len(buffer)


@pytest.mark.parametrize("split", range(1, 20))
@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\nHost: h", b"GET / H\n", b"GET /\r\n\n", b"\n"])
def test_a_bare_line_feed_shows_at_once(data: bytes, split: int) -> None:
    buffer = bytearray(data[:split])
    with pytest.raises(FramingError) as refused:
        scanned = len(buffer) if head_end(buffer, 0) else 0
        buffer += data[split:]
        head_end(buffer, scanned)
    assert refused.value.status == 400


def test_the_head_is_capped() -> None:
    fits = head("X: " + "a" * (HEAD_LIMIT - len(head("X: "))))
    assert head_end(bytearray(fits), 0) == HEAD_LIMIT
    with pytest.raises(FramingError) as refused:
        head_end(bytearray(fits[:-4] + b"a\r\n\r\n"), 0)
    assert refused.value.status == 431
    with pytest.raises(FramingError) as unfinished:
        head_end(bytearray(b"a" * (HEAD_LIMIT + 1)), 0)
    assert unfinished.value.status == 431

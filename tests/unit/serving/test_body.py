"""Bodies are collected to the same bytes as gunicorn's reader finds, and more is refused."""

from collections.abc import Iterator

import pytest
from gunicorn.config import Config
from gunicorn.http.body import ChunkedReader
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader
from hypothesis import given
from hypothesis import strategies as st

from talos.serving.http.body import ChunkedBody, LengthBody
from talos.serving.http.framing import FramingError

LIMIT = 1000

extensions = st.sampled_from([b"", b";a", b";a=b", b' ; a="b c"', b";a;b=c"])
trailers = st.lists(st.sampled_from([b"X-Sum: 1\r\n", b"X-Empty:\r\n"]), max_size=2)


@st.composite
def encoded(draw: st.DrawFn) -> bytes:
    pieces = draw(st.lists(st.binary(min_size=1, max_size=40), max_size=8))
    chunks = [b"%x%s\r\n%s\r\n" % (len(piece), draw(extensions), piece) for piece in pieces]
    return b"".join([*chunks, b"0", draw(extensions), b"\r\n", *draw(trailers), b"\r\n"])


def pieces_of(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    for size in [*cuts, len(data)]:
        if data:
            yield data[:size]
            data = data[size:]


def decode(data: bytes, cuts: list[int]) -> tuple[bytes, bytes] | None:
    """The content and what follows it, or None when the body is incomplete."""
    body, buffer, done = ChunkedBody(LIMIT), bytearray(), False
    for piece in pieces_of(data, cuts):
        buffer += piece
        done = done or body.feed(buffer)
    return (bytes(body.content), bytes(buffer)) if done else None


def read_by_gunicorn(data: bytes) -> tuple[bytes, bytes]:
    head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    config = Config()
    config.set("http_parser", "python")
    unreader = IterUnreader([head, data])
    request = Request(config, unreader, ("127.0.0.1", 1))
    assert isinstance(request.body.reader, ChunkedReader)
    return request.body.read(), unreader.read() if unreader.buf.getvalue() else b""


@given(encoded(), st.binary(max_size=10), st.lists(st.integers(1, 20), max_size=40))
def test_both_readers_agree_on_what_is_valid(data: bytes, rest: bytes, cuts: list[int]) -> None:
    assert decode(data + rest, cuts) == read_by_gunicorn(data + rest)


@given(
    encoded(),
    st.integers(0, 400),
    st.sampled_from([b"\n", b"\r", b"\x00", b";", b"0", b"g", b" ", b"-", b"\r\n", b""]),
    st.integers(0, 2),
)
def test_nothing_passes_that_gunicorn_refuses(
    data: bytes, at: int, inserted: bytes, removed: int
) -> None:
    at %= len(data)
    mutated = data[:at] + inserted + data[at + removed :]
    try:
        ours = decode(mutated, [])
    except FramingError:
        return
    if ours is not None:
        assert ours == read_by_gunicorn(mutated)


@pytest.mark.parametrize(
    "data",
    [
        b"10000000000000005\r\nhello\r\n0\r\n\r\n",
        b"FFFFFFFFFFFFFFFF\r\n",
        b"5 \r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"+5\r\nhello\r\n0\r\n\r\n",
        b"-5\r\n",
        b"\r\n",
        b"5\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhelloX0\r\n\r\n",
        b"5;a\x00b\r\nhello\r\n",
        b"0\r\nbad trailer\r\n\r\n",
        b"0\r\n folded: x\r\n\r\n",
        b"0\r\nContent-Length: 5\r\n\r\n",
        b"0\r\nX-Sum: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"0\r\nHOST: other\r\n\r\n",
        b"0\r\nAuthorization: x\r\n\r\n",
        b"5;" + b"a" * 300 + b"\r\nhello\r\n",
        b"1;" + b"a" * 10_000,
    ],
)
def test_malformed_chunks_are_refused(data: bytes) -> None:
    with pytest.raises(FramingError) as refused:
        ChunkedBody(LIMIT).feed(bytearray(data))
    assert refused.value.status == 400


def test_trailers_are_capped() -> None:
    with pytest.raises(FramingError) as refused:
        ChunkedBody(LIMIT).feed(bytearray(b"0\r\n" + b"A: b\r\n" * 3000))
    assert refused.value.status == 431


def test_a_flood_of_tiny_chunks_is_refused() -> None:
    with pytest.raises(FramingError):
        ChunkedBody(4_000_000).feed(bytearray(b"1\r\nx\r\n" * 100_000))


def test_a_large_body_in_small_pieces_is_fine() -> None:
    body = ChunkedBody(4_000_000)
    piece = b"64\r\n" + b"x" * 100 + b"\r\n"
    assert body.feed(bytearray(piece * 30_000 + b"0\r\n\r\n"))
    assert len(body.content) == 3_000_000


@pytest.mark.parametrize("length", [0, 1, LIMIT])
def test_a_body_within_the_limit_is_taken_whole(length: int) -> None:
    body = LengthBody(length, LIMIT)
    buffer = bytearray(b"a" * length + b"next")
    assert body.feed(buffer)
    assert not body.truncated
    assert bytes(body.content) == b"a" * length
    assert buffer == b"next"


def test_a_chunked_body_past_the_limit_is_cut_one_byte_behind_it() -> None:
    body = ChunkedBody(LIMIT)
    assert body.feed(bytearray(b"fffff\r\n" + b"a" * 5000))
    assert body.truncated
    assert len(body.content) == body.length_bytes == LIMIT + 1


@pytest.mark.parametrize("body", [LengthBody(10**15, LIMIT), LengthBody(1, 0), ChunkedBody(0)])
def test_a_body_that_is_known_to_be_too_large_is_not_waited_for(
    body: LengthBody | ChunkedBody,
) -> None:
    for data in (b"", b"5\r\nhello\r\n"):
        buffer = bytearray(data)
        assert body.feed(buffer)
        assert buffer == data
    assert body.truncated
    assert not body.content
    assert body.length_bytes > 0

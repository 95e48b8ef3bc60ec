"""The recogniser reads what the parsers read, or nothing."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos import _core
from tests.core.strategies import quick, thorough
from tests.reference.verify_request import LINE, parity_of_body, parity_of_request, read
from tests.support.verify_requests import (
    ADDED,
    BATCH_CLIENTS,
    BATCH_START,
    BATCHES,
    BODY,
    CLIENTS,
    DECLINED,
    MATCHED,
    NO_BATCHES,
    NOT_MATCHED,
    START,
    request,
)

HOSTS = (
    b"",
    b"Host:",
    b"Host: ",
    b"Host: a b",
    b"Host: a,b",
    b"Host: a/b",
    b"Host: user@host",
    b"Host: [::1]",
)

STARTS = (
    b"post /v2alpha1/admin/apiKeys:verify HTTP/1.1\r\n",
    b"PUT /v2alpha1/admin/apiKeys:verify HTTP/1.1\r\n",
    b"POST /v2alpha1/admin/apiKeys:verify HTTP/1.2\r\n",
    b"POST /v2alpha1/admin/apiKeys:verify HTTP/2.0\r\n",
    b"POST /v2alpha1/admin/apiKeys:verify HTTP/1.00\r\n",
    b"POST /v2alpha1/admin/apiKeys:verify  HTTP/1.1\r\n",
    b"POST /v2alpha1/admin/apiKeys:verify?x HTTP/1.1\r\n",
    b"POST /v2alpha1/admin/apiKeys%3Averify HTTP/1.1\r\n",
    b"POST http://localhost/v2alpha1/admin/apiKeys:verify HTTP/1.1\r\n",
    b"POST /v2alpha1/admin/apiKeys:batchVerifY HTTP/1.1\r\n",
    b"POST /v2alpha1/admin/apiKeys:batchVerify HTTP/0.9\r\n",
    b"POST /v2alpha1/admin/apiKeys:batchVerify/ HTTP/1.1\r\n",
    b"POST /v2alpha1/admin/apiKeys:batchVerifyverify HTTP/1.1\r\n",
    b"POST /v2alpha1/admin/apiKeys:batchverify HTTP/1.1\r\n",
    b"POST /v2alpha1/admin/importedApiKeys:batchVerify HTTP/1.1\r\n",
    b"POST /v2alpha1/admin/apiKeys:verify HTTP/1.1\n",
    b"\r\nPOST /v2alpha1/admin/apiKeys:verify HTTP/1.1\r\n",
)


@pytest.mark.parametrize("data", CLIENTS)
def test_what_clients_send_is_recognised(data: bytes) -> None:
    recognised = _core.recognise_verify(data)
    assert recognised is not None
    assert recognised[0] == BODY
    assert recognised[2] == len(data)
    assert parity_of_request(data)


@pytest.mark.parametrize("data", BATCH_CLIENTS)
def test_a_batch_is_recognised_as_one(data: bytes) -> None:
    assert _core.recognise_verify(data) is None
    recognised = _core.recognise_batch_verify(data)
    assert recognised is not None
    assert (recognised[0], recognised[2]) == (BODY, len(data))
    assert parity_of_request(data)
    assert not any(_core.recognise_batch_verify(data[:end]) for end in range(len(data)))


@pytest.mark.parametrize("data", CLIENTS)
def test_a_single_request_is_no_batch(data: bytes) -> None:
    assert _core.recognise_batch_verify(data) is None


@pytest.mark.parametrize("lines", DECLINED)
def test_a_line_of_another_meaning_is_not_recognised(lines: bytes) -> None:
    assert _core.recognise_verify(request(lines)) is None
    assert _core.recognise_batch_verify(request(lines, start=BATCH_START)) is None


OLD_START = START.replace(b"1.1", b"1.0")


@pytest.mark.parametrize("start", [START, OLD_START])
@pytest.mark.parametrize("lines", ADDED)
def test_what_proxies_and_tracers_add_changes_nothing(lines: bytes, start: bytes) -> None:
    assert parity_of_request(request(lines, start=start))
    recognised = _core.recognise_verify(request(lines, start=start))
    assert recognised is not None
    assert recognised[5] is (b"X-Forwarded-Host" in lines)


@pytest.mark.parametrize(
    ("start", "lines", "keep_alive"),
    [
        (START, (), True),
        (START, (b"Connection: close",), False),
        (START, (b"connection: Keep-Alive",), True),
        (OLD_START, (), False),
        (OLD_START, (b"Connection: keep-alive",), True),
        (OLD_START, (b"Connection: keep-alive", b"Connection: close"), False),
    ],
)
def test_whether_the_connection_is_kept_alive(
    start: bytes, lines: tuple[bytes, ...], keep_alive: bool
) -> None:
    data = request(*lines, start=start)
    recognised = _core.recognise_verify(data)
    assert recognised is not None
    assert recognised[3] is keep_alive
    assert recognised[4] == (1 if start is START else 0)
    assert parity_of_request(data)


@pytest.mark.parametrize("host", HOSTS)
def test_any_but_one_plain_host_is_not_recognised(host: bytes) -> None:
    assert _core.recognise_verify(request(host=host)) is None


@pytest.mark.parametrize("start", STARTS)
def test_any_other_request_line_is_not_recognised(start: bytes) -> None:
    assert _core.recognise_verify(request(start=start)) is None
    assert _core.recognise_batch_verify(request(start=start)) is None


@pytest.mark.parametrize(
    "length", [b"", b"0", b"+5", b"-1", b"05", b"5,5", b"0x5", b"65537", b"1e1"]
)
def test_a_length_has_one_spelling(length: bytes) -> None:
    data = START + b"Host: a\r\nContent-Length: " + length + b"\r\n\r\n" + b"a" * 70_000
    assert _core.recognise_verify(data) is None


def test_the_largest_body_is_recognised_whole_only() -> None:
    data = request(body=b"a" * 65_536)
    assert parity_of_request(data)
    assert _core.recognise_verify(data[:-1]) is None


@pytest.mark.parametrize("data", CLIENTS)
def test_a_part_of_a_request_is_not_recognised(data: bytes) -> None:
    assert not any(_core.recognise_verify(data[:end]) for end in range(len(data)))


@pytest.mark.parametrize("data", CLIENTS)
def test_what_follows_is_left_alone(data: bytes) -> None:
    for follower in (b"\r\n", b"G", data, b"\0" * 8):
        recognised = _core.recognise_verify(data + follower)
        assert recognised == _core.recognise_verify(data)


def test_a_request_is_found_behind_another() -> None:
    data = CLIENTS[1] + CLIENTS[2]
    assert parity_of_request(data, len(CLIENTS[1]))
    assert _core.recognise_verify(data, len(data)) is None


@pytest.mark.parametrize("start", [-1, 10**6])
def test_a_start_outside_is_an_error(start: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        _core.recognise_verify(CLIENTS[0], start)


@pytest.mark.parametrize(
    ("lines", "echoed"),
    [
        ((b"X-Request-Id: abc",), b"abc"),
        ((b"x-request-id:abc",), b"abc"),
        ((b"X-REQUEST-ID: a b ~!",), b"a b ~!"),
        ((b"X-Request-Id: first", b"X-Request-Id: second"), b"first"),
        ((b"X-Request-Id:", b"X-Request-Id: second"), b""),
        ((b"X-Request-Id: " + b"a" * 128,), b"a" * 128),
        ((b"X-Request-Id: " + b"a" * 129,), b""),
        ((), b""),
    ],
)
def test_the_first_usable_request_id_is_echoed(lines: tuple[bytes, ...], echoed: bytes) -> None:
    data = request(*lines)
    recognised = _core.recognise_verify(data)
    assert recognised is not None
    assert recognised[1] == echoed
    assert parity_of_request(data)


@pytest.mark.parametrize("data", CLIENTS)
def test_no_change_of_a_byte_makes_the_readings_differ(data: bytes) -> None:
    head = data.index(b"\r\n\r\n") + 4
    recognised = 0
    for position in range(head):
        for byte in (0, 9, 10, 13, 32, 44, 45, 48, 58, 59, 95, 127, 133, 255, data[position] ^ 32):
            edited = bytearray(data)
            edited[position] = byte
            recognised += parity_of_request(bytes(edited))
        parity_of_request(data[:position] + data[position + 1 :])
        parity_of_request(data[:position] + data[position : position + 1] + data[position:])
    # Most bytes of a value are free: had nothing been recognised, nothing would have been compared.
    assert recognised > 0


PIECES = (
    *ADDED,
    *(line for line in DECLINED if len(line) < 200),
    *HOSTS,
    b"Host: a",
    b"Connection: Keep-Alive",
    b"connection: keep-alive",
    b"X-Request-Id: one",
    b"X-Request-Id:",
    b"Content-Type: application/json",
    b"X-Forwarded-Proto: https",
    b"X-Forwarded-Ssl: on",
    b"Accept: */*",
    b"X-Empty:",
    b"Range: bytes=0-1",
    b"X-Http-Method-Override: GET",
    b"Content-Length: 5",
    b"If-None-Match: *",
    b"Forwarded: for=a;host=b;proto=https",
    b"Script-Name: /v2alpha1",
)
NAMES = st.text("-_abcehilnostTHE019!", min_size=1, max_size=17).map(str.encode)
VALUES = st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=12).map(
    lambda text: text.encode("latin-1")
)
LINES = st.one_of(
    st.sampled_from(PIECES),
    st.builds(lambda name, value: name + b": " + value, NAMES, VALUES),
)


@thorough
@given(
    lines=st.lists(LINES, max_size=5),
    start=st.sampled_from((START, START, OLD_START, BATCH_START, *STARTS)),
    position=st.integers(0, 400),
    inserted=st.sampled_from(
        (b"", b"", b"\r\n", b"\r", b"\n", b":", b" ", b"\0", b"0", b",", b"\xa0")
    ),
    follower=st.sampled_from((b"", b"\r\n", CLIENTS[0], b"x")),
)
def test_lines_of_every_kind(
    lines: list[bytes], start: bytes, position: int, inserted: bytes, follower: bytes
) -> None:
    data = request(*lines, start=start) + follower
    parity_of_request(data[:position] + inserted + data[position:])


def test_the_parsers_read_what_the_tests_start_from() -> None:
    for data in CLIENTS:
        reading = read(data)
        assert reading is not None
        assert reading.line == LINE
        assert reading.plain


@pytest.mark.parametrize("body", MATCHED)
def test_plain_bodies_are_matched(body: bytes) -> None:
    assert parity_of_body(body)


@pytest.mark.parametrize("body", NOT_MATCHED)
def test_other_bodies_are_not_matched(body: bytes) -> None:
    assert _core.match_verify(body) is None


@pytest.mark.parametrize("body", BATCHES)
def test_plain_batches_are_matched(body: bytes) -> None:
    assert _core.match_batch_verify(body)
    assert parity_of_body(body)


@pytest.mark.parametrize("body", NO_BATCHES)
def test_other_bodies_are_no_batches(body: bytes) -> None:
    assert _core.match_batch_verify(body) is None


@pytest.mark.parametrize("body", [*MATCHED, *BATCHES[1:-1]])
def test_no_change_of_a_byte_makes_the_bodies_differ(body: bytes) -> None:
    for position in range(len(body)):
        for byte in range(256):
            parity_of_body(body[:position] + bytes([byte]) + body[position + 1 :])
            parity_of_body(body[:position] + bytes([byte]) + body[position:])
        parity_of_body(body[:position] + body[position + 1 :])
        parity_of_body(body[:position])


@pytest.mark.parametrize("length", range(1, 27))
def test_every_byte_of_a_credential_is_looked_at(length: int) -> None:
    for position in range(length):
        for byte in range(256):
            text = bytearray(b"a" * length)
            text[position] = byte
            matched = _core.match_verify(b'{"credential":"%b"}' % text)
            assert matched == (bytes(text) if re.fullmatch(rb"[ !#-\[\]-~]+", text) else None)


@pytest.mark.parametrize("length", range(3, 20))
def test_every_byte_of_a_line_is_looked_at(length: int) -> None:
    for position in range(length):
        for byte in range(256):
            text = bytearray(b"a" * length)
            text[position] = byte
            plain = re.fullmatch(rb"[^ ][ -~]*[^ ]", text) and re.fullmatch(rb"[ -~]+", text)
            name = re.fullmatch(rb"[A-Za-z0-9-]+", text)
            as_value = _core.recognise_verify(request(b"X-Value: " + text))
            as_name = _core.recognise_verify(request(text + b": value"))
            assert (as_value is not None) is (plain is not None)
            # A colon ends the name; what is left is its value.
            assert (as_name is not None) is (
                name is not None or (byte == ord(":") and position > 0)
            )


TOKENS = (
    "{", "}", "[", "]", ":", ",", '"', " ", "\n", "\t", "\\", "null", '"credential"', '"a"', "abc",
    '"expected_audiences"', '"requests"', '{"credential":"a"}',
    '"expectedAudiences"', "\\u0061", "\0", "é",
)  # fmt: skip


@quick
@given(
    body=st.sampled_from((*MATCHED, *BATCHES)),
    position=st.integers(0, 100),
    removed=st.integers(0, 20),
    inserted=st.lists(st.sampled_from(TOKENS), max_size=4),
)
def test_bodies_of_every_kind(
    body: bytes, position: int, removed: int, inserted: list[str]
) -> None:
    parity_of_body(body[:position] + "".join(inserted).encode() + body[position + removed :])

"""The recogniser reads what the parsers read, or nothing."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos import _core
from tests.core.strategies import quick, thorough
from tests.reference.verify_request import LINE, parity_of_body, parity_of_request, read

KEY = "ory_ak_v1_2NEpo7TZRRrLZSi2U_3yZe7f6rmkqNUVqGZkYUv8c4Yc"
BODY = b'{"credential":"%b"}' % KEY.encode()
START = b"POST /v2alpha1/admin/apiKeys:verify HTTP/1.1\r\n"


def request(
    *lines: bytes, body: bytes = BODY, start: bytes = START, host: bytes = b"Host: localhost:4420"
) -> bytes:
    """A request with further header lines before its length."""
    head = [host, *lines, b"Content-Length: %d" % len(body)]
    return start + b"".join(line + b"\r\n" for line in head if line) + b"\r\n" + body


# What well-known clients send, as they send it.
CLIENTS = (
    request(),
    request(
        b"Accept-Encoding: identity",
        b"Content-Type: application/json",
        b"User-Agent: OpenAPI-Generator/1.22.87/python",
        b"Accept: application/json",
    ),
    request(
        b"Accept: */*",
        b"Accept-Encoding: gzip, deflate, br, zstd",
        b"Connection: keep-alive",
        b"User-Agent: python-httpx/0.28.1",
        b"Content-Type: application/json",
    ),
    request(b"User-Agent: curl/8.5.0", b"Accept: */*", b"content-type: application/json"),
    request(
        b"X-Request-Id: 4fa1d2e0-7d1e-4c0e-9a53-0c9b41d3d7a9",
        b"X-Forwarded-For: 203.0.113.9, 10.0.0.1",
        b"X-Forwarded-Proto: https",
        b"X-Real-Ip: 203.0.113.9",
        b"Via: 1.1 gateway",
        host=b"host: talos.example.com",
    ),
)

# What proxies and instrumented clients add, each of which changes nothing by itself.
ADDED = (
    b"Connection: close",
    b"Connection: Close\r\nConnection: keep-alive",
    b"Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    b"tracestate: rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
    b"baggage: userId=alice,serverNode=DF%2028,isProduction=false",
    b"b3: 80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90",
    b"X-B3-TraceId: 80f198ee56343ba864fe8b2a57d3eff7\r\nX-B3-Sampled: 1",
    b"X-Forwarded-Host: other.example.com",
    b"X-Forwarded-Host: a\r\nX-Forwarded-Host: b, c",
    b"Forwarded: for=192.0.2.60;proto=https;host=other.example.com",
    b"Via: 1.1 caddy, 1.0 fred",
    b"X-Original-Forwarded-For: 192.0.2.1\r\nX-Scheme: https\r\nX-Real-IP: 192.0.2.1",
    b"x-envoy-expected-rq-timeout-ms: 15000\r\nx-envoy-internal: true",
    b"Cache-Control: max-age=0",
    b"cache-control:",
    b"Cache-Control: private, must-revalidate",
    b"Pragma: x",
)

BATCH_START = b"POST /v2alpha1/admin/apiKeys:batchVerify HTTP/1.1\r\n"
BATCH_CLIENTS = tuple(data.replace(START, BATCH_START) for data in CLIENTS)

# Lines that could change what a request means, or that some reader objects to.
DECLINED = (
    b"Transfer-Encoding: chunked",
    b"transfer-encoding: identity",
    b"Expect: 100-continue",
    b"Upgrade: h2c",
    b"HTTP2-Settings: AAMAAABkAAQAAP__",
    b"Connection: keep-alive, close",
    b"Connection: Upgrade",
    b"Connection:",
    b"Proxy-Connection: close",
    b"TE: trailers",
    b"Trailer: Expires",
    b"Cache-Control: no-cache",
    b"Cache-Control: no-store",
    b"cache-control: max-age=0, No-Store",
    b'cache-control: private,NO-CACHE="x"',
    b"Pragma: no-cache",
    b"pragma: No-Cache",
    b"Origin: https://example.com",
    b"Origin: null",
    b"origin:",
    b"Sec-Fetch-Site: cross-site",
    b"sec-fetch-site: same-origin",
    b"SEC-FETCH-SITE:",
    b"Content-Encoding: gzip",
    b"Host: other",
    b"Content-Length: 1",
    b"Content_Length: 1",
    b"Content-Length : 1",
    b"Content-Length",
    b": empty",
    b" folded",
    b"X-Tab:\tvalue",
    b"X-Blanks:  value",
    b"X-Blanks: value ",
    b"X-Control: a\x0bb",
    b"X-Delete: a\x7fb",
    b"X-Latin: caf\xe9",
    b"X-Nul: a\0b",
    b"X-Cr: a\rb",
    b"X-Lf: a\nb",
    b"X_Underscore: a",
    b"X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off",
    b"X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http",
    b"X-Forwarded-Protocol: ssl\r\nX-Forwarded-Ssl: on",
    b"Content-Type: text/plain\r\nContent-Type: application/json",
    b"X-Long: " + b"a" * 8192,
    b"\r\n".join(b"X-Many: %d" % i for i in range(64)),
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

MATCHED = (
    BODY,
    b'{"credential": "%b"}' % KEY.encode(),
    b'{ "credential" :\t"abc_123"\r\n}\n ',
    b'{"credential":""}',
    b'{"credential":" a-b.c+/= {[,:]}\'~ "}',
    b'{"credential":"a","expected_audiences":[]}',
    b'{"credential":"a", "expected_audiences": [ ]}',
    b'{"credential":"a","expected_audiences":null}',
    b'{"credential":"a" , "expected_audiences" : null }',
)

NOT_MATCHED = (
    b"",
    b"{}",
    b'{"credential":"a"',
    b'{"credential":"a"}x',
    b'{"credential":"a"}{}',
    b' {"credential":"a"}',
    b'\xef\xbb\xbf{"credential":"a"}',
    b'{"credential":"a","credential":"b"}',
    b'{"credential":"a",}',
    b'{"credential":"\\u0061"}',
    b'{"Credential":"a"}',
    b"{'credential':'a'}",
    b'{"credential":null}',
    b'{"credential":"a","expected_audiences":nul}',
    b'{"credential":"a","expected_audiences":nullx}',
    b'{"credential":"a","expected_audiences":"null"}',
    b'{"credential":"a","expected_audiences":[null]}',
    b'{"credential":"a","expected_audiences":[""]}',
    b'{"credential":"a","expectedAudiences":[]}',
    b'{"credential":"a","expected_audiences":[],"x":1}',
    b'{"credential":"a","expected_audiences":[],"expected_audiences":["b"]}',
    b'{"expected_audiences":[],"credential":"a"}',
    b'{"credential":"a","x":1}',
    b'{"credential":"a\x00"}',
    b'{"credential":"a\x1f"}',
    b'{"credential":"a\x7f"}',
    b'{"credential":"a\tb"}',
    b'{"credential":"a\\b"}',
    b'{"credential":"a\\"}',
    b'{"credential":"a\\","x":"b"}',
    b'{"credential":"caf\xc3\xa9"}',
    b'{"credential":"caf\xe9"}',
    b'[{"credential":"a"}]',
)

BATCHES = (
    b'{"requests":[%b]}' % BODY,
    b'{"requests":[{"credential":"a"},{"credential":"b","expected_audiences":[]}]}',
    b'{"requests": [{"credential": "a", "expected_audiences": []}, {"credential": "b"}]}',
    b'{ "requests" :\t[ {"credential":"a"}\r\n, { "credential" : "b" } ]\n}\n',
    b'{"requests":[{"credential":""}]}',
    b'{"requests":[%b]}' % b",".join([b'{"credential":"a"}'] * 100),
)

NO_BATCHES = (
    *NOT_MATCHED,
    BODY,
    b'{"requests":[]}',
    b'{"requests":[ ]}',
    b'{"requests":{"credential":"a"}}',
    b'{"requests":null}',
    b'{"requests":[null]}',
    b'{"requests":["a"]}',
    b'{"requests":[[{"credential":"a"}]]}',
    b'{"requests":[{"credential":"a"},]}',
    b'{"requests":[,{"credential":"a"}]}',
    b'{"requests":[{"credential":"a"}{"credential":"a"}]}',
    b'{"requests":[{"credential":"a"},null]}',
    b'{"requests":[{"credential":"a"},{}]}',
    b'{"requests":[{"credential":"a","credential":"b"}]}',
    b'{"requests":[{"credential":"a","expected_audiences":["b"]}]}',
    b'{"requests":[{"credential":"a"}],"requests":[]}',
    b'{"requests":[{"credential":"a"}],"x":1}',
    b'{"requests":[{"credential":"a"}]',
    b'{"requests":[{"credential":"a"}',
    b'{"requests":[{"credential":"a"},',
    b'{"requests":[',
    b'{"requests":[{"credential":"a"}]}x',
    b'{"requests":[{"credential":"a"}]}{}',
    b'{"Requests":[{"credential":"a"}]}',
    b'[{"requests":[{"credential":"a"}]}]',
    b'{"requests":[%b]}' % b",".join([b'{"credential":"a"}'] * 101),
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

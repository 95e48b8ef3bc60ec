"""Requests to verify as clients write them, and as they do not."""

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

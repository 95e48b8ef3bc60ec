"""What proxies, tracers and old clients send, answered by the fast path as by the application."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.processes import eventually
from tests.support.talos_server import Serve
from tests.support.verify_client import CACHED, ODD, Peer, asking, comparable, head, logged
from tests.support.verify_requests import START, request

TRACE = b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
HEADERS: dict[str, tuple[bytes, ...]] = {
    "OpenTelemetry": (TRACE, b"tracestate: a=b", b"baggage: user=1"),
    "Zipkin": (b"b3: 80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1", b"X-B3-Sampled: 1"),
    "Caddy": (
        b"User-Agent: python-requests/2.32",
        b"X-Forwarded-For: 203.0.113.9",
        b"X-Forwarded-Host: keys.example.com",
        b"X-Forwarded-Proto: https",
        b"Via: 1.1 Caddy",
        b"Accept-Encoding: gzip",
    ),
    "ingress-nginx": (
        b"X-Request-ID: 5fd4a2cbb1a2c6dd0e34b3ca2f4dcd51",
        b"X-Real-IP: 203.0.113.9",
        b"X-Forwarded-For: 203.0.113.9",
        b"X-Forwarded-Host: keys.example.com",
        b"X-Forwarded-Port: 443",
        b"X-Forwarded-Proto: https",
        b"X-Forwarded-Scheme: https",
        b"X-Scheme: https",
        b"X-Original-Forwarded-For: 198.51.100.2",
    ),
    "Envoy": (
        b"x-forwarded-proto: https",
        b"x-request-id: 6e3a8f1c-6f0c-4c43-9a4b-0f8ad63df0a2",
        b"x-envoy-expected-rq-timeout-ms: 15000",
        b"x-envoy-attempt-count: 1",
        b"x-forwarded-client-cert: By=spiffe://a/b;Hash=00;URI=spiffe://c/d",
        b"x-forwarded-host: keys.example.com",
        TRACE,
    ),
    "RFC 7239": (b"Forwarded: for=203.0.113.9;proto=https;host=keys.example.com",),
    "cache directives that change nothing": (b"Cache-Control: max-age=0", b"Pragma: private"),
    "a client that closes": (b"Connection: close",),
}
VERSIONS = (b"1.1", b"1.0")
SETTINGS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "CORS": {"serve": {"http": {"cors": {"enabled": True}}}},
    "limits": {"rate_limit": {"enabled": True}},
}


@pytest.fixture
def opened() -> Iterator[list[Peer]]:
    peers: list[Peer] = []
    yield peers
    for peer in peers:
        peer.close()


@pytest.mark.parametrize("settings", SETTINGS)
def test_what_clients_and_proxies_send_is_answered_alike(
    serve: Serve, opened: list[Peer], settings: str
) -> None:
    ours = serve(over=CACHED | SETTINGS[settings])
    stock = serve("--worker-class", "gthread", over=CACHED | SETTINGS[settings])

    def ask(port: int, data: bytes) -> bytes:
        peer = Peer(port)
        opened.append(peer)
        answer = peer.ask(data)
        if b"\r\nConnection: close\r\n" in answer:
            assert peer.socket.recv(1) == b""
        return answer

    credential = ours.issue()["secret"]
    for port in (ours.server.port, stock.server.port):
        assert b"\r\nOry-Talos-Cache: MISS\r\n" in ask(port, asking(credential))
    body = b'{"credential":"%b"}' % credential.encode()
    count = 0
    for lines in HEADERS.values():
        for version in VERSIONS:
            start = START.replace(b"1.1", version)
            count += 1
            # The first line of a request id counts.
            fast, warm, theirs = (
                ask(
                    port,
                    request(b"X-Request-Id: %b-%d" % (name, count), *more, start=start, body=body),
                )
                for port, name, more in (
                    (ours.server.port, b"fast", lines),
                    (ours.server.port, b"warm", (ODD, *lines)),
                    (stock.server.port, b"stock", lines),
                )
            )
            assert b'"is_valid":true' in fast
            assert comparable(fast) == comparable(warm) == comparable(theirs)
            assert connection_of(fast) == connection_of(warm)
    eventually(lambda: {f"warm-{n}" for n in range(1, count + 1)} <= logged(ours), "our log")
    assert not any(request_id.startswith("fast-") for request_id in logged(ours))


def connection_of(answer: bytes) -> bytes:
    """The status line, and whether the connection is kept alive."""
    status, *lines = head(answer)
    [connection] = [line for line in lines if line.startswith(b"Connection: ")]
    return status + connection


def test_a_forwarded_host_that_counts_is_left_to_the_application(
    serve: Serve, opened: list[Peer]
) -> None:
    over = CACHED | {"serve": {"http": {"trust_forwarded_host": True}}}
    talos = serve(over=over)
    peer = Peer(talos.server.port)
    opened.append(peer)
    credential = talos.issue()["secret"]
    peer.ask(asking(credential))
    for name, lines in (("fast", ()), ("slow", (b"X-Forwarded-Host: keys.example.com",))):
        answer = peer.ask(asking(credential, b"X-Request-Id: " + name.encode(), *lines))
        assert b'"is_valid":true' in answer
    eventually(lambda: "slow" in logged(talos), "the log")
    assert "fast" not in logged(talos)

"""Requests as browsers send them for pages, on a whole server (contract 16 (38), 16 (39))."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.connections import Answer, Connection
from tests.e2e.processes import eventually, say, try_get
from tests.support.talos_server import ADMIN, Serve, Talos
from tests.support.verify_client import CACHED, Peer, asking
from tests.support.verify_requests import request

EVIL = "https://evil.example.org"
IMPORT = json.dumps({"raw_key": "sk_of_the_page", "name": "n", "actor_id": "root"})
# What Chromium sends for fetch(url, {method: "POST", mode: "no-cors", body}).
NO_CORS = (
    "Connection: close",
    "sec-ch-ua-platform: Linux",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131",
    "Content-Type: text/plain;charset=UTF-8",
    "Accept: */*",
    f"Origin: {EVIL}",
    "Sec-Fetch-Site: cross-site",
    "Sec-Fetch-Mode: no-cors",
    "Sec-Fetch-Dest: empty",
    f"Referer: {EVIL}/",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: en-US,en;q=0.9",
)
# For a form with enctype="text/plain" that a page of a sandboxed frame submits.
FORM = (
    "Connection: close",
    "Cache-Control: max-age=0",
    "Upgrade-Insecure-Requests: 1",
    "Origin: null",
    "Content-Type: text/plain",
    "Accept: text/html,application/xhtml+xml,*/*;q=0.8",
    "Sec-Fetch-Site: cross-site",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-User: ?1",
    "Sec-Fetch-Dest: document",
)


@pytest.fixture(params=[(), ("--worker-class", "gthread")], ids=["ours", "gthread"])
def talos(request: pytest.FixtureRequest, serve: Serve) -> Talos:
    return serve(*request.param, over={**CACHED, "serve": {"http": {"workers": 1}}})


@pytest.fixture
def peers() -> Iterator[list[Peer]]:
    opened: list[Peer] = []
    yield opened
    for peer in opened:
        peer.close()


def send(
    talos: Talos,
    *lines: str,
    target: str = f"{ADMIN}/importedApiKeys",
    host: str | None = None,
    version: str = "1.1",
    body: str = IMPORT,
) -> bytes:
    """Send a POST on a connection of its own; ``host`` None is that of the server, "" is none."""
    host = f"127.0.0.1:{talos.server.port}" if host is None else host
    head = [f"POST {target} HTTP/{version}", *([f"Host: {host}"] if host else [])]
    if not any(line.startswith("Connection:") for line in lines):
        head.append("Connection: close")
    head += [*lines, f"Content-Length: {len(body)}", "", body]
    return say(talos.server.port, "\r\n".join(head).encode())


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def imported(talos: Talos) -> list[Any]:
    keys: list[Any] = talos.ask("GET", f"{ADMIN}/importedApiKeys")[1]["imported_api_keys"]
    return keys


def refused(answer: bytes) -> bool:
    return status(answer) == 403 and b'"FORBIDDEN"' in answer and b"PERMISSION_DENIED" in answer


def test_a_page_of_another_site_cannot_import_a_key(talos: Talos) -> None:
    for lines in (NO_CORS, FORM):
        assert refused(send(talos, *lines))
    assert not imported(talos)
    assert talos.verify("sk_of_the_page")["is_valid"] is False


HEADERS = (
    ("origin: null",),
    ("ORIGIN:https://evil.example.org",),
    ("Origin:",),
    ("Origin: \t null",),
    ("Origin: http://{own}", f"Origin: {EVIL}"),
    (f"Origin: {EVIL}", "Origin: http://{own}"),
    ("sec-fetch-site:cross-site",),
    ("Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"),
    (f"Origin: {EVIL}", "Sec-Fetch-Site: same-origin"),
    (f"Origin: {EVIL}", "X-Forwarded-Host: evil.example.org"),
    (f"Origin: {EVIL}", "X-HTTP-Method-Override: OPTIONS", "Access-Control-Request-Method: a"),
)


def test_no_spelling_of_the_headers_escapes(talos: Talos) -> None:
    own = f"127.0.0.1:{talos.server.port}"
    for lines in HEADERS:
        assert refused(send(talos, *(line.replace("{own}", own) for line in lines))), lines
    assert not imported(talos)


TARGETS = (
    "/v2alpha1//admin/importedApiKeys",
    "/v2alpha1/./admin/importedApiKeys",
    "/v2alpha1/x/../admin/importedApiKeys",
    "/x/%2e%2e/v2alpha1/admin/importedApiKeys",
    "/v2alpha1%2Fadmin%2FimportedApiKeys",
    "/v2alpha1/%61dmin/importedApiKeys",
    "/%76%32alpha1/admin/imported%41piKeys?x=/health/alive",
    "http://127.0.0.1/v2alpha1/admin/importedApiKeys",
    "HTTP://evil.example.org/v2alpha1/admin/importedApiKeys",
)


def test_no_spelling_of_the_target_escapes(talos: Talos) -> None:
    for target in TARGETS:
        assert refused(send(talos, f"Origin: {EVIL}", target=target)), target
    assert not imported(talos)


def test_old_clients_and_own_pages_are_served(talos: Talos) -> None:
    own = f"127.0.0.1:{talos.server.port}"
    for number, (version, host, lines) in enumerate(
        (
            ("1.0", "", ()),
            ("1.1", own, ()),
            ("1.0", own, (f"Origin: http://{own}",)),
            ("1.1", own, (f"Origin: http://{own}", "Sec-Fetch-Site: same-origin")),
        )
    ):
        body = IMPORT.replace("sk_of", f"sk_{number}_of")
        assert status(send(talos, *lines, version=version, host=host, body=body)) == 201
    # Without a host there is no origin of its own.
    assert refused(send(talos, f"Origin: http://{own}", version="1.0", host=""))


def head_alone(talos: Talos, head: str) -> Answer:
    """The answer to a head whose body never comes, on a connection that stays open."""
    connection = Connection(talos.server.port)
    try:
        return connection.ask(head.encode())
    finally:
        connection.close()


def test_the_answer_does_not_wait_for_the_body(talos: Talos) -> None:
    own = f"127.0.0.1:{talos.server.port}"
    start = f"POST {ADMIN}/importedApiKeys HTTP/1.1\r\nHost: {own}\r\n"
    for line in (f"Origin: {EVIL}", "Sec-Fetch-Site: cross-site"):
        for framing in ("Content-Length: 100", "Content-Length: 4194304"):
            # Nothing more is sent.
            answer = head_alone(talos, f"{start}{line}\r\n{framing}\r\n\r\n")
            assert answer.status == 403
            assert answer.body["error"]["details"][0]["reason"] == "FORBIDDEN"


def test_a_body_that_is_announced_as_too_large_is_refused_at_once(talos: Talos) -> None:
    own = f"127.0.0.1:{talos.server.port}"
    for path, limit in (
        ("/v2alpha1/apiKeys:selfRevoke", 131072),
        (f"{ADMIN}/apiKeys:verify", 131072),
        (f"{ADMIN}/issuedApiKeys/k:revoke", 131072),
        (f"{ADMIN}/apiKeys:derive", 1048576),
        (f"{ADMIN}/apiKeys:batchVerify", 1048576),
        (f"{ADMIN}/importedApiKeys:batchCreate", 4194304),
    ):
        start = f"POST {path} HTTP/1.1\r\nHost: {own}\r\nContent-Length: {limit + 1}\r\n\r\n"
        answer = head_alone(talos, start)
        assert answer.status == 400
        told = answer.body["error"]["message"]
        assert told == f"the body is larger than the limit of {limit} bytes"


def test_a_page_under_a_rebound_host_is_refused(talos: Talos) -> None:
    rebound = f"rebound.example.org:{talos.server.port}"
    answer = send(talos, f"Origin: http://{rebound}", host=rebound)
    assert refused(answer)
    assert b"serve.http.allowed_hosts" in answer
    assert not imported(talos)
    # Clients that are no browsers, as through a proxy of this machine, say nothing of a page.
    assert status(send(talos, host=rebound)) == 201


def verification(credential: str, *lines: bytes, host: bytes = b"localhost") -> bytes:
    body = b'{"credential":"%b"}' % credential.encode()
    return request(*lines, body=body, host=b"Host: " + host)


def test_memory_answers_no_page(serve: Serve, peers: list[Peer]) -> None:
    talos = serve(over={**CACHED, "serve": {"http": {"workers": 1}}})
    credential = talos.issue()["secret"]
    peers.append(peer := Peer(talos.server.port))
    for _ in range(2):
        plain = peer.ask(asking(credential))
    assert b"Ory-Talos-Cache: HIT" in plain
    for line in (b"Origin: null", b"sec-fetch-site: cross-site", b"Sec-Fetch-Site:same-site"):
        assert refused(peer.ask(verification(credential, line)))
        assert status(peer.ask(verification(credential))) == 200
    for line in (b"Origin: http://localhost", b"Sec-Fetch-Site: none"):
        assert status(peer.ask(verification(credential, line))) == 200


@pytest.mark.parametrize("arguments", [(), ("--worker-class", "gthread")], ids=["ours", "gthread"])
def test_hosts_are_judged_from_a_reload_on(
    serve: Serve, peers: list[Peer], arguments: tuple[str, ...]
) -> None:
    """Memory's answers, too, and in every worker."""
    talos = serve(*arguments, over=CACHED)
    credential = talos.issue()["secret"]
    peers += [Peer(talos.server.port) for _ in range(8)]

    def statuses(host: bytes) -> set[int]:
        return {status(peer.ask(verification(credential, host=host))) for peer in peers * 2}

    assert statuses(b"evil.example.org") == statuses(b"keys.example.com:4420") == {200}
    talos.edit({"serve": {"http": {"allowed_hosts": ["keys.example.com", "*.svc.example.com"]}}})
    eventually(lambda: statuses(b"evil.example.org") == {421}, "a reload")
    for _ in range(3):
        assert statuses(b"Keys.Example.com:4420") == {200}
        assert statuses(b"localhost") == {421}
        assert statuses(b"a.b.svc.example.com") == {200}
    refusal = peers[0].ask(verification(credential, host=b"localhost"))
    assert b'"HOST_NOT_ALLOWED"' in refusal
    for port in (talos.server.port, talos.server.metrics_port or 0):
        assert try_get(port, "/health/ready") == 200
    assert try_get(talos.server.port, "/version") == 421
    fast = peers[0].ask(verification(credential, b"X-Request-Id: fast", host=b"keys.example.com"))
    if not arguments:
        assert b"Ory-Talos-Cache: HIT" in fast
    talos.edit({"serve": {"http": {"allowed_hosts": []}}})
    eventually(lambda: statuses(b"localhost") == {200}, "another reload")


def test_an_origin_is_allowed_from_a_reload_on(serve: Serve) -> None:
    talos = serve(over={"serve": {"http": {"workers": 1}}})
    assert refused(send(talos, f"Origin: {EVIL}"))
    talos.edit({"serve": {"http": {"cors": {"enabled": True, "allowed_origins": [EVIL]}}}})
    eventually(lambda: status(send(talos, f"Origin: {EVIL}")) != 403, "a reload")
    assert len(imported(talos)) == 1
    assert refused(send(talos, f"Origin: {EVIL}.net"))

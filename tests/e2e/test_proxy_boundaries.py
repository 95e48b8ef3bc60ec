"""The boundaries in docs/deployment.md hold: what they keep out stays out, whatever it sends."""

import re
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.e2e.certificates import Authority
from tests.e2e.documented import block
from tests.e2e.processes import REPOSITORY, clean_environment
from tests.e2e.proxies import (
    SPOOFS,
    Front,
    Text,
    answered,
    documented,
    prepared,
    proxied,
    running,
    settings,
    valid,
)
from tests.support.talos_server import ADMIN, Serve

MUTUAL_TLS = block("deployment", "Mutual TLS", "nginx")
GATEWAY = block("deployment", "A gateway that authorises", "nginx")
CHECK = block("deployment", "The check that the boundary holds", "sh")
OPERATOR = "Authorization: Bearer operator"


class Authorising(BaseHTTPRequestHandler):
    """Somebody's own authority: it knows one token, and wants to know what is asked for."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        known = self.headers.get("Authorization") == OPERATOR.partition(": ")[2]
        asked = self.headers.get("X-Original-URI", "")
        good = known and asked.startswith("/") and self.path == "/check-admin"
        self.send_response(204 if good else 401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def authorising() -> Iterator[int]:
    """The port of such an authority."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Authorising) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture
def authority() -> Authority:
    return Authority()


@contextmanager
def gateway(authority: Authority, upstream: int, authorising: int) -> Iterator[int]:
    """The example with its own authority behind it."""
    changes = {"127.0.0.1:9000": f"127.0.0.1:{authorising}"}
    text = Text(GATEWAY, upstream, authority, changes)
    with running(prepared("nginx", text, underscores=True)) as process:
        yield process.port


def check(port: int, authority: Authority, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the check of the page against a proxy."""
    roots = folder / "roots.pem"
    roots.write_bytes(authority.certificate)
    environment = clean_environment(BASE=f"https://127.0.0.1:{port}", CURL_CA_BUNDLE=str(roots))
    return subprocess.run(
        ["sh", "-c", CHECK], env=environment, capture_output=True, text=True, timeout=300
    )


def refused_in_tls(front: Front) -> bool:
    """Tell whether the handshake, or whoever asks after it, is refused."""
    try:
        return b" 200 " not in front.say(
            b"GET /version HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        )
    except ssl.SSLError:
        return True


def test_mutual_tls_lets_in_who_shows_a_certificate_of_the_authority(
    serve: Serve, authority: Authority, tmp_path: Path
) -> None:
    talos = serve("admin", over=settings())
    with running(prepared("nginx", Text(MUTUAL_TLS, talos.server.port, authority))) as process:
        known = Front(process.port, authority.showing("service", tmp_path))
        here = proxied(talos, known)
        assert valid(known.verify(here.client))
        for spoof, lines in SPOOFS.items():
            assert not valid(known.verify(here.inside, *lines)), spoof
            assert not valid(known.verify(here.proxy, *lines)), spoof

        assert refused_in_tls(Front(process.port, authority.trusting()))
        stranger = authority.showing("stranger", tmp_path, Authority())
        assert refused_in_tls(Front(process.port, stranger))
        # A name is no signature.
        namesake = authority.showing("namesake", tmp_path, Authority("callers"))
        assert refused_in_tls(Front(process.port, namesake))
        assert not refused_in_tls(known)
        done = check(process.port, authority, tmp_path)
        assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("source", ["X_FORWARDED_FOR", "X_REAL_IP"])
def test_a_gateway_lets_in_whom_its_authority_knows(
    serve: Serve, authority: Authority, authorising: int, tmp_path: Path, source: str
) -> None:
    talos = serve("admin", over=settings(source))
    with gateway(authority, talos.server.port, authorising) as port:
        front = Front(port, authority.trusting())
        here = proxied(talos, front)
        assert valid(front.verify(here.client, OPERATOR))
        assert front.verify(here.client).startswith(b"HTTP/1.1 401 ")
        assert front.verify(here.client, "Authorization: Bearer other").startswith(b"HTTP/1.1 401 ")
        for spoof, lines in SPOOFS.items():
            assert not valid(front.verify(here.inside, OPERATOR, *lines)), spoof
            assert not valid(front.verify(here.proxy, OPERATOR, *lines)), spoof
            assert not answered(front.verify(here.client, *lines)), spoof
        done = check(port, authority, tmp_path)
        assert (done.returncode, done.stdout) == (0, "")


def test_the_check_finds_a_gateway_that_matches_one_path_too_few(
    serve: Serve, authority: Authority, tmp_path: Path
) -> None:
    """What authorises nothing but one spelling is reached through the others."""
    talos = serve("admin")
    hole = {
        "location /v2alpha1/admin/ {\n        auth_request /authorise;": "location / {",
        "location = /authorise {": (
            "location = /v2alpha1/admin/issuedApiKeys { return 403; }\n    location = /authorise {"
        ),
        "127.0.0.1:9000": "127.0.0.1:1",
    }
    text = Text(GATEWAY, talos.server.port, authority, hole)
    with running(prepared("nginx", text)) as process:
        done = check(process.port, authority, tmp_path)
        assert done.returncode == 1
        assert "REACHED: POST /v2alpha1/admin/apiKeys:verify" in done.stdout


def test_a_public_server_behind_a_gateway_has_nothing_to_reach(
    serve: Serve, authority: Authority, authorising: int, tmp_path: Path
) -> None:
    talos = serve("public")
    with gateway(authority, talos.server.port, authorising) as port:
        front = Front(port, authority.trusting())
        assert not answered(front.verify("x", OPERATOR))
        answer = front.say(
            f"GET {ADMIN}/issuedApiKeys HTTP/1.1\r\nHost: a\r\n{OPERATOR}\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        assert answer.startswith(b"HTTP/1.1 404 ")
        assert check(port, authority, tmp_path).returncode == 0


def test_no_example_of_a_proxy_is_left_out() -> None:
    """Whoever adds one to a page adds a test that runs it."""
    fence = re.compile(r"^```(nginx|haproxy|caddyfile)\n(.*?)^```$", re.M | re.S)
    pages = (REPOSITORY / "docs").rglob("*.md")
    examples = {text for page in pages for _, text in fence.findall(page.read_text())}
    run = {documented(name) for name in ("nginx", "haproxy", "caddy")} | {MUTUAL_TLS, GATEWAY}
    assert examples == run

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.support.cli import Run


class Probed(BaseHTTPRequestHandler):
    """Answers the readiness path as the server's attribute says."""

    def do_GET(self) -> None:
        ready = self.path == "/health/ready"
        self.send_response(getattr(self.server, "status", 200) if ready else 404)
        self.end_headers()

    def address_string(self) -> str:
        return "test"

    def log_message(self, *arguments: object) -> None:
        pass


class UnixServer(socketserver.UnixStreamServer):
    status = 200


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def _configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALOS_CREDENTIALS_ISSUER", "https://keys.test")
    monkeypatch.setenv("TALOS_SECRETS_HMAC_CURRENT", "n5K2vQ8wX1zR7tB4yL9mC3pD6sF0gHjA")


@pytest.fixture
def listener() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Probed)
    with serving(server):
        yield server


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_a_ready_server(
    talos: Run, listener: HTTPServer, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("TALOS_SERVE_METRICS_HOST", host)
    monkeypatch.setenv("TALOS_SERVE_METRICS_PORT", str(listener.server_port))
    result = talos("health")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "ready\n")


@pytest.mark.parametrize(
    ("variable", "form"),
    [
        ("TALOS_SERVE_METRICS_PORT", "{port}"),
        ("SERVE_METRICS_PORT", "{port}"),
        ("TALOS_SERVE_METRICS", '{{"port": {port}}}'),
        ("TALOS_SERVE", '{{"metrics": {{"port": {port}}}}}'),
    ],
)
def test_every_spelling_of_the_port(
    talos: Run, listener: HTTPServer, monkeypatch: pytest.MonkeyPatch, variable: str, form: str
) -> None:
    monkeypatch.setenv(variable, form.format(port=listener.server_port))
    assert talos("health").exit_code == 0


def test_the_port_of_the_file(talos: Run, listener: HTTPServer, tmp_path: Path) -> None:
    path = tmp_path / "talos.yaml"
    path.write_text(f"serve: {{metrics: {{port: {listener.server_port}}}}}\n")
    path.chmod(0o600)
    assert talos("health", "--config", str(path)).exit_code == 0


def test_proxies_have_no_say(
    talos: Run, listener: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("TALOS_SERVE_METRICS_PORT", str(listener.server_port))
    assert talos("health").exit_code == 0


def test_a_unix_socket(talos: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "metrics.sock"
    monkeypatch.setenv("TALOS_SERVE_METRICS_HOST", f"unix:{path}")
    with serving(UnixServer(str(path), Probed)):
        assert talos("health").exit_code == 0
    assert talos("health").exit_code == 1


def test_a_server_that_is_not_ready(
    talos: Run, listener: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener.status = 503  # type: ignore[attr-defined]
    monkeypatch.setenv("TALOS_SERVE_METRICS_PORT", str(listener.server_port))
    result = talos("health")
    assert result.exit_code == 1
    assert result.stderr == f"not ready: 0.0.0.0:{listener.server_port} answers 503\n"


def test_no_server(talos: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        monkeypatch.setenv("TALOS_SERVE_METRICS_PORT", str(port))
        result = talos("health")
    assert result.exit_code == 1
    assert result.stderr == f"not ready: no answer from 0.0.0.0:{port}: Connection refused\n"


def test_a_configuration_that_is_none(talos: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALOS_SERVE_METRICS_PORT", "many")
    result = talos("health")
    assert result.exit_code == 1
    assert "TALOS_SERVE_METRICS_PORT" in result.stderr


def test_without_any_configuration_it_says_what_to_give(
    talos: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TALOS_CREDENTIALS_ISSUER", "TALOS_SECRETS_HMAC_CURRENT"):
        monkeypatch.delenv(name)
    result = talos("health")
    assert result.exit_code == 1
    assert result.stderr.endswith("give the server's own --config, if it has one\n")


def test_an_endpoint_is_not_what_it_asks(talos: Run) -> None:
    result = talos("-e", "http://127.0.0.1:1", "health")
    assert result.exit_code == 1
    assert "it takes --config, not --endpoint" in result.stderr

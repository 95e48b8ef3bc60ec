"""A server behind a boundary: variables, certificates, headers, tokens, Unix sockets."""

import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from talos.config import variables
from tests.support.cli import Run
from tests.unit.cli.answers import key
from tests.unit.cli.fake_server import FakeServer, running

TOKEN = "test-token-of-a-boundary"
GET = ("keys", "issued", "get", "k1")


def test_the_endpoint_comes_from_the_environment(
    server: FakeServer, talos: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALOS_ENDPOINT", server.url)
    server.answer(key())
    assert talos(*GET).exit_code == 0
    monkeypatch.setenv("TALOS_ENDPOINT", "http://127.0.0.1:1")
    server.answer(key())
    assert talos("-e", server.url, *GET).exit_code == 0
    server.answer({"keys": []})
    monkeypatch.setenv("TALOS_ENDPOINT", server.url)
    assert talos("jwk", "get").exit_code == 0
    assert len(server.requests) == 3


def test_a_faulty_variable_is_named_and_not_shown(
    talos: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALOS_ENDPOINT", "htp://user:test-password@h")
    result = talos(*GET)
    assert result.exit_code == 1
    assert result.stderr.startswith("TALOS_ENDPOINT must start with http://")
    assert "test-password" not in result.output


def test_the_variables_are_in_the_list_and_in_the_help(talos: Run) -> None:
    shown = talos("keys", "verify", "--help").stdout
    for name in variables.COMMAND_LINE_VARIABLES:
        assert name in shown
        assert name.startswith("TALOS_")


@pytest.mark.parametrize("source", ["flag", "file", "variable"])
def test_a_token_is_sent(
    server: FakeServer, talos: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str
) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    flags: tuple[str, ...] = ()
    if source == "flag":
        flags = ("--token-file", str(file))
        monkeypatch.setenv("TALOS_TOKEN", "another-token")
    elif source == "file":
        monkeypatch.setenv("TALOS_TOKEN_FILE", str(file))
    else:
        monkeypatch.setenv("TALOS_TOKEN", TOKEN)
    server.answer(key())
    result = talos("-e", server.url, *flags, *GET)
    assert result.exit_code == 0, result.stderr
    assert server.only.headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("content", [b"", b"\n", b"two words", b"a\nb", b"\xff", b"x" * 70_000])
def test_what_is_no_token_is_refused_and_not_shown(
    server: FakeServer, ask: Run, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    result = ask("--token-file", str(file), *GET)
    assert result.exit_code == 1
    assert result.stderr.startswith("--token-file: ")
    assert content.decode(errors="replace").strip() not in result.stderr or not content.strip()
    assert server.requests == []


def test_the_header_authorization_is_set_once(
    server: FakeServer, talos: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALOS_TOKEN", TOKEN)
    with_user = server.url.replace("http://", "http://user:test-password@")
    for flags in (("-e", with_user), ("-e", server.url, "--header", "authorization: Basic x")):
        result = talos(*flags, *GET)
        assert result.exit_code == 1
        assert "both set the header Authorization" in result.stderr
        assert TOKEN not in result.output
    monkeypatch.setenv("TALOS_TOKEN_FILE", "/nowhere")
    assert "are both set" in talos("-e", server.url, *GET).stderr
    assert server.requests == []


def test_headers(
    server: FakeServer, talos: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "headers"
    file.write_text("X-Filed: 3\n\nX-Also:4\n")
    monkeypatch.setenv("TALOS_HEADERS", "X-One: env\nX-Two: env\n")
    server.answer(key())
    result = talos(
        *("-e", server.url, "--header", "x-one: flag", "keys", "--header", f"@{file}"),
        *("issued", "get", "k1", "--header", "User-Agent:  mine "),
    )
    assert result.exit_code == 0, result.stderr
    sent = {name.lower(): value for name, value in server.only.headers.items()}
    assert (sent["x-one"], sent["x-two"], sent["x-filed"], sent["x-also"]) == (
        "flag",
        "env",
        "3",
        "4",
    )
    assert sent["user-agent"] == "mine"


@pytest.mark.parametrize(
    "header",
    [
        "no-colon-test-secret",
        ": test-secret",
        "X Y: test-secret",
        "X: test-secret\r\nY: 1",
        "X: test-secret\0",
        "X: test-secret\u2028",
        "Content-Length: 5",
        "transfer-encoding: chunked",
        "@/nowhere/test-secret",
    ],
)
def test_what_is_no_header_is_refused_and_not_shown(
    server: FakeServer, ask: Run, monkeypatch: pytest.MonkeyPatch, header: str
) -> None:
    result = ask("--header", header, *GET)
    assert result.exit_code == 1
    assert result.stderr.startswith("--header: ")
    assert "test-secret" not in result.stderr
    if "\0" not in header and "\n" not in header:
        monkeypatch.setenv("TALOS_HEADERS", header)
        assert ask(*GET).stderr.startswith("TALOS_HEADERS: ")
    assert server.requests == []


def test_a_redirect_gets_no_token(server: FakeServer, ask: Run, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    with running() as other:
        server.answer(status=307, headers={"Location": other.url + "/x"})
        result = ask("--token-file", str(tmp_path / "token"), *GET)
        assert result.exit_code == 1
        assert other.requests == []
    assert len(server.requests) == 1


@pytest.mark.parametrize("where", ["body", "envelope", "location"])
def test_an_echoed_token_does_not_reach_the_terminal(
    server: FakeServer, ask: Run, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setenv("TALOS_TOKEN", TOKEN)
    monkeypatch.setenv("TALOS_HEADERS", "X-Key: test-value-of-a-header")
    echo = f"denied: {TOKEN} test-value-of-a-header"
    if where == "body":
        server.answer(echo.encode(), 502)
    elif where == "envelope":
        server.refuse(403, echo)
    else:
        server.answer(status=302, headers={"Location": f"https://h/?{echo}"})
    result = ask(*GET)
    assert result.exit_code == 1
    assert "[redacted]" in result.stderr
    assert TOKEN not in result.output
    assert "test-value-of-a-header" not in result.output


class UnixServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:  # type: ignore[override]
        request, _ = super().get_request()
        return request, ("unix", 0)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"key_id":"' + f"{self.headers['Host']}{self.path}".encode() + b'"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def test_a_unix_socket(talos: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "talos.sock"
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with serving(UnixServer(str(path), Handler)):
        result = talos("-e", f"unix:{path}", *GET, "-q")
    assert result.stdout == "localhost/v2alpha1/admin/issuedApiKeys/k1\n", result.stderr
    result = talos("-e", f"unix:{tmp_path}/none", *GET)
    assert result.stderr == (
        f"Error: get issued API key: cannot connect to unix:{tmp_path}/none: "
        "No such file or directory\n"
    )


class Certificates:
    """An authority of our own, a server's certificate for 127.0.0.1, and a client's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority_key = ec.generate_private_key(ec.SECP256R1())
        self.authority = self.signed("authority", self.authority_key, issuer=None)
        self.server = self.pair("server")
        self.client = self.pair("client")
        self.ca = self.write("ca.pem", self.authority.public_bytes(serialization.Encoding.PEM))

    def write(self, name: str, content: bytes) -> Path:
        (self.folder / name).write_bytes(content)
        return self.folder / name

    def signed(
        self, name: str, key: ec.EllipticCurvePrivateKey, issuer: x509.Certificate | None
    ) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.subject if issuer else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), True)
            .add_extension(names, False)
        )
        return builder.sign(self.authority_key, hashes.SHA256())

    def pair(self, name: str) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self.signed(name, key, self.authority)
        text = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return (
            self.write(f"{name}.pem", certificate.public_bytes(serialization.Encoding.PEM)),
            self.write(f"{name}.key", text),
        )


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


@pytest.fixture
def boundary(certificates: Certificates) -> Iterator[str]:
    """A server that wants a client certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificates.server)
    context.load_verify_locations(certificates.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    with serving(server):
        yield f"https://127.0.0.1:{server.server_port}/base"


def test_client_certificates(
    talos: Run, boundary: str, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, private_key = map(str, certificates.client)
    ca = str(certificates.ca)
    flags = ("--cacert", ca, "--cert", certificate, "--key", private_key)
    result = talos("-e", boundary, *flags, *GET, "-q")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.endswith("/base/v2alpha1/admin/issuedApiKeys/k1\n")
    monkeypatch.setenv("TALOS_CACERT", ca)
    monkeypatch.setenv("TALOS_CLIENT_CERT", certificate)
    monkeypatch.setenv("TALOS_CLIENT_KEY", private_key)
    assert talos("-e", boundary, *GET).exit_code == 0
    both = certificates.write(
        "both.pem", certificates.client[0].read_bytes() + certificates.client[1].read_bytes()
    )
    assert talos("-e", boundary, "--cert", str(both), *GET).exit_code == 0


def test_a_certificate_that_is_not_trusted(talos: Run, boundary: str) -> None:
    result = talos("-e", boundary, *GET)
    assert result.exit_code == 1
    assert "its certificate is not trusted: " in result.stderr


def test_a_missing_client_certificate(
    talos: Run, boundary: str, certificates: Certificates
) -> None:
    result = talos("-e", boundary, "--cacert", str(certificates.ca), *GET)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: get issued API key: ")


@pytest.mark.parametrize("name", ["TALOS_CACERT", "TALOS_CLIENT_CERT", "TALOS_CLIENT_KEY"])
def test_unusable_certificate_files_are_named_by_flag_and_variable(
    talos: Run,
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """The value is not shown: somebody may have put an API key into TALOS_CLIENT_KEY."""
    nothing = certificates.write("nothing.pem", b"nothing")
    monkeypatch.setenv("TALOS_CLIENT_CERT", str(certificates.client[0]))
    for value in ("test-secret-key", str(nothing), str(certificates.folder)):
        monkeypatch.setenv(name, value)
        result = talos("-e", "https://127.0.0.1:1", *GET)
        assert result.exit_code == 1
        assert result.stderr.startswith(f"{name}: ")
        assert "test-secret-key" not in result.output


def test_a_key_needs_a_certificate(talos: Run) -> None:
    result = talos("--key", "/nowhere", *GET)
    assert result.stderr.startswith("--key needs a certificate")


def test_an_encrypted_key_is_not_asked_for(talos: Run, certificates: Certificates) -> None:
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"test-password"),
    )
    file = certificates.write("encrypted.key", key)
    flags = ("--cert", str(certificates.client[0]), "--key", str(file))
    result = talos("-e", "https://127.0.0.1:1", *flags, *GET)
    assert result.exit_code == 1
    assert "is encrypted" in result.stderr

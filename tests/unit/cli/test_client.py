"""The way to the server: endpoints, time-outs, proxies, and trouble on the line."""

import gzip
import socket
import threading
from collections.abc import Callable, Iterator

import click
import pytest

from talos.cli.client import LONGEST_ANSWER, Client, TransportError
from talos.cli.endpoint import Endpoint
from talos.cli.invocation import Invocation
from tests.support.cli import Run
from tests.unit.cli.answers import key
from tests.unit.cli.fake_server import FakeServer


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("http://localhost:4420", "http://localhost:4420"),
        ("http://localhost:4420/", "http://localhost:4420"),
        ("https://keys.example.com/talos/", "https://keys.example.com/talos"),
        ("http://[::1]:4420", "http://[::1]:4420"),
        ("http://user:test-password@h/x", "http://h/x"),
        ("HTTP://Example.COM", "http://example.com"),
        ("unix:/run/talos/admin.sock", "unix:/run/talos/admin.sock"),
        ("unix:///run/talos/admin.sock", "unix:/run/talos/admin.sock"),
    ],
)
def test_endpoints(text: str, base: str) -> None:
    assert Endpoint.parse(text).base == base


@pytest.mark.parametrize(
    "text",
    ["", "localhost:4420", "//h", "ftp://h", "http://", "http://h:x", "http://h:99999", "http://[::1",
     "unix:", "unix:talos.sock", "unix://h/talos.sock", "unix:/" + "x" * 107, "http://h/\x1b[2J",
     "http://h?a=b", "http://h#f", "http://h /x", "http:// h"],
)  # fmt: skip
def test_no_endpoints(talos: Run, text: str) -> None:
    result = talos("-e", text, "keys", "issued", "get", "k1")
    assert result.exit_code == 1
    assert result.stderr.startswith("--endpoint ")


def test_a_faulty_endpoint_is_not_repeated(talos: Run) -> None:
    result = talos("-e", "htp://user:test-password@h", "keys", "verify", "c1")
    assert "test-password" not in result.output


def test_a_base_path_stands_before_the_path_of_the_api(server: FakeServer, talos: Run) -> None:
    server.answer(key())
    assert talos("-e", server.url + "/a/b/", "keys", "issued", "get", "k").exit_code == 0
    assert server.only.target == "/a/b/v2alpha1/admin/issuedApiKeys/k"


def test_a_user_in_the_endpoint_becomes_basic_authorization(server: FakeServer, talos: Run) -> None:
    server.answer(key())
    endpoint = server.url.replace("http://", "http://us%40er:test-pass%3A@")
    assert talos("-e", endpoint, "keys", "issued", "get", "k").exit_code == 0
    # printf 'us@er:test-pass:' | base64
    assert server.only.headers["Authorization"] == "Basic dXNAZXI6dGVzdC1wYXNzOg=="


@pytest.fixture
def client() -> Iterator[Callable[..., Client]]:
    """Make clients inside a running command, closed with it."""
    with click.Context(click.Command("test"), obj=Invocation()) as context:

        def make(endpoint: str, timeout_s: float = 10.0) -> Client:
            context.obj.endpoint = endpoint
            return Client(timeout_s)

        yield make


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket that takes connections and does nothing with them."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def url_of(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def answering(listener: socket.socket, content: bytes) -> threading.Thread:
    """Answer the first connection with these bytes, then close it."""

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(content)

    thread = threading.Thread(target=answer)
    thread.start()
    return thread


def refusal_of(client: Client) -> str:
    with pytest.raises(TransportError) as caught:
        client.send("GET", "/x")
    return str(caught.value)


def test_nobody_listens(client: Callable[..., Client], listener: socket.socket) -> None:
    url = url_of(listener)
    listener.close()
    assert refusal_of(client(url)) == f"cannot connect to {url}: Connection refused"


def test_no_such_host(client: Callable[..., Client], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert refusal_of(client("http://h")) == "cannot find the host of http://h"


def test_no_answer_in_time(client: Callable[..., Client], listener: socket.socket) -> None:
    url = url_of(listener)
    assert refusal_of(client(url, 0.05)) == f"no answer from {url} within 0.05 s"


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["body", "header", "chunk", "continue"],
)
def test_an_answer_that_trickles_in_ends_at_the_deadline(
    client: Callable[..., Client], listener: socket.socket, head: bytes, drop: bytes
) -> None:
    """Every byte comes in time for a single read, the whole never does."""
    done = threading.Event()

    def trickle() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            try:
                connection.sendall(head)
                while not done.wait(0.02):
                    connection.sendall(drop)
            except OSError:
                pass

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        assert refusal_of(client(url_of(listener), 0.3)).startswith("no answer from")
    finally:
        done.set()
        thread.join()


def test_an_answer_that_would_unpack_to_anything_is_refused(
    client: Callable[..., Client], server: FakeServer
) -> None:
    for coding in ("gzip", "deflate", "br, gzip", " GZIP "):
        server.answer(gzip.compress(b" " * 1_000_000), headers={"Content-Encoding": coding})
        assert "content coding" in refusal_of(client(server.url))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"this is not HTTP\r\n\r\n",
    ],
)
def test_a_broken_answer(
    client: Callable[..., Client], listener: socket.socket, content: bytes
) -> None:
    thread = answering(listener, content)
    try:
        assert refusal_of(client(url_of(listener))) == f"{url_of(listener)} broke off the exchange"
    finally:
        thread.join()


def test_a_chunked_answer(client: Callable[..., Client], listener: socket.socket) -> None:
    thread = answering(
        listener,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    )
    try:
        assert client(url_of(listener)).send("GET", "/x").body == b"abcde"
    finally:
        thread.join()


def test_plain_http_behind_an_https_endpoint(
    client: Callable[..., Client], listener: socket.socket
) -> None:
    url = url_of(listener).replace("http://", "https://")
    thread = answering(listener, b"HTTP/1.1 400 Bad Request\r\n\r\n")
    try:
        assert refusal_of(client(url)).startswith(f"no secure connection to {url}: ")
    finally:
        thread.join()


def test_an_endless_answer(client: Callable[..., Client], server: FakeServer) -> None:
    server.answer(b"x" * LONGEST_ANSWER)
    assert len(client(server.url).send("GET", "/x").body) == LONGEST_ANSWER
    server.answer(b"x" * (LONGEST_ANSWER + 1))
    assert refusal_of(client(server.url)) == "the answer is too long"


def test_calls_of_one_client_share_a_connection(
    client: Callable[..., Client], server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    connect = socket.socket.connect

    def count(self: socket.socket, address: object) -> None:
        opened.append(address)
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", count)
    one = client(server.url)
    for _ in range(3):
        server.answer({})
        one.call("ask", "GET", "/x")
    assert len(opened) == 1


def test_trouble_on_the_line_takes_the_messages_place(talos: Run) -> None:
    result = talos("-e", "http://127.0.0.1:1", "keys", "issued", "get", "k1")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == (
        "Error: get issued API key: cannot connect to http://127.0.0.1:1: Connection refused\n"
    )


def test_the_environments_proxy_is_used(
    server: FakeServer, talos: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)
    server.answer(key())
    assert talos("-e", "http://keys.test:1", "keys", "issued", "get", "k").exit_code == 0
    assert server.only.target == "http://keys.test:1/v2alpha1/admin/issuedApiKeys/k"


@pytest.mark.parametrize(
    ("no_proxy", "host"),
    [
        ("", "127.0.0.1:1"),
        ("", "localhost:1"),
        ("", "[::1]:1"),
        ("keys.test", "keys.test"),
        ("*", "h"),
    ],
)
def test_some_servers_are_reached_without_the_proxy(
    monkeypatch: pytest.MonkeyPatch, no_proxy: str, host: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.test")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert Endpoint.parse(f"http://{host}").proxy() is None
    assert Endpoint.parse("http://other.test").proxy() == (
        None if no_proxy == "*" else "http://proxy.test"
    )


def test_a_proxy_that_is_down(talos: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "127.0.0.1:1")
    result = talos("-e", "http://keys.test", "keys", "self-revoke", "test-secret-credential")
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: self-revoke API key: the proxy does not answer: Connection refused\n"
    )

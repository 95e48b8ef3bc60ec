"""Who is at the two ends of a connection (contract 16 (48))."""

import socket
from pathlib import Path

import pytest

from talos.serving.http.endpoints import endpoints_of, plain_address


def ends(listener: socket.socket, client: socket.socket, name: object) -> object:
    client.connect(name)
    connected, peer = listener.accept()
    with connected:
        return endpoints_of(connected, peer)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this host has no IPv6")
def test_ipv4_through_a_dual_stack_listener_is_ipv4() -> None:
    listener = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    with listener, socket.socket() as client:
        client.bind(("127.0.0.3", 0))
        port = listener.getsockname()[1]
        found = ends(listener, client, ("127.0.0.2", port))
        assert found.peer == client.getsockname()  # type: ignore[attr-defined]
        assert found.server == ("127.0.0.2", port)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("told", "plain"),
    [("::ffff:192.0.2.7", "192.0.2.7"), ("2001:db8::1", "2001:db8::1"), ("::1", "::1")],
)
def test_only_mapped_addresses_change(told: str, plain: str) -> None:
    assert plain_address(told) == plain


@pytest.mark.parametrize("named", [False, True])
def test_whoever_comes_over_a_unix_socket_is_unix(tmp_path: Path, named: bool) -> None:
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(str(tmp_path / "server"))
        listener.listen()
        if named:
            # A client chooses this name freely: it says nothing.
            client.bind(str(tmp_path / "192.0.2.7"))
        found = ends(listener, client, str(tmp_path / "server"))
        assert found.peer == ("unix:", 0)  # type: ignore[attr-defined]
        assert found.server == ("localhost", 80)  # type: ignore[attr-defined]

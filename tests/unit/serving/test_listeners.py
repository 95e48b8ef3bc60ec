"""Opening and inheriting listeners (contract 13.5)."""

import os
import socket
from pathlib import Path

import pytest

from talos.serving import listeners
from talos.serving.listeners import Address, ListenError, inherited_listeners, open_listeners


def port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def reachable(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=10).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("host", "reached", "not_reached"),
    [
        ("127.0.0.1", ["127.0.0.1"], ["127.0.0.2"]),
        ("localhost", ["localhost"], []),
        ("0.0.0.0", ["127.0.0.1", "127.0.0.2"], []),
        ("", ["127.0.0.1", "127.0.0.2"], []),
    ],
)
def test_hosts(host: str, reached: list[str], not_reached: list[str]) -> None:
    [listener] = open_listeners((Address("HTTP", host, 0),))
    with listener:
        assert all(reachable(name, port_of(listener)) for name in reached)
        assert not any(reachable(name, port_of(listener)) for name in not_reached)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this host has no IPv6")
@pytest.mark.parametrize("host", ["[::1]", "::1", ""])
def test_ipv6_hosts(host: str) -> None:
    [listener] = open_listeners((Address("HTTP", host, 0),))
    with listener:
        assert reachable("::1", port_of(listener))


@pytest.mark.parametrize("server", ["HTTP", "Metrics"])
def test_a_port_that_is_taken(server: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = port_of(taken)
        with pytest.raises(ListenError) as refused:
            open_listeners((Address(server, "127.0.0.1", port),))
    expected = f"{server} server error: listen tcp 127.0.0.1:{port}: Address already in use"
    assert refused.value.message == expected


def test_a_host_that_is_none() -> None:
    with pytest.raises(ListenError, match="listen tcp 192"):
        open_listeners((Address("HTTP", "192.0.2.1", 0),))
    with pytest.raises(ListenError, match="listen tcp no"):
        open_listeners((Address("HTTP", "no.such.invalid", 0),))


def test_one_that_fails_closes_the_others() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = port_of(probe)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        addresses = (
            Address("HTTP", "127.0.0.1", port),
            Address("Metrics", "127.0.0.1", port_of(taken)),
        )
        with pytest.raises(ListenError, match="Metrics server error"):
            open_listeners(addresses)
    assert not reachable("127.0.0.1", port)


@pytest.mark.parametrize(
    "environ", [{}, {"LISTEN_PID": "1", "LISTEN_FDS": "2"}, {"LISTEN_FDS": "2"}]
)
def test_nothing_is_inherited_unless_it_is_for_this_process(environ: dict[str, str]) -> None:
    assert inherited_listeners(environ) is None


@pytest.mark.parametrize("count", ["3", "1", "0", "-2", "", "two", "2.0", "\u0662"])
def test_any_number_but_two_is_refused(count: str) -> None:
    environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": count, "LISTEN_FDNAMES": "a:b:c"}
    with pytest.raises(ListenError, match="two are needed"):
        inherited_listeners(environ)
    assert environ == {}


def hand_over(monkeypatch: pytest.MonkeyPatch, *files: socket.socket | int) -> dict[str, str]:
    """Put copies of ``files`` where a service manager would, as far as this process has room."""
    first = 900
    for index, file in enumerate(files):
        os.dup2(file if isinstance(file, int) else file.fileno(), first + index)
    monkeypatch.setattr(listeners, "_FIRST_INHERITED", first)
    return {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2"}


def test_two_listeners_are_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as main,
        socket.create_server(("127.0.0.1", 0)) as metrics,
    ):
        taken = inherited_listeners(hand_over(monkeypatch, main, metrics))
        assert taken is not None
        assert [port_of(one) for one in taken] == [port_of(main), port_of(metrics)]
        for one in taken:
            one.close()


@pytest.mark.parametrize("server", ["HTTP", "Metrics"])
def test_a_unix_socket_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: str
) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as unix,
    ):
        unix.bind(str(tmp_path / "socket"))
        unix.listen()
        environ = hand_over(monkeypatch, *((unix, tcp) if server == "HTTP" else (tcp, unix)))
        with pytest.raises(ListenError, match=f"{server} server error: .* no listening TCP"):
            inherited_listeners(environ)


def test_a_socket_that_does_not_listen_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as idle, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        for files in ((idle, idle), (datagrams, datagrams)):
            with pytest.raises(ListenError, match="no listening TCP"):
                inherited_listeners(hand_over(monkeypatch, *files))


def test_what_is_no_socket_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        environ = hand_over(monkeypatch, file.fileno(), file.fileno())
        with pytest.raises(ListenError, match="HTTP server error: Socket operation"):
            inherited_listeners(environ)

"""Opening and inheriting listeners (contract 13.5)."""

import errno
import os
import re
import socket
import stat
from pathlib import Path

import pytest

from talos.serving.process import listeners
from talos.serving.process.listeners import (
    Address,
    ListenError,
    address_of,
    inherited_listeners,
    open_listeners,
    paths_of,
)
from talos.serving.process.unix_listener import remove_unix

TWO = {"HTTP": "main", "Metrics": "metrics"}
THREE = TWO | {"Admin": "admin"}


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
@pytest.mark.parametrize(
    ("host", "ipv4"), [("[::1]", False), ("::1", False), ("", True), ("0.0.0.0", True)]
)
def test_ipv6_hosts(host: str, ipv4: bool) -> None:
    [listener] = open_listeners((Address("HTTP", host, 0),))
    with listener:
        assert reachable("::1", port_of(listener))
        assert reachable("127.0.0.1", port_of(listener)) is ipv4


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this host has no IPv6")
@pytest.mark.parametrize("host", ["[::]", "::"])
def test_every_address_of_ipv6_is_every_address(host: str) -> None:
    [listener] = open_listeners((Address("HTTP", host, 0),))
    with listener:
        assert all(reachable(name, port_of(listener)) for name in ("127.0.0.1", "::1"))
        assert address_of(listener) == f"[::]:{port_of(listener)}"


@pytest.mark.parametrize("host", ["", "0.0.0.0", "[::]"])
@pytest.mark.parametrize("number", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
def test_without_ipv6_every_address_is_every_one_of_ipv4(
    monkeypatch: pytest.MonkeyPatch, host: str, number: int
) -> None:
    class WithoutIpv6(socket.socket):
        """A socket of a system where IPv6 is turned off."""

        def __init__(self, family: int = -1, *more: int, **named: int) -> None:
            if family == socket.AF_INET6:
                raise OSError(number, os.strerror(number))
            super().__init__(family, *more, **named)

    monkeypatch.setattr(listeners.socket, "socket", WithoutIpv6)
    [listener] = open_listeners((Address("HTTP", host, 0),))
    monkeypatch.undo()
    with listener:
        assert address_of(listener) == f"0.0.0.0:{port_of(listener)}"
        assert reachable("127.0.0.2", port_of(listener))


def test_a_port_that_only_one_family_has_taken_is_taken() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(ListenError, match=r"listen tcp 0\.0\.0\.0:"),
    ):
        open_listeners((Address("HTTP", "0.0.0.0", port_of(taken)),))


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
    assert inherited_listeners(environ, TWO) is None


@pytest.mark.parametrize("count", ["3", "1", "0", "-2", "", "two", "2.0", "\u0662"])
def test_any_number_but_two_is_refused(count: str) -> None:
    environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": count, "LISTEN_FDNAMES": "a:b:c"}
    needed = "two are needed: the main listener, then the metrics listener"
    with pytest.raises(ListenError, match=f"^LISTEN_FDS is {re.escape(repr(count))}; {needed}$"):
        inherited_listeners(environ, TWO)
    assert environ == {}


def hand_over(monkeypatch: pytest.MonkeyPatch, *files: socket.socket | int) -> dict[str, str]:
    """Put copies of ``files`` where a service manager would, as far as this process has room."""
    first = 900
    for index, file in enumerate(files):
        os.dup2(file if isinstance(file, int) else file.fileno(), first + index)
    monkeypatch.setattr(listeners, "_FIRST_INHERITED", first)
    return {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(files))}


def test_two_listeners_are_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as main,
        socket.create_server(("127.0.0.1", 0)) as metrics,
    ):
        taken = inherited_listeners(hand_over(monkeypatch, main, metrics), TWO)
        assert taken is not None
        assert [port_of(one) for one in taken] == [port_of(main), port_of(metrics)]
        for one in taken:
            one.close()


def test_three_listeners_are_taken_over_where_three_are_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = [socket.create_server(("127.0.0.1", 0)) for _ in THREE]
    taken = inherited_listeners(hand_over(monkeypatch, *given), THREE)
    assert taken is not None
    assert [port_of(one) for one in taken] == [port_of(one) for one in given]
    needed = (
        "three are needed: the main listener, then the metrics listener, then the admin listener"
    )
    with pytest.raises(ListenError, match=f"^LISTEN_FDS is '2'; {needed}$"):
        inherited_listeners(hand_over(monkeypatch, *given[:2]), THREE)
    for one in (*taken, *given):
        one.close()


def test_unix_sockets_are_taken_over_and_their_files_stay(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "socket"
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as unix,
    ):
        unix.bind(str(path))
        unix.listen()
        taken = inherited_listeners(hand_over(monkeypatch, unix, tcp), TWO)
        assert taken is not None
        assert address_of(taken[0]) == f"unix:{path}"
        for one in taken:
            one.close()
    assert path.is_socket()


@pytest.mark.parametrize("server", ["HTTP", "Metrics"])
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_SEQPACKET])
def test_a_unix_socket_that_no_mode_guards_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: str, kind: int
) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX, kind) as unix,
    ):
        abstract = kind == socket.SOCK_STREAM
        unix.bind("\0talos-" + os.urandom(8).hex() if abstract else str(tmp_path / "socket"))
        unix.listen()
        environ = hand_over(monkeypatch, *((unix, tcp) if server == "HTTP" else (tcp, unix)))
        with pytest.raises(ListenError, match=f"{server} server error: .* no listening TCP"):
            inherited_listeners(environ, TWO)


def test_a_socket_that_does_not_listen_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as idle, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        for files in ((idle, idle), (datagrams, datagrams)):
            with pytest.raises(ListenError, match="no listening TCP"):
                inherited_listeners(hand_over(monkeypatch, *files), TWO)


def test_what_is_no_socket_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        environ = hand_over(monkeypatch, file.fileno(), file.fileno())
        with pytest.raises(ListenError, match="HTTP server error: Socket operation"):
            inherited_listeners(environ, TWO)


def unix(path: Path, mode: int = 0o660) -> Address:
    return Address("HTTP", f"unix:{path}", 0, mode)


def open_one(address: Address) -> socket.socket:
    [listener] = open_listeners((address,))
    return listener


def connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
def test_a_unix_socket_has_its_mode_whatever_the_umask_is(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "socket"
    before = os.umask(0)
    try:
        with open_one(unix(path, mode)) as listener:
            assert stat.S_IMODE(path.stat().st_mode) == mode
            assert connects(path)
            assert address_of(listener) == f"unix:{path}"
    finally:
        assert os.umask(before) == 0


def test_a_unix_socket_that_nobody_listens_on_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    open_one(unix(path)).close()
    assert path.is_socket()
    with open_one(unix(path)):
        assert connects(path)


@pytest.mark.parametrize("full", [False, True])
def test_a_unix_socket_that_is_in_use_is_left_alone(tmp_path: Path, full: bool) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as waiting:
        first.bind(str(path))
        first.listen(0)
        if full:
            waiting.connect(str(path))
        with pytest.raises(ListenError) as refused:
            open_one(unix(path))
        expected = f"HTTP server error: listen unix {path}: Address already in use"
        assert refused.value.message == expected
        assert path.is_socket()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("kept")
    with pytest.raises(ListenError, match="no socket"):
        open_one(unix(path))
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(ListenError, match="no socket"):
        open_one(unix(link))
    assert path.read_text() == "kept"


@pytest.mark.parametrize("path", [Path("/nowhere/socket"), Path("/tmp/" + "a" * 200)])
def test_a_path_that_cannot_be_is_named(path: Path) -> None:
    with pytest.raises(ListenError, match=f"listen unix {path}: [A-Z]"):
        open_one(unix(path))


def test_the_file_is_removed_unless_another_server_has_replaced_it(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with open_one(unix(path)) as first:
        [name] = paths_of([first])
    with open_one(unix(path)):
        remove_unix(name)
        assert connects(path)
    remove_unix(name)
    assert not path.exists()
    remove_unix(name)


def test_a_listener_that_fails_takes_the_file_of_the_other_with_it(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(ListenError, match="Metrics server error"),
    ):
        open_listeners((unix(path), Address("Metrics", "127.0.0.1", port_of(taken))))
    assert not path.exists()

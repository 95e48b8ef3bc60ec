"""Listeners, opened before anything is forked (contract 1.1, 13.5), or inherited.

A service manager that opens the listeners itself and hands them over (systemd's socket activation)
keeps them across a restart: clients that come in between wait instead of being refused.
"""

import errno
import os
import socket
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Final

from talos.errors import TalosError
from talos.serving.process.unix_listener import open_unix, remove_unix

_BACKLOG: Final = 2048
_FIRST_INHERITED = 3
_EVERY_HOST: Final = frozenset({"", "0.0.0.0", "::", "[::]"})  # noqa: S104  (asked for)
_UNIX: Final = "unix:"
_NO_IPV6: Final = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT})
_NUMBERS: Final = {2: "two", 3: "three", 4: "four"}


class ListenError(TalosError):
    """A listener could not be opened. The message is the one of contract 13.5."""

    reason = "listen"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens.

    ``host`` is as configured: ``""``, ``0.0.0.0`` and ``[::]`` are every address of both families,
    ``unix:/path`` is a Unix socket (contract 16 (48)), which has no port but a mode.
    """

    server: str
    """As the error message names it: ``HTTP`` or ``Metrics``."""
    host: str
    port: int
    socket_mode: int = 0o660

    @property
    def path(self) -> str | None:
        """Where the Unix socket is, None for another address."""
        return self.host.removeprefix(_UNIX) if self.host.startswith(_UNIX) else None

    def __str__(self) -> str:
        """Print as ``host:port``, or ``unix:/path``."""
        return f"{self.host}:{self.port}" if self.path is None else self.host


def open_listeners(addresses: tuple[Address, ...]) -> tuple[socket.socket, ...]:
    """Bind every address and listen.

    Raises ``ListenError`` when one cannot be bound; the others are closed again.
    """
    opened: list[socket.socket] = []
    try:
        for address in addresses:
            opened.append(_open(address))
    except OSError as error:
        paths = paths_of(opened)
        _close(opened)
        for path in paths:
            remove_unix(path)
        failed = addresses[len(opened)]
        cause = error.strerror or str(error)
        network, name = ("tcp", str(failed)) if failed.path is None else ("unix", failed.path)
        raise ListenError(
            f"{failed.server} server error: listen {network} {name}: {cause}"
        ) from error
    return tuple(opened)


def paths_of(listeners: Iterable[socket.socket]) -> tuple[str, ...]:
    """Return the paths of those that are Unix sockets, for ``remove_unix`` once they are closed."""
    return tuple(
        listener.getsockname() for listener in listeners if listener.family == socket.AF_UNIX
    )


def inherited_listeners(
    environ: MutableMapping[str, str], roles: Mapping[str, str]
) -> tuple[socket.socket, ...] | None:
    """Return the listeners that the service manager handed over, None when there are none.

    ``roles`` are those of the listeners that are needed, in order, by the names of their servers.
    What ``environ`` says of them is taken out, so that nobody else takes them. Raises
    ``ListenError`` for any other number, and for one that is no listening TCP or Unix socket.
    """
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    count = environ.get("LISTEN_FDS", "0")
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        environ.pop(name, None)
    if count != str(len(roles)):
        number = _NUMBERS.get(len(roles), len(roles))
        needed = ", then ".join(f"the {role} listener" for role in roles.values())
        raise ListenError(f"LISTEN_FDS is {count!r}; {number} are needed: {needed}")
    inherited: list[socket.socket] = []
    try:
        for descriptor, server in enumerate(roles, _FIRST_INHERITED):
            inherited.append(socket.socket(fileno=descriptor))
            _require_listener(inherited[-1], server)
    except OSError as error:
        _close(inherited)
        raise ListenError(f"{server} server error: {error.strerror}") from error
    except ListenError:
        _close(inherited)
        raise
    return tuple(inherited)


def address_of(listener: socket.socket) -> str:
    """Return where a listener listens, as it is printed: ``host:port`` or ``unix:/path``."""
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return f"{_UNIX}{name}"
    host = f"[{name[0]}]" if listener.family == socket.AF_INET6 else name[0]
    return f"{host}:{name[1]}"


def _require_listener(listener: socket.socket, server: str) -> None:
    """Refuse what takes no connections, or takes them from anybody on this machine.

    A Unix socket without a file has no mode that could keep others out.
    """
    known = listener.family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
    stream = known and listener.type == socket.SOCK_STREAM
    filed = listener.family != socket.AF_UNIX or isinstance(listener.getsockname(), str)
    if not (stream and filed and listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)):
        raise ListenError(
            f"{server} server error: what was handed over is no listening TCP or Unix socket"
        )


def _close(listeners: list[socket.socket]) -> None:
    for listener in listeners:
        listener.close()


def _open(address: Address) -> socket.socket:
    if address.path is not None:
        return open_unix(address.path, address.socket_mode, _BACKLOG)
    if address.host not in _EVERY_HOST:
        return _open_tcp(address.host.strip("[]"), address.port, dual_stack=False)
    try:
        return _open_tcp("::", address.port, dual_stack=True)
    except OSError as error:
        if error.errno not in _NO_IPV6:
            raise
        return _open_tcp("0.0.0.0", address.port, dual_stack=False)  # noqa: S104  (asked for)


def _open_tcp(host: str, port: int, *, dual_stack: bool) -> socket.socket:
    """Open one listener; ``dual_stack`` takes IPv4 beside IPv6."""
    family, kind, protocol, _, name = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual_stack)
        listener.bind(name)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener

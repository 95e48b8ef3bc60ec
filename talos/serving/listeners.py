"""The two listeners, opened before anything is forked (contract 1.1, 13.5), or inherited.

A service manager that opens the listeners itself and hands them over (systemd's socket activation)
keeps them across a restart: clients that come in between wait instead of being refused.
"""

import os
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass

from talos.errors import TalosError

_BACKLOG = 2048
_FIRST_INHERITED = 3
SERVERS = ("HTTP", "Metrics")
"""What listens, in the order of the listeners, as the messages of contract 13.5 name it."""


class ListenError(TalosError):
    """A listener could not be opened. The message is the one of contract 13.5."""

    reason = "listen"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens. ``host`` is as configured: ``""`` is every address."""

    server: str
    """``HTTP`` or ``Metrics``, as the error message names it."""
    host: str
    port: int

    def __str__(self) -> str:
        """Print as ``host:port``."""
        return f"{self.host}:{self.port}"


def open_listeners(addresses: tuple[Address, ...]) -> tuple[socket.socket, ...]:
    """Bind every address and listen.

    Raises ``ListenError`` when one cannot be bound; the others are closed again.
    """
    opened: list[socket.socket] = []
    try:
        for address in addresses:
            opened.append(_open(address))
    except OSError as error:
        _close(opened)
        failed = addresses[len(opened)]
        cause = error.strerror or os.strerror(error.errno or 0)
        raise ListenError(f"{failed.server} server error: listen tcp {failed}: {cause}") from error
    return tuple(opened)


def inherited_listeners(environ: MutableMapping[str, str]) -> tuple[socket.socket, ...] | None:
    """Return the listeners that the service manager handed over, None when there are none.

    What ``environ`` says of them is taken out, so that nobody else takes them. Raises
    ``ListenError`` for any number but two, the main listener, then the metrics listener, and for
    one that is no listening TCP socket.
    """
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    count = environ.get("LISTEN_FDS", "0")
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        environ.pop(name, None)
    if count != str(len(SERVERS)):
        raise ListenError(
            f"LISTEN_FDS is {count!r}; two are needed: the main listener, then the metrics listener"
        )
    inherited: list[socket.socket] = []
    try:
        for descriptor, server in enumerate(SERVERS, _FIRST_INHERITED):
            inherited.append(socket.socket(fileno=descriptor))
            _require_tcp(inherited[-1], server)
    except OSError as error:
        _close(inherited)
        raise ListenError(f"{server} server error: {error.strerror}") from error
    except ListenError:
        _close(inherited)
        raise
    return tuple(inherited)


def _require_tcp(listener: socket.socket, server: str) -> None:
    """Refuse any other socket: callers are known by their addresses."""
    tcp = listener.family in (socket.AF_INET, socket.AF_INET6)
    if not (tcp and listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)):
        raise ListenError(f"{server} server error: what was handed over is no listening TCP socket")


def _close(listeners: list[socket.socket]) -> None:
    for listener in listeners:
        listener.close()


def _open(address: Address) -> socket.socket:
    """Open one listener; an empty host takes IPv4 and IPv6 alike where the system has both."""
    dual_stack = address.host == "" and socket.has_dualstack_ipv6()
    host = "::" if dual_stack else address.host.strip("[]") or "0.0.0.0"  # noqa: S104  (asked for)
    family, kind, protocol, _, name = socket.getaddrinfo(
        host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
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

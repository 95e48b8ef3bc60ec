"""The two endpoints of a connection, by name: TCP of both families, and Unix sockets."""

import socket
from dataclasses import dataclass
from typing import Any, Final

from talos.domain.addresses import UNIX_PEER

_MAPPED_IPV4: Final = "::ffff:"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The two endpoints of a connection, as host and port.

    Over a Unix socket the peer is ``UNIX_PEER`` with port 0, which becomes ``REMOTE_ADDR``
    ``unix:`` in the environ, and the server is ``localhost`` with port 80 (contract 16 (48)): a
    WSGI environ has to name some host, and this one is the reader's own.
    """

    peer: tuple[str, int]
    server: tuple[str, int]


_UNIX_ENDPOINTS: Final = Endpoints((UNIX_PEER, 0), ("localhost", 80))


def endpoints_of(connected: socket.socket, peer: Any) -> Endpoints:
    """Return the endpoints of an accepted connection; ``peer`` is what ``accept`` said of it."""
    if connected.family == socket.AF_UNIX:
        return _UNIX_ENDPOINTS
    host, port = connected.getsockname()[:2]
    return Endpoints((plain_address(peer[0]), peer[1]), (plain_address(host), port))


def plain_address(host: str) -> str:
    """Print an IPv4 address that a dual-stack listener tells of as the IPv4 address it is."""
    mapped = host[len(_MAPPED_IPV4) :]
    return mapped if host.startswith(_MAPPED_IPV4) and "." in mapped else host

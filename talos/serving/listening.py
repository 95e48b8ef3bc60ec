"""What the event loop knows of a listener and of each client that came through it."""

import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from talos.serving.connection import Connection

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


@dataclass(slots=True, eq=False)
class Listening:
    """One listener of one worker. ``idle`` is in the order in which clients became idle."""

    socket: socket.socket
    application: "WSGIApplication"
    threads: ThreadPoolExecutor
    capacity: int
    """Most clients at once."""
    clients: int = 0
    accepting: bool = False
    idle: "dict[Client, None]" = field(default_factory=dict)

    @property
    def has_room(self) -> bool:
        """Whether another client may come."""
        return self.clients < self.capacity


@dataclass(slots=True, eq=False)
class Client:
    """One connected client: its socket, the state of its connection, and where it came in."""

    socket: socket.socket
    connection: Connection
    home: Listening
    interest: int = 0
    """The selector's mask that its socket is registered with, 0 when it is not."""
    granted_bytes: int = 0
    """Room for a large body that it was granted."""
    closed: bool = False

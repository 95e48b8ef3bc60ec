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
    """One listener of one worker."""

    socket: socket.socket
    application: "WSGIApplication"
    threads: ThreadPoolExecutor
    capacity: int
    """Most clients at once."""
    clients: int = 0
    accepting: bool = False
    exhausted: bool = False
    """The last attempt to accept failed, for want of descriptors most likely."""
    asking_nothing: "dict[Client, None]" = field(default_factory=dict)
    """Clients whose next request has not come, or not to the end of its head; who has asked nothing
    for longest is the first.
    """

    @property
    def welcoming(self) -> bool:
        """Whether another client may come: there is room, or somebody who can make room."""
        return not self.exhausted and (self.clients < self.capacity or bool(self.asking_nothing))


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

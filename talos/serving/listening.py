"""What the event loop knows of a listener, and of who came in through it."""

import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from talos._core import HotDesk
from talos.serving.threads import Crew

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from talos.serving.protocol import Client


@dataclass(slots=True, eq=False)
class Listening:
    """One listener of one worker."""

    socket: socket.socket
    application: "WSGIApplication"
    crew: Crew
    desk: HotDesk
    capacity: int
    """Most clients at once."""
    clients: int = 0
    accepting: bool = False
    yielding: bool = False
    """The next client is left to another worker for a moment."""
    exhausted: bool = False
    """The last attempt to accept failed, for want of descriptors most likely."""
    asking_nothing: "dict[Client, None]" = field(default_factory=dict)
    """Clients whose next request has not come, or not to the end of its head; who has asked nothing
    for longest is the first, those apart that were served at once since they were put here.
    """

    @property
    def welcoming(self) -> bool:
        """Whether another client may come: there is room, or somebody who can make room."""
        if self.exhausted or self.yielding:
            return False
        return self.clients < self.capacity or bool(self.asking_nothing)

    def longest_silent(self) -> "Client":
        """Return who has asked nothing for longest, of those who ask nothing; there has to be one.

        An answer from memory leaves no more than a mark on its client. Whoever has one is put
        behind the others here.
        """
        while True:
            client = next(iter(self.asking_nothing))
            if not client.served:
                return client
            self.renew(client)

    def renew(self, client: "Client") -> None:
        """Put a client that was served at once where it belongs, and take its mark away."""
        client.rest()
        self.asking_nothing.pop(client, None)
        self.asking_nothing[client] = None

"""What a connection needs of the handler of its requests. ``exchange.WsgiHandler`` is one."""

from collections.abc import Callable
from typing import Protocol

from talos.serving.http.endpoints import Endpoints
from talos.serving.http.response import Response


class RequestHandler(Protocol):
    """Answers requests whose framing was accepted, each as a whole."""

    def body_limit(self, head: bytes, endpoints: Endpoints) -> int:
        """Return how many bytes of its body are worth reading; on the event loop's thread.

        Raises ``FramingError`` for a head that is no request.
        """
        ...

    def handle(
        self,
        head: bytes,
        body: bytearray | None,
        endpoints: Endpoints,
        *,
        length_bytes: int,
        must_close: Callable[[], bool],
    ) -> Response:
        """Return the answer to one request; on a thread of its listener. Never raises.

        ``body`` is None when the request announced none. ``length_bytes`` is the body's length,
        of which no more than ``body_limit`` may be there. ``must_close`` is asked as late as
        possible whether the answer shall be the connection's last.
        """
        ...

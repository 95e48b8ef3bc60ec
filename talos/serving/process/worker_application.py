"""What a worker needs to know of the applications it serves."""

import logging
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from talos._core import FastPathContext
from talos.serving.http.exchange import WsgiHandler
from talos.serving.http.listener import Listener
from talos.serving.process.options import ListenerOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

    from talos._core import FastPath


_log = logging.getLogger(__name__)


class WorkerApplication(Protocol):
    """The applications of one worker process, with everything that stands behind them."""

    @property
    def applications(self) -> "tuple[WSGIApplication, ...]":
        """One application for each listener, in the order of the listeners."""
        ...

    @property
    def body_limit(self) -> "Callable[[WSGIEnvironment], int]":
        """Tells of a request to the first listener how many bytes of its body are worth reading.

        It is given the environ without the body. The application has to refuse a larger body by its
        ``CONTENT_LENGTH``, since it is given less of it. 0: the request is refused whatever it is.
        """
        ...

    @property
    def fast_path(self) -> "FastPath | None":
        """What answers requests of the first listener on the fast path, if anything does."""
        ...

    @property
    def configuration_revision(self) -> memoryview | None:
        """The word that changes when the configuration does; None where it never does."""
        ...

    @property
    def configure_fast_path(self) -> "Callable[[], None]":
        """Brings ``fast_path`` in line with the configuration in force; it may not fail."""
        ...

    def close(self) -> None:
        """Finish what runs in the background and give every resource back."""
        ...


def listeners_of(
    application: WorkerApplication,
    sockets: Sequence[socket.socket],
    options: Sequence[ListenerOptions],
) -> list[Listener]:
    """Return what a worker serves: application, socket and options of each listener, in order."""
    return [
        Listener(
            name=each.name,
            socket=listening,
            handler=WsgiHandler(wsgi, application.body_limit),
            threads=each.threads,
            capacity=each.capacity,
            fast_path=_fast_path(application) if each.fast_path else FastPathContext(),
            takes_bodies=each.takes_bodies,
            bounds_peers=each.bounds_peers,
        )
        for each, listening, wsgi in zip(options, sockets, application.applications, strict=True)
    ]


def _fast_path(application: WorkerApplication) -> FastPathContext:
    path = application.fast_path
    if path is None:
        return FastPathContext()

    def configure() -> None:
        try:
            application.configure_fast_path()
        except Exception:
            # Slow is right; fast under settings that are no longer in force is not.
            path.disable()
            _log.exception("the fast path cannot be configured")

    return FastPathContext(path, configure=configure, revision=application.configuration_revision)

"""What a worker needs to know of the applications it serves."""

import logging
import socket
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from talos._core import FastPathContext
from talos.http.served import ServedApplication
from talos.serving.http.exchange import WsgiHandler
from talos.serving.http.listener import Listener
from talos.serving.process.options import ListenerOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from talos._core import FastPath


_log = logging.getLogger(__name__)


class WorkerApplication(Protocol):
    """The applications of one worker process, with everything they use."""

    @property
    def applications(self) -> Mapping[str, ServedApplication]:
        """The applications by their names; see ``ListenerOptions.application``."""
        ...

    @property
    def fast_path(self) -> "FastPath | None":
        """What answers requests on the fast path, of the listeners that have one."""
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
    """Return what a worker serves: what each socket is for, by the options of the same place."""
    return [
        Listener(
            name=each.name,
            socket=listening,
            handler=_handler(application.applications[each.application]),
            threads=each.threads,
            capacity=each.capacity,
            fast_path=_fast_path(application) if each.fast_path else FastPathContext(),
            takes_bodies=each.takes_bodies,
            bounds_peers=each.bounds_peers,
        )
        for each, listening in zip(options, sockets, strict=True)
    ]


def _handler(served: ServedApplication) -> WsgiHandler:
    return WsgiHandler(served.wsgi, served.body_limit)


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

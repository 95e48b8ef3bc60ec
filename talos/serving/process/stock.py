"""gunicorn's own workers under the master of ``talos serve``, by ``--worker-class``.

They serve the same applications, on the same listeners, with what the workers share: the cache and
the counts of the rate limits. What is theirs to do is done their way: deadlines, what is refused,
and how a request is read (docs/deployment.md).
"""

import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from gunicorn.workers import gthread, sync

from talos.serving.http.endpoints import endpoints_of, plain_address
from talos.serving.process.options import ListenerOptions
from talos.serving.process.worker import Master, SignalledWorker
from talos.serving.process.worker_application import WorkerApplication

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class StockApplication:
    """The applications of a site as one: the listener that a request came through decides."""

    def __init__(
        self,
        site: WorkerApplication,
        listeners: Iterable[socket.socket],
        options: Iterable[ListenerOptions],
    ) -> None:
        """Serve the applications of ``site``; ``options`` are of ``listeners``, in their order."""
        served = [site.applications[each.application].wsgi for each in options]
        self._applications = {
            _came_through(listener.family, listener.getsockname()): application
            for listener, application in zip(listeners, served, strict=True)
        }
        self.close = site.close

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer a request."""
        connected: socket.socket = environ["gunicorn.socket"]
        if connected.family == socket.AF_UNIX:
            # Here gunicorn names the server by what the request says in Host.
            through = _came_through(connected.family, connected.getsockname())
            endpoints = endpoints_of(connected, "")
            environ["SERVER_NAME"], environ["SERVER_PORT"] = (
                endpoints.server[0],
                str(endpoints.server[1]),
            )
            environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = (
                endpoints.peer[0],
                str(endpoints.peer[1]),
            )
        else:
            # Here it takes both from the listener, never from the request.
            server = (environ["SERVER_NAME"], environ["SERVER_PORT"])
            through = _came_through(connected.family, server)
            environ["SERVER_NAME"] = plain_address(environ["SERVER_NAME"])
            environ["REMOTE_ADDR"] = plain_address(environ["REMOTE_ADDR"])
        return self._applications[through](environ, start_response)


def _came_through(family: int, name: Any) -> str:
    """Return the name of a listener in log lines: its path, or its host and port."""
    return str(name) if family == socket.AF_UNIX else f"{name[0]} {name[1]}"


class _StockWorker(SignalledWorker):
    """Builds its site after the fork, and gives it back at the end."""

    def load_wsgi(self) -> None:
        """Build the site."""
        super().load_wsgi()
        site = cast("WorkerApplication", self.wsgi)
        options = cast("Master", self.app).options.listeners
        self.wsgi = StockApplication(site, self.sockets, options)  # type: ignore[assignment]  # its environ is a dict

    def run(self) -> None:
        """Serve until told to end."""
        try:
            super().run()
        finally:
            cast("StockApplication", self.wsgi).close()


class SyncWorker(_StockWorker, sync.SyncWorker):
    """gunicorn's ``sync``: the whole process for one client at a time."""


class ThreadWorker(_StockWorker, gthread.ThreadWorker):
    """gunicorn's ``gthread``: a thread for each request, and for each slow client."""

"""gunicorn's own workers under the master of ``talos serve``, for who wants these.

They serve the same applications, on both listeners, with what the workers share: the cache and the
counts of the rate limits. What is theirs to do is done their way: deadlines, what is refused, and
how a request is read (docs/deployment.md).
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from gunicorn.workers import gthread, sync

from talos.serving.site import Site
from talos.serving.worker import SignalledWorker

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class StockSite:
    """The applications of a site as one: the listener that a request came through decides."""

    def __init__(self, site: Site, listeners: Iterable[tuple[str, int]]) -> None:
        """Serve the applications of ``site`` on listeners with these addresses, in their order."""
        self._applications = {
            (host, str(port)): application
            for (host, port), application in zip(listeners, site.applications, strict=True)
        }
        self.close = site.close

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer a request."""
        # gunicorn takes both from the listener, never from the request.
        came_through = (environ["SERVER_NAME"], environ["SERVER_PORT"])
        return self._applications[came_through](environ, start_response)


class _StockWorker(SignalledWorker):
    """Builds its site after the fork, and gives it back at the end."""

    def load_wsgi(self) -> None:
        """Build the site."""
        super().load_wsgi()
        site = cast("Site", self.wsgi)
        addresses = [listener.getsockname()[:2] for listener in self.sockets]
        self.wsgi = StockSite(site, addresses)  # type: ignore[assignment]  # its environ is a dict

    def run(self) -> None:
        """Serve until told to end."""
        try:
            super().run()
        finally:
            cast("StockSite", self.wsgi).close()


class SyncWorker(_StockWorker, sync.SyncWorker):
    """gunicorn's ``sync``: the whole process for one client at a time."""


class ThreadWorker(_StockWorker, gthread.ThreadWorker):
    """gunicorn's ``gthread``: a thread for each request, and for each slow client."""

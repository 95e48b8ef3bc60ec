"""The surfaces for a stock gunicorn, or any other WSGI server: factories without arguments.

::

    TALOS_CONFIG=talos.yaml gunicorn 'talos.serving.wsgi:public()' --bind 0.0.0.0:4420 --threads 16

``TALOS_CONFIG`` names the configuration file; without it the environment alone counts. What this
package's own server adds (deadlines for slow clients, strictness beyond gunicorn's, the second
listener, the drain) is then up to the server and what stands before it: see docs/deployment.md.
"""

import atexit
import logging
import os
import socket
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from talos import bootstrap
from talos.bootstrap import Assembly, Shared
from talos.config.loading import load
from talos.config.reload import ConfigSource
from talos.domain.addresses import UNIX_PEER
from talos.errors import ConfigurationError
from talos.http.surfaces import Surface
from talos.serving.start import prepare

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_CONFIG_VARIABLE: Final = "TALOS_CONFIG"

_log = logging.getLogger(__name__)


def all_in_one() -> "WSGIApplication":
    """Return both surfaces. Raises what ``talos serve`` would end with."""
    return _Surface(Surface.ALL)


def admin() -> "WSGIApplication":
    """Return the admin surface, which trusts every caller. Raises as ``all_in_one`` does."""
    return _Surface(Surface.ADMIN)


def public() -> "WSGIApplication":
    """Return the public surface. Raises as ``all_in_one`` does."""
    return _Surface(Surface.PUBLIC)


class _Surface:
    """A surface that is built by the first request of each process.

    A server may call the factory before it forks (gunicorn's ``--preload``): threads and
    connections made by then would not survive. Most call it in every process instead, and whether
    all of them come from one cannot be known from here: so nothing is cached. Calls are counted all
    the same, by those processes together that come from the one the factory ran in: a limit that
    several keep apart is looser than it says, and still a limit.
    """

    def __init__(self, surface: Surface) -> None:
        self._surface = surface
        self._made_in = os.getpid()
        try:
            config = load(os.environ.get(_CONFIG_VARIABLE), os.environ)
            self._shared = Shared(
                limits=bootstrap.share_limits(config), health=bootstrap.share_health(config)
            )
        except ConfigurationError as error:
            _log.critical("\n".join([error.message, *error.faults]))
            raise
        self._source = ConfigSource(config, os.environ)
        prepare(surface, self._source)
        self._building = threading.Lock()
        self._assembly: Assembly | None = None

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        connected: socket.socket | None = environ.get("gunicorn.socket")
        if connected is not None and connected.family == socket.AF_UNIX:
            # gunicorn says what the client has bound its socket to, which may read as an address.
            environ["REMOTE_ADDR"] = UNIX_PEER
        assembly = self._assembly or self._build()
        return assembly.main(environ, start_response)

    def _build(self) -> Assembly:
        with self._building:
            if self._assembly is None:
                self._warn_of_limits_of_its_own()
                self._assembly = bootstrap.build(self._surface, self._source, self._shared)
                atexit.register(self._assembly.close)
            return self._assembly

    def _warn_of_limits_of_its_own(self) -> None:
        enforced = self._source.current().tenant.rate_limit_enabled
        counted = self._surface is not Surface.PUBLIC and self._shared.limits is not None
        if enforced and counted and os.getpid() == self._made_in:
            _log.warning(
                "rate limits are counted in this process alone: where several serve, each lets the "
                "whole quota pass; talos serve and gunicorn's --preload count them together"
            )

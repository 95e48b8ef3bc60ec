"""Pages of other sites may not use the admin routes through somebody's browser (contract 16 (38)).

Nothing authenticates an administrator but the place that a request comes from, and a browser sends
requests from there for any page that it shows. It says so: in ``Origin``, or in ``Sec-Fetch-Site``
where it sends no origin. Other clients send neither.

Against DNS rebinding, where the page has a host that was made to resolve to this server, the origin
is the request's own. So a listener that only the machine itself reaches, of which such pages are
after, wants a host that is known to be its own (contract 16 (39)).
"""

from collections.abc import Mapping
from typing import Any, Final

import falcon

from talos.domain.addresses import UNIX_PEER
from talos.domain.hosts import Authority, Origin, is_loopback
from talos.errors import Forbidden
from talos.http.middleware.cors import allows_origin, is_preflight
from talos.http.paths import ADMIN
from talos.http.request import Request, host
from talos.http.target import clean_path
from talos.services.tenant import HttpSettings

_ELSEWHERE: Final = frozenset({"cross-site", "same-site"})
_FOREIGN: Final = (
    "a page of another site may not use the admin API through a browser; with "
    "serve.http.cors.enabled, the origins of serve.http.cors.allowed_origins may"
)
_REBOUND: Final = (
    "a page may not use the admin API of this listener under a host that is not known to be "
    "its own; serve.http.allowed_hosts lists the hosts that are"
)


class CrossOriginProtection:
    """Refuses before the body is read."""

    @staticmethod
    def fast_path_obstacle(_settings: HttpSettings) -> str | None:
        """The fast path leaves alone what has ``Origin`` or ``Sec-Fetch-Site``."""
        return None

    def process_request(self, req: Request, _resp: falcon.Response) -> None:
        """Apply ``check``."""
        check(req)


def check(req: Request) -> None:
    """Raise ``Forbidden`` where a page of another site asks for something below the admin prefix.

    Preflights pass, since they ask for nothing yet; so do links that lead to a page.
    """
    origin: str | None = req.env.get("HTTP_ORIGIN")
    site: str | None = req.env.get("HTTP_SEC_FETCH_SITE")
    if (origin is None and site is None) or is_preflight(req) or not _is_admin_path(req):
        return
    from_elsewhere = site is not None and _says_elsewhere(site)
    if origin is None:
        if from_elsewhere and not _is_navigation(req):
            raise Forbidden(_FOREIGN)
        return
    settings = req.context.settings
    if not _is_own(origin, host(req), from_elsewhere=from_elsewhere) and not (
        settings.cors_enabled and allows_origin(settings, origin)
    ):
        raise Forbidden(_FOREIGN)
    if settings.allowed_hosts is None and _came_from_this_machine(req.env):
        named = Authority.parse(req.env.get("HTTP_HOST", ""))
        if named is None or not is_loopback(named.host):
            raise Forbidden(_REBOUND)


def _is_admin_path(req: Request) -> bool:
    return clean_path(req.env["PATH_INFO"]).startswith(f"{ADMIN}/")


def _says_elsewhere(site: str) -> bool:
    # A server may have joined several lines: one that says so is enough.
    return not _ELSEWHERE.isdisjoint(part.strip(" \t") for part in site.lower().split(","))


def _is_navigation(req: Request) -> bool:
    return req.method in ("GET", "HEAD") and req.env.get("HTTP_SEC_FETCH_MODE") == "navigate"


def _is_own(origin: str, host: str, *, from_elsewhere: bool) -> bool:
    """Return whether a page of ``origin`` came from ``host``. The scheme may be a proxy's."""
    page, own = Origin.parse(origin), Authority.parse(host)
    if page is None or own is None or page.host != own.host:
        return False
    if own.port is not None:
        return page.port == own.port
    # A proxy has dropped the port, or it is the scheme's own: of a browser that tells, it is known.
    return page.named_port is None or not from_elsewhere


def _came_from_this_machine(environ: Mapping[str, Any]) -> bool:
    """Return whether the connection came in through loopback or a Unix socket.

    What a WSGI server says of a Unix socket differs: no peer (gunicorn), or ``unix:``.
    """
    peer: str = environ.get("REMOTE_ADDR") or UNIX_PEER
    name: str = environ.get("SERVER_NAME") or ""
    return peer.startswith(UNIX_PEER) or name.startswith(UNIX_PEER) or is_loopback(name)

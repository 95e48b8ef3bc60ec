"""``serve.http.allowed_hosts``: requests under any other host are refused (contract 16 (39)).

The ``Host`` header itself is judged, never what a proxy says of it: a page that reached this server
by DNS rebinding can set every header but that one.
"""

import falcon

from talos.errors import HostNotAllowed
from talos.http.health import is_health_path
from talos.http.request import Request
from talos.services.tenant import HttpSettings


class AllowedHostsOnly:
    """Refuses before anything is done for the request, preflights included."""

    @staticmethod
    def fast_path_obstacle(_settings: HttpSettings) -> str | None:
        """The fast path judges the host by the same list."""
        return None

    def process_request(self, req: Request, _resp: falcon.Response) -> None:
        """Apply ``check``."""
        check(req)


def check(req: Request) -> None:
    """Raise ``HostNotAllowed`` for a host that is not listed, on every path but those of health."""
    hosts = req.context.settings.allowed_hosts
    if hosts is None or is_health_path(req.path):
        return
    if not hosts.allow(req.env.get("HTTP_HOST", "")):
        raise HostNotAllowed

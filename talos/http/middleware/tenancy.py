"""Finding the tenant that a request belongs to, before anything is routed (contract 2.2, 9)."""

import falcon

from talos.http.health import is_health_path
from talos.http.request import Request, host
from talos.services.tenant import HttpSettings


class Tenancy:
    """Fails closed: an unknown host is 404 on every path but those of health."""

    @staticmethod
    def fast_path_obstacle(_settings: HttpSettings) -> str | None:
        """The fast path answers for the networks that it is configured for."""
        return None

    def process_request(self, req: Request, _resp: falcon.Response) -> None:
        """Ask the request's directory. Raises ``NotFound`` for an unknown host."""
        if not is_health_path(req.path):
            req.context.tenant = req.context.directory.resolve(host(req))

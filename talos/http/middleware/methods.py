"""No method but those that a resource has: not even OPTIONS (contract 1.2, 2.1)."""

from typing import Any

import falcon

from talos.errors import NotFound
from talos.http.request import Request
from talos.services.tenant import HttpSettings


class NoImpliedOptions:
    """Takes back the OPTIONS responder that Falcon gives to every resource."""

    @staticmethod
    def fast_path_obstacle(_settings: HttpSettings) -> str | None:
        """The fast path answers no method but POST."""
        return None

    def process_resource(
        self, req: Request, _resp: falcon.Response, _resource: object, _params: dict[str, Any]
    ) -> None:
        """Raise ``NotFound`` for OPTIONS."""
        if req.method == "OPTIONS":
            raise NotFound("Method Not Allowed")

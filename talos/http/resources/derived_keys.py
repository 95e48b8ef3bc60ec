"""The public keys that derived JWTs are verified with (contract 1.4)."""

import falcon

from talos.errors import InternalError
from talos.http.dependencies import HttpDependencies
from talos.http.request import Request
from talos.http.responses import ok
from talos.http.wire import GetJwksResponse, JsonWebKeySet


class JwksResource:
    """``/derivedKeys/jwks.json``."""

    def __init__(self, _deps: HttpDependencies) -> None:
        """Show what the tenant has."""

    def on_get(self, req: Request, resp: falcon.Response) -> None:
        """Show the key set. Raises ``InternalError`` where no signing key is configured."""
        signing_keys = req.context.tenant.credentials.signing_keys
        if signing_keys.empty:
            raise InternalError("list signing keys")
        ok(resp, GetJwksResponse(JsonWebKeySet(signing_keys.public_jwks())))

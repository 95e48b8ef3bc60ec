"""A main port's Falcon application: the middleware in its order, the operations of the surface."""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import falcon
from falcon.routing import CompiledRouter

from talos.errors import TalosError
from talos.http import bypass
from talos.http.body_limits import SMALL_BYTES, limit_bytes
from talos.http.dependencies import HttpDependencies
from talos.http.errors import ErrorHandlers
from talos.http.middleware import allowed_hosts, cross_origin
from talos.http.middleware.access_log import AccessLog, log_error
from talos.http.middleware.allowed_hosts import AllowedHostsOnly
from talos.http.middleware.clean_path import CleanPath
from talos.http.middleware.cors import Cors
from talos.http.middleware.cross_origin import CrossOriginProtection
from talos.http.middleware.methods import NoImpliedOptions
from talos.http.middleware.request_id import RequestId
from talos.http.middleware.security_headers import SecurityHeaders
from talos.http.middleware.tenancy import Tenancy
from talos.http.operation import Operation
from talos.http.request import Request
from talos.http.routes import add_routes
from talos.http.target import has_malformed_escape
from talos.services.tenant import DirectorySource, HttpSettings

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_MALFORMED: Final = b"400 Bad Request: malformed escape in the path\n"


INNER_MIDDLEWARE: tuple[type, ...] = (
    RequestId,
    SecurityHeaders,
    AllowedHostsOnly,
    Cors,
    CrossOriginProtection,
    Tenancy,
    CleanPath,
    NoImpliedOptions,
)
"""What every request passes behind the access log, outermost first."""


class Application(falcon.App[Request, falcon.Response]):
    """Falcon's application behind a door that low-level errors do not pass."""

    def __init__(self, directories: DirectorySource, middleware: list[Any]) -> None:
        """Answer without routes; ``directories`` is read where no request is answered yet."""
        self._directories = directories
        self._routes = CompiledRouter()
        super().__init__(request_type=Request, router=self._routes)
        self.add_middleware(middleware)

    def body_limit(self, env: "WSGIEnvironment") -> int:
        """Return how many bytes of its body are worth reading before a request is answered.

        ``env`` is that of the request without the body. The application itself reads no more, and
        none of a body that is refused for its head: then this is 0 (contract 16 (38) to (40)).
        """
        req = Request(env, options=self.req_options)
        req.context.settings = self._directories.current().http
        try:
            allowed_hosts.check(req)
            cross_origin.check(req)
        except TalosError:
            return 0
        path = env["PATH_INFO"]
        if self._routes.find(path) is None:
            return SMALL_BYTES
        return limit_bytes(req.method, path)

    def __call__(self, env: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a request; a malformed escape in its path is none of the API's (2.1)."""
        if has_malformed_escape(env):
            headers = [
                ("Content-Type", "text/plain; charset=utf-8"),
                ("Content-Length", str(len(_MALFORMED))),
            ]
            start_response("400 Bad Request", headers)
            return [_MALFORMED]
        if env["REQUEST_METHOD"] == "WEBSOCKET":
            # Falcon's name for something that is no method. Like any other unknown method it
            # shall pass the middleware.
            env["REQUEST_METHOD"] = "websocket"
        method = env["REQUEST_METHOD"]

        def start_spelt(
            status: str, headers: list[tuple[str, str]], exc_info: "OptExcInfo | None" = None
        ) -> Callable[[bytes], object]:
            if status == falcon.HTTP_307 and method != "GET":
                # It has no body, and Falcon gives every answer but 204 and 304 a type (2.1).
                headers = [header for header in headers if header[0] != "content-type"]
            spelt = [(_spelling(name), value) for name, value in headers]
            return start_response(status, spelt, exc_info)

        return super().__call__(env, start_spelt)


def fast_path_obstacles(settings: HttpSettings) -> list[str]:
    """Return in words why verifications may not pass the middleware by; empty where they may."""
    return list(bypass.obstacles((AccessLog, *INNER_MIDDLEWARE), settings))


@cache
def _spelling(name: str) -> str:
    """Spell a header's name as the reference's library does, where Falcon folds it to lower case.

    Names are case-insensitive on the wire, but not in the SDK's own mapping of an answer's headers.
    """
    return "-".join(part.capitalize() for part in name.split("-"))


def create(deps: HttpDependencies, operations: Sequence[Operation]) -> Application:
    """Build the application of a surface from the operations that it has."""
    app = Application(
        deps.directories,
        middleware=[
            AccessLog(deps.directories, deps.on_answered),
            *(part() for part in INNER_MIDDLEWARE),
        ],
    )
    ErrorHandlers(log_error).register(app)
    add_routes(app, operations, deps)
    return app

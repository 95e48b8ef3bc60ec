"""The metrics port: health, and plain text for everything else (contract 1.3).

No request id, no security headers, no CORS, no tenant and no request log.
"""

from http import HTTPStatus
from typing import Any, Final

import falcon

from talos.errors import NotFound
from talos.http import paths
from talos.http.dependencies import HttpDependencies
from talos.http.health import AliveResource, ReadyResource
from talos.http.request import LOGGER, Request
from talos.http.routes import add_for_any_method

_NOT_FOUND: Final = b"404 page not found\n"
_BROKEN: Final = b"500 internal server error\n"


def create_app(deps: HttpDependencies) -> falcon.App[Request, falcon.Response]:
    """Build the application that every mode serves on its metrics port."""
    app = falcon.App(request_type=Request)
    app.add_error_handler(Exception, _on_unexpected)
    app.add_error_handler(falcon.HTTPError, _on_not_found)
    app.add_error_handler(NotFound, _on_not_found)
    add_for_any_method(app, paths.ALIVE, AliveResource(deps).on_any)
    add_for_any_method(app, paths.READY, ReadyResource(deps, reveals_cause=False).on_any)
    return app


def _on_not_found(
    _req: Request, resp: falcon.Response, _error: Exception, _params: dict[str, Any]
) -> None:
    _answer(resp, HTTPStatus.NOT_FOUND, _NOT_FOUND)


def _on_unexpected(
    _req: Request, resp: falcon.Response, error: Exception, _params: dict[str, Any]
) -> None:
    LOGGER.error("unhandled exception on the metrics port", exc_info=error)
    _answer(resp, HTTPStatus.INTERNAL_SERVER_ERROR, _BROKEN)


def _answer(resp: falcon.Response, status: HTTPStatus, body: bytes) -> None:
    resp.status = status
    resp.content_type = "text/plain; charset=utf-8"
    resp.data = body

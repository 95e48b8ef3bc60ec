"""Which paths a surface has (contract 1.2, 1.3). What is not added here is not there."""

import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import falcon

from talos.errors import NotFound
from talos.http.dependencies import HttpDependencies
from talos.http.health import ALIVE_PATH, READY_PATH, Health
from talos.http.request import Request
from talos.http.resources import imported_api_keys, issued_api_keys
from talos.http.resources.about import Version
from talos.http.resources.api_keys import (
    ApiKeyResource,
    BatchVerifyResource,
    DeriveResource,
    SelfRevokeResource,
    VerifyResource,
)
from talos.http.resources.derived_keys import JwksResource
from talos.http.resources.imported_api_keys import (
    ImportedApiKeyBatchResource,
    ImportedApiKeyResource,
    ImportedApiKeysResource,
)
from talos.http.resources.issued_api_keys import IssuedApiKeyResource, IssuedApiKeysResource
from talos.http.target import has_escaped_slash

App: TypeAlias = "falcon.App[Request, falcon.Response]"
Sink: TypeAlias = Callable[[Request, falcon.Response], None]

ROOT: Final = "/v2alpha1"
ADMIN: Final = f"{ROOT}/admin"


def add_admin_routes(app: App, deps: HttpDependencies) -> None:
    """Add the operations of administrators, who may do anything."""
    services = deps.services
    app.add_route(issued_api_keys.PATH, IssuedApiKeysResource(services))
    app.add_route(f"{issued_api_keys.PATH}/{{key_id}}", IssuedApiKeyResource(services))
    app.add_route(imported_api_keys.PATH, ImportedApiKeysResource(services))
    app.add_route(f"{imported_api_keys.PATH}:batchCreate", ImportedApiKeyBatchResource(services))
    app.add_route(f"{imported_api_keys.PATH}/{{key_id}}", ImportedApiKeyResource(services))
    app.add_route(f"{ADMIN}/apiKeys:verify", VerifyResource(services, deps.clock))
    app.add_route(f"{ADMIN}/apiKeys:batchVerify", BatchVerifyResource(services))
    app.add_route(f"{ADMIN}/apiKeys:derive", DeriveResource(services))
    app.add_route(f"{ADMIN}/apiKeys/{{key_id}}", ApiKeyResource(services))


def add_self_service_routes(app: App, deps: HttpDependencies) -> None:
    """Add what the holder of a credential may do with nothing but the credential."""
    app.add_route(f"{ROOT}/apiKeys:selfRevoke", SelfRevokeResource(deps.services))


def add_common_routes(app: App, deps: HttpDependencies) -> None:
    """Add what every main port has."""
    app.add_route(f"{ROOT}/derivedKeys/jwks.json", JwksResource())
    add_health(app, Health(deps.database, deps.ending, reveals_cause=True))
    _add_for_any_method(app, "/version", Version(deps.build).show)


def add_health(app: App, health: Health) -> None:
    """Add the two health paths."""
    _add_for_any_method(app, ALIVE_PATH, health.alive)
    _add_for_any_method(app, READY_PATH, health.ready)


def _add_for_any_method(app: App, path: str, respond: Sink) -> None:
    """Add a path that is matched by itself alone, and not when it is spelt with ``%2F`` (2.1)."""

    def sink(req: Request, resp: falcon.Response, **_params: Any) -> None:
        if has_escaped_slash(req.env):
            raise NotFound
        respond(req, resp)

    app.add_sink(sink, re.compile(re.escape(path) + r"\Z"))

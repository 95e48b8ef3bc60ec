"""Adds operations to an application. What is not added here is not there (contract 2.1)."""

import re
from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any, TypeAlias

import falcon

from talos.errors import NotFound
from talos.http.dependencies import HttpDependencies
from talos.http.operation import Operation
from talos.http.request import Request
from talos.http.target import has_escaped_slash
from talos.http.verbs import split_verb

App: TypeAlias = "falcon.App[Request, falcon.Response]"
Responder: TypeAlias = Callable[..., None]


def add_routes(app: App, operations: Iterable[Operation], deps: HttpDependencies) -> None:
    """Add ``operations``, and nothing else.

    Raises ``AttributeError`` for one whose resource has no responder for it.
    """
    resources: dict[Callable[[HttpDependencies], object], object] = {}
    routes: dict[str, SimpleNamespace] = {}
    verbs: dict[tuple[str, str], dict[str, Responder]] = {}
    for operation in operations:
        if operation.resource not in resources:
            resources[operation.resource] = operation.resource(deps)
        responder: Responder = getattr(resources[operation.resource], operation.responder)
        if operation.any_method:
            add_for_any_method(app, operation.path, responder)
            continue
        if operation.verb:
            of_method = verbs.setdefault((operation.route, operation.method), {})
            of_method[operation.verb] = responder
            responder = _by_verb(of_method)
        route = routes.setdefault(operation.route, SimpleNamespace())
        setattr(route, f"on_{operation.method}", responder)
    for path, route in routes.items():
        app.add_route(path, route)


def add_for_any_method(app: App, path: str, respond: Responder) -> None:
    """Add a path that is matched by itself alone, and not when it is spelt with ``%2F`` (2.1)."""

    def sink(req: Request, resp: falcon.Response, **_params: Any) -> None:
        if has_escaped_slash(req.env):
            raise NotFound
        respond(req, resp)

    app.add_sink(sink, re.compile(re.escape(path) + r"\Z"))


def _by_verb(responders: Mapping[str, Responder]) -> Responder:
    """Return what answers with the responder of the verb that stands behind the id."""

    def respond(req: Request, resp: falcon.Response, key_id: str) -> None:
        key_id, responder = split_verb(key_id, responders)
        responder(req, resp, key_id)

    return respond

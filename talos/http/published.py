"""The description of the API as each surface publishes it: of nothing that it does not serve.

``/openapi.json`` is for programs, ``/v2alpha1/admin/docs`` is the same for people. The page is made
when the application is, so that it needs no script and fetches nothing.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from typing import Any, Final

import falcon

from talos.http.dependencies import HttpDependencies
from talos.http.docs_page import render
from talos.http.operations import (
    ADMIN_TAG,
    DESCRIPTION_PATH,
    DOCS_PATH,
    OPERATIONS,
    SELF_REVOKE_ID,
    Operation,
)
from talos.http.request import Request
from talos.http.routes import App

_FILE: Final = resources.files("talos.http").joinpath("openapi.json")
_REFERENCE: Final = "#/components/"


class _Text:
    """A text that never changes."""

    def __init__(self, text: str, media_type: str) -> None:
        self._data = text.encode()
        self._media_type = media_type

    def on_get(self, _req: Request, resp: falcon.Response) -> None:
        """Send it."""
        resp.content_type = self._media_type
        resp.data = self._data


def add_description(app: App, _deps: HttpDependencies) -> None:
    """Publish the description of every operation, and the page."""
    _add(app, _described(lambda _operation: True), page=True)


def add_admin_description(app: App, _deps: HttpDependencies) -> None:
    """Publish the description of what the admin surface has, and the page."""
    _add(app, _described(lambda operation: operation.id != SELF_REVOKE_ID), page=True)


def add_public_description(app: App, _deps: HttpDependencies) -> None:
    """Publish the description of what the public surface has."""
    _add(app, _described(lambda operation: operation.tag != ADMIN_TAG), page=False)


def _add(app: App, document: dict[str, Any], *, page: bool) -> None:
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    app.add_route(DESCRIPTION_PATH, _Text(text, falcon.MEDIA_JSON))
    if page:
        app.add_route(DOCS_PATH, _Text(render(document), "text/html; charset=utf-8"))


def _described(kept: Callable[[Operation], bool]) -> dict[str, Any]:
    """Return the document with those operations alone, and the components that they refer to."""
    whole = json.loads(_FILE.read_text("utf-8"))
    paths: dict[str, dict[str, Any]] = {}
    for operation in filter(kept, OPERATIONS):
        described = whole["paths"][operation.path][operation.method]
        paths.setdefault(operation.path, {})[operation.method] = described
    tags = {tag for path in paths.values() for method in path.values() for tag in method["tags"]}
    used = _reached(paths, whole["components"])
    return {
        **whole,
        "tags": [tag for tag in whole["tags"] if tag["name"] in tags],
        "paths": paths,
        "components": {
            kind: {name: body for name, body in bodies.items() if (kind, name) in used}
            for kind, bodies in whole["components"].items()
        },
    }


def _reached(paths: Mapping[str, Any], components: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return kind and name of every component that ``paths`` refers to, at however many removes."""
    reached: set[tuple[str, str]] = set()
    waiting = list(_references(paths))
    while waiting:
        kind, name = found = waiting.pop()
        if found not in reached:
            reached.add(found)
            waiting.extend(_references(components[kind][name]))
    return reached


def _references(node: Any) -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        reference = node.get("$ref")
        if isinstance(reference, str):
            kind, _, name = reference.removeprefix(_REFERENCE).partition("/")
            yield kind, name
        for child in node.values():
            yield from _references(child)
    elif isinstance(node, list):
        for child in node:
            yield from _references(child)

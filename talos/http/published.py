"""The description of the API as each surface publishes it: of nothing that it does not serve."""

import json
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from typing import Any, Final

from talos.http.operation import Operation

_FILE: Final = resources.files("talos.http").joinpath("openapi.json")
_REFERENCE: Final = "#/components/"


def published(operations: Iterable[Operation]) -> dict[str, Any]:
    """Return the OpenAPI document of those operations alone, with the components they refer to."""
    whole = json.loads(_FILE.read_text("utf-8"))
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
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

"""The JSON Schema of the configuration, read as the one truth about every setting.

``schema.json`` beside this module says what a setting is called, what it may hold, what it holds by
default, when an edit takes effect and what it means. Everything else is derived from it: the
environment variables, the validation, the texts of faults, and the settings page of the docs.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""The place of a value: names of mappings, positions in lists."""

Node: TypeAlias = Mapping[str, Any]
"""A part of the schema."""

ENV_PREFIX: Final = "TALOS_"

_JSON_TYPES: Final = {
    "string": "text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "object": "a mapping",
    "array": "a list",
}


@cache
def document() -> Node:
    """Return the schema itself, for validators and for ``talos config schema``."""
    text = files("talos.config").joinpath("schema.json").read_text(encoding="utf-8")
    schema: Node = json.loads(text)
    return schema


def resolve(node: Node) -> Node:
    """Return ``node`` with what its ``$ref`` names laid under it."""
    reference = node.get("$ref")
    if reference is None:
        return node
    definition = document()["$defs"][reference.removeprefix("#/$defs/")]
    return {**definition, **{name: value for name, value in node.items() if name != "$ref"}}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: a leaf of the schema. Lists are leaves; their items have no name of their own.

    ``path`` is dotted, ``hot`` tells whether an edit takes effect without a restart, ``immutable``
    whether an edit is refused while the server runs (contract 8.4).
    """

    path: str
    node: Node
    hot: bool
    secret: bool
    immutable: bool

    @property
    def parts(self) -> tuple[str, ...]:
        """The path, taken apart."""
        return tuple(self.path.split("."))

    @property
    def variable(self) -> str:
        """The environment variable, in its prefixed form."""
        return env_name(self.parts)

    @property
    def retirement(self) -> bool:
        """Whether this is a list of retired values (contract 5.7)."""
        return bool(self.node.get("x-retirement"))


@cache
def settings() -> Mapping[str, Setting]:
    """Return every setting by its dotted path, in the order of the schema."""
    return {
        ".".join(parts): Setting(
            path=".".join(parts),
            node=node,
            hot=node["x-reload"] == "hot",
            secret=bool(node.get("x-secret")),
            immutable=bool(node.get("x-immutable")),
        )
        for parts, node in walk()
        if node.get("type") != "object"
    }


@cache
def sections() -> Mapping[str, Node]:
    """Return every section, the root apart, by its dotted path."""
    return {".".join(parts): node for parts, node in walk() if node.get("type") == "object"}


def walk(
    node: Node | None = None, above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Node]]:
    """Yield every section and setting below ``node``, sections before what they hold."""
    for name, child in (document() if node is None else node)["properties"].items():
        parts = (*above, name)
        resolved = resolve(child)
        yield parts, resolved
        if resolved.get("type") == "object":
            yield from walk(resolved, parts)


def defaults() -> dict[str, Any]:
    """Return a fresh tree of the fixed defaults; settings without one are absent."""
    tree: dict[str, Any] = {}
    for parts, node in walk():
        if node.get("type") == "object":
            put(tree, parts, {})
        elif "default" in node:
            default = node["default"]
            put(tree, parts, list(default) if isinstance(default, list) else default)
    return tree


def put(tree: dict[str, Any], parts: tuple[str, ...], value: object) -> None:
    """Set the value at ``parts``, making the mappings on the way."""
    for name in parts[:-1]:
        tree = tree.setdefault(name, {})
    tree[parts[-1]] = value


def at(path: Path) -> Node | None:
    """Return the part of the schema that describes ``path``, or None where it knows no such."""
    node: Node = document()
    for step in path:
        children = node.get("properties", {})
        child = node.get("items") if isinstance(step, int) else children.get(step)
        if child is None:
            return None
        node = resolve(child)
    return node


def is_secret(path: Path) -> bool:
    """Return whether what stands at ``path`` or above it must never be printed."""
    return any((at(path[:length]) or {}).get("x-secret") for length in range(1, len(path) + 1))


def env_name(path: Path) -> str:
    """Return the prefixed environment variable of a path."""
    return ENV_PREFIX + "_".join(str(step) for step in path).upper()


def dotted(path: Path) -> str:
    """Print a path: ``secrets.hmac.retired[0].value``; the root is ``(root)``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".") or "(root)"


def expectation(node: Node) -> str:
    """Say in words what a value must be."""
    if "x-expected" in node:
        return str(node["x-expected"])
    if "x-duration" in node:
        above_zero = " above zero" if node["x-duration"].get("positive") else ""
        return f"a duration{above_zero} such as 30s, 5m or 1h30m (at most 292 years)"
    if "enum" in node:
        return "one of " + ", ".join(str(value) for value in node["enum"])
    match node["type"]:
        case "string":
            return _text(node)
        case "integer" | "number":
            return _number(node)
        case "array":
            return _list(node)
        case kind:
            return _JSON_TYPES[kind]


def _text(node: Node) -> str:
    shortest = node.get("minLength", 0)
    if shortest > 1:
        return f"a string of at least {shortest} characters"
    return "a non-empty string" if shortest else "a string"


def _number(node: Node) -> str:
    kind = _JSON_TYPES[node["type"]]
    low, high = node.get("minimum"), node.get("maximum")
    if low is not None and high is not None:
        return f"{kind} from {low} to {high}"
    return f"{kind} of at least {low}" if low is not None else kind


def _list(node: Node) -> str:
    unique = " without repetition" if node.get("uniqueItems") else ""
    item = resolve(node["items"])
    filled = "a list with at least one item" if node.get("minItems") else "a list"
    return f"{filled}{unique}, each item {expectation(item)}"

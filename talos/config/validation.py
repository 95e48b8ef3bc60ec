"""Checks a merged configuration against the schema, all faults at once (contract 8.2)."""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Final, cast

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from talos.config import retired, schema
from talos.config.faults import Fault, shown_value, unknown_key
from talos.config.schema import Node, Path
from talos.domain.durations import MAX_DURATION_NS, parse_config_duration
from talos.domain.proxies import TrustedProxies

_MOST_UNKNOWN_KEYS: Final = 100

VariableOf = Callable[[Path], str | None]
"""Names the environment variable that a value came from."""


def faults_of(tree: Mapping[str, Any], variable_of: VariableOf) -> list[Fault]:
    """Return every fault of the merged ``tree``, defaults included.

    ``variable_of`` tells which variable set a path, if one did; a path that no variable set is
    reported with the variable that could set it.
    """
    reporter = _Reporter(tree, variable_of)
    errors = _validator().iter_errors(tree)
    return [fault for error in errors for fault in reporter.faults(error)]


def duration_ns(text: str, rules: Mapping[str, Any]) -> int:
    """Return a duration of the configuration in ns, by the rules of its ``x-duration``.

    Raises ValueError for text that is no duration, too long, or 0 where it must be above.
    """
    if rules.get("bare_nanoseconds") and text.isascii() and text.isdigit():
        significant = text.lstrip("0") or "0"
        value_ns = int(significant[:20])
        if value_ns > MAX_DURATION_NS:
            raise ValueError("is longer than a duration can be")
    else:
        value_ns = parse_config_duration(text)
    if rules.get("positive") and value_ns == 0:
        raise ValueError("must be above zero")
    return value_ns


def variable_for(path: Path, variable_of: VariableOf) -> str | None:
    """Name the variable that set the path, or the one that could; sections have none."""
    source = variable_of(path)
    if source is not None:
        return source
    names = tuple(step for step in path if isinstance(step, str))
    for length in range(len(names), 0, -1):
        setting = schema.settings().get(".".join(names[:length]))
        if setting is not None:
            return setting.variable
    return None


@cache
def _validator() -> Any:
    keywords = {"pattern": _pattern, "x-duration": _duration, "x-peer": _peer}
    kind = cast(Any, extend)(Draft202012Validator, keywords)
    return kind(schema.document())


def _pattern(_: Any, pattern: str, value: object, __: Node) -> Iterator[ValidationError]:
    """Match as JSON Schema means it: ``$`` is the end, not the place before a final newline."""
    if isinstance(value, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), value):
        yield ValidationError("pattern")


def _duration(
    _: Any, rules: Mapping[str, Any], value: object, __: Node
) -> Iterator[ValidationError]:
    if isinstance(value, str):
        try:
            duration_ns(value, rules)
        except ValueError:
            yield ValidationError("x-duration")


def _peer(_: Any, __: object, value: object, ___: Node) -> Iterator[ValidationError]:
    if isinstance(value, str):
        try:
            TrustedProxies([value])
        except ValueError:
            yield ValidationError("x-peer")


class _Reporter:
    """Turns what the validator finds in one tree into faults that people can act on."""

    def __init__(self, tree: Mapping[str, Any], variable_of: VariableOf) -> None:
        self._tree = tree
        self._variable_of = variable_of

    def faults(self, error: ValidationError) -> Iterator[Fault]:
        path: Path = tuple(error.absolute_path)
        instance: Any = error.instance
        match error.validator:
            case "additionalProperties":
                known = (schema.at(path) or {}).get("properties", {})
                unknown = [name for name in instance if name not in known]
                # For each of them a near name is looked for among all settings.
                yield from (unknown_key(path, name) for name in unknown[:_MOST_UNKNOWN_KEYS])
            case _ if self._in_skipped_entry(path):
                return
            case "required":
                required: Any = error.validator_value
                for name in required:
                    if name not in instance:
                        yield from self._missing((*path, name))
            case _:
                yield self._wrong(path, error)

    def _in_skipped_entry(self, path: Path) -> bool:
        """Return whether the path lies in an entry of a retirement list that is skipped anyway."""
        split = next((at for at, step in enumerate(path) if isinstance(step, int)), None)
        if split is None or not (schema.at(path[:split]) or {}).get("x-retirement"):
            return False
        entry: Any = self._tree
        for step in path[: split + 1]:
            entry = entry[step]
        return not retired.usable((entry,))

    def _missing(self, path: Path) -> Iterator[Fault]:
        """Report what is missing; of a missing section, the required settings inside it."""
        node = schema.at(path) or {}
        inside = node.get("required", ()) if isinstance(path[-1], str) else ()
        if node.get("type") != "object":
            yield Fault(
                path, variable_for(path, self._variable_of), "missing", schema.expectation(node)
            )
        for name in inside:
            yield from self._missing((*path, name))

    def _wrong(self, path: Path, error: ValidationError) -> Fault:
        node = schema.at(path) or {}
        return Fault(
            path,
            variable_for(path, self._variable_of),
            _problem(path, node, error),
            schema.expectation(node),
        )


def _problem(path: Path, node: Node, error: ValidationError) -> str:
    match error.validator:
        case "type" | "minimum" | "maximum":
            return shown_value(error.instance, secret=schema.is_secret(path))
        case "minLength":
            return "too short" if error.instance else "empty"
        case "minItems":
            return "empty"
        case "uniqueItems":
            return "an item is repeated"
        case "enum":
            # Only what the schema itself lists is ever printed here.
            spelled = {value.lower(): value for value in node["enum"]}
            near = difflib.get_close_matches(str(error.instance).lower(), spelled, n=1)
            return f"unknown value, did you mean {spelled[near[0]]}?" if near else "unknown value"
        case _:
            return ""

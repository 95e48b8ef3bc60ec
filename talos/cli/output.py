"""What a command prints on stdout, in every ``--format``. Contract 13.1.

stdout carries the data and nothing else; ``note`` writes the rest to stderr. Both are UTF-8
whatever the locale says.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from talos.cli.command import Failure
from talos.cli.invocation import current_invocation
from talos.cli.table import align
from talos.cli.text import json_escaped, many_lines, one_line

JsonObject = Mapping[str, Any]

SPELLINGS: Final = ("table", "json", "json-pretty", "yaml", "jsonpath=", "jsonpointer=")
_PLAIN: Final = {
    "table": "table",
    "default": "table",
    "json": "json",
    "json-pretty": "json-pretty",
    "yaml": "yaml",
    "quiet": "quiet",
}
# Members whose value belongs to the caller; a null in there is data.
_FREE_FORM: Final = ("metadata", "claims")
_PATH_STEP: Final = re.compile(r"(?:^|\.)((?:\\.|[^.\\])*)")
_ESCAPED: Final = re.compile(r"\\(.)")
_BAD_TILDE: Final = re.compile("~(?![01])")


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """A parsed ``--format``: ``kind`` is a value of ``_PLAIN`` or ``path`` or ``pointer``.

    ``steps`` are the members and positions that a path or pointer leads through; ``text`` is what
    was typed.
    """

    kind: str
    text: str
    steps: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "OutputFormat":
        """Read a ``--format`` value. Raises ``ValueError`` saying what is wrong with it."""
        if text in _PLAIN:
            return cls(_PLAIN[text], text)
        name, given, path = text.partition("=")
        if name in ("jsonpath", "jsonpointer") and not given:
            raise ValueError(f"{name} needs a path, such as {name}=" + _EXAMPLE_PATHS[name])
        if name == "jsonpath":
            return cls("path", text, _path_steps(path))
        if name == "jsonpointer":
            return cls("pointer", text, _pointer_steps(path))
        raise ValueError("must be one of " + ", ".join(SPELLINGS))

    def require_first_step(self, members: Sequence[str]) -> None:
        """Refuse a path that leads nowhere in an answer with these members.

        Commands whose answer can be had only once call this before they ask for it.
        Raises ``Failure``.
        """
        if self.kind in ("path", "pointer") and self.steps and self.steps[0] not in members:
            raise Failure(f"--format {self.text}: the answer only has {' and '.join(members)}")


_EXAMPLE_PATHS: Final = {"jsonpath": "results.0.error_code", "jsonpointer": "/results/0/error_code"}


class FormatType(click.ParamType[OutputFormat]):
    """The value of ``--format``, checked before anything is sent (contract 16, 30)."""

    name = "format"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> OutputFormat:
        """Parse the value."""
        if isinstance(value, OutputFormat):
            return value
        try:
            return OutputFormat.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[Any]:
        """Offer the spellings."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(text) for text in SPELLINGS if text.startswith(incomplete)]


def output_format() -> OutputFormat:
    """Return the format asked for; ``-q`` beats ``--format``."""
    invocation = current_invocation()
    if invocation.quiet:
        return OutputFormat("quiet", "quiet")
    return invocation.output or OutputFormat("table", "table")


def print_row(
    columns: Sequence[tuple[str, str]], data: JsonObject, *, sort_keys: bool = True
) -> None:
    """Print one record: a line per column in a table, ``data`` in the JSON and YAML formats."""
    chosen = output_format()
    if chosen.kind == "quiet":
        write(one_line(columns[0][1]) + "\n")
    elif chosen.kind == "table":
        write(align(columns))
    else:
        write(render(data, chosen, sort_keys=sort_keys))


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]], data: JsonObject) -> None:
    """Print records: a line each in a table, ``data`` in the JSON and YAML formats."""
    chosen = output_format()
    if chosen.kind == "quiet":
        write("".join(one_line(row[0]) + "\n" for row in rows) or "\n")
    elif chosen.kind == "table":
        write(align([header, *rows]))
    else:
        write(render(data, chosen))


def render(data: JsonObject, chosen: OutputFormat, *, sort_keys: bool = True) -> str:
    """Return ``data`` in one of the JSON and YAML formats, members sorted, null members left out.

    Raises ``Failure`` when a pointer finds nothing; a path that finds nothing gives ``null``. It
    is raised, too, for what nests deeper than any answer of the API does.
    """
    try:
        return _rendered(data, chosen, sort_keys=sort_keys)
    except RecursionError:
        raise Failure("the answer nests too deeply to be shown") from None


def _rendered(data: JsonObject, chosen: OutputFormat, *, sort_keys: bool) -> str:
    shown = without_nulls(data)
    if chosen.kind == "yaml":
        from talos.cli.yaml_text import yaml_text

        return yaml_text(shown, sort_keys=sort_keys)
    if chosen.kind == "json":
        return json_text(shown, sort_keys=sort_keys) + "\n"
    if chosen.kind in ("path", "pointer"):
        try:
            shown = _walk(shown, chosen.steps)
        except LookupError:
            if chosen.kind == "pointer":
                raise Failure(f"--format {chosen.text}: nothing is there") from None
            shown = None
    return json_text(shown, indent=2, sort_keys=sort_keys) + "\n"


def json_text(value: object, indent: int | None = None, *, sort_keys: bool = True) -> str:
    """Return JSON in UTF-8 that is safe to show on a terminal, members sorted."""
    text = json.dumps(
        value,
        ensure_ascii=False,
        sort_keys=sort_keys,
        indent=indent,
        separators=None if indent else (",", ":"),
    )
    return json_escaped(text)


def without_nulls(value: Any) -> Any:
    """Return the answer without its null members; metadata and claims stay as they are."""
    if isinstance(value, Mapping):
        return {
            name: member if name in _FREE_FORM else without_nulls(member)
            for name, member in value.items()
            if member is not None
        }
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def write(text: str) -> None:
    """Write data to stdout. Raises ``Failure`` when there is no room, or none to write to."""
    try:
        click.echo(text.encode(), nl=False)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Failure(f"cannot write to standard output: {error.strerror}") from None


def note(text: str) -> None:
    """Write a line for people to stderr."""
    click.echo(many_lines(text).encode(), err=True)


def _path_steps(path: str) -> tuple[str, ...]:
    r"""Split ``a.0.b``; ``\.`` is a dot inside a member's name."""
    if not path:
        return ()
    return tuple(_ESCAPED.sub(r"\1", step) for step in _PATH_STEP.findall(path))


def _pointer_steps(pointer: str) -> tuple[str, ...]:
    """Split an RFC 6901 pointer."""
    if not pointer:
        return ()
    if not pointer.startswith("/") or _BAD_TILDE.search(pointer):
        raise ValueError("is no JSON pointer: it starts with /, and ~ is written ~0 and / is ~1")
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/"))


def _walk(value: Any, steps: Iterable[str]) -> Any:
    """Follow the steps. Raises ``LookupError``."""
    for step in steps:
        if isinstance(value, Mapping):
            value = value[step]
        elif isinstance(value, list) and step.isascii() and step.isdecimal():
            value = value[int(step)]
        else:
            raise LookupError(step)
    return value

"""Writes the reference part of ``docs/cli.md``: ``python -m talos.cli.render_docs``.

What stands above the mark in the page is written by hand; what follows comes from the commands
themselves, as ``--help`` shows them. With ``--check`` nothing is written, and the exit code says
whether the page is up to date.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from talos.cli.app import app
from talos.cli.command import Group
from talos.cli.invocation import GlobalOption

PAGE: Final = Path(__file__).parents[2] / "docs" / "cli.md"
MARK: Final = "<!-- Written by `python -m talos.cli.render_docs` from here on. -->"


def render(page: str) -> str:
    """Return the page with the part below the mark written anew."""
    head, mark, _ = page.partition(MARK)
    if not mark:
        raise ValueError(f"{PAGE} has lost its mark: {MARK}")
    return "\n".join((f"{head}{MARK}\n", *_sections(app, "talos", 2, {}))).rstrip() + "\n"


def _sections(group: Group, path: str, depth: int, seen: dict[int, str]) -> Iterator[str]:
    """Yield a section for each subcommand; ``seen`` has the path of those already described."""
    context = click.Context(group, info_name=path)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None:
            continue
        inner = f"{path} {name}"
        yield f"{'#' * depth} {inner}\n"
        if id(command) in seen:
            yield f"The same as `{seen[id(command)]}`.\n"
            continue
        seen[id(command)] = inner
        aliases = [f"`{alias}`" for alias, target in group.aliases.items() if target == name]
        yield from _description(command, inner, aliases)
        if isinstance(command, Group):
            yield from _sections(command, inner, depth + 1, seen)


def _description(command: click.Command, path: str, aliases: list[str]) -> Iterator[str]:
    context = click.Context(command, info_name=path)
    for paragraph in (command.help or "").split("\n\n"):
        yield " ".join(paragraph.split()) + "\n"
    if aliases:
        yield f"Also as {' and '.join(aliases)}.\n"
    own = [parameter for parameter in command.params if not isinstance(parameter, GlobalOption)]
    if not isinstance(command, Group):
        arguments = [
            parameter.make_metavar(context)
            for parameter in own
            if isinstance(parameter, click.Argument)
        ]
        yield f"    {' '.join([path, *arguments])}\n"
    rows = [record for parameter in own if (record := parameter.get_help_record(context))]
    if rows:
        yield "| Argument or flag | Meaning |\n|---|---|"
        yield from (f"| `{_cell(name)}` | {_cell(meaning)} |" for name, meaning in rows)
        yield ""
    yield "\n".join(["```sh", *getattr(command, "examples", ()), "```", ""])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main(arguments: list[str]) -> int:
    """Write or check the page; return the exit code."""
    written = PAGE.read_text(encoding="utf-8")
    rendered = render(written)
    if arguments == ["--check"]:
        return int(written != rendered)
    PAGE.write_text(rendered, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

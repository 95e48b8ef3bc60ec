"""All commands of the command line."""

from collections.abc import Iterator

import click

from talos.cli.app import app
from talos.cli.command import Group


def commands(
    command: click.Command = app, path: str = "talos"
) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, Group):
        for name in command.list_commands(click.Context(command)):
            inner = command.get_command(click.Context(command), name)
            assert inner is not None
            yield from commands(inner, f"{path} {name}")


COMMANDS = dict(commands())

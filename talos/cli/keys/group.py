"""The classes of the keys commands: every one of them has ``--format`` and ``-q``."""

import click

from talos.cli.command import ClientCommand, ClientGroup
from talos.cli.invocation import global_option
from talos.cli.output import FormatType


def _output_options() -> list[click.Parameter]:
    return [
        global_option(
            "--format",
            into="output",
            type=FormatType(),
            metavar="FORMAT",
            help="table, json, json-pretty, yaml, jsonpath=a.0.b or jsonpointer=/a/0/b.",
        ),
        global_option(
            "-q",
            "--quiet",
            into="quiet",
            is_flag=True,
            help="Print the first column only, one value a line.",
        ),
    ]


class KeysCommand(ClientCommand):
    """A command below ``talos keys``."""

    def shared_options(self) -> list[click.Parameter]:
        """Return the output options and those of every command."""
        return [*_output_options(), *super().shared_options()]


class KeysGroup(ClientGroup):
    """``talos keys`` and the groups below it."""

    command_class = KeysCommand

    def shared_options(self) -> list[click.Parameter]:
        """Return the output options and those of every command."""
        return [*_output_options(), *super().shared_options()]

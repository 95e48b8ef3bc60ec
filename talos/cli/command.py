"""What every command of the program has in common, on top of click.

- The global flags ``-e/--endpoint`` and ``--config`` are understood at every level, so that
  ``talos -e URL keys verify X`` and ``talos keys verify X -e URL`` mean the same; the last one
  counts.
- A usage error is one bare line on stderr with the usage of the command below it, and exit code 1
  (contract 13.1), not click's 2.
- An unknown subcommand is an error with a suggestion, and so is an argument too many (contract
  16, 30). Neither repeats what was typed where that may be a credential.
- Subcommands can be named by import path and are imported when they are run.

A command group is written with these classes and nothing else::

    @click.command(cls=Group, examples=["talos migrate up"])
    def migrate() -> None: ...

    @migrate.command(examples=["talos migrate up --database sqlite:///talos.db"])
    def up() -> None:
        config_path = current_invocation().config_path
"""

import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from talos.cli.invocation import (
    GlobalOption,
    config_option,
    connection_options,
    endpoint_option,
)
from talos.cli.text import many_lines

# What a mistyped command looks like. Anything else may be a misplaced credential.
_COMMAND_LIKE: Final = re.compile(r"[A-Za-z][A-Za-z-]{0,23}")


class Failure(click.ClickException):
    """A command that cannot go on: ``message`` is its whole line on stderr."""

    exit_code = 1


class _Common(click.Command):
    """The shared behaviour of commands and groups."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)
        self.params.extend(self.shared_options())

    def shared_options(self) -> list[click.Parameter]:
        """Return the options that this command has besides its own."""
        return [endpoint_option(), config_option()]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; a usage error knows its command, so that the usage can be shown below it."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options, then those that every command has."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                heading = parameter.heading if isinstance(parameter, GlobalOption) else "Options"
                sections.setdefault(heading, []).append(record)
        for heading, records in sections.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


class Command(_Common):
    """A command that takes its declared arguments and no more."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Allow surplus arguments in the parser, so that ``parse_args`` words the refusal."""
        kwargs["context_settings"] = {
            **(kwargs.get("context_settings") or {}),
            "allow_extra_args": True,
        }
        super().__init__(*args, **kwargs)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, and refuse arguments too many by their number: one may be a credential."""
        rest = super().parse_args(ctx, args)
        if rest and not ctx.resilient_parsing:
            arity = sum(isinstance(parameter, click.Argument) for parameter in self.params)
            raise click.UsageError(
                f'"{ctx.command_path}" takes {_count(arity, "argument")}, '
                f"{arity + len(rest)} were given",
                ctx,
            )
        return rest


class ClientCommand(Command):
    """A command that talks to a server."""

    def shared_options(self) -> list[click.Parameter]:
        """Return the options of every command and those of the connection."""
        return [*super().shared_options(), *connection_options()]


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """A command that is imported when it runs: ``module:attribute``, and its line in the help."""

    path: str
    summary: str

    def load(self) -> click.Command:
        """Import and return the command."""
        module, _, attribute = self.path.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{self.path} is no command")
        return command


class Group(_Common, click.Group):
    """A command with subcommands, in the order of their declaration."""

    command_class = Command
    # A subgroup is of the class of its group.
    group_class = type

    def __init__(
        self, *args: Any, lazy: Mapping[str, LazyCommand] | None = None, **kwargs: Any
    ) -> None:
        """``lazy`` holds the subcommands to import on use, by name."""
        super().__init__(*args, **kwargs)
        self.lazy = dict(lazy or {})
        self.aliases: dict[str, str] = {}

    def alias(self, alias: str, name: str) -> None:
        """Let ``alias`` stand for the subcommand ``name``; the help shows the name alone."""
        self.aliases[alias] = name

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the subcommands."""
        return [*self.commands, *self.lazy]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the subcommand of that name or alias, or None."""
        name = self.aliases.get(cmd_name, cmd_name)
        if name in self.lazy:
            return self.lazy[name].load()
        return self.commands.get(name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the subcommand that ``args`` starts with; an unknown one is a usage error."""
        name = args[0]
        if self.get_command(ctx, name) is None and not ctx.resilient_parsing:
            raise click.UsageError(self._unknown(ctx, name), ctx)
        return super().resolve_command(ctx, args)

    def _unknown(self, ctx: click.Context, name: str) -> str:
        """Say that there is no such subcommand, and which ones may have been meant."""
        from difflib import get_close_matches

        names = self.list_commands(ctx)
        known = get_close_matches(name, [*names, *self.aliases], n=3)
        if not known:
            groups = [(each, self.get_command(ctx, each)) for each in names]
            known = [
                f'"{each} {name}"'
                for each, group in groups
                if isinstance(group, click.Group) and group.get_command(ctx, name) is not None
            ]
        hint = f"; did you mean {' or '.join(known)}?" if known else ""
        shown = f' "{name}"' if _COMMAND_LIKE.fullmatch(name) else ""
        return f'unknown command{shown} for "{ctx.command_path}"{hint}'

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the subcommands, then the options."""
        self.format_commands(ctx, formatter)
        super().format_options(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of subcommands."""
        with formatter.section("Commands"):
            formatter.write_dl(self.summaries())

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer the subcommands and the group's own options."""
        commands = [
            CompletionItem(name, help=summary)
            for name, summary in self.summaries()
            if name.startswith(incomplete)
        ]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def summaries(self) -> list[tuple[str, str]]:
        """Return the names of the subcommands and a line on each, importing none."""
        return [
            *((name, command.get_short_help_str(100)) for name, command in self.commands.items()),
            *((name, command.summary) for name, command in self.lazy.items()),
        ]


class ClientGroup(Group):
    """A group of commands that talk to a server."""

    command_class = ClientCommand

    def shared_options(self) -> list[click.Parameter]:
        """Return the options of every command and those of the connection."""
        return [*super().shared_options(), *connection_options()]


class Program(ClientGroup):
    """The program itself: turns every outcome into a line on stderr and an exit code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run and exit, as ``click.Command.main`` does, with the exit codes of contract 13.1."""
        prog_name = prog_name or "talos"
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        try:
            # In this mode click returns the code of an explicit exit, else what the command
            # returned; commands return None.
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.Abort:
            click.echo("interrupted", err=True)
            code = 1
        except click.ClickException as error:
            click.echo(many_lines(_shown(error)).encode(), err=True)
            code = error.exit_code if isinstance(error, Failure) else 1
        raise SystemExit(code or 0)


def _shown(error: click.ClickException) -> str:
    """Return what is said about an error, with the usage under a mistake on the command line."""
    text = error.format_message()
    if not isinstance(error, click.UsageError) or error.ctx is None:
        return text
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return text
    usage = error.ctx.get_usage()
    return f'{text}\n\n{usage}\nSee "{error.ctx.command_path} --help".'


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"

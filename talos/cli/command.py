"""What every command of the program has in common, on top of click.

- The global flags ``-e/--endpoint`` and ``--config`` are understood at every level, so that
  ``talos -e URL keys verify X`` and ``talos keys verify X -e URL`` mean the same; the last one
  counts.
- A usage error is one bare line on stderr and exit code 1 (contract 13.1): click's usage block and
  its exit code 2 do not appear.
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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from talos.cli.text import many_lines

DEFAULT_ENDPOINT: Final = "http://localhost:4420"

# What a mistyped command looks like. Anything else may be a misplaced credential.
_COMMAND_LIKE: Final = re.compile(r"[A-Za-z][A-Za-z-]{0,23}")


class Failure(click.ClickException):
    """A command that cannot go on: ``message`` is its whole line on stderr, the exit code is 1."""

    exit_code = 1


@dataclass(slots=True)
class Invocation:
    """The global flags as given on any level of the command line.

    ``config_path`` is None when ``--config`` was not given. ``output`` is the raw ``--format`` of
    the keys commands after ``talos.cli.output`` has parsed it, None when it was not given.
    """

    endpoint: str = DEFAULT_ENDPOINT
    config_path: str | None = None
    output: Any = None
    quiet: bool = False


def current_invocation() -> Invocation:
    """Return the global flags of the command that is running."""
    return click.get_current_context().ensure_object(Invocation)


def global_option(*declarations: str, field: str, **attributes: Any) -> click.Option:
    """Return an option whose value, if given, lands in that field of the ``Invocation``."""

    def remember(context: click.Context, parameter: click.Parameter, value: object) -> None:
        if context.get_parameter_source(parameter.name or "") not in _UNSAID:
            setattr(context.ensure_object(Invocation), field, value)

    return _GlobalOption(declarations, expose_value=False, callback=remember, **attributes)


_UNSAID: Final = (None, click.core.ParameterSource.DEFAULT, click.core.ParameterSource.DEFAULT_MAP)


class _GlobalOption(click.Option):
    """An option that stands under its own heading in the help."""


def is_global(parameter: click.Parameter) -> bool:
    """Tell whether a parameter is one of those that every command of its group has."""
    return isinstance(parameter, _GlobalOption)


class _Common(click.Command):
    """The shared behaviour of commands and groups."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)
        self.params.extend(self.shared_options())

    def shared_options(self) -> list[click.Parameter]:
        """Return the options that this command has besides its own."""
        return [
            global_option(
                "-e",
                "--endpoint",
                field="endpoint",
                metavar="URL",
                help=f"Base URL of the server.  [default: {DEFAULT_ENDPOINT}]",
            ),
            global_option(
                "--config",
                field="config_path",
                type=click.Path(),
                metavar="FILE",
                help="Configuration file, read by serve, migrate and config.",
            ),
        ]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options, then those that every command has."""
        own: list[tuple[str, str]] = []
        shared: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                (shared if isinstance(parameter, _GlobalOption) else own).append(record)
        for heading, records in (("Options", own), ("Global options", shared)):
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
            known = [*self.list_commands(ctx), *self.aliases]
            raise click.UsageError(_unknown_command(ctx.command_path, name, known), ctx)
        return super().resolve_command(ctx, args)

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


class Program(Group):
    """The program itself: turns every outcome into a line on stderr and exit code 0 or 1."""

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
            click.echo(many_lines(error.format_message()).encode(), err=True)
            code = 1
        raise SystemExit(1 if code else 0)


def _unknown_command(command_path: str, name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    shown = f' "{name}"' if _COMMAND_LIKE.fullmatch(name) else ""
    close = get_close_matches(name, list(known), n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f'see "{command_path} --help"'
    return f'unknown command{shown} for "{command_path}"; {hint}'


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"

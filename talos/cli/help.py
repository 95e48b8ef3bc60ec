"""``talos help``: the help of a command, as its ``--help`` shows it."""

import click

from talos.cli.command import Command, Group


@click.command(
    cls=Command,
    name="help",
    examples=["talos help", "talos help keys issue"],
)
@click.argument("words", nargs=-1, metavar="[COMMAND]...", help="The command, such as keys issue.")
@click.pass_context
def show_help(context: click.Context, words: tuple[str, ...]) -> None:
    """Show the help of a command."""
    found = context.find_root()
    for word in words:
        command = found.command
        if not isinstance(command, Group):
            raise click.UsageError(f'"{found.command_path}" has no subcommands', found)
        _, inner, _ = command.resolve_command(found, [word])
        if inner is not None:
            name = command.aliases.get(word, word)
            found = click.Context(inner, info_name=name, parent=found)
    click.echo(found.get_help())

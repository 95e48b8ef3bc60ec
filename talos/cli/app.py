"""The root of the command line: global flags and the list of commands. Contract 13.1.

Nothing is imported here that a command does not need: ``talos keys verify`` starts without
SQLAlchemy, Falcon and gunicorn.
"""

import click

from talos.cli.command import LazyCommand, Program


def _print_version(context: click.Context, _parameter: click.Parameter, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        from talos.cli.version import version_line

        click.echo(version_line())
        context.exit()


@click.command(
    cls=Program,
    name="talos",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    lazy={
        "serve": LazyCommand("talos.cli.serve:serve", "Serve the API."),
        "keys": LazyCommand("talos.cli.keys:keys", "Work with the keys of a server."),
        "jwk": LazyCommand("talos.cli.jwk:jwk", "Generate signing keys, fetch a key set."),
        "migrate": LazyCommand("talos.cli.migrate:migrate", "Change the database schema."),
        "config": LazyCommand("talos.cli.config:config", "Check and show the configuration."),
        "health": LazyCommand("talos.cli.health:health", "Ask whether the server is ready."),
        "help": LazyCommand("talos.cli.help:show_help", "Show the help of a command."),
        "completion": LazyCommand(
            "talos.cli.completion:completion", "Print a shell's completion script."
        ),
    },
    examples=[
        "talos serve --config talos.yaml",
        "talos keys issue billing --actor service:billing --scopes invoices:read",
        "talos keys verify - < key.txt",
        "talos -e https://keys.example.com keys issued list --format json",
    ],
)
@click.option(
    "-v",
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version and exit.",
)
@click.pass_context
def app(context: click.Context) -> None:
    """Issue, verify and revoke API keys, and run the server that does it."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())

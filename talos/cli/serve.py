"""``talos serve``: the server, all in one or a surface at a time. Contract 13.5."""

import os

import click

from talos.cli.command import Failure, Group, current_invocation


@click.command(
    cls=Group,
    invoke_without_command=True,
    examples=[
        "talos serve --config talos.yaml",
        "talos serve admin --config admin.yaml",
        "TALOS_DB_DSN=sqlite:///var/lib/talos/talos.db talos serve public --config talos.yaml",
    ],
)
@click.pass_context
def serve(context: click.Context) -> None:
    """Serve the API: every operation, or only one of its surfaces.

    Without a subcommand both surfaces are served on one port. Admin operations trust every caller
    that reaches them; docs/deployment.md says how to keep others away.
    """
    if context.invoked_subcommand is None:
        _run("all")


@serve.command(examples=["talos serve admin --config talos.yaml"])
def admin() -> None:
    """Serve the admin operations alone, which trust every caller."""
    _run("admin")


@serve.command(examples=["talos serve public --config talos.yaml"])
def public() -> None:
    """Serve what may face the internet: self-revocation and the key set."""
    _run("public")


def _run(surface: str) -> None:
    """Serve until told to end; what keeps the server from starting is the last line on stderr."""
    # Help and completion do without the server.
    from talos.bootstrap import Surface
    from talos.errors import ConfigurationError, TalosError
    from talos.serving.start import serve as serve_surface

    try:
        code = serve_surface(Surface(surface), current_invocation().config_path, os.environ)
    except ConfigurationError as error:
        raise Failure("\n".join([error.message, *error.faults])) from error
    except TalosError as error:
        raise Failure(error.message) from error
    click.get_current_context().exit(code)

"""``talos serve``: the server, all in one or a surface at a time. Contract 13.5."""

import os
from collections.abc import Callable
from typing import Any

import click

from talos.cli.command import Failure, Group
from talos.cli.invocation import current_invocation


def _worker_class_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--worker-class",
        type=click.Choice(["talos", "gthread", "sync"]),
        help="The worker processes: ours, or a stock one of gunicorn, which has no fast path and "
        "no protection from slow clients (docs/deployment.md). Default talos.",
    )(function)


@click.command(
    cls=Group,
    invoke_without_command=True,
    examples=[
        "talos serve --config talos.yaml",
        "talos serve admin --config admin.yaml",
        "TALOS_DB_DSN=sqlite:///var/lib/talos/talos.db talos serve public --config talos.yaml",
    ],
)
@_worker_class_option
@click.pass_context
def serve(context: click.Context, worker_class: str | None) -> None:
    """Serve the API: every operation, or only one of its surfaces.

    Without a subcommand both surfaces are served on one port. Admin operations trust every caller
    that reaches them; docs/deployment.md says how to keep others away.
    """
    if context.invoked_subcommand is None:
        _run("all", worker_class)


@serve.command(examples=["talos serve admin --config talos.yaml"])
@_worker_class_option
def admin(worker_class: str | None) -> None:
    """Serve the admin operations alone, which trust every caller."""
    _run("admin", worker_class)


@serve.command(examples=["talos serve public --config talos.yaml"])
@_worker_class_option
def public(worker_class: str | None) -> None:
    """Serve what may face the internet: self-revocation and the key set."""
    _run("public", worker_class)


def _run(surface: str, worker_class: str | None) -> None:
    """Serve until told to end; what keeps the server from starting is the last line on stderr.

    A worker class that was given before the subcommand counts where none is given behind it.
    """
    context = click.get_current_context()
    above = context.parent.params.get("worker_class") if context.parent else None
    # Help and completion do without the server.
    from talos.errors import ConfigurationError, TalosError
    from talos.http.surfaces import Surface
    from talos.serving.start import serve as serve_surface

    try:
        code = serve_surface(
            Surface(surface),
            current_invocation().config_path,
            os.environ,
            worker_class=worker_class or above or "talos",
        )
    except ConfigurationError as error:
        raise Failure("\n".join([error.message, *error.faults])) from error
    except TalosError as error:
        raise Failure(error.message) from error
    context.exit(code)

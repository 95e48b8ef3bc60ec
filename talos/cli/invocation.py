"""The flags that mean the same on every level of the command line, and what they were set to.

``talos -e URL keys verify X`` and ``talos keys verify X -e URL`` mean the same; the last one
counts.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import click

from talos.config import variables

DEFAULT_ENDPOINT: Final = "http://localhost:4420"


@dataclass(slots=True)
class Invocation:
    """The global flags as given on any level of the command line; None is not given.

    ``output`` is the ``--format`` of the keys commands after ``talos.cli.output`` has parsed it.
    The connection flags are read together with their variables by ``talos.cli.connection``.
    """

    endpoint: str | None = None
    config_path: str | None = None
    output: Any = None
    quiet: bool = False
    cacert: str | None = None
    cert: str | None = None
    key: str | None = None
    token_file: str | None = None
    headers: tuple[str, ...] = field(default=(), repr=False)


def current_invocation() -> Invocation:
    """Return the global flags of the command that is running."""
    return click.get_current_context().ensure_object(Invocation)


class GlobalOption(click.Option):
    """An option that stands under a heading of its own in the help."""

    def __init__(self, *args: Any, heading: str = "Global options", **kwargs: Any) -> None:
        """``heading`` is that of the help."""
        super().__init__(*args, **kwargs)
        self.heading = heading


def global_option(*declarations: str, into: str, **attributes: Any) -> GlobalOption:
    """Return an option whose value, if given, lands in the field ``into`` of the ``Invocation``.

    The values of one that may be repeated add up over the levels of the command line.
    """

    def remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        if context.get_parameter_source(parameter.name or "") not in _UNSAID:
            invocation = context.ensure_object(Invocation)
            given = (*getattr(invocation, into), *value) if parameter.multiple else value
            setattr(invocation, into, given)

    return GlobalOption(declarations, expose_value=False, callback=remember, **attributes)


_UNSAID: Final = (None, click.core.ParameterSource.DEFAULT, click.core.ParameterSource.DEFAULT_MAP)


def endpoint_option() -> GlobalOption:
    """Return ``-e``."""
    return global_option(
        "-e",
        "--endpoint",
        into="endpoint",
        metavar="URL",
        help="Base URL of the server, or unix:/path of its socket.  "
        f"[env: {variables.ENDPOINT}; default: {DEFAULT_ENDPOINT}]",
    )


def config_option() -> GlobalOption:
    """Return ``--config``."""
    return global_option(
        "--config",
        into="config_path",
        type=click.Path(),
        metavar="FILE",
        help="Configuration file, read by serve, migrate and config.",
    )


def connection_options() -> list[click.Parameter]:
    """Return the flags of commands that talk to a server behind a boundary.

    None of them takes a token as its value: every user of the machine could read it.
    """

    def option(*declarations: str, into: str, metavar: str, help: str, **more: Any) -> GlobalOption:
        return global_option(
            *declarations,
            into=into,
            metavar=metavar,
            help=help,
            heading="Connection options",
            **more,
        )

    return [
        option(
            "--cacert",
            into="cacert",
            metavar="FILE",
            help="Certificates of the authorities to trust, instead of the system's.  "
            f"[env: {variables.CA_CERTIFICATE}]",
        ),
        option(
            "--cert",
            into="cert",
            metavar="FILE",
            help=f"Client certificate, PEM.  [env: {variables.CLIENT_CERTIFICATE}]",
        ),
        option(
            "--key",
            into="key",
            metavar="FILE",
            help="Key of the client certificate, where it is not in the same file.  "
            f"[env: {variables.CLIENT_KEY}]",
        ),
        option(
            "--header",
            into="headers",
            metavar="HEADER",
            multiple=True,
            help="A header 'Name: value' to send, or @FILE with one a line; may be repeated.  "
            f"[env: {variables.HEADERS}, one a line]",
        ),
        option(
            "--token-file",
            into="token_file",
            metavar="FILE",
            help="File with a bearer token to send.  "
            f"[env: {variables.TOKEN_FILE}, or the token itself in {variables.TOKEN}]",
        ),
    ]

"""``talos health``: ask the server of this machine whether it is ready. Contract 1.3.

Made for health checks of containers and service managers: it finds the metrics listener as the
server does, from the configuration, and connects to it directly, whatever the environment says of
proxies.
"""

import http.client
import os
import socket
from typing import Final

import click

from talos.cli.command import Command, Failure
from talos.cli.invocation import current_invocation
from talos.cli.output import note

_TIMEOUT_S: Final = 4.0
_UNIX: Final = "unix:"
_ALL_INTERFACES: Final = {
    "": "127.0.0.1",
    "0.0.0.0": "127.0.0.1",  # noqa: S104  (what is configured, not what is bound)
    "::": "::1",
}


@click.command(
    cls=Command,
    examples=[
        "talos health",
        "talos health --config talos.yaml",
        "TALOS_SERVE_METRICS_PORT=9422 talos health",
    ],
)
def health() -> None:
    """Ask the server on this machine whether it is ready; exit code 0 means that it is.

    The metrics listener is found as the server finds it: in the file of --config under the
    environment. Give the server's own --config where it has one.
    """
    from talos.config.loading import load
    from talos.errors import ConfigurationError

    invocation = current_invocation()
    if invocation.endpoint is not None:
        raise click.UsageError(
            "health asks the metrics listener that the configuration names; it takes --config, "
            "not --endpoint"
        )
    try:
        config = load(invocation.config_path, os.environ)
    except ConfigurationError as error:
        hint = () if invocation.config_path else ("give the server's own --config, if it has one",)
        raise Failure("\n".join([error.message, *error.faults, *hint])) from None
    host, port = config.text("serve.metrics.host"), config.integer("serve.metrics.port")
    shown = host if host.startswith(_UNIX) else f"{host}:{port}"
    try:
        status = _status(_connected(host, port))
    except (OSError, http.client.HTTPException) as error:
        cause = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Failure(f"not ready: no answer from {shown}: {cause}") from None
    if status != http.client.OK:
        raise Failure(f"not ready: {shown} answers {status}")
    note("ready")


def _connected(host: str, port: int) -> socket.socket:
    """Return a connection to the listener that is configured so. Raises OSError."""
    if host.startswith(_UNIX):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(_TIMEOUT_S)
            connection.connect(host.removeprefix(_UNIX))
        except OSError:
            connection.close()
            raise
        return connection
    address = host.strip("[]")
    return socket.create_connection((_ALL_INTERFACES.get(address, address), port), _TIMEOUT_S)


def _status(connection: socket.socket) -> int:
    """Return the status of the readiness answer. Raises OSError and HTTPException."""
    client = http.client.HTTPConnection("localhost", timeout=_TIMEOUT_S)
    client.sock = connection
    try:
        client.request("GET", "/health/ready")
        return client.getresponse().status
    finally:
        client.close()

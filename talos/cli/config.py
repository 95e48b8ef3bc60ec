"""``talos config``: what the server would be configured with. Contract 8."""

import json
import os
from typing import TYPE_CHECKING

import click

from talos.cli.command import Failure, Group
from talos.cli.invocation import current_invocation
from talos.cli.output import json_text, note, write

if TYPE_CHECKING:
    from talos.config.values import Config


@click.command(
    cls=Group,
    examples=["talos config validate --config talos.yaml", "talos config show"],
)
def config() -> None:
    """Check and show the configuration: the file of --config under the environment."""


@config.command(
    examples=[
        "talos config validate --config talos.yaml",
        "TALOS_LOG_LEVEL=debug talos config validate --config talos.yaml",
    ]
)
def validate() -> None:
    """Name every error of the configuration. Exit code 0 means that there is none."""
    from talos.config import advice, snapshot

    loaded = _load()
    taken = snapshot.take(loaded)
    key_id_fault = advice.signing_key_fault(taken)
    faults = [
        *taken.key_faults,
        *([key_id_fault] if key_id_fault else []),
        *_dsn_faults(loaded),
    ]
    if faults:
        raise Failure("\n".join(["the configuration is invalid", *faults]))
    for warning in advice.warnings(taken):
        note(f"warning: {warning}")
    if not loaded.was_set("db.dsn"):
        note("warning: db.dsn is not set; the server does not start without it")
    note("The configuration is valid.")


@config.command(
    examples=[
        "talos config show --config talos.yaml",
        "talos config show --format json | jq .serve.http.port",
    ]
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["yaml", "json"]),
    default="yaml",
    show_default=True,
    help="Form of the output.",
)
def show(form: str) -> None:
    """Print every value in force, defaults included, secrets redacted."""
    values = _load().redacted()
    if form == "json":
        write(json_text(values, indent=2) + "\n")
        return
    from talos.cli.yaml_text import yaml_text

    write(yaml_text(values, sort_keys=False))


@config.command(examples=["talos config schema > talos.schema.json"])
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors and validators."""
    from talos.config.schema import document

    write(json.dumps(document(), indent=2, ensure_ascii=False) + "\n")


def _load() -> "Config":
    """Return the configuration. Raises ``Failure`` with every fault, a line each."""
    from talos.config.loading import load
    from talos.errors import ConfigurationError

    try:
        return load(current_invocation().config_path, os.environ)
    except ConfigurationError as error:
        raise Failure("\n".join([error.message, *error.faults])) from None


def _dsn_faults(loaded: "Config") -> list[str]:
    """Return why the DSN names no database that can be used; it is not connected to."""
    from talos.adapters.sql.dsn import parse_dsn
    from talos.errors import ConfigurationError

    dsn = loaded.optional_secret("db.dsn")
    if dsn is None:
        return []
    try:
        parse_dsn(dsn.reveal().decode())
    except ConfigurationError as error:
        return [f"db.dsn (TALOS_DB_DSN): {error.message}"]
    return []

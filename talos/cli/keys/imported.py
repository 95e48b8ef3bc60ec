"""``talos keys imported``: keys that were made elsewhere."""

from typing import Any

import click

from talos.cli.client import Client
from talos.cli.keys.batch_import import batch_import
from talos.cli.keys.flags import (
    Reader,
    actor_option,
    given,
    ip_restriction,
    key_id_argument,
    metadata_option,
    rate_limit_policy,
    read_ttl,
    restriction_options,
    scopes_option,
)
from talos.cli.keys.group import KeysCommand, KeysGroup
from talos.cli.keys.kinds import IMPORTED, print_key
from talos.cli.keys.shared import add_shared_commands
from talos.cli.output import note, print_row
from talos.cli.stdin import read_secret


@click.command(
    cls=KeysGroup,
    examples=[
        "talos keys imported import partner --raw-key - --actor partner:7 < key.txt",
        "talos keys imported list",
    ],
)
def imported() -> None:
    """Work with keys that were made elsewhere and imported."""


@click.command(
    "import",
    cls=KeysCommand,
    examples=[
        "talos keys imported import partner --raw-key - --actor partner:7 < key.txt",
        "talos keys imported import partner --raw-key - --actor partner:7 --ttl 8760h < key.txt",
    ],
)
@click.argument("name", help="Name of the key, for people.")
@click.option("--raw-key", required=True, help="The key itself; - reads it from standard input.")
@actor_option
@scopes_option
@click.option(
    "--ttl",
    type=Reader("duration", read_ttl),
    help="Lifetime, such as 30m, 720h, 30d or 4w; the server's default where absent.",
)
@metadata_option
@restriction_options
def import_(
    name: str,
    raw_key: str,
    actor: str,
    scopes: list[str] | None,
    ttl: tuple[str, int] | None,
    metadata: dict[str, Any] | None,
    allowed_cidrs: list[str] | None,
    rate_limit_quota: int | None,
    rate_limit_window: str | None,
) -> None:
    """Import one key. The server keeps a one-way hash of it.

    A line end at the end of standard input is no part of the key; printf %s writes none.
    """
    client = Client()
    policy = rate_limit_policy(rate_limit_quota, rate_limit_window)
    secret = read_secret(raw_key, "raw key")
    body = given(
        raw_key=secret,
        name=name,
        actor_id=actor,
        scopes=scopes,
        ttl=ttl[0] if ttl else None,
        metadata=metadata,
        rate_limit_policy=policy,
        ip_restriction=ip_restriction(allowed_cidrs),
    )
    key = client.call("import API key", "POST", IMPORTED.path, body=body, secrets=(secret,))
    note("API key imported.")
    print_key(key)


@click.command("delete", cls=KeysCommand, examples=["talos keys imported delete KEY_ID"])
@key_id_argument
def delete(key_id: str) -> None:
    """Delete an imported key, whatever its status. It can be imported again."""
    Client().call("delete imported API key", "DELETE", IMPORTED.item_path(key_id))
    note("API key deleted.")
    columns = [("ID", key_id), ("Deleted", "true")]
    print_row(columns, {"id": key_id, "deleted": True}, sort_keys=False)


imported.add_command(import_)
imported.add_command(batch_import)
imported.alias("import-batch", "batch-import")
add_shared_commands(imported, IMPORTED)
imported.add_command(delete)

"""``talos keys issued``: keys that the server makes."""

from typing import Any

import click

from talos.cli.client import CallFailed, Client
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
from talos.cli.keys.kinds import ISSUED
from talos.cli.keys.rows import KEY_COLUMNS, cell, key_row, labelled, member
from talos.cli.keys.shared import add_shared_commands
from talos.cli.output import note, output_format, print_row
from talos.domain.durations import format_go

_SAVE_THE_SECRET = "Save the secret now: it is shown this once and cannot be had again."  # noqa: S105


@click.command(
    cls=KeysGroup,
    examples=["talos keys issued list", "talos keys issued rotate KEY_ID"],
)
def issued() -> None:
    """Work with keys that the server issued."""


@click.command(
    "issue",
    cls=KeysCommand,
    examples=[
        "talos keys issue billing --actor service:billing",
        "talos keys issue ci --actor user:42 --scopes repo:read,repo:write --ttl 30d",
        "talos keys issue edge --actor edge --allowed-cidrs 10.0.0.0/8 "
        "--rate-limit-quota 100 --rate-limit-window 1m",
        "talos keys issue ci --actor user:42 --format json | jq -er .secret > key.txt",
    ],
)
@click.argument("name", help="Name of the key, for people.")
@actor_option
@scopes_option
@click.option(
    "--ttl",
    type=Reader("duration", read_ttl),
    default="24h",
    show_default=True,
    help="Lifetime, such as 30m, 720h, 30d or 4w.",
)
@metadata_option
@restriction_options
def issue(
    name: str,
    actor: str,
    scopes: list[str] | None,
    ttl: tuple[str, int],
    metadata: dict[str, Any] | None,
    allowed_cidrs: list[str] | None,
    rate_limit_quota: int | None,
    rate_limit_window: str | None,
) -> None:
    """Issue a key and print its secret, which is shown only here."""
    _, ttl_ns = ttl
    body = given(
        name=name,
        actor_id=actor,
        scopes=scopes,
        ttl=format_go(ttl_ns),
        metadata=metadata,
        rate_limit_policy=rate_limit_policy(rate_limit_quota, rate_limit_window),
        ip_restriction=ip_restriction(allowed_cidrs),
    )
    output_format().require_first_step(("issued_api_key", "secret"))
    context = "issue API key"
    answer = Client().call(context, "POST", ISSUED.path, body=body)
    _print_with_secret(answer, context, "API key issued.")


@click.command(
    "rotate",
    cls=KeysCommand,
    examples=[
        "talos keys issued rotate KEY_ID",
        "talos keys issued rotate KEY_ID --scopes repo:read --format json-pretty",
    ],
)
@key_id_argument
@click.option("--name", help="A new name; the old one is kept where this is absent.")
@scopes_option
@metadata_option
def rotate(
    key_id: str, name: str | None, scopes: list[str] | None, metadata: dict[str, Any] | None
) -> None:
    """Replace a key by a successor and revoke it. The successor expires when the old key would.

    An empty --scopes leaves the successor without scopes.
    """
    output_format().require_first_step(("issued_api_key", "secret", "old_issued_api_key"))
    context = "rotate issued API key"
    answer = Client().call(
        context,
        "POST",
        ISSUED.item_path(key_id, ":rotate"),
        body=given(name=name, scopes=scopes, metadata=metadata),
    )
    _print_with_secret(answer, context, "API key rotated.")


def _print_with_secret(answer: dict[str, Any], context: str, done: str) -> None:
    """Print the new key. Raises ``CallFailed`` for a success that came from somewhere else."""
    if not answer.get("secret"):
        raise CallFailed(context, "the answer holds no secret; is this a Talos server?")
    columns = labelled(KEY_COLUMNS, key_row(member(answer, "issued_api_key")))
    note(done)
    print_row([*columns, ("SECRET", cell(answer.get("secret")))], answer)
    note(_SAVE_THE_SECRET)


issued.add_command(issue)
issued.alias("create", "issue")
issued.add_command(rotate)
add_shared_commands(issued, ISSUED)

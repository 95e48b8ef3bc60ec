"""The commands that issued and imported keys have alike: get, list, update, revoke."""

from typing import Any

import click

from talos.cli.client import Client
from talos.cli.command import Failure
from talos.cli.keys.flags import (
    Reader,
    given,
    ip_restriction,
    key_id_argument,
    metadata_option,
    rate_limit_policy,
    read_comma_list,
    restriction_options,
    revocation_options,
    scopes_option,
)
from talos.cli.keys.group import KeysCommand, KeysGroup
from talos.cli.keys.kinds import Kind, get_key, print_key, revoke_key
from talos.cli.keys.pages import every_page, one_page
from talos.cli.keys.rows import LIST_COLUMNS, list_row, members
from talos.cli.output import note, print_table

_UPDATE_FLAGS = (
    "--name, --scopes, --metadata, --allowed-cidrs, --rate-limit-quota with --rate-limit-window, "
    "--update-mask"
)


def get_command(kind: Kind) -> click.Command:
    """Return ``get``."""

    @click.command(
        "get",
        cls=KeysCommand,
        help=f"Show one {kind.title}, whatever its status.",
        examples=[
            f"talos keys {kind.noun} get KEY_ID",
            f"talos keys {kind.noun} get KEY_ID --format jsonpath=expire_time",
        ],
    )
    @key_id_argument
    def get(key_id: str) -> None:
        print_key(get_key(Client(), kind, key_id))

    return get


def list_command(kind: Kind) -> click.Command:
    """Return ``list``."""

    @click.command(
        "list",
        cls=KeysCommand,
        help=f"List {kind.title}s, a page at a time or, with --all, all of them.\n\n"
        "The token of the next page goes to stderr.",
        examples=[
            f"talos keys {kind.noun} list",
            f"talos keys {kind.noun} list --actor user:42 --status KEY_STATUS_ACTIVE",
            f"talos keys {kind.noun} list --all --format json",
            f"talos keys {kind.noun} list --page-size 100 --page-token TOKEN -q",
        ],
    )
    @click.option("--actor", help="Only the keys of this actor.")
    @click.option(
        "--status",
        type=click.Choice(["KEY_STATUS_ACTIVE", "KEY_STATUS_REVOKED", "KEY_STATUS_EXPIRED"]),
        help="Only the keys in this status.",
    )
    @click.option(
        "--page-size", type=int, default=0, help="Keys a page; 0 leaves it to the server."
    )
    @click.option("--page-token", help="Where to go on, from the page before.")
    @click.option("--all", "everything", is_flag=True, help="Go on to the last page.")
    def list_(
        actor: str | None,
        status: str | None,
        page_size: int,
        page_token: str | None,
        everything: bool,
    ) -> None:
        query = {
            "page_size": str(page_size) if page_size > 0 else "",
            "page_token": page_token or "",
            "filter": _filter(actor, status),
        }
        page = (every_page if everything else one_page)(Client(), kind, query)
        keys = members(page, kind.list_member)
        print_table(LIST_COLUMNS, [list_row(key) for key in keys], page)
        if page.get("next_page_token"):
            note(f"Next page token: {page['next_page_token']}")

    return list_


def update_command(kind: Kind) -> click.Command:
    """Return ``update``."""

    @click.command(
        "update",
        cls=KeysCommand,
        help=f"""Change an {kind.title}. Only what a flag names is changed.

        An empty --name or --scopes changes nothing without --update-mask. Fields that
        --update-mask names and no flag sets are cleared: that is how a rate limit is removed.""",
        examples=[
            f"talos keys {kind.noun} update KEY_ID --name billing --scopes invoices:read",
            f"talos keys {kind.noun} update KEY_ID --allowed-cidrs ''",
            f"talos keys {kind.noun} update KEY_ID --update-mask rate_limit_policy",
        ],
    )
    @key_id_argument
    @click.option("--name", help="A new name.")
    @scopes_option
    @metadata_option
    @restriction_options
    @click.option(
        "--update-mask",
        type=Reader("A,B", read_comma_list),
        help="Fields to set, or to clear where no flag sets them: name, scopes, metadata, "
        "rate_limit_policy, ip_restriction.",
    )
    def update(
        key_id: str,
        name: str | None,
        scopes: list[str] | None,
        metadata: dict[str, Any] | None,
        allowed_cidrs: list[str] | None,
        rate_limit_quota: int | None,
        rate_limit_window: str | None,
        update_mask: list[str] | None,
    ) -> None:
        if rate_limit_quota == 0:
            raise Failure(
                "--rate-limit-quota 0 removes nothing; use --update-mask rate_limit_policy"
            )
        if update_mask == []:
            raise Failure("--update-mask names no field")
        body = given(
            name=name,
            scopes=scopes,
            metadata=metadata,
            rate_limit_policy=rate_limit_policy(rate_limit_quota, rate_limit_window),
            ip_restriction=ip_restriction(allowed_cidrs),
        )
        if not body and update_mask is None:
            raise Failure(f"nothing to update; give at least one of {_UPDATE_FLAGS}")
        key = Client().call(
            f"update {kind.title}",
            "PATCH",
            kind.item_path(key_id),
            body=body,
            query={"update_mask": ",".join(update_mask)} if update_mask else None,
        )
        note("API key updated.")
        print_key(key)

    return update


def revoke_command(kind: Kind) -> click.Command:
    """Return ``revoke``."""

    @click.command(
        "revoke",
        cls=KeysCommand,
        help=f"Revoke an {kind.title}, for good, and show it as it is then.",
        examples=[
            f"talos keys {kind.noun} revoke KEY_ID --reason key_compromise",
            f"talos keys {kind.noun} revoke KEY_ID --reason privilege_withdrawn "
            "--reason-text 'left the team'",
        ],
    )
    @key_id_argument
    @revocation_options
    def revoke(key_id: str, reason: str | None, reason_text: str | None) -> None:
        client = Client()
        revoke_key(client, kind, key_id, reason, reason_text)
        print_key(get_key(client, kind, key_id))

    return revoke


def add_shared_commands(group: KeysGroup, kind: Kind) -> None:
    """Add the four commands of that kind to its group."""
    for command in (
        get_command(kind),
        list_command(kind),
        update_command(kind),
        revoke_command(kind),
    ):
        group.add_command(command)


def _filter(actor: str | None, status: str | None) -> str:
    """Return the filter of contract 7.2. Raises ``Failure`` for an actor that it cannot express."""
    clauses = []
    if actor:
        if '"' in actor:
            raise Failure("--actor must not hold a double quote: a list cannot be filtered for it")
        clauses.append(f'actor_id="{actor}"')
    if status:
        clauses.append(f"status={status}")
    return " AND ".join(clauses)

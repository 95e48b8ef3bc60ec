"""Pages of keys, one or all of them (contract 7.1)."""

from collections.abc import Mapping
from typing import Any, Final

from talos.cli.client import LONGEST_PAGE, CallFailed, Client
from talos.cli.keys.kinds import Kind
from talos.cli.keys.rows import cell, members
from talos.cli.progress import progress

_PAGE_SIZE: Final = "250"
_NEXT: Final = "next_page_token"


def one_page(client: Client, kind: Kind, query: Mapping[str, str]) -> dict[str, Any]:
    """Ask for one page; empty members of ``query`` are not sent. Raises ``CallFailed``."""
    return client.call(
        f"list {kind.title}s",
        "GET",
        kind.path,
        query={name: value for name, value in query.items() if value},
        longest=LONGEST_PAGE,
    )


def every_page(client: Client, kind: Kind, query: Mapping[str, str]) -> dict[str, Any]:
    """Return what one page that holds everything would be. Raises ``CallFailed``.

    It fails, too, when a page names a token that led somewhere already, which would never end.
    """
    asked = {**query, "page_size": query.get("page_size") or _PAGE_SIZE}
    keys: list[dict[str, Any]] = []
    seen = {asked.get("page_token", "")}
    with progress("listing") as show:
        while True:
            page = one_page(client, kind, asked)
            keys += members(page, kind.list_member)
            show(len(keys), None)
            token = cell(page.get(_NEXT))
            if not token:
                return {kind.list_member: keys, _NEXT: ""}
            if token in seen:
                raise CallFailed(f"list {kind.title}s", "the server repeats a page token")
            seen.add(token)
            asked["page_token"] = token

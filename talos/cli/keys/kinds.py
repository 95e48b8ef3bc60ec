"""Issued and imported keys as the API names them, and the calls that both understand."""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from talos.cli.client import ADMIN, Client
from talos.cli.keys.flags import given
from talos.cli.keys.rows import KEY_COLUMNS, key_row, labelled
from talos.cli.output import note, print_row


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of keys: ``noun`` names its command group, ``collection`` its path."""

    noun: str
    collection: str
    list_member: str

    @property
    def path(self) -> str:
        """The path of the collection."""
        return f"{ADMIN}/{self.collection}"

    @property
    def title(self) -> str:
        """What messages call one of its keys."""
        return f"{self.noun} API key"

    def item_path(self, key_id: str, verb: str = "") -> str:
        """Return the path of one key, with a verb such as ``:revoke`` behind it."""
        segment = quote(key_id, safe="")
        if not segment.strip("."):
            # A segment of dots alone would lead to another path.
            segment = segment.replace(".", "%2E")
        return f"{self.path}/{segment}{verb}"


ISSUED: Final = Kind("issued", "issuedApiKeys", "issued_api_keys")
IMPORTED: Final = Kind("imported", "importedApiKeys", "imported_api_keys")


def print_key(key: dict[str, Any]) -> None:
    """Print the row of one key."""
    print_row(labelled(KEY_COLUMNS, key_row(key)), key)


def get_key(client: Client, kind: Kind, key_id: str) -> dict[str, Any]:
    """Get one key. Raises ``CallFailed``."""
    return client.call(f"get {kind.title}", "GET", kind.item_path(key_id))


def revoke_key(
    client: Client, kind: Kind, key_id: str, reason: str | None, description: str | None
) -> None:
    """Revoke one key and say so. Raises ``CallFailed``."""
    client.call(
        f"revoke {kind.title}",
        "POST",
        kind.item_path(key_id, ":revoke"),
        body=given(reason=reason, description=description),
    )
    note("API key revoked.")

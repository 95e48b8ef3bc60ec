"""``talos keys``: the keys of a server, over its API. Contract 13.2."""

import click

from talos.cli.client import CallFailed, Client
from talos.cli.keys.credentials import batch_verify, derive_token, self_revoke, verify
from talos.cli.keys.flags import key_id_argument, revocation_options
from talos.cli.keys.group import KeysCommand, KeysGroup
from talos.cli.keys.imported import imported
from talos.cli.keys.issued import issue, issued
from talos.cli.keys.kinds import IMPORTED, ISSUED, get_key, print_key, revoke_key

_NOT_FOUND = 404


@click.command(
    cls=KeysGroup,
    examples=[
        "talos keys issue billing --actor service:billing --scopes invoices:read",
        "talos keys verify - < key.txt",
        "talos keys issued list --format json",
    ],
)
def keys() -> None:
    """Issue, import, verify and revoke the keys of a server."""


@click.command(
    "revoke",
    cls=KeysCommand,
    examples=["talos keys revoke KEY_ID --reason superseded"],
)
@key_id_argument
@revocation_options
def revoke(key_id: str, reason: str | None, reason_text: str | None) -> None:
    """Revoke the issued key with that id or, where there is none, the imported one."""
    client = Client()
    refusals = []
    for kind in (ISSUED, IMPORTED):
        try:
            revoke_key(client, kind, key_id, reason, reason_text)
        except CallFailed as failure:
            if failure.status != _NOT_FOUND:
                raise
            refusals.append(failure.text)
        else:
            print_key(get_key(client, kind, key_id))
            return
    raise CallFailed("revoke API key", refusals[0], _NOT_FOUND)


for _command in (issue, verify, batch_verify, derive_token, revoke, self_revoke, issued, imported):
    keys.add_command(_command)
keys.alias("create", "issue")
keys.alias("validate", "verify")

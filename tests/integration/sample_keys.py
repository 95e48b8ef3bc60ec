"""Keys to store; apart from the tests, so that a process which only writes starts quickly."""

import hashlib
import uuid
from dataclasses import replace

from talos.domain.keys import Key, KeyKind, KeyStatus, KeyVisibility, Metadata

NOW_NS = 1_790_000_000_123_456_789
DAY_NS = 86_400_000_000_000


def make_key(network_id: str, kind: KeyKind = KeyKind.ISSUED, **fields: object) -> Key:
    """A key with a random id; ``fields`` replace what it is made of."""
    random_id = uuid.uuid4()
    key = Key(
        kind=kind,
        network_id=network_id,
        key_id=(
            str(random_id)
            if kind is KeyKind.ISSUED
            else hashlib.new("sha512_256", random_id.bytes).hexdigest()
        ),
        name="a key",
        actor_id="actor",
        scopes=("read",),
        metadata=Metadata("{}"),
        status=KeyStatus.ACTIVE,
        visibility=KeyVisibility.SECRET,
        created_at_ns=NOW_NS,
        updated_at_ns=NOW_NS,
        expires_at_ns=NOW_NS + DAY_NS,
        token_prefix="ory_ak" if kind is KeyKind.ISSUED else None,
    )
    return replace(key, **fields)  # type: ignore[arg-type]

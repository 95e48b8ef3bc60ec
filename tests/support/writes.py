"""Writing keys to a repository, without events."""

from collections.abc import Callable

from talos.domain.keys import Key, KeyKind, KeyRef
from talos.services.ports import Change, KeyRepository


def change(repository: KeyRepository, ref: KeyRef, make: Callable[[Key], Key]) -> Key:
    """Replace a key, and return what was stored."""
    return repository.change(ref, lambda before: Change(make(before), ())).after


def rotate(
    repository: KeyRepository,
    network_id: str,
    key_id: str,
    succeed: Callable[[Key], tuple[Key, Key]],
) -> tuple[Key, Key]:
    """Write the successor of an issued key and that key's new record, which ``succeed`` returns.

    Returns the old key before and after.
    """

    def wanted(before: Key) -> Change:
        successor, after = succeed(before)
        return Change(after, (), successor)

    changed = repository.change(KeyRef(network_id, KeyKind.ISSUED, key_id), wanted)
    return changed.before, changed.after


def delete(repository: KeyRepository, ref: KeyRef) -> Key:
    """Remove a key, and return its last record."""
    return repository.change(ref, lambda _: Change(None, ())).after

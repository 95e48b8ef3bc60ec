"""Verbs of a path: what stands behind the last colon of a segment (contract 2.1)."""

from collections.abc import Mapping
from typing import Final, TypeVar

from talos.errors import NotFound

VERBS: Final = frozenset({"revoke", "rotate"})
"""All that may stand behind an id."""

T = TypeVar("T")


def split_verb(segment: str, verbs: Mapping[str, T]) -> tuple[str, T]:
    """Return the key id and what ``verbs`` has for its verb.

    Raises ``NotFound`` for a segment without one of the verbs, or with nothing before it.
    """
    key_id, _, verb = segment.rpartition(":")
    if not key_id or verb not in verbs:
        raise NotFound
    return key_id, verbs[verb]

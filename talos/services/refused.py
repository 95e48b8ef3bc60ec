"""Evicting keys that the database refuses, without letting their holders evict at will."""

import threading
from typing import Final, TypeAlias

from talos.domain.keys import Key, KeyRef, KeyStatus
from talos.services.ports import KeyCache

_State: TypeAlias = tuple[KeyStatus, int, int | None]

_ROOM: Final = 4096


class RefusedKeys:
    """Keys that were refused lately, each with the state of its row.

    An eviction takes answers about other keys with it, and may be caused by whoever presents a key
    that is revoked or expired. It is needed once for each state of a row: a reader that could still
    publish what the row said before had taken its lease before the eviction. After that the key is
    evicted only where an answer about it is there. Safe to share between threads.
    """

    def __init__(self, cache: KeyCache, room: int = _ROOM) -> None:
        """Evict from ``cache``, and remember ``room`` keys."""
        self._cache = cache
        self._room = room
        self._lock = threading.Lock()
        self._states: dict[KeyRef, _State] = {}

    def evict(self, row: Key) -> None:
        """Forget what the cache says of a key whose row was read and refused (contract 6.8)."""
        ref = row.ref
        state = (row.status, row.updated_at_ns, row.expires_at_ns)
        if self._states.get(ref) == state:
            self._cache.evict_if_there(ref)
            return
        # Before it is noted: who finds the note may rely on the eviction.
        self._cache.evict(ref)
        with self._lock:
            self._states.pop(ref, None)
            self._states[ref] = state
            if len(self._states) > self._room:
                del self._states[next(iter(self._states))]

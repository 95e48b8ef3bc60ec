"""The one way in which keys are written: no event is emitted for what the database took back.

A write of a key holds the key in the cache, changes its row and appends the events about it
in one transaction, lets go of the key, and emits the events. A service says what becomes of a row;
it cannot forget any of the rest, since the repository's writing methods are called here alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from talos.domain.events import AuditEvent, Requester, changed_members
from talos.domain.keys import Key, KeyRef
from talos.services.lookup import absence_named
from talos.services.ports import (
    BatchInserted,
    Change,
    Changed,
    EventEmitter,
    Inserted,
    KeyCache,
    KeyRepository,
)


@dataclass(frozen=True, slots=True)
class Occasion:
    """When a write happens, by which request, and how many keys there may be (0: any number)."""

    now_ns: int
    requester: Requester
    quota: int = 0

    def complete(self, event: AuditEvent) -> AuditEvent:
        """Return the event as of this occasion."""
        return replace(event, requester=self.requester, time_ns=self.now_ns)


class KeyWriter:
    """Writes keys to the database, and sees to cache and events. Safe to share between threads."""

    def __init__(self, keys: KeyRepository, cache: KeyCache, events: EventEmitter) -> None:
        """Write to ``keys`` while ``cache`` is held, then emit to ``events``."""
        self._keys = keys
        self._cache = cache
        self._events = events

    def change(self, ref: KeyRef, change: Callable[[Key], Change], occasion: Occasion) -> Changed:
        """Do to a key what ``change`` says. See ``KeyRepository.change`` for what it raises."""

        def recorded(before: Key) -> Change:
            wanted = change(before)
            after = wanted.successor or wanted.key
            members = () if after is None else changed_members(before, after)
            events = (replace(occasion.complete(event), changed=members) for event in wanted.events)
            return replace(wanted, events=tuple(events))

        with self._cache.hold(ref), absence_named(ref.kind):
            changed = self._keys.change(ref, recorded)
        self._emit(changed.events)
        return changed

    def insert(self, key: Key, event: AuditEvent, occasion: Occasion) -> Inserted:
        """Insert a new key. See ``KeyRepository.insert`` for what it raises."""
        completed = occasion.complete(event)
        inserted = self._keys.insert(
            key, quota=occasion.quota, now_ns=occasion.now_ns, event=completed
        )
        if inserted.created:
            self._emit((completed,))
        return inserted

    def insert_batch(
        self, keys: Sequence[Key], events: Sequence[AuditEvent], occasion: Occasion
    ) -> BatchInserted:
        """Insert new keys, each with its event. See ``KeyRepository.insert_batch``."""
        completed = [occasion.complete(event) for event in events]
        outcome = self._keys.insert_batch(
            keys, quota=occasion.quota, now_ns=occasion.now_ns, events=completed
        )
        left_out = outcome.existing | outcome.over_quota
        self._emit([event for position, event in enumerate(completed) if position not in left_out])
        return outcome

    def _emit(self, events: Sequence[AuditEvent]) -> None:
        for event in events:
            self._events.emit(event)

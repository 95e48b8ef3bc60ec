"""The cache that remembers nothing (``cache.type: noop``, contract 8.3)."""

from collections.abc import Iterator
from contextlib import contextmanager

from talos.domain.keys import Key, KeyKind
from talos.services.ports import CachedKey


class NullLease:
    """A lease whose publication goes nowhere."""

    def publish(self, key: Key, expires_at_ns: int) -> None:
        """Forget the record."""


class NullKeyCache:
    """Implements ``services.ports.KeyCache``: every read is a miss, so nothing can be stale."""

    _LEASE = NullLease()

    def get(self, network_id: str, kind: KeyKind, key_id: str) -> CachedKey | None:
        """Return None: nothing is ever published."""
        return None

    def lease(self, network_id: str, kind: KeyKind, key_id: str) -> NullLease:
        """Return a lease that publishes nothing."""
        return self._LEASE

    @contextmanager
    def hold(self, network_id: str, kind: KeyKind, key_id: str) -> Iterator[None]:
        """Hold nothing: no reader can be given what was never kept."""
        yield

    def evict(self, network_id: str, kind: KeyKind, key_id: str) -> None:
        """Evict nothing."""

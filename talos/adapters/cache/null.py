"""The caches that remember nothing (``cache.type: noop``, contract 8.3)."""

from collections.abc import Iterator
from contextlib import contextmanager

from talos.credentials.claims import TokenClaims
from talos.domain.keys import KeyRef
from talos.domain.verification import Verification
from talos.services.ports import CachedVerification


class NullLease:
    """A lease whose publication goes nowhere."""

    def publish(
        self,
        answer: CachedVerification,
        *,
        generation: int,
        published_at_ns: int,
        expires_at_ns: int,
    ) -> None:
        """Forget the answer."""


class NullKeyCache:
    """Implements ``services.ports.KeyCache``: every read is a miss, so nothing can be stale."""

    _LEASE = NullLease()

    def get(self, ref: KeyRef, *, generation: int, max_age_ns: int) -> CachedVerification | None:
        """Return None: nothing is ever published."""
        return None

    def lease(self, ref: KeyRef) -> NullLease:
        """Return a lease that publishes nothing."""
        return self._LEASE

    @contextmanager
    def hold(self, ref: KeyRef) -> Iterator[None]:
        """Hold nothing: no reader can be given what was never kept."""
        yield

    def evict(self, ref: KeyRef) -> None:
        """Evict nothing."""

    def evict_if_there(self, ref: KeyRef) -> None:
        """Evict nothing."""


class NullVerifiedTokenCache:
    """Implements ``services.ports.VerifiedTokenCache``: every token is authenticated anew."""

    def get(self, network_id: str, generation: int, token: str, now_ns: int) -> TokenClaims | None:
        """Return None: nothing is ever remembered."""
        return None

    def put(
        self,
        network_id: str,
        generation: int,
        token: str,
        claims: TokenClaims,
        *,
        answer: Verification | None,
        ends_ns: int | None,
        now_ns: int,
    ) -> None:
        """Forget the proof."""

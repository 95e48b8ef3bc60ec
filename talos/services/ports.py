"""What the services need from the outside world. Adapters implement these and nothing else.

Every method that names a key takes the network first: no query can be written without it.
Storage methods raise ``ServiceUnavailable`` when the database cannot be reached,
``GatewayTimeout`` when it did not answer in time, and ``InternalError`` for every other error
(contract 3.2, 16.19); they never let a driver's exception or text through.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from talos.credentials.claims import TokenClaims
from talos.domain.events import AuditEvent
from talos.domain.keys import Key, KeyKind, KeyRef, KeyStatus, RateLimitPolicy
from talos.domain.verification import RateLimitState, Verification
from talos.errors import GatewayTimeout, InternalError, ServiceUnavailable

STORAGE_ERRORS: Final = (ServiceUnavailable, GatewayTimeout, InternalError)
"""What storage methods raise when the database fails; whether it commits all the same is open."""


class Clock(Protocol):
    """Wall-clock time."""

    def now_ns(self) -> int:
        """Nanoseconds since the Unix epoch."""
        ...


@dataclass(frozen=True, slots=True)
class Inserted:
    """Outcome of an insert.

    ``created`` is False when a row with the same (network, request_id) was there first: then
    ``key`` is that stored row, in its present state.
    """

    key: Key
    created: bool


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of one key, and the events about it.

    ``key`` is its new record, None where it goes. ``successor`` is a new key that takes its place.
    """

    key: Key | None
    events: tuple[AuditEvent, ...]
    successor: Key | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """Outcome of a change: the record before it, and what was stored.

    ``after`` is the last record of a key that is gone.
    """

    before: Key
    after: Key
    events: tuple[AuditEvent, ...]


@dataclass(frozen=True, slots=True)
class BatchInserted:
    """Outcome of a batch insert, by position in the given list.

    ``existing`` and ``over_quota`` hold positions that were not inserted; every other position was.
    """

    existing: frozenset[int]
    over_quota: frozenset[int]


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """A stored row that could not be read; ``key_id`` names it for the log."""

    key_id: str


class KeyRepository(Protocol):
    """The keys of all networks. Each method is one transaction."""

    def insert(
        self, key: Key, *, quota: int, now_ns: int, event: AuditEvent | None = None
    ) -> Inserted:
        """Insert ``key``, and the event about it where there is one.

        A row with the same network, kind and ``request_id`` wins over everything else and is
        returned with ``created=False``. Raises ``ApiKeyExists`` when the id is taken, and
        ``QuotaExceeded`` when ``quota`` > 0 and that many keys of the network can still verify at
        ``now_ns`` (contract 16, 23); concurrent inserts cannot pass the quota together.
        """
        ...

    def is_full(self, network_id: str, *, quota: int, now_ns: int) -> bool:
        """Return whether ``quota`` keys of the network, or more, can still verify at ``now_ns``.

        For who will not insert: nothing keeps the answer true after it was given.
        """
        ...

    def insert_batch(
        self, keys: Sequence[Key], *, quota: int, now_ns: int, events: Sequence[AuditEvent] = ()
    ) -> BatchInserted:
        """Insert imported keys with pairwise different ids in one transaction (contract 4.8).

        ``events`` has the event for each key by position, or is empty: then none is stored. With a
        quota, the first ``headroom`` positions proceed (those that turn out to exist already use
        headroom too), the rest are ``over_quota``.
        """
        ...

    def get(self, ref: KeyRef) -> Key | None:
        """Return the key, or None. An id that the column cannot hold is None, not an error."""
        ...

    def get_many(
        self, network_id: str, kind: KeyKind, key_ids: Collection[str]
    ) -> Mapping[str, Key | UnreadableRow]:
        """Return those of the keys that exist, by id, in one read.

        A row that cannot be decoded is an ``UnreadableRow`` in its place (contract 16, 29).
        """
        ...

    def change(self, ref: KeyRef, change: Callable[[Key], Change]) -> Changed:
        """Do to the key what ``change(key)`` says, the row locked meanwhile.

        All of it is one transaction, its events last: of concurrent changes each sees the result of
        those before. A ``TalosError`` of ``change`` passes through, and nothing is written;
        ``change`` may be called again with a newer record. Raises ``ApiKeyNotFound``, and
        ``ApiKeyExists`` where the id of a successor is taken. The identity (network, kind, id),
        ``created_at_ns`` and ``last_used_at_ns`` are never written.
        """
        ...

    def list_page(
        self,
        network_id: str,
        kind: KeyKind,
        *,
        limit: int,
        before_id: str | None,
        actor_id: str | None,
        status: KeyStatus | None,
        now_ns: int,
    ) -> Sequence[Key]:
        """Return up to ``limit`` keys with an id below ``before_id``, ids descending by bytes.

        ``status`` is the shown one (``Key.shown_status`` at ``now_ns``). The cost does not grow
        with the position in the list.
        """
        ...

    def mark_used(self, network_id: str, kind: KeyKind, uses: Mapping[str, int]) -> None:
        """Set ``last_used_at_ns`` of the keys to their uses, by id; never back (contract 12).

        A use that was still under way when its key was revoked is reported as of the revocation.
        ``updated_at_ns`` stays. Unknown ids are skipped.
        """
        ...


class Database(Protocol):
    """The database as a whole."""

    def ping(self) -> None:
        """Return when a connection answers; raises as the storage methods do."""
        ...

    def close(self) -> None:
        """Give every connection back."""
        ...


@dataclass(frozen=True, slots=True)
class CachedVerification:
    """The verification of a key that is neither revoked nor expired, and who may get it by address.

    ``verification`` is valid and says nothing of a single call: ``limit_state`` is None, and
    ``restricted`` is left to whoever answers.
    """

    verification: Verification
    allowed_cidrs: tuple[str, ...] = ()


class Lease(Protocol):
    """The right to publish one key, taken before its row is read."""

    def publish(
        self,
        answer: CachedVerification,
        *,
        generation: int,
        published_at_ns: int,
        expires_at_ns: int,
    ) -> None:
        """Publish the answer until ``expires_at_ns``, unless the key was evicted or is held since
        the lease was taken. Never raises: a cache that fails is a cache that misses.
        """
        ...


class KeyCache(Protocol):
    """Answers about keys that verified, by (network, kind, id). Contract 6.8.

    Only keys that passed every rule are published. Faults of the cache never reach the caller.
    """

    def get(self, ref: KeyRef, *, generation: int, max_age_ns: int) -> CachedVerification | None:
        """Return what was published under the credential settings of ``generation``, or None.

        An answer of other settings names their issuer, and is no answer of today. Nor is one that
        was published ``max_age_ns`` ago or more, whoever published it (contract 16 (42)).
        """
        ...

    def lease(self, ref: KeyRef) -> Lease:
        """Take a lease. It must be taken before the row is read from the database."""
        ...

    def hold(self, ref: KeyRef) -> AbstractContextManager[None]:
        """Evict the key on entry and on exit, and let nothing be published for it in between.

        A writer enters before its transaction starts and leaves after it has ended, so that no
        reader can be given what the database has taken back. Where it leaves with one of
        ``STORAGE_ERRORS`` or with no error of ours, its commit may still be on the way: the hold
        then stays until it lapses, which is after every time-out of the database.
        """
        ...

    def evict(self, ref: KeyRef) -> None:
        """Forget the key, and refuse every lease taken before now."""
        ...

    def evict_if_there(self, ref: KeyRef) -> None:
        """Do the same where an answer about the key is there, of whatever settings and age.

        An eviction may take answers about other keys with it. So this is for who may be anybody.
        """
        ...


class VerifiedTokenCache(Protocol):
    """Claims of derived tokens that were authenticated, in one network, under one generation of the
    credential settings (``CredentialSettings.generation``). Contract 16 (6).

    What is cached are the claims and the body that tells of them, never a verdict on the token.
    Neither the token nor anything from which it could be made is kept. Errors never reach the
    caller.
    """

    def get(self, network_id: str, generation: int, token: str, now_ns: int) -> TokenClaims | None:
        """Return the claims of a token that is still authentic at ``now_ns``, or None."""
        ...

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
        """Cache the claims until ``ends_ns``, None for as long as there is room.

        ``answer`` is the verification for callers that expect no audience, once the token has begun
        and before ``ends_ns``; None where that depends on the caller.
        """
        ...


class RateLimiter(Protocol):
    """Enforces rate limit policies (contract 6.7)."""

    @property
    def counts(self) -> bool:
        """Whether calls are counted where limits are enabled; if not, policies are only shown."""
        ...

    def admit(
        self, network_id: str, key_id: str, policy: RateLimitPolicy, now_ns: int
    ) -> RateLimitState | None:
        """Count one call; None when nothing is enforced, or the limiter failed (fail open)."""
        ...


class LastUsedMarks(Protocol):
    """Notes that keys were used (contract 12). Never blocks, never raises."""

    def mark(self, key: Key, now_ns: int) -> None:
        """Note a use at ``now_ns``; a key already marked on this UTC day is left alone."""
        ...


class EventEmitter(Protocol):
    """Where audit events go (contract 11.3). Never raises."""

    def emit(self, event: AuditEvent) -> None:
        """Emit one event."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """All that the services need from outside: one adapter for each port."""

    keys: KeyRepository
    cache: KeyCache
    verified_tokens: VerifiedTokenCache
    limiter: RateLimiter
    last_used: LastUsedMarks
    events: EventEmitter
    clock: Clock

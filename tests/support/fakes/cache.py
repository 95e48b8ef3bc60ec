"""A key cache in a dictionary, with the leases and holds that the port promises."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from talos.domain.keys import KeyRef
from talos.errors import TalosError
from talos.services.ports import STORAGE_ERRORS, CachedVerification, Clock


@dataclass(frozen=True)
class Publication:
    """One entry: the answer, its settings, when it was published, until when it may be served."""

    answer: CachedVerification
    generation: int
    published_at_ns: int
    expires_at_ns: int


class RecordingLease:
    """Implements ``services.ports.Lease``: worthless once the key's epoch has moved."""

    def __init__(self, cache: "RecordingCache", name: KeyRef) -> None:
        self._cache = cache
        self._name = name
        self._epoch = cache.epochs[name]

    def publish(
        self,
        answer: CachedVerification,
        *,
        generation: int,
        published_at_ns: int,
        expires_at_ns: int,
    ) -> None:
        cache = self._cache
        if cache.holds[self._name] or cache.epochs[self._name] != self._epoch:
            return
        cache.entries[self._name] = Publication(answer, generation, published_at_ns, expires_at_ns)
        cache.published.append(self._name)


class RecordingCache:
    """Implements ``services.ports.KeyCache``, and keeps a list of what was done."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.entries: dict[KeyRef, Publication] = {}
        self.epochs: Counter[KeyRef] = Counter()
        self.holds: Counter[KeyRef] = Counter()
        self.reads: list[KeyRef] = []
        self.leases: list[KeyRef] = []
        self.published: list[KeyRef] = []
        self.evictions: list[KeyRef] = []

    def get(self, ref: KeyRef, *, generation: int, max_age_ns: int) -> CachedVerification | None:
        self.reads.append(ref)
        entry = self.entries.get(ref)
        if entry is None or entry.generation != generation:
            return None
        now_ns = self._clock.now_ns()
        if max_age_ns <= 0 or now_ns - entry.published_at_ns >= max_age_ns:
            return None
        return entry.answer if now_ns < entry.expires_at_ns else None

    def lease(self, ref: KeyRef) -> RecordingLease:
        self.leases.append(ref)
        return RecordingLease(self, ref)

    @contextmanager
    def hold(self, ref: KeyRef) -> Iterator[None]:
        self.holds[ref] += 1
        self.evict(ref)
        ended = False
        try:
            yield
            ended = True
        except TalosError as error:
            ended = not isinstance(error, STORAGE_ERRORS)
            raise
        finally:
            self.evict(ref)
            self.holds[ref] -= ended

    def evict(self, ref: KeyRef) -> None:
        self.evictions.append(ref)
        self.epochs[ref] += 1
        self.entries.pop(ref, None)

    def evict_if_there(self, ref: KeyRef) -> None:
        if ref in self.entries:
            self.evict(ref)

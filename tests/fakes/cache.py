"""A key cache in a dictionary, with the leases and holds that the port promises."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from talos.domain.keys import KeyKind
from talos.errors import TalosError
from talos.services.ports import TROUBLE, Clock, ReadyAnswer

Name = tuple[str, KeyKind, str]


@dataclass(frozen=True)
class Publication:
    """One entry: the answer, its settings, when it was published, until when it may be served."""

    answer: ReadyAnswer
    generation: int
    published_at_ns: int
    expires_at_ns: int


class RecordingLease:
    """Implements ``services.ports.Lease``: worthless once the key's epoch has moved."""

    def __init__(self, cache: "RecordingCache", name: Name) -> None:
        self._cache = cache
        self._name = name
        self._epoch = cache.epochs[name]

    def publish(
        self, answer: ReadyAnswer, *, generation: int, published_at_ns: int, expires_at_ns: int
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
        self.entries: dict[Name, Publication] = {}
        self.epochs: Counter[Name] = Counter()
        self.holds: Counter[Name] = Counter()
        self.reads: list[Name] = []
        self.leases: list[Name] = []
        self.published: list[Name] = []
        self.evictions: list[Name] = []

    def get(
        self, network_id: str, kind: KeyKind, key_id: str, *, generation: int, max_age_ns: int
    ) -> ReadyAnswer | None:
        name = (network_id, kind, key_id)
        self.reads.append(name)
        entry = self.entries.get(name)
        if entry is None or entry.generation != generation:
            return None
        now_ns = self._clock.now_ns()
        if max_age_ns <= 0 or now_ns - entry.published_at_ns >= max_age_ns:
            return None
        return entry.answer if now_ns < entry.expires_at_ns else None

    def lease(self, network_id: str, kind: KeyKind, key_id: str) -> RecordingLease:
        name = (network_id, kind, key_id)
        self.leases.append(name)
        return RecordingLease(self, name)

    @contextmanager
    def hold(self, network_id: str, kind: KeyKind, key_id: str) -> Iterator[None]:
        name = (network_id, kind, key_id)
        self.holds[name] += 1
        self.evict(*name)
        ended = False
        try:
            yield
            ended = True
        except TalosError as error:
            ended = not isinstance(error, TROUBLE)
            raise
        finally:
            self.evict(*name)
            self.holds[name] -= ended

    def evict(self, network_id: str, kind: KeyKind, key_id: str) -> None:
        name = (network_id, kind, key_id)
        self.evictions.append(name)
        self.epochs[name] += 1
        self.entries.pop(name, None)

    def evict_if_there(self, network_id: str, kind: KeyKind, key_id: str) -> None:
        if (network_id, kind, key_id) in self.entries:
            self.evict(network_id, kind, key_id)

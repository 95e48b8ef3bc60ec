"""The cache of all workers of a host, in memory that they share (contract 6.8).

Storing, leases and holds are compiled; docs/shared-memory.md argues why no answer is stale. Here
answers become bytes: a head that the compiled fast path reads, the body as it is sent, and a tail
with what else a reader has to know.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import msgspec

from talos import _core
from talos.adapters.observability.log_throttle import LogThrottle
from talos.domain.keys import KeyKind, KeyRef
from talos.domain.units import NS_PER_S
from talos.domain.verification import Verification
from talos.errors import TalosError
from talos.services.ports import STORAGE_ERRORS, CachedVerification, Clock

KIND_NUMBERS: Final = {KeyKind.ISSUED: 0, KeyKind.IMPORTED: 1}
"""The numbers of the kinds in the compiled cache."""

HOLD_NS: Final = 900 * NS_PER_S
"""How long a hold stands whose writer has died, or does not know what became of its commit.

It is longer than the database may take until a commit has come or can come no more. What it costs
is one key, and about one in 4,096 others, that are read from the database meanwhile.
"""

_log = logging.getLogger(__name__)


class _Tail(msgspec.Struct, array_like=True, frozen=True):
    """What a reader of an entry has to know beside the body."""

    generation: int
    published_at_ns: int
    allowed_cidrs: tuple[str, ...]


_ENCODE: Final = msgspec.msgpack.Encoder().encode
_DECODE: Final = msgspec.msgpack.Decoder(_Tail).decode


@dataclass(frozen=True, slots=True)
class BodyFormat:
    """How a valid verdict becomes the body that is sent for it, and the verdict again.

    ``read`` raises an exception of any type for what ``render`` never made.
    """

    render: Callable[[Verification], bytes]
    read: Callable[[bytes], Verification]


class SharedKeyCache:
    """Implements ``services.ports.KeyCache`` for every process that inherited one memory.

    What fails is logged, once in a while, and is a miss. An answer over 4 KiB is not kept.
    """

    def __init__(self, memory: _core.SharedMemory, bodies: BodyFormat, clock: Clock) -> None:
        """Keep answers in ``memory``; entries end by ``clock``."""
        self.core = _core.KeyCache(memory)
        self.clock = clock
        self.bodies = bodies
        self._throttle = LogThrottle()

    def get(self, ref: KeyRef, *, generation: int, max_age_ns: int) -> CachedVerification | None:
        """See ``KeyCache.get``."""
        try:
            now_ns = self.clock.now_ns()
            payload = self.core.get(*_name(ref), now_ns=now_ns)
            parts = None if payload is None else _core.unpack_answer(payload)
            if parts is None:
                return None
            tail = _DECODE(parts[1])
            age_ns = now_ns - tail.published_at_ns
            # Negative where the clock was set back since, and then less than any age but none.
            if tail.generation != generation or age_ns >= max_age_ns or max_age_ns <= 0:
                return None
            return CachedVerification(self.bodies.read(parts[0]), tail.allowed_cidrs)
        except Exception as error:
            self.log_error(error)
            return None

    def lease(self, ref: KeyRef) -> "_SharedLease":
        """See ``KeyCache.lease``."""
        try:
            number = self.core.lease(*_name(ref))
        except Exception as error:
            self.log_error(error)
            number = _NO_LEASE
        return _SharedLease(self, number, ref)

    @contextmanager
    def hold(self, ref: KeyRef) -> Iterator[None]:
        """See ``KeyCache.hold``; it lapses after ``HOLD_NS``."""
        name = _name(ref)
        token = self.core.hold(*name, for_ns=HOLD_NS)
        ended = False
        try:
            yield
            ended = True
        except TalosError as error:
            ended = not isinstance(error, STORAGE_ERRORS)
            raise
        finally:
            if ended:
                self.core.lift(token, *name)
            else:
                self.core.evict(*name)

    def evict(self, ref: KeyRef) -> None:
        """See ``KeyCache.evict``."""
        self.core.evict(*_name(ref))

    def evict_if_there(self, ref: KeyRef) -> None:
        """See ``KeyCache.evict_if_there``."""
        name = _name(ref)
        if self.core.get(*name, now_ns=0) is not None:
            self.core.evict(*name)

    def flush(self) -> None:
        """Forget every key, in all processes."""
        self.core.flush()

    def log_error(self, error: Exception) -> None:
        """Log what keeps the cache from working, unless that was said just now."""
        if not self._throttle.due():
            return
        # Only the type: the text of an error may quote what it failed on.
        fields = {"error": type(error).__name__}
        _log.error("the key cache fails; keys are read instead", extra={"fields": fields})


_NO_LEASE: Final = 0


def _name(ref: KeyRef) -> tuple[str, int, str]:
    """Return how the compiled core calls a key."""
    network_id, kind, key_id = ref
    return network_id, KIND_NUMBERS[kind], key_id


class _SharedLease:
    """Implements ``services.ports.Lease``."""

    __slots__ = ("_cache", "_number", "_ref")

    def __init__(self, cache: SharedKeyCache, number: int, ref: KeyRef) -> None:
        self._cache = cache
        self._number = number
        self._ref = ref

    def publish(
        self,
        answer: CachedVerification,
        *,
        generation: int,
        published_at_ns: int,
        expires_at_ns: int,
    ) -> None:
        if self._number == _NO_LEASE:
            return
        verification, cidrs = answer.verification, answer.allowed_cidrs
        policy = verification.rate_limit
        cache = self._cache
        try:
            payload = _core.pack_answer(
                cache.bodies.render(verification),
                _ENCODE(_Tail(generation, published_at_ns, cidrs)),
                generation=generation,
                expires_at_ns=verification.expires_at_ns,
                published_at_ns=published_at_ns,
                # The fast path knows nothing of addresses.
                plain=not cidrs,
                limit=None if policy is None else (policy.quota, policy.window_s),
            )
            cache.core.publish(
                self._number,
                *_name(self._ref),
                payload,
                expires_at_ns=expires_at_ns,
                now_ns=cache.clock.now_ns(),
            )
        except Exception as error:
            cache.log_error(error)

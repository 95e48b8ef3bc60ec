"""The shared key cache beside a dictionary that does the same: a hit is never another answer."""

import hashlib
import uuid

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from talos import _core
from talos._core import KeyCache, SharedMemory

SMALLEST = 420_000
NETWORKS = [str(uuid.UUID(int=number)) for number in (0, 1)]
KEYS = [str(uuid.uuid5(uuid.NAMESPACE_OID, str(number))) for number in range(24)]
KEYS += [hashlib.sha256(key.encode()).hexdigest() for key in KEYS]
HOUR_NS = 3_600 * 10**9

Name = tuple[str, int, str]
NAMES: list[Name] = [
    (network, kind, key) for network in NETWORKS for kind in (1, 2) for key in KEYS
]
names = st.sampled_from(NAMES)
payloads = st.builds(
    lambda seed, length: hashlib.shake_128(seed).digest(length),
    st.binary(max_size=4),
    st.one_of(st.integers(0, 600), st.integers(0, 4097)),
)


class CacheBesideADictionary(RuleBasedStateMachine):
    """Evicting one key may evict others that share its stripe, and room is short: so a miss is
    always allowed, and a hit must be what the dictionary says."""

    leases = Bundle("leases")
    holds = Bundle("holds")

    def __init__(self) -> None:
        super().__init__()
        memory = SharedMemory(SMALLEST)
        assert memory.attach()
        self.cache = KeyCache(memory)
        self.now_ns = 10**18
        self.known: dict[Name, tuple[bytes, int]] = {}
        self.evictions: dict[Name, int] = {}
        self.held: dict[Name, int] = {}

    def forget(self, name: Name) -> None:
        self.known.pop(name, None)
        self.evictions[name] = self.evictions.get(name, 0) + 1

    @rule(target=leases, name=names)
    def lease(self, name: Name) -> tuple[Name, int, int]:
        lease = self.cache.lease(*name)
        assert not (lease and self.held.get(name))
        return name, lease, self.evictions.get(name, 0)

    @rule(leased=leases, payload=payloads, lasts_ns=st.integers(-5, 20))
    def publish(self, leased: tuple[Name, int, int], payload: bytes, lasts_ns: int) -> None:
        name, lease, evictions = leased
        expires_at_ns = self.now_ns + lasts_ns
        outcome = self.cache.publish(
            lease, *name, payload, expires_at_ns=expires_at_ns, now_ns=self.now_ns
        )
        if outcome != _core.PUBLISH_DONE:
            return
        assert lease and lasts_ns > 0 and len(payload) <= 4096
        assert evictions == self.evictions.get(name, 0), "evicted since the lease was taken"
        self.known[name] = payload, expires_at_ns
        assert self.cache.get(*name, now_ns=self.now_ns) == payload

    @rule(name=names)
    def evict(self, name: Name) -> None:
        self.cache.evict(*name)
        self.forget(name)

    @rule(target=holds, name=names)
    def hold(self, name: Name) -> list[tuple[Name, int]]:
        token = self.cache.hold(*name, for_ns=HOUR_NS)
        self.forget(name)
        self.held[name] = self.held.get(name, 0) + 1
        return [(name, token)]

    @rule(hold=holds)
    def lift(self, hold: list[tuple[Name, int]]) -> None:
        if hold:
            name, token = hold.pop()
            assert self.cache.lift(token, *name)
            self.forget(name)
            self.held[name] -= 1

    @rule()
    def flush(self) -> None:
        self.cache.flush()
        for name in NAMES:
            self.forget(name)

    @rule(step_ns=st.integers(-30, 30))
    def step_the_clock(self, step_ns: int) -> None:
        self.now_ns += step_ns

    @invariant()
    def every_hit_is_what_the_dictionary_says(self) -> None:
        for name in NAMES:
            found = self.cache.get(*name, now_ns=self.now_ns)
            if found is not None:
                payload, expires_at_ns = self.known[name]
                assert found == payload
                assert self.now_ns < expires_at_ns


TestCacheBesideADictionary = CacheBesideADictionary.TestCase
TestCacheBesideADictionary.settings = settings(
    deadline=None, max_examples=60, stateful_step_count=60
)

"""No sequence of operations, however interleaved, gives a stale yes (design; contract 16 (5)).

A state machine issues, imports, changes, revokes, rotates and deletes keys, and verifies them
with every cache directive. Readers may stop between reading a row and publishing it, and a writer
before and after its commit, while everything else goes on. At every moment a verification that
starts then must agree with what is committed then.
"""

from collections.abc import Callable
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from talos import _core
from talos.adapters.cache.shared import BodyFormat, SharedKeyCache
from talos.domain.drafts import DeriveDraft, KeyChange, RevokeDraft, SelfRevokeDraft
from talos.domain.keys import Key, KeyKind, KeyRef
from talos.domain.verification import CacheDirective, CacheOutcome, Verification
from talos.errors import FailedPrecondition, TalosError
from talos.http import cached_body
from talos.services.ports import Clock
from talos.services.tenant import Tenant
from talos.services.verdicts import Verified
from tests.support.fakes.harness import CALLER, DRAFT, ServiceHarness
from tests.support.fakes.suspended import Suspended
from tests.support.fakes.tenants import TENANT, tenant

S = 1_000_000_000
# Expiry, cache entries and the age rule all come to bear within a few steps of the clock.
PATIENT = tenant(cache_ttl_ns=60 * S)
IMPATIENT = tenant(cache_ttl_ns=10 * S)
UNCACHING = tenant(cache_ttl_ns=0)
LIVES_S = (20, 50, 3_600)

DIRECTIVES = st.sampled_from(CacheDirective)
# Before and after edits of cache.ttl; some requests go by an edit that others have not heard of.
TENANTS = st.sampled_from([PATIENT, PATIENT, PATIENT, IMPATIENT, UNCACHING])

no_writer = precondition(lambda machine: machine.writer is None)


class Writer:
    """A writer that stopped right before its commit, and then right after it."""

    def __init__(self, credential: str, operation: Suspended[None], dies: bool) -> None:
        self.credential = credential
        self.operation = operation
        self.dies = dies


class KeysUnderChange(RuleBasedStateMachine):
    """The services on fakes, and a model of which credentials are good."""

    credentials = Bundle("credentials")
    readers = Bundle("readers")

    def make_harness(self) -> ServiceHarness:
        return ServiceHarness()

    @initialize()
    def open(self) -> None:
        self.harness = self.make_harness()
        self.keys: dict[str, Key] = {}
        self.dead: set[str] = set()
        self.writer: Writer | None = None
        self.suspended: list[Suspended[Verified]] = []
        self.last_filled_ns: dict[str, int] = {}

    def teardown(self) -> None:
        for reader in getattr(self, "suspended", []):
            reader.finish()
        if getattr(self, "writer", None) is not None:
            self.writer.operation.finish()  # type: ignore[union-attr]

    # Making keys

    @no_writer
    @rule(target=credentials, life_s=st.sampled_from(LIVES_S))
    def issue(self, life_s: int) -> str:
        key, secret = self.harness.issue(replace(DRAFT, ttl_ns=life_s * S))
        self.keys[secret] = key
        return secret

    @no_writer
    @rule(target=credentials, number=st.integers(0, 2), life_s=st.sampled_from(LIVES_S))
    def import_key(self, number: int, life_s: int) -> str:
        raw_key = f"test-raw-key-{number}"
        draft = replace(DRAFT, raw_key=raw_key, ttl_ns=life_s * S)
        try:
            key = self.harness.services.imports.import_key(TENANT, draft)
        except TalosError:
            assert raw_key in self.keys
            return raw_key
        self.keys[raw_key] = key
        # After a deletion the same raw key may come back.
        self.dead.discard(raw_key)
        return raw_key

    # Changing keys

    def revoke(self, key: Key, credential: str) -> None:
        self.harness.services.revoke.revoke(TENANT, key.kind, key.key_id, RevokeDraft())

    def self_revoke(self, key: Key, credential: str) -> None:
        self.harness.services.revoke.self_revoke(TENANT, SelfRevokeDraft(credential))

    def rotate(self, key: Key, credential: str) -> None:
        rotated = self.harness.services.rotate.rotate(TENANT, key.key_id, KeyChange())
        self.keys[rotated.secret] = rotated.key

    def delete(self, key: Key, credential: str) -> None:
        self.harness.services.delete.delete(TENANT, key.key_id)

    def update(self, key: Key, credential: str) -> None:
        change = KeyChange(name="renamed")
        self.harness.services.update.update(TENANT, key.kind, key.key_id, change, None)

    WRITES = st.sampled_from(["revoke", "self_revoke", "rotate", "delete", "update"])

    @no_writer
    @rule(target=credentials, credential=credentials, write=WRITES)
    def change(self, credential: str, write: str) -> object:
        known = set(self.keys)
        try:
            getattr(self, write)(self.keys[credential], credential)
        except TalosError:
            return multiple()
        if write != "update":
            self.dead.add(credential)
        return multiple(*set(self.keys) - known)

    @no_writer
    @rule(credential=credentials, write=WRITES)
    def begin_change(self, credential: str, write: str) -> None:
        operation: Callable[[Key, str], None] = getattr(self, write)
        key = self.keys[credential]

        def arm(park: Callable[[], None]) -> None:
            self.harness.keys.before_commit = self.harness.keys.after_commit = park

        suspended = Suspended(lambda: operation(key, credential), arm)
        dies = write != "update"
        if suspended.parked:
            self.writer = Writer(credential, suspended, dies)
            return
        self.harness.keys.before_commit = self.harness.keys.after_commit = None
        try:
            suspended.finish()
        except TalosError:
            return
        # Whoever revokes what is revoked already writes nothing, and succeeds.
        assert not dies or credential in self.dead

    @precondition(lambda machine: machine.writer is not None)
    @rule()
    def commit_change(self) -> None:
        assert self.writer is not None
        if self.harness.keys.before_commit is None and self.harness.keys.after_commit is not None:
            self.writer.operation.advance()
            self.dead.update([self.writer.credential] if self.writer.dies else [])

    @precondition(lambda machine: machine.writer is not None)
    @rule(target=credentials)
    def end_change(self) -> object:
        assert self.writer is not None
        writer, self.writer = self.writer, None
        known = set(self.keys)
        writer.operation.finish()
        self.dead.update([writer.credential] if writer.dies else [])
        return multiple(*set(self.keys) - known)

    # Verifying them

    @rule(credential=credentials, directive=DIRECTIVES, seen_by=TENANTS)
    def verify(self, credential: str, directive: CacheDirective, seen_by: Tenant) -> None:
        answer = self.harness.verified(credential, tenant=seen_by, directive=directive)
        self.judge(credential, answer.verification)
        if answer.cache is CacheOutcome.HIT:
            # Whoever published it, and under which cache.ttl (contract 16 (42)).
            age_ns = self.harness.clock.now_ns() - self.last_filled_ns[credential]
            assert age_ns < seen_by.cache_ttl_ns
        else:
            self.may_have_filled(credential)

    @rule(batch=st.lists(credentials, min_size=1, max_size=4), directive=DIRECTIVES)
    def verify_batch(self, batch: list[str], directive: CacheDirective) -> None:
        reads = self.harness.keys.reads
        answers = self.harness.batch(*batch, tenant=PATIENT, directive=directive)
        for credential, answer in zip(batch, answers, strict=True):
            self.judge(credential, answer)
            if self.harness.keys.reads > reads:
                self.may_have_filled(credential)

    @rule(credential=credentials, directive=DIRECTIVES)
    def derive(self, credential: str, directive: CacheDirective) -> None:
        draft = DeriveDraft(credential)
        self.may_have_filled(credential)
        try:
            self.harness.services.derive.derive(PATIENT, draft, CALLER, directive)
        except FailedPrecondition:
            # The very instant of expiry is still alive, and has nothing left to give.
            assert self.keys[credential].expires_at_ns == self.harness.clock.now_ns()
        except TalosError:
            assert not self.good(credential)
        else:
            assert self.good(credential)

    @rule(target=readers, credential=credentials, directive=DIRECTIVES)
    def begin_verify(self, credential: str, directive: CacheDirective) -> object:
        good = self.good(credential)
        reader = Suspended(
            lambda: self.harness.verified(credential, tenant=PATIENT, directive=directive),
            lambda park: setattr(self.harness.keys, "after_read", park),
        )
        self.harness.keys.after_read = None
        if not reader.parked:
            assert reader.finish().verification.is_valid is good
            return multiple()
        self.suspended.append(reader)
        return (reader, credential not in self.dead, self.keys[credential], credential)

    @rule(reader=consumes(readers))
    def end_verify(self, reader: tuple[Suspended[Verified], bool, Key, str]) -> None:
        suspended, was_there, key, credential = reader
        self.suspended.remove(suspended)
        self.may_have_filled(credential)
        alive = not key.expired(self.harness.clock.now_ns())
        # What it knows of the row is of the moment when it read it, and must not reach the cache;
        # the time it goes by is that of its answer.
        assert suspended.finish().verification.is_valid is (was_there and alive)

    @rule(seconds=st.sampled_from([1, 10, 30, 61]))
    def wait(self, seconds: int) -> None:
        self.harness.clock.advance(s=seconds)

    # The model

    def good(self, credential: str) -> bool:
        key, now_ns = self.keys[credential], self.harness.clock.now_ns()
        # After the clock was set back, an issued key may be of the future.
        made_ns = key.created_at_ns // S * S if key.kind is KeyKind.ISSUED else 0
        ahead = made_ns - now_ns > PATIENT.credentials.clock_skew_ns
        return not (credential in self.dead or key.expired(now_ns) or ahead)

    def judge(self, credential: str, answer: Verification) -> None:
        assert answer.is_valid is self.good(credential)
        assert not answer.is_valid or answer.key_id == self.keys[credential].key_id

    def may_have_filled(self, credential: str) -> None:
        # Not every such call fills, so with a clock that was set back what was filled later counts.
        now_ns = self.harness.clock.now_ns()
        self.last_filled_ns[credential] = max(self.last_filled_ns.get(credential, now_ns), now_ns)

    def cached(self, ref: KeyRef) -> bool:
        return ref in self.harness.cache.entries

    @invariant()
    def the_cache_holds_no_dead_key(self) -> None:
        for credential in self.dead:
            assert not self.cached(self.keys[credential].ref)


class KeysUnderChangeInSharedMemory(KeysUnderChange):
    """The same over the cache that workers share, whose clock may step as well."""

    def make_harness(self) -> ServiceHarness:
        return ServiceHarness(self.make_cache)

    def make_cache(self, clock: Clock) -> SharedKeyCache:
        memory = _core.SharedMemory(1 << 20)
        assert memory.attach()
        self.shared = SharedKeyCache(
            memory, BodyFormat(cached_body.render, cached_body.read), clock
        )
        return self.shared

    def cached(self, ref: KeyRef) -> bool:
        generation, max_age_ns = PATIENT.credentials.generation, PATIENT.cache_ttl_ns
        return self.shared.get(ref, generation=generation, max_age_ns=max_age_ns) is not None

    @rule(step_s=st.sampled_from([-3_600, 3_600]))
    def step(self, step_s: int) -> None:
        self.harness.clock.advance(s=step_s)


SETTINGS = settings(max_examples=150, stateful_step_count=40)
KeysUnderChange.TestCase.settings = SETTINGS
KeysUnderChangeInSharedMemory.TestCase.settings = SETTINGS
TestKeysUnderChange = KeysUnderChange.TestCase
TestKeysUnderChangeInSharedMemory = KeysUnderChangeInSharedMemory.TestCase

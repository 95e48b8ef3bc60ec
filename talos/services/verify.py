"""Is this credential good, and whose is it? The one statement of the rules (contract 6).

A key passes these gates (``services.gates``) in this order; the first that refuses it decides the
answer (6.2, 6.3):

====  ==================  =================================================  =================
step  gate                asks                                               else
====  ==================  =================================================  =================
1     ``possession``      is the checksum ours? (an imported key has none:   NOT_FOUND
                          who knows it knows the hash that is its id)
2, 3  ``check_minting``   are its age and its prefix accepted?               NOT_FOUND
4     ``_from_database``  is there a row in this network?                    NOT_FOUND
5, 6  ``check_state``     is it neither revoked nor expired?                 REVOKED, EXPIRED
7     ``check_address``   is the caller inside the allowlist?                IP_NOT_ALLOWED
8     ``check_audience``  is an audience named that is expected?             AUDIENCE_MISMATCH
9     ``_limit``          is the rate limit not used up?                     RATE_LIMITED
====  ==================  =================================================  =================

A derived token proves itself by its signature; its network and steps 7 and 8 follow (6.4). What
comes from the cache passes every gate that a row passes, except that 4 and 5 are answered.

All refusals of steps 1 to 4 carry one message (16 (15)). Trouble with the database is INTERNAL, and
never a verdict on the credential (16 (19)).
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from talos.credentials.routing import route
from talos.domain import rules
from talos.domain.addresses import Caller
from talos.domain.drafts import VerifyDraft
from talos.domain.durations import NS_PER_S
from talos.domain.events import NOBODY, Requester
from talos.domain.keys import Key, KeyKind, RateLimitPolicy
from talos.domain.timestamps import day_ends_ns
from talos.domain.verification import (
    CacheDirective,
    CacheOutcome,
    RateLimitState,
    Verification,
)
from talos.domain.verification import VerificationErrorCode as Code
from talos.errors import InternalError, InvalidRequest
from talos.services import audit
from talos.services.attempt import Attempt, Possession
from talos.services.audit import VerificationFailures
from talos.services.gates import (
    check_address,
    check_audience,
    check_minting,
    check_state,
    check_token,
    possession,
    unknown,
)
from talos.services.ports import (
    TROUBLE,
    Clock,
    EventEmitter,
    InternalFault,
    KeyCache,
    KeyRepository,
    LastUsedMarks,
    ProvedTokens,
    RateLimiter,
    ReadyAnswer,
)
from talos.services.refused import RefusedKeys
from talos.services.tenant import Tenant
from talos.services.verdicts import (
    Rejected,
    Verified,
    denied,
    key_verified,
    ready_answer,
    token_verified,
)

MAX_BATCH: Final = 100

_Rows: TypeAlias = Mapping[tuple[str, KeyKind, str], Key | InternalFault]

_SHORTEST_ENTRY_NS: Final = NS_PER_S
"""A key that expires sooner than this is not worth an entry in the cache (6.8)."""

_log = logging.getLogger(__name__)


class VerifyService:
    """Verifies credentials one by one and in batches, and the parents of derived tokens."""

    def __init__(
        self,
        keys: KeyRepository,
        cache: KeyCache,
        limiter: RateLimiter,
        last_used: LastUsedMarks,
        events: EventEmitter,
        clock: Clock,
        proved: ProvedTokens,
    ) -> None:
        """Read from ``cache``, then ``keys``; all collaborators are shared between threads."""
        self._keys = keys
        self._cache = cache
        self._refused = RefusedKeys(cache)
        self._limiter = limiter
        self._last_used = last_used
        self._failures = VerificationFailures(events)
        self._clock = clock
        self._proved = proved

    def verify(
        self,
        tenant: Tenant,
        draft: VerifyDraft,
        caller: Caller,
        directive: CacheDirective,
        requester: Requester = NOBODY,
    ) -> Verified:
        """Verify one credential. Raises ``InvalidRequest`` if it is empty or too long."""
        rules.raise_for(rules.verify(draft))
        attempt = self._attempt(tenant, draft, caller, directive, requester)
        try:
            if attempt.derived:
                verification = self._token(attempt)
            else:
                verification = self._use(attempt, self._find(attempt))
        except Rejected as refusal:
            verification = self._refuse(attempt, refusal)
        except TROUBLE as trouble:
            _log_fault(attempt, trouble)
            verification = self._trouble(attempt)
        return Verified(verification, attempt.cache, attempt.type, attempt.key_id)

    def parent(
        self, tenant: Tenant, credential: str, caller: Caller, directive: CacheDirective
    ) -> Key:
        """Return the key that a token may be derived from: steps 1 to 7, no cache read (4.13).

        Fills the cache and marks the key as used, and leaves the rate limit alone. Raises
        ``Rejected``, ``InvalidRequest`` for a derived token that is itself good, and what the
        repository raises.
        """
        if directive is CacheDirective.DEFAULT:
            directive = CacheDirective.NO_CACHE
        attempt = self._attempt(tenant, VerifyDraft(credential), caller, directive)
        try:
            if attempt.derived:
                check_token(attempt, self._proved)
                raise InvalidRequest("a derived token cannot be the parent of another")
            key = self._read(attempt, self._prove(attempt))
            self._last_used.mark(key, attempt.now_ns)
            check_address(key.allowed_cidrs, caller)
        except Rejected as refusal:
            refusal.key_id = attempt.key_id
            raise
        self._publish(attempt, ready_answer(key, tenant))
        return key

    def verify_batch(
        self,
        tenant: Tenant,
        drafts: Sequence[VerifyDraft],
        caller: Caller,
        directive: CacheDirective,
        requester: Requester = NOBODY,
    ) -> tuple[Verification, ...]:
        """Verify 1 to 100 credentials with at most one read for each kind of key (4.15).

        Raises ``InvalidRequest`` for another number of items and where any credential is empty or
        too long, and what the repository raises: a shared read that fails fails the whole call,
        while a row that cannot be read fails its own item only (16 (29)).
        """
        if not 1 <= len(drafts) <= MAX_BATCH:
            raise InvalidRequest(f"requests must contain 1 to {MAX_BATCH} items")
        rules.raise_for(
            violation
            for index, draft in enumerate(drafts)
            for violation in rules.verify(draft, f"requests[{index}].")
        )
        attempts = [self._attempt(tenant, draft, caller, directive, requester) for draft in drafts]
        known: list[ReadyAnswer | Verification | None] = []
        for attempt in attempts:
            try:
                known.append(
                    None if attempt.derived else self._recall(attempt, self._prove(attempt))
                )
            except Rejected as refusal:
                # Audit events leave out what never reached the database in a batch (11.3).
                known.append(denied(refusal))
        rows = self._read_batch(
            attempt for attempt, item in zip(attempts, known, strict=True) if item is None
        )
        faults: list[tuple[Attempt, Exception]] = []
        answers = tuple(
            item
            if isinstance(item, Verification)
            else self._batch_item(attempt, item, rows, faults)
            for attempt, item in zip(attempts, known, strict=True)
        )
        if faults:
            _log_fault(*faults[0], items=len(faults))
        return answers

    def _attempt(
        self,
        tenant: Tenant,
        draft: VerifyDraft,
        caller: Caller,
        directive: CacheDirective,
        requester: Requester = NOBODY,
    ) -> Attempt:
        type_ = route(draft.credential, tenant.credentials)
        now_ns = self._clock.now_ns()
        return Attempt(tenant, draft, caller, directive, now_ns, type_, requester)

    # Steps 1 to 6: find out about the key, from the cache or from the database.

    def _find(self, attempt: Attempt) -> ReadyAnswer:
        proved = self._prove(attempt)
        answer = self._recall(attempt, proved)
        if answer is None:
            answer = ready_answer(self._read(attempt, proved), attempt.tenant)
        return answer

    def _prove(self, attempt: Attempt) -> Possession:
        """Steps 1 to 3. What fails the first never looks into the cache (6.8: SKIP)."""
        proved = possession(attempt.draft.credential, attempt.tenant, attempt.now_ns)
        if attempt.reads_cache:
            attempt.cache = CacheOutcome.MISS
        if proved.text is not None:
            # The checksum is ours. Of an imported key any text has an id; there may be no such key.
            attempt.key_id = proved.text.key_id
        check_minting(proved, attempt.tenant, attempt.now_ns)
        attempt.proved = proved
        return proved

    def _recall(self, attempt: Attempt, proved: Possession) -> ReadyAnswer | None:
        """Return the answer from the cache, or None if there is none that is still good."""
        if not attempt.reads_cache:
            return None
        generation = attempt.tenant.credentials.generation
        answer = self._cache.get(
            *proved.name, generation=generation, max_age_ns=attempt.tenant.cache_ttl_ns
        )
        if answer is None:
            return None
        expires_at_ns = answer.verification.expires_at_ns
        if expires_at_ns is not None and attempt.now_ns > expires_at_ns:
            return None
        attempt.cache = CacheOutcome.HIT
        attempt.key_id = answer.verification.key_id
        return answer

    def _read(self, attempt: Attempt, proved: Possession) -> Key:
        self._take_lease(attempt, proved)
        return self._from_database(attempt, proved, self._keys.get(*proved.name))

    def _take_lease(self, attempt: Attempt, proved: Possession) -> None:
        """Prepare a publication; this must come before the row is read."""
        if attempt.fills_cache:
            attempt.lease = self._cache.lease(*proved.name)

    def _from_database(
        self, attempt: Attempt, proved: Possession, row: Key | InternalFault | None
    ) -> Key:
        """Steps 4 to 6 on what the database says."""
        if isinstance(row, InternalFault):
            raise InternalError("read API key")
        # The database may have taken its time, and the key may have expired meanwhile.
        attempt.now_ns = self._clock.now_ns()
        try:
            if row is None:
                raise unknown()
            attempt.key_id = row.key_id
            check_state(row, attempt.now_ns)
        except Rejected:
            # The cache must not say what the database denies, nor be taught it by a slower reader
            # (6.8). But neither strangers who guess nor holders of refused keys must be able to
            # disturb the cache: of an unknown key only that is forgotten which is there.
            if row is not None:
                self._refused.evict(row)
            elif not attempt.reads_cache:
                self._cache.evict_if_there(*proved.name)
            raise
        attempt.row = row
        return row

    # Steps 7 to 9: may this caller use it, here and now?

    def _use(
        self, attempt: Attempt, answer: ReadyAnswer, *, in_batch: bool = False
    ) -> Verification:
        # Who is refused for the address has used the key in a single verify, not in a batch (12).
        if not in_batch:
            self._mark(attempt)
        check_address(answer.allowed_cidrs, attempt.caller)
        if in_batch:
            self._mark(attempt)
        check_audience((), attempt.draft.expected_audiences)
        told = answer.verification
        limit = self._limit(attempt, told.key_id, told.rate_limit)
        verification = key_verified(answer, limit, counted=self._limiter.counts)
        if verification.is_valid:
            self._publish(attempt, answer)
        return verification

    def _mark(self, attempt: Attempt) -> None:
        """Note the use of a key whose row was read.

        An answer from the cache was published on this UTC day, as no entry lives longer, and the
        key was marked then: the day's first use is what last_used tells (contract 12, 16 (4)).
        """
        if attempt.row is not None:
            self._last_used.mark(attempt.row, attempt.now_ns)

    def _limit(
        self, attempt: Attempt, key_id: str, policy: RateLimitPolicy | None
    ) -> RateLimitState | None:
        """Step 9: count one call, if limits are enforced at all."""
        if not attempt.tenant.rate_limit_enabled or policy is None:
            return None
        # The time of now: the database may have taken its own since the attempt began.
        now_ns = self._clock.now_ns()
        return self._limiter.admit(attempt.tenant.network_id, key_id, policy, now_ns)

    def _publish(self, attempt: Attempt, answer: ReadyAnswer) -> None:
        """Let the cache have a key that passed every gate, until entry, key or UTC day ends."""
        if attempt.lease is None:
            return
        until_ns = min(attempt.now_ns + attempt.tenant.cache_ttl_ns, day_ends_ns(attempt.now_ns))
        expires_at_ns = answer.verification.expires_at_ns
        if expires_at_ns is not None:
            if expires_at_ns - attempt.now_ns < _SHORTEST_ENTRY_NS:
                return
            until_ns = min(until_ns, expires_at_ns)
        generation = attempt.tenant.credentials.generation
        attempt.lease.publish(
            answer,
            generation=generation,
            published_at_ns=attempt.now_ns,
            expires_at_ns=until_ns,
        )

    def _token(self, attempt: Attempt) -> Verification:
        claims = check_token(attempt, self._proved)
        check_audience(claims.aud, attempt.draft.expected_audiences)
        return token_verified(claims, attempt.tenant)

    # Batches: one read for all, then each item on its own, in the order given.

    def _read_batch(self, attempts: Iterable[Attempt]) -> _Rows:
        ids: dict[tuple[str, KeyKind], set[str]] = {}
        for attempt in attempts:
            if attempt.proved is not None:
                self._take_lease(attempt, attempt.proved)
                network_id, kind, key_id = attempt.proved.name
                ids.setdefault((network_id, kind), set()).add(key_id)
        rows: dict[tuple[str, KeyKind, str], Key | InternalFault] = {}
        for (network_id, kind), key_ids in ids.items():
            try:
                read = self._keys.get_many(network_id, kind, key_ids)
            except InternalError as trouble:
                raise InternalError(f"batch fetch {kind.value} keys") from trouble
            rows.update(((network_id, kind, key_id), row) for key_id, row in read.items())
        return rows

    def _batch_item(
        self,
        attempt: Attempt,
        answer: ReadyAnswer | None,
        rows: _Rows,
        faults: list[tuple[Attempt, Exception]],
    ) -> Verification:
        try:
            if attempt.proved is None:
                return self._token(attempt)
            if answer is None:
                row = rows.get(attempt.proved.name)
                key = self._from_database(attempt, attempt.proved, row)
                answer = ready_answer(key, attempt.tenant)
            return self._use(attempt, answer, in_batch=True)
        except Rejected as refusal:
            return self._refuse(attempt, refusal)
        except TROUBLE as trouble:
            # One line for all of them: who sends a byte must not have many written.
            faults.append((attempt, trouble))
            return self._trouble(attempt)

    # Refusals and how they are told.

    def _refuse(self, attempt: Attempt, refusal: Rejected) -> Verification:
        failure = audit.verification_failed(
            attempt.tenant.network_id, refusal.message, attempt.type, attempt.key_id
        )
        self._failures.tell(failure.by(attempt.requester), attempt.now_ns)
        return denied(refusal)

    def _trouble(self, attempt: Attempt) -> Verification:
        return self._refuse(attempt, Rejected(Code.INTERNAL, "database error"))


def _log_fault(attempt: Attempt, trouble: Exception, items: int = 1) -> None:
    """Log why a credential could not be verified, and how many more of its request could not."""
    request = {"request_id": attempt.requester.request_id, "client": attempt.requester.address}
    fields = {"key_id": attempt.key_id, "items": items, "http_request": request}
    _log.error("a credential could not be verified", extra={"fields": fields}, exc_info=trouble)

"""Is this credential good, and whose is it? The one statement of the rules (contract 6).

A key passes these gates (``services.gates``) in this order; the first that refuses it decides the
answer (6.2, 6.3):

====  ==================  =================================================  =================
step  gate                asks                                               else
====  ==================  =================================================  =================
1     ``possession``      is the checksum ours? (an imported key has none:   NOT_FOUND
                          who knows it knows the hash that is its id)
2, 3  ``check_minting``   are its age and its prefix accepted?               NOT_FOUND
4     ``from_database``   is there a row in this network?                    NOT_FOUND
5, 6  ``check_state``     is it neither revoked nor expired?                 REVOKED, EXPIRED
7     ``check_address``   is the caller inside the allowlist?                IP_NOT_ALLOWED
8     ``check_audience``  is an audience named that is expected?             AUDIENCE_MISMATCH
9     ``_limit``          is the rate limit not used up?                     RATE_LIMITED
====  ==================  =================================================  =================

A derived token proves itself by its signature; its network and steps 7 and 8 follow (6.4). What
comes from the cache passes every gate that a row passes, except that 4 and 5 are answered.

All refusals of steps 1 to 4 carry one message (16 (15)). An error of the database is INTERNAL, and
never a verdict on the credential (16 (19)).
"""

import logging
from typing import Final

from talos.credentials.routing import route
from talos.domain.addresses import Caller
from talos.domain.drafts import VerifyDraft
from talos.domain.events import NOBODY, Requester
from talos.domain.keys import Key, RateLimitPolicy
from talos.domain.timestamps import day_ends_ns
from talos.domain.units import NS_PER_S
from talos.domain.verification import (
    CacheDirective,
    CacheOutcome,
    RateLimitState,
    Verification,
)
from talos.domain.verification import VerificationErrorCode as Code
from talos.errors import InternalError
from talos.services import audit
from talos.services.attempt import Attempt, ProvenCredential
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
from talos.services.ports import CachedVerification, Ports, UnreadableRow
from talos.services.refused import RefusedKeys
from talos.services.tenant import Tenant
from talos.services.verdicts import (
    Rejected,
    cacheable_verification,
    denied,
    key_verified,
    token_verified,
)

_SHORTEST_ENTRY_NS: Final = NS_PER_S
"""A key that expires sooner than this is not worth an entry in the cache (6.8)."""

_log = logging.getLogger(__name__)


class VerificationSteps:
    """The steps, each for one credential at a time; of single verifications and batches alike."""

    def __init__(self, ports: Ports) -> None:
        """Read from the cache, then the keys; all collaborators are shared between threads."""
        self._keys = ports.keys
        self._cache = ports.cache
        self._refused = RefusedKeys(ports.cache)
        self._limiter = ports.limiter
        self._last_used = ports.last_used
        self._failures = VerificationFailures(ports.events)
        self._clock = ports.clock
        self._verified_tokens = ports.verified_tokens

    def attempt(
        self,
        tenant: Tenant,
        draft: VerifyDraft,
        caller: Caller,
        directive: CacheDirective,
        requester: Requester = NOBODY,
    ) -> Attempt:
        """Begin to verify a credential, under the settings and the time of now."""
        type_ = route(draft.credential, tenant.credentials)
        now_ns = self._clock.now_ns()
        return Attempt(tenant, draft, caller, directive, now_ns, type_, requester)

    # Steps 1 to 6: find out about the key, from the cache or from the database.

    def find(self, attempt: Attempt) -> CachedVerification:
        """Steps 1 to 6: return what a verify says of the key, from the cache or the database."""
        proven = self.prove(attempt)
        answer = self.from_cache(attempt, proven)
        if answer is None:
            answer = cacheable_verification(self.read(attempt, proven), attempt.tenant)
        return answer

    def prove(self, attempt: Attempt) -> ProvenCredential:
        """Steps 1 to 3. What fails the first never looks into the cache (6.8: SKIP)."""
        proven = possession(attempt.draft.credential, attempt.tenant, attempt.now_ns)
        if attempt.reads_cache:
            attempt.cache = CacheOutcome.MISS
        if proven.text is not None:
            # The checksum is ours. Of an imported key any text has an id; there may be no such key.
            attempt.key_id = proven.text.key_id
        check_minting(proven, attempt.tenant, attempt.now_ns)
        attempt.proven = proven
        return proven

    def from_cache(self, attempt: Attempt, proven: ProvenCredential) -> CachedVerification | None:
        """Return the answer from the cache, or None if there is none that is still good."""
        if not attempt.reads_cache:
            return None
        generation = attempt.tenant.credentials.generation
        answer = self._cache.get(
            proven.ref, generation=generation, max_age_ns=attempt.tenant.cache_ttl_ns
        )
        if answer is None:
            return None
        expires_at_ns = answer.verification.expires_at_ns
        if expires_at_ns is not None and attempt.now_ns > expires_at_ns:
            return None
        attempt.cache = CacheOutcome.HIT
        attempt.key_id = answer.verification.key_id
        return answer

    def read(self, attempt: Attempt, proven: ProvenCredential) -> Key:
        """Steps 4 to 6 on the row of the key."""
        self.take_lease(attempt, proven)
        return self.from_database(attempt, proven, self._keys.get(proven.ref))

    def take_lease(self, attempt: Attempt, proven: ProvenCredential) -> None:
        """Prepare a publication; this must come before the row is read."""
        if attempt.fills_cache:
            attempt.lease = self._cache.lease(proven.ref)

    def from_database(
        self, attempt: Attempt, proven: ProvenCredential, row: Key | UnreadableRow | None
    ) -> Key:
        """Steps 4 to 6 on what the database says."""
        if isinstance(row, UnreadableRow):
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
                self._cache.evict_if_there(proven.ref)
            raise
        attempt.row = row
        return row

    # Steps 7 to 9: may this caller use it, here and now?

    def use(
        self, attempt: Attempt, answer: CachedVerification, *, in_batch: bool = False
    ) -> Verification:
        """Steps 7 to 9; publish the answer if the credential passes them. Raises ``Rejected``."""
        # Who is refused for the address has used the key in a single verify, not in a batch (12).
        if not in_batch:
            self._mark(attempt)
        check_address(answer.allowed_cidrs, attempt.caller)
        if in_batch:
            self._mark(attempt)
        check_audience((), attempt.draft.expected_audiences)
        found = answer.verification
        limit = self._limit(attempt, found.key_id, found.rate_limit)
        verification = key_verified(answer, limit, counted=self._limiter.counts)
        if verification.is_valid:
            self.publish(attempt, answer)
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

    def publish(self, attempt: Attempt, answer: CachedVerification) -> None:
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

    def token(self, attempt: Attempt) -> Verification:
        """Verify a derived token. Raises ``Rejected``."""
        claims = check_token(attempt, self._verified_tokens)
        check_audience(claims.aud, attempt.draft.expected_audiences)
        return token_verified(claims, attempt.tenant)

    # Refusals.

    def refuse(self, attempt: Attempt, refusal: Rejected) -> Verification:
        """Record the refusal, and return its verification."""
        failure = audit.verification_failed(
            attempt.tenant.network_id, refusal.message, attempt.type, attempt.key_id
        )
        self._failures.emit(failure.by(attempt.requester), attempt.now_ns)
        return denied(refusal)

    def storage_error(self, attempt: Attempt) -> Verification:
        """Refuse for an error of the storage, which says nothing about the credential."""
        return self.refuse(attempt, Rejected(Code.INTERNAL, "database error"))


def log_error(attempt: Attempt, error: Exception, items: int = 1) -> None:
    """Log why a credential could not be verified, and how many more of its request could not."""
    request = {"request_id": attempt.requester.request_id, "client": attempt.requester.address}
    fields = {"key_id": attempt.key_id, "items": items, "http_request": request}
    _log.error("a credential could not be verified", extra={"fields": fields}, exc_info=error)

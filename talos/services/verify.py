"""Verifying credentials; the rules are in ``services.verification_steps`` (contract 6)."""

from collections.abc import Sequence

from talos.domain import rules
from talos.domain.addresses import Caller
from talos.domain.drafts import VerifyDraft
from talos.domain.events import NOBODY, Requester
from talos.domain.keys import Key
from talos.domain.verification import CacheDirective, Verification
from talos.errors import InvalidRequest
from talos.services.gates import check_address, check_token
from talos.services.ports import STORAGE_ERRORS, Ports
from talos.services.tenant import Tenant
from talos.services.verdicts import Rejected, Verified, cacheable_verification
from talos.services.verification_steps import VerificationSteps, log_error
from talos.services.verify_batch import BatchVerifier


class VerifyService:
    """Verifies credentials one by one and in batches, and the parents of derived tokens."""

    def __init__(self, ports: Ports) -> None:
        """Read from the cache, then the keys; all collaborators are shared between threads."""
        self._steps = VerificationSteps(ports)
        self._batches = BatchVerifier(self._steps, ports.keys)
        self._last_used = ports.last_used
        self._verified_tokens = ports.verified_tokens

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
        attempt = self._steps.attempt(tenant, draft, caller, directive, requester)
        try:
            if attempt.derived:
                verification = self._steps.token(attempt)
            else:
                verification = self._steps.use(attempt, self._steps.find(attempt))
        except Rejected as refusal:
            verification = self._steps.refuse(attempt, refusal)
        except STORAGE_ERRORS as error:
            log_error(attempt, error)
            verification = self._steps.storage_error(attempt)
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
        attempt = self._steps.attempt(tenant, VerifyDraft(credential), caller, directive)
        try:
            if attempt.derived:
                check_token(attempt, self._verified_tokens)
                raise InvalidRequest("a derived token cannot be the parent of another")
            key = self._steps.read(attempt, self._steps.prove(attempt))
            self._last_used.mark(key, attempt.now_ns)
            check_address(key.allowed_cidrs, caller)
        except Rejected as refusal:
            refusal.key_id = attempt.key_id
            raise
        self._steps.publish(attempt, cacheable_verification(key, tenant))
        return key

    def verify_batch(
        self,
        tenant: Tenant,
        drafts: Sequence[VerifyDraft],
        caller: Caller,
        directive: CacheDirective,
        requester: Requester = NOBODY,
    ) -> tuple[Verification, ...]:
        """Verify 1 to 100 credentials. See ``BatchVerifier.verify``."""
        return self._batches.verify(tenant, drafts, caller, directive, requester)

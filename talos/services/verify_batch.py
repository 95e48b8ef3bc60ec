"""Verifying credentials in batches: one read of each kind of key for all (contract 4.15).

The rules are those of a single verification (``services.verification_steps``).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from talos.domain import rules
from talos.domain.addresses import Caller
from talos.domain.drafts import VerifyDraft
from talos.domain.events import NOBODY, Requester
from talos.domain.keys import Key, KeyKind, KeyRef
from talos.domain.verification import CacheDirective, Verification
from talos.errors import InternalError, InvalidRequest
from talos.services.attempt import Attempt
from talos.services.ports import STORAGE_ERRORS, CachedVerification, KeyRepository, UnreadableRow
from talos.services.tenant import Tenant
from talos.services.verdicts import Rejected, cacheable_verification, denied
from talos.services.verification_steps import VerificationSteps, log_error

MAX_BATCH: Final = 100

_Rows: TypeAlias = Mapping[KeyRef, Key | UnreadableRow]


class BatchVerifier:
    """Verifies up to 100 credentials at once."""

    def __init__(self, steps: VerificationSteps, keys: KeyRepository) -> None:
        """Take each credential through ``steps``, all of their rows from ``keys``."""
        self._steps = steps
        self._keys = keys

    def verify(
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
        steps = self._steps
        attempts = [steps.attempt(tenant, draft, caller, directive, requester) for draft in drafts]
        known: list[CachedVerification | Verification | None] = []
        for attempt in attempts:
            try:
                known.append(
                    None if attempt.derived else steps.from_cache(attempt, steps.prove(attempt))
                )
            except Rejected as refusal:
                # Audit events leave out what never reached the database in a batch (11.3).
                known.append(denied(refusal))
        rows = self._read_batch(
            attempt for attempt, item in zip(attempts, known, strict=True) if item is None
        )
        errors: list[tuple[Attempt, Exception]] = []
        answers = tuple(
            item
            if isinstance(item, Verification)
            else self._batch_item(attempt, item, rows, errors)
            for attempt, item in zip(attempts, known, strict=True)
        )
        if errors:
            log_error(*errors[0], items=len(errors))
        return answers

    # Batches: one read for all, then each item on its own, in the order given.

    def _read_batch(self, attempts: Iterable[Attempt]) -> _Rows:
        ids: dict[tuple[str, KeyKind], set[str]] = {}
        for attempt in attempts:
            if attempt.proven is not None:
                self._steps.take_lease(attempt, attempt.proven)
                network_id, kind, key_id = attempt.proven.ref
                ids.setdefault((network_id, kind), set()).add(key_id)
        rows: dict[KeyRef, Key | UnreadableRow] = {}
        for (network_id, kind), key_ids in ids.items():
            try:
                read = self._keys.get_many(network_id, kind, key_ids)
            except InternalError as error:
                raise InternalError(f"batch fetch {kind.value} keys") from error
            rows.update((KeyRef(network_id, kind, key_id), row) for key_id, row in read.items())
        return rows

    def _batch_item(
        self,
        attempt: Attempt,
        answer: CachedVerification | None,
        rows: _Rows,
        errors: list[tuple[Attempt, Exception]],
    ) -> Verification:
        try:
            if attempt.proven is None:
                return self._steps.token(attempt)
            if answer is None:
                row = rows.get(attempt.proven.ref)
                key = self._steps.from_database(attempt, attempt.proven, row)
                answer = cacheable_verification(key, attempt.tenant)
            return self._steps.use(attempt, answer, in_batch=True)
        except Rejected as refusal:
            return self._steps.refuse(attempt, refusal)
        except STORAGE_ERRORS as error:
            # One line for all of them: who sends a byte must not have many written.
            errors.append((attempt, error))
            return self._steps.storage_error(attempt)

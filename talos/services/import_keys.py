"""Importing keys made elsewhere, one or up to a thousand at a time (contract 4.7, 4.8)."""

import enum
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NoReturn

from talos.credentials.imported import imported_key_id
from talos.credentials.routing import route
from talos.domain import rules
from talos.domain.drafts import KeyDraft
from talos.domain.events import NOBODY, Requester
from talos.domain.keys import Key, KeyKind
from talos.domain.verification import CredentialType
from talos.errors import (
    ApiKeyExists,
    Conflict,
    FailedPrecondition,
    InternalError,
    InvalidRequest,
    QuotaExceeded,
    TalosError,
)
from talos.services import audit
from talos.services.issue import new_key, shown
from talos.services.lifetimes import expiry_ns, key_lifetime_ns
from talos.services.ports import Clock, EventEmitter
from talos.services.tenant import Tenant
from talos.services.writes import KeyWriter, Occasion

MAX_BATCH: Final = 1_000

_DUPLICATE: Final = "key already imported (duplicate detected)"


class BatchErrorCode(enum.Enum):
    """Why an item failed; printed with the prefix ``BATCH_CREATE_IMPORTED_API_KEYS_ERROR_``."""

    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    INTERNAL = "INTERNAL"

    @property
    def wire_name(self) -> str:
        """The full name that clients see."""
        return f"BATCH_CREATE_IMPORTED_API_KEYS_ERROR_{self.value}"


@dataclass(frozen=True, slots=True)
class BatchItem:
    """What became of one item: ``key``, or ``code`` and ``message``."""

    index: int
    key: Key | None = None
    code: BatchErrorCode | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class BatchImport:
    """What became of every item, in the order given."""

    items: tuple[BatchItem, ...]

    @property
    def success_count(self) -> int:
        """Number of keys that were imported."""
        return sum(item.key is not None for item in self.items)

    @property
    def failure_count(self) -> int:
        """Number of items that failed."""
        return len(self.items) - self.success_count


class ImportService:
    """Takes keys over; of each only a one-way hash is kept."""

    def __init__(self, writer: KeyWriter, events: EventEmitter, clock: Clock) -> None:
        """Store through ``writer``, emit ``events`` about what could not be stored."""
        self._writer = writer
        self._events = events
        self._clock = clock

    def import_key(self, tenant: Tenant, draft: KeyDraft, requester: Requester = NOBODY) -> Key:
        """Import one key, or return the one that an earlier call with the ``request_id`` made.

        Raises ``InvalidRequest`` for a broken field rule and a lifetime the tenant does not allow,
        ``Conflict`` and ``FailedPrecondition`` for a text that would verify as something else,
        ``ApiKeyExists`` for a duplicate, ``QuotaExceeded`` at the cap, and what the repository
        raises.
        """
        now_ns = self._clock.now_ns()
        key = replace(_record(tenant, draft, now_ns), request_id=draft.request_id or None)
        occasion = Occasion(now_ns, requester, quota=tenant.api_keys_max)
        try:
            inserted = self._writer.insert(key, audit.created(key), occasion)
        except ApiKeyExists:
            raise ApiKeyExists(_DUPLICATE) from None
        if not inserted.created:
            return shown(inserted.key, now_ns)
        return inserted.key

    def import_batch(
        self, tenant: Tenant, drafts: Sequence[KeyDraft], requester: Requester = NOBODY
    ) -> BatchImport:
        """Import what can be imported, in one transaction; ``request_id`` of items is ignored.

        Raises ``InvalidRequest`` for no items or more than 1000, what the repository raises, and
        when every item failed the error that belongs to the most frequent cause.
        """
        if not drafts:
            raise InvalidRequest("keys must contain at least one item")
        if len(drafts) > MAX_BATCH:
            raise InvalidRequest(f"maximum {MAX_BATCH} keys per batch")
        now_ns = self._clock.now_ns()
        items: dict[int, BatchItem] = {}
        records: list[tuple[int, Key]] = []
        first_index: dict[str, int] = {}
        for index, draft in enumerate(drafts):
            try:
                key = _record(tenant, draft, now_ns)
            except (InvalidRequest, Conflict, FailedPrecondition) as error:
                items[index] = _failed_item(index, error)
                continue
            first = first_index.setdefault(key.key_id, index)
            if first == index:
                records.append((index, key))
            else:
                message = f"key already imported (duplicate detected at index {first})"
                items[index] = _failed(index, BatchErrorCode.ALREADY_EXISTS, message)
        items |= self._insert(records, Occasion(now_ns, requester, quota=tenant.api_keys_max))
        batch = BatchImport(tuple(items[index] for index in range(len(drafts))))
        self._emit_failures(tenant, drafts, batch, requester)
        if batch.success_count == 0:
            _raise_most_frequent(batch)
        return batch

    def _insert(
        self, records: Sequence[tuple[int, Key]], occasion: Occasion
    ) -> dict[int, BatchItem]:
        if not records:
            return {}
        keys = [key for _, key in records]
        outcome = self._writer.insert_batch(keys, [audit.created(key) for key in keys], occasion)
        items = {}
        for position, (index, key) in enumerate(records):
            if position in outcome.over_quota:
                items[index] = _failed_item(index, QuotaExceeded())
            elif position in outcome.existing:
                items[index] = _failed(index, BatchErrorCode.ALREADY_EXISTS, _DUPLICATE)
            else:
                items[index] = BatchItem(index, key)
        return items

    def _emit_failures(
        self, tenant: Tenant, drafts: Sequence[KeyDraft], batch: BatchImport, requester: Requester
    ) -> None:
        for item in batch.items:
            if item.code is not None:
                event = audit.import_failed(
                    tenant.network_id,
                    actor_id=drafts[item.index].actor_id,
                    index=item.index,
                    error_code=item.code.wire_name,
                    message=item.message,
                )
                self._events.emit(event.by(requester))


def _record(tenant: Tenant, draft: KeyDraft, now_ns: int) -> Key:
    """Check one draft in the order of 4.7 and return the record to insert, no request id set."""
    rules.raise_for(rules.import_key(draft))
    lifetime_ns = key_lifetime_ns(draft.ttl_ns, tenant)
    type_ = route(draft.raw_key, tenant.credentials)
    if type_ is CredentialType.ISSUED:
        raise Conflict("raw_key matches the issued api key pattern")
    if type_ is not CredentialType.IMPORTED:
        raise FailedPrecondition("raw_key matches a derived token pattern")
    return new_key(
        draft,
        KeyKind.IMPORTED,
        tenant.network_id,
        imported_key_id(tenant.network_id, draft.raw_key),
        created_at_ns=now_ns,
        expires_at_ns=expiry_ns(now_ns, lifetime_ns),
    )


def _failed_item(index: int, error: TalosError) -> BatchItem:
    if isinstance(error, QuotaExceeded):
        code = BatchErrorCode.RESOURCE_EXHAUSTED
    elif isinstance(error, Conflict | FailedPrecondition):
        # A single import tells the two shapes apart by their codes, a batch does not (15 (33)).
        code = BatchErrorCode.FAILED_PRECONDITION
    else:
        code = BatchErrorCode.INVALID_ARGUMENT
    return _failed(index, code, error.message)


def _failed(index: int, code: BatchErrorCode, message: str) -> BatchItem:
    return BatchItem(index, code=code, message=message)


_PRECEDENCE: Final = (
    BatchErrorCode.INTERNAL,
    BatchErrorCode.ALREADY_EXISTS,
    BatchErrorCode.INVALID_ARGUMENT,
    BatchErrorCode.FAILED_PRECONDITION,
    BatchErrorCode.RESOURCE_EXHAUSTED,
)
"""Which of equally frequent causes speaks for the whole batch, the first one first (4.8)."""


def _raise_most_frequent(batch: BatchImport) -> NoReturn:
    counts = Counter(item.code for item in batch.items)
    match max(_PRECEDENCE, key=lambda code: counts[code]):
        case BatchErrorCode.ALREADY_EXISTS:
            raise ApiKeyExists("all keys of the batch already exist")
        case BatchErrorCode.INVALID_ARGUMENT:
            raise InvalidRequest("all keys of the batch failed validation")
        case BatchErrorCode.FAILED_PRECONDITION:
            raise FailedPrecondition("all keys of the batch failed a precondition")
        case BatchErrorCode.RESOURCE_EXHAUSTED:
            raise QuotaExceeded("the API key quota of this project is reached")
        case _:
            raise InternalError("import API keys")

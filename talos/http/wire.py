"""The response bodies as typed structs, and how domain values become them (contract 2.3).

Three ways of having no value stand apart in the types: a plain field always prints, ``None``
prints ``null``, and ``UNSET`` leaves the member out. 64-bit integers are text on the wire.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final, TypeAlias, TypeVar

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from talos.domain.durations import format_seconds
from talos.domain.keys import (
    NO_METADATA,
    Key,
    KeyStatus,
    KeyVisibility,
    Metadata,
    RateLimitPolicy,
    RevocationReason,
)
from talos.domain.timestamps import rfc3339
from talos.domain.verification import Verification, VerificationErrorCode
from talos.http.json_body import compact
from talos.services.derive import DerivedToken
from talos.services.import_keys import BatchErrorCode, BatchImport, BatchItem

STATUSES: Final = {value: f"KEY_STATUS_{value.name}" for value in KeyStatus}
VISIBILITIES: Final = {value: f"KEY_VISIBILITY_{value.name}" for value in KeyVisibility}
_REASONS: Final = {value: f"REVOCATION_REASON_{value.name}" for value in RevocationReason}
_ERRORS: Final = {value: f"VERIFICATION_ERROR_{value.name}" for value in VerificationErrorCode}
_BATCH_ERRORS: Final = {value: value.wire_name for value in BatchErrorCode}


def _one_of(names: dict[Any, str]) -> Meta:
    return Meta(extra_json_schema={"enum": list(names.values())})


Timestamp: TypeAlias = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Int64: TypeAlias = Annotated[str, Meta(pattern="^-?[0-9]+$")]
JsonText: TypeAlias = Annotated[Raw, Meta(extra_json_schema={"type": "object"})]
StatusName: TypeAlias = Annotated[str, _one_of(STATUSES)]
VisibilityName: TypeAlias = Annotated[str, _one_of(VISIBILITIES)]
ReasonName: TypeAlias = Annotated[str, _one_of(_REASONS)]
ErrorName: TypeAlias = Annotated[str, _one_of(_ERRORS)]
BatchErrorName: TypeAlias = Annotated[str, _one_of(_BATCH_ERRORS)]


class RateLimit(Struct, frozen=True):
    """``rate_limit_policy`` of a key."""

    quota: Int64
    window: str
    unit: str = "requests"


class IpRestriction(Struct, frozen=True):
    """``ip_restriction`` of a key."""

    allowed_cidrs: Sequence[str]


class ApiKey(Struct, frozen=True, kw_only=True):
    """What issued and imported keys show alike."""

    key_id: str
    name: str
    actor_id: str
    scopes: Sequence[str]
    metadata: JsonText | None
    status: StatusName
    create_time: Timestamp
    update_time: Timestamp
    expire_time: Timestamp | UnsetType = UNSET
    last_used_time: Timestamp | UnsetType = UNSET
    rate_limit_policy: RateLimit | UnsetType = UNSET
    revocation_reason: ReasonName | UnsetType = UNSET
    revocation_description: str | UnsetType = UNSET
    ip_restriction: IpRestriction | UnsetType = UNSET
    visibility: VisibilityName


class IssuedApiKey(ApiKey, frozen=True):
    """A key of the server's own format."""


class ImportedApiKey(ApiKey, frozen=True):
    """A key of somebody else's format."""


class IssueApiKeyResponse(Struct, frozen=True):
    """Answer of issue (4.1)."""

    issued_api_key: IssuedApiKey
    secret: str


class RotateIssuedApiKeyResponse(Struct, frozen=True):
    """Answer of rotate (4.5)."""

    issued_api_key: IssuedApiKey
    secret: str
    old_issued_api_key: IssuedApiKey


class ListIssuedApiKeysResponse(Struct, frozen=True):
    """One page of issued keys (4.3)."""

    issued_api_keys: Sequence[IssuedApiKey]
    next_page_token: str


class ListImportedApiKeysResponse(Struct, frozen=True):
    """One page of imported keys (4.9)."""

    imported_api_keys: Sequence[ImportedApiKey]
    next_page_token: str


class BatchImportResult(Struct, frozen=True):
    """What became of one item of a batch import (4.8)."""

    index: int
    imported_api_key: ImportedApiKey | None
    error_code: BatchErrorName | UnsetType = UNSET
    error_message: str | UnsetType = UNSET


class BatchCreateImportedApiKeysResponse(Struct, frozen=True):
    """Answer of batch import (4.8)."""

    results: Sequence[BatchImportResult]
    success_count: int
    failure_count: int


class VerifyApiKeyResponse(Struct, frozen=True, kw_only=True):
    """The verdict on one credential (4.14)."""

    is_valid: bool
    key_id: str
    actor_id: str
    issuer: str
    scopes: Sequence[str]
    expire_time: Timestamp | None
    metadata: JsonText | None
    error_code: ErrorName | UnsetType = UNSET
    error_message: str | UnsetType = UNSET
    rate_limit_policy: RateLimit | UnsetType = UNSET
    rate_limit_remaining: Int64 | UnsetType = UNSET
    rate_limit_reset_time: Timestamp | UnsetType = UNSET
    visibility: VisibilityName
    status: StatusName
    audiences: Sequence[str]


class BatchVerifyApiKeysResponse(Struct, frozen=True):
    """Answer of batch verify, by position (4.15)."""

    results: Sequence[VerifyApiKeyResponse]


class Token(Struct, frozen=True):
    """A derived token (4.13)."""

    token: str
    expire_time: Timestamp
    scopes: Sequence[str]
    claims: JsonText
    audiences: Sequence[str]


class DeriveTokenResponse(Struct, frozen=True):
    """Answer of derive (4.13)."""

    token: Token


class SelfRevokeApiKeyResponse(Struct, frozen=True):
    """Answer of self-revoke (4.12): an object without members."""


class JsonWebKeySet(Struct, frozen=True):
    """A key set of RFC 7517, public members only."""

    keys: Sequence[dict[str, Any]]


class GetJwksResponse(Struct, frozen=True):
    """The wrapped key set (1.4)."""

    jwks: JsonWebKeySet


class VersionResponse(Struct, frozen=True):
    """Answer of ``/version`` (1.3)."""

    version: str
    commit: str
    build_time: str
    config_hash: str


class HealthResponse(Struct, frozen=True):
    """Answer of the health paths (1.3)."""

    status: str


AnyApiKey = TypeVar("AnyApiKey", IssuedApiKey, ImportedApiKey)


def api_key(shape: type[AnyApiKey], key: Key) -> AnyApiKey:
    """Render a key as issued or imported."""
    reason = key.revocation_reason
    return shape(
        key_id=key.key_id,
        name=key.name,
        actor_id=key.actor_id,
        scopes=key.scopes,
        metadata=metadata(key.metadata),
        status=STATUSES[key.status],
        create_time=rfc3339(key.created_at_ns),
        update_time=rfc3339(key.updated_at_ns),
        expire_time=UNSET if key.expires_at_ns is None else rfc3339(key.expires_at_ns),
        last_used_time=UNSET if key.last_used_at_ns is None else rfc3339(key.last_used_at_ns),
        rate_limit_policy=rate_limit(key.rate_limit),
        revocation_reason=UNSET if reason is RevocationReason.UNSPECIFIED else _REASONS[reason],
        revocation_description=key.revocation_description or UNSET,
        ip_restriction=IpRestriction(key.allowed_cidrs) if key.allowed_cidrs else UNSET,
        visibility=VISIBILITIES[key.visibility],
    )


def verification(verdict: Verification) -> VerifyApiKeyResponse:
    """Render a verdict."""
    failed = verdict.error is not None
    limit = verdict.limit_state
    return VerifyApiKeyResponse(
        is_valid=not failed,
        key_id=verdict.key_id,
        actor_id=verdict.actor_id,
        issuer=verdict.issuer,
        scopes=verdict.scopes,
        expire_time=None if verdict.expires_at_ns is None else rfc3339(verdict.expires_at_ns),
        metadata=metadata(verdict.metadata),
        error_code=UNSET if verdict.error is None else _ERRORS[verdict.error],
        error_message=verdict.message if failed else UNSET,
        rate_limit_policy=rate_limit(verdict.rate_limit),
        rate_limit_remaining=UNSET if limit is None else str(limit.remaining),
        rate_limit_reset_time=UNSET if limit is None else rfc3339(limit.reset_at_ns),
        visibility=VISIBILITIES[verdict.visibility],
        status=STATUSES[verdict.status],
        audiences=verdict.audiences,
    )


def batch_import(outcome: BatchImport) -> BatchCreateImportedApiKeysResponse:
    """Render what became of a batch."""
    return BatchCreateImportedApiKeysResponse(
        [_batch_item(item) for item in outcome.items],
        outcome.success_count,
        outcome.failure_count,
    )


def derived_token(token: DerivedToken) -> DeriveTokenResponse:
    """Render a derived token."""
    return DeriveTokenResponse(
        Token(
            token.token,
            rfc3339(token.expires_at_ns),
            token.scopes,
            Raw(compact(token.claims).encode()),
            token.audiences,
        )
    )


def metadata(text: Metadata | None) -> Raw | None:
    """Return the stored text as it is; an empty object prints as null."""
    return None if text is None or text == NO_METADATA else Raw(text.encode())


def rate_limit(policy: RateLimitPolicy | None) -> RateLimit | UnsetType:
    """Render a policy, or leave it out."""
    if policy is None:
        return UNSET
    return RateLimit(str(policy.quota), format_seconds(policy.window_s))


def _batch_item(item: BatchItem) -> BatchImportResult:
    if item.key is None:
        code = UNSET if item.code is None else _BATCH_ERRORS[item.code]
        return BatchImportResult(item.index, None, code, item.message)
    return BatchImportResult(item.index, api_key(ImportedApiKey, item.key))

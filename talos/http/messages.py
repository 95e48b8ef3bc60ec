"""The request bodies: one table per message, from members on the wire to drafts (contract 4).

What a member may be is decided in ``talos.domain.rules``, on the draft. The bounds that stand here
describe those rules to readers of the API description and decide nothing.
"""

from typing import Final

from talos.domain import rules
from talos.domain.drafts import (
    DeriveDraft,
    KeyChange,
    KeyDraft,
    RateLimitDraft,
    RevokeDraft,
    SelfRevokeDraft,
    VerifyDraft,
)
from talos.domain.keys import KeyStatus, KeyVisibility, RevocationReason, TokenAlgorithm
from talos.domain.masks import MUTABLE_FIELDS
from talos.errors import InvalidRequest
from talos.http.fields import ListOf, Member, Message, camel_case
from talos.http.json_body import JsonObject, parse_object
from talos.http.scalars import (
    CLAIMS,
    INT64,
    METADATA,
    TEXT,
    TIMESTAMP,
    TOKEN_TEXT,
    TTL,
    WINDOW,
    Scalar,
    enumeration,
)
from talos.services import import_keys, verify_batch

KEY_STATUS: Final = enumeration(KeyStatus, "KEY_STATUS")
KEY_VISIBILITY: Final = enumeration(KeyVisibility, "KEY_VISIBILITY")
REVOCATION_REASON: Final = enumeration(RevocationReason, "REVOCATION_REASON")
TOKEN_ALGORITHM: Final = enumeration(TokenAlgorithm, "TOKEN_ALGORITHM")

_SHORT_TEXT: Final = {"maxLength": rules.MAX_TEXT_CHARACTERS}
_REQUIRED_TEXT: Final = {"minLength": 1, **_SHORT_TEXT}
_CREDENTIAL: Final = {"minLength": 1, "maxLength": rules.MAX_CREDENTIAL_BYTES}
_SCOPE: Final = Scalar(
    TEXT.convert,
    {"type": "string", "minLength": 1, "maxLength": rules.MAX_SCOPE_CHARACTERS},
)
_SCOPES: Final = ListOf(_SCOPE, {"maxItems": rules.MAX_SCOPES})
_CIDR: Final = Scalar(
    TEXT.convert,
    {
        "type": "string",
        "minLength": 1,
        "maxLength": rules.MAX_CIDR_CHARACTERS,
        "examples": ["10.0.0.0/8", "2001:db8::/32"],
    },
)

RATE_LIMIT: Final = Message(
    RateLimitDraft,
    Member("quota", INT64, required=True),
    Member("window", WINDOW, "window_ns", required=True),
    Member("unit", TEXT, bounds={"enum": ["", "requests"]}),
    name="RateLimitPolicyInput",
)


def _cidrs(allowed_cidrs: tuple[str, ...] = ()) -> tuple[str, ...]:
    return allowed_cidrs


IP_RESTRICTION: Final = Message(
    _cidrs,
    Member("allowed_cidrs", ListOf(_CIDR, {"maxItems": rules.MAX_CIDRS})),
    name="IpRestrictionInput",
)

_CHANGEABLE: Final = (
    Member("name", TEXT, bounds=_SHORT_TEXT),
    Member("scopes", _SCOPES),
    Member("metadata", METADATA),
    Member("rate_limit_policy", RATE_LIMIT, "rate_limit"),
    Member("ip_restriction", IP_RESTRICTION, "allowed_cidrs"),
)
_DRAFTED: Final = (
    Member("name", TEXT, required=True, bounds=_REQUIRED_TEXT),
    Member("actor_id", TEXT, required=True, bounds=_REQUIRED_TEXT),
    *_CHANGEABLE[1:],
    Member("ttl", TTL, "ttl_ns"),
    Member("request_id", TEXT, bounds={"maxLength": rules.MAX_REQUEST_ID_CHARACTERS}),
    Member("visibility", KEY_VISIBILITY),
)

ISSUE: Final = Message(KeyDraft, *_DRAFTED, name="IssueApiKeyRequest")
IMPORT: Final = Message(
    KeyDraft,
    Member("raw_key", TEXT, required=True, bounds=_CREDENTIAL),
    *_DRAFTED,
    name="ImportApiKeyRequest",
)
ROTATE: Final = Message(
    KeyChange, *_CHANGEABLE, Member("visibility", KEY_VISIBILITY), name="RotateApiKeyRequest"
)
UPDATE: Final = Message(
    KeyChange,
    *_CHANGEABLE,
    # The rest of the resource: it must be well-formed, and has no effect (contract 4.4).
    Member("key_id", TEXT, ""),
    Member("actor_id", TEXT, ""),
    Member("status", KEY_STATUS, ""),
    Member("visibility", KEY_VISIBILITY, ""),
    Member("create_time", TIMESTAMP, ""),
    Member("update_time", TIMESTAMP, ""),
    Member("expire_time", TIMESTAMP, ""),
    Member("last_used_time", TIMESTAMP, ""),
    Member("revocation_reason", REVOCATION_REASON, ""),
    Member("revocation_description", TEXT, ""),
    name="UpdateApiKeyRequest",
)
REVOKE: Final = Message(
    RevokeDraft,
    Member("reason", REVOCATION_REASON),
    Member("description", TEXT, bounds={"maxLength": rules.MAX_DESCRIPTION_CHARACTERS}),
    name="RevokeApiKeyRequest",
)
SELF_REVOKE: Final = Message(
    SelfRevokeDraft,
    Member("credential", TEXT, required=True, bounds=_CREDENTIAL),
    Member("reason", REVOCATION_REASON),
    name="SelfRevokeApiKeyRequest",
)
DERIVE: Final = Message(
    DeriveDraft,
    Member("credential", TEXT, required=True, bounds=_CREDENTIAL),
    Member("algorithm", TOKEN_ALGORITHM),
    Member("ttl", TTL, "ttl_ns"),
    Member("scopes", _SCOPES),
    Member("custom_claims", CLAIMS),
    Member("audiences", ListOf(TOKEN_TEXT)),
    name="DeriveTokenRequest",
)
VERIFY: Final = Message(
    VerifyDraft,
    Member("credential", TEXT, required=True, bounds=_CREDENTIAL),
    Member("expected_audiences", ListOf(TEXT)),
    name="VerifyApiKeyRequest",
)


def _imports(requests: tuple[KeyDraft, ...] = ()) -> tuple[KeyDraft, ...]:
    return requests


def _verifications(requests: tuple[VerifyDraft, ...] = ()) -> tuple[VerifyDraft, ...]:
    return requests


BATCH_IMPORT: Final = Message(
    _imports,
    Member(
        "requests",
        ListOf(IMPORT, {"minItems": 1, "maxItems": import_keys.MAX_BATCH}, import_keys.MAX_BATCH),
        required=True,
    ),
    name="BatchCreateImportedApiKeysRequest",
)
BATCH_VERIFY: Final = Message(
    _verifications,
    Member(
        "requests",
        ListOf(VERIFY, {"minItems": 1, "maxItems": verify_batch.MAX_BATCH}, verify_batch.MAX_BATCH),
        required=True,
    ),
    name="BatchVerifyApiKeysRequest",
)

_MUTABLE_SPELLINGS: Final = frozenset(
    spelling for name in MUTABLE_FIELDS for spelling in (name, camel_case(name))
)


def decode_update(body: bytes, wrapper: str) -> KeyChange:
    """Read the body of an update: the resource itself, or wrapped as ``wrapper`` (contract 4.4).

    The wrapper counts where the outer object has none of the mutable members. Raises
    ``InvalidRequest``.
    """
    return UPDATE.decode_value(_unwrapped(parse_object(body), wrapper))


def _unwrapped(members: JsonObject, wrapper: str) -> JsonObject:
    given = [name for name, value in members if value is not None]
    if not _MUTABLE_SPELLINGS.isdisjoint(given):
        return members
    wrapped = [value for name, value in members if name in (wrapper, camel_case(wrapper))]
    if len(wrapped) > 1:
        raise InvalidRequest(f"validation error: {wrapper}: is given twice")
    return wrapped[0] if wrapped and isinstance(wrapped[0], tuple) else members

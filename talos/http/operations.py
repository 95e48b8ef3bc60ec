"""The operations of the main ports, as the API description tells of them (contract 1.2, 1.3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from msgspec import Struct

from talos.http import messages, wire
from talos.http.fields import Message
from talos.http.health import ALIVE_PATH, READY_PATH
from talos.http.resources import imported_api_keys, issued_api_keys
from talos.http.routes import ADMIN, ROOT

TAGS: Final = {
    "admin": "For administrators; every caller is trusted.",
    "self-service": "For holders of a credential.",
    "server": "About the server itself.",
}
ADMIN_TAG, SELF_SERVICE_TAG, SERVER_TAG = TAGS

DESCRIPTION_PATH: Final = "/openapi.json"
DOCS_PATH: Final = f"{ADMIN}/docs"
SELF_REVOKE_ID: Final = "revokeApiKey"

_BAD: Final = HTTPStatus.BAD_REQUEST


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation as it is described.

    ``errors`` are those beside the ones that every operation can meet, ``query`` and ``headers``
    the names of its query parameters and of the headers of its success.
    """

    id: str
    method: str
    path: str
    summary: str
    tag: str
    response: type[Struct] | None
    request: Message[Any] | None = None
    success: HTTPStatus = HTTPStatus.OK
    errors: Sequence[HTTPStatus] = (_BAD,)
    query: Sequence[str] = ()
    headers: Sequence[str] = ()
    body_required: bool = True
    media_type: str | None = None
    """Of a success whose body is none of the structs."""


_LIST_QUERY: Final = ("page_size", "page_token", "filter")
_ISSUED: Final = issued_api_keys.PATH
_IMPORTED: Final = imported_api_keys.PATH
_CREATED: Final = HTTPStatus.CREATED
_NO_CONTENT: Final = HTTPStatus.NO_CONTENT
_CONFLICT: Final = HTTPStatus.CONFLICT
_PAYMENT: Final = HTTPStatus.PAYMENT_REQUIRED
_UNAUTHORIZED: Final = HTTPStatus.UNAUTHORIZED
_FORBIDDEN: Final = HTTPStatus.FORBIDDEN

OPERATIONS: Final = (
    Operation(
        "adminIssueApiKey",
        "post",
        _ISSUED,
        "Issue a key. The secret is in this answer and nowhere else.",
        ADMIN_TAG,
        wire.IssueApiKeyResponse,
        messages.ISSUE,
        _CREATED,
        (_BAD, _PAYMENT, _CONFLICT),
        headers=("Location",),
    ),
    Operation(
        "adminListIssuedApiKeys",
        "get",
        _ISSUED,
        "List issued keys, page by page.",
        ADMIN_TAG,
        wire.ListIssuedApiKeysResponse,
        query=_LIST_QUERY,
    ),
    Operation(
        "adminGetIssuedApiKey",
        "get",
        f"{_ISSUED}/{{key_id}}",
        "Show an issued key.",
        ADMIN_TAG,
        wire.IssuedApiKey,
    ),
    Operation(
        "adminUpdateIssuedApiKey",
        "patch",
        f"{_ISSUED}/{{key_id}}",
        "Change an issued key.",
        ADMIN_TAG,
        wire.IssuedApiKey,
        messages.UPDATE,
        query=("update_mask",),
        body_required=False,
    ),
    Operation(
        "adminRotateIssuedApiKey",
        "post",
        f"{_ISSUED}/{{key_id}}:rotate",
        "Replace an issued key by a successor, and revoke it.",
        ADMIN_TAG,
        wire.RotateIssuedApiKeyResponse,
        messages.ROTATE,
        _CREATED,
        (_BAD, _CONFLICT),
        headers=("Location",),
        body_required=False,
    ),
    Operation(
        "adminRevokeIssuedApiKey",
        "post",
        f"{_ISSUED}/{{key_id}}:revoke",
        "Revoke an issued key, for good.",
        ADMIN_TAG,
        None,
        messages.REVOKE,
        _NO_CONTENT,
        (_BAD, _CONFLICT),
        body_required=False,
    ),
    Operation(
        "adminImportApiKey",
        "post",
        _IMPORTED,
        "Import a key that was made elsewhere. Only its hash is kept.",
        ADMIN_TAG,
        wire.ImportedApiKey,
        messages.IMPORT,
        _CREATED,
        (_BAD, _PAYMENT, _CONFLICT),
        headers=("Location",),
    ),
    Operation(
        "adminBatchCreateImportedApiKeys",
        "post",
        f"{_IMPORTED}:batchCreate",
        "Import up to a thousand keys; each succeeds or fails by itself.",
        ADMIN_TAG,
        wire.BatchCreateImportedApiKeysResponse,
        messages.BATCH_IMPORT,
        errors=(_BAD, _PAYMENT, _CONFLICT),
    ),
    Operation(
        "adminListImportedApiKeys",
        "get",
        _IMPORTED,
        "List imported keys, page by page.",
        ADMIN_TAG,
        wire.ListImportedApiKeysResponse,
        query=_LIST_QUERY,
    ),
    Operation(
        "adminGetImportedApiKey",
        "get",
        f"{_IMPORTED}/{{key_id}}",
        "Show an imported key.",
        ADMIN_TAG,
        wire.ImportedApiKey,
    ),
    Operation(
        "adminUpdateImportedApiKey",
        "patch",
        f"{_IMPORTED}/{{key_id}}",
        "Change an imported key.",
        ADMIN_TAG,
        wire.ImportedApiKey,
        messages.UPDATE,
        query=("update_mask",),
        body_required=False,
    ),
    Operation(
        "adminDeleteImportedApiKey",
        "delete",
        f"{_IMPORTED}/{{key_id}}",
        "Remove an imported key, so that it can be imported again.",
        ADMIN_TAG,
        None,
        success=_NO_CONTENT,
    ),
    Operation(
        "adminRevokeImportedApiKey",
        "post",
        f"{_IMPORTED}/{{key_id}}:revoke",
        "Revoke an imported key, for good.",
        ADMIN_TAG,
        None,
        messages.REVOKE,
        _NO_CONTENT,
        (_BAD, _CONFLICT),
        body_required=False,
    ),
    Operation(
        "adminRevokeApiKey",
        "post",
        f"{ADMIN}/apiKeys/{{key_id}}:revoke",
        "Revoke an issued key or, where there is none of this id, an imported one.",
        ADMIN_TAG,
        None,
        messages.REVOKE,
        _NO_CONTENT,
        (_BAD, _CONFLICT),
        body_required=False,
    ),
    Operation(
        "adminDeriveToken",
        "post",
        f"{ADMIN}/apiKeys:derive",
        "Derive a short-lived token from a key.",
        ADMIN_TAG,
        wire.DeriveTokenResponse,
        messages.DERIVE,
        errors=(_BAD, _UNAUTHORIZED, _FORBIDDEN, _CONFLICT),
    ),
    Operation(
        "adminVerifyApiKey",
        "post",
        f"{ADMIN}/apiKeys:verify",
        "Tell whether a credential is good, and whose it is.",
        ADMIN_TAG,
        wire.VerifyApiKeyResponse,
        messages.VERIFY,
        headers=(
            "Ory-Talos-Cache",
            "RateLimit-Policy",
            "RateLimit",
            "Retry-After",
            "Cache-Control",
        ),
    ),
    Operation(
        "adminBatchVerifyApiKeys",
        "post",
        f"{ADMIN}/apiKeys:batchVerify",
        "Verify up to a hundred credentials.",
        ADMIN_TAG,
        wire.BatchVerifyApiKeysResponse,
        messages.BATCH_VERIFY,
    ),
    Operation(
        SELF_REVOKE_ID,
        "post",
        f"{ROOT}/apiKeys:selfRevoke",
        "Revoke the key that is presented.",
        SELF_SERVICE_TAG,
        wire.SelfRevokeApiKeyResponse,
        messages.SELF_REVOKE,
        errors=(_BAD, _UNAUTHORIZED, _FORBIDDEN),
    ),
    Operation(
        "getJwks",
        "get",
        f"{ROOT}/derivedKeys/jwks.json",
        "The public keys that derived tokens are signed with.",
        SELF_SERVICE_TAG,
        wire.GetJwksResponse,
        errors=(),
    ),
    Operation(
        "getVersion",
        "get",
        "/version",
        "The running build, and a hash of its configuration.",
        SERVER_TAG,
        wire.VersionResponse,
        errors=(),
    ),
    Operation(
        "isAlive",
        "get",
        ALIVE_PATH,
        "The process is there.",
        SERVER_TAG,
        wire.HealthResponse,
        errors=(),
    ),
    Operation(
        "isReady",
        "get",
        READY_PATH,
        "The database answers.",
        SERVER_TAG,
        wire.HealthResponse,
        errors=(),
    ),
    Operation(
        "getApiDescription",
        "get",
        DESCRIPTION_PATH,
        "This document.",
        SERVER_TAG,
        None,
        errors=(),
        media_type="application/json",
    ),
    Operation(
        "getDocs",
        "get",
        DOCS_PATH,
        "This document as a page.",
        ADMIN_TAG,
        None,
        errors=(),
        media_type="text/html",
    ),
)

"""Operations on keys of either kind, by credential or by id (contract 4.12 to 4.14)."""

from http import HTTPStatus
from typing import Final

from talos.http import messages, paths, wire
from talos.http.operation import Audience, Operation, Tag
from talos.http.resources.api_keys import (
    ApiKeyResource,
    BatchVerifyResource,
    DeriveResource,
    VerifyResource,
)

_BAD: Final = HTTPStatus.BAD_REQUEST
_NO_CONTENT: Final = HTTPStatus.NO_CONTENT
_CONFLICT: Final = HTTPStatus.CONFLICT
_UNAUTHORIZED: Final = HTTPStatus.UNAUTHORIZED
_FORBIDDEN: Final = HTTPStatus.FORBIDDEN

OPERATIONS: Final = (
    Operation(
        "adminRevokeApiKey",
        "post",
        f"{paths.API_KEYS}/{{key_id}}:revoke",
        ApiKeyResource,
        Audience.ADMIN,
        Tag.ADMIN,
        "Revoke an issued key or, where there is none of this id, an imported one.",
        "For those who have an id and do not know its kind.",
        request=messages.REVOKE,
        success=_NO_CONTENT,
        errors=(_BAD, _CONFLICT),
        body_required=False,
    ),
    Operation(
        "adminDeriveToken",
        "post",
        f"{paths.API_KEYS}:derive",
        DeriveResource,
        Audience.ADMIN,
        Tag.ADMIN,
        "Derive a short-lived token from a key.",
        "The token is verified without a database, by its signature; revoking the key later "
        "does not end it. Its scopes are a part of the key's.",
        response=wire.DeriveTokenResponse,
        request=messages.DERIVE,
        errors=(_BAD, _UNAUTHORIZED, _FORBIDDEN, _CONFLICT),
    ),
    Operation(
        "adminVerifyApiKey",
        "post",
        f"{paths.API_KEYS}:verify",
        VerifyResource,
        Audience.ADMIN,
        Tag.ADMIN,
        "Tell whether a credential is good, and whose it is.",
        "Answers 200 for every well-formed request; is_valid has the verdict. Cache-Control: "
        "no-cache in the request skips what is remembered, no-store also keeps the answer from "
        "being remembered.",
        response=wire.VerifyApiKeyResponse,
        request=messages.VERIFY,
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
        f"{paths.API_KEYS}:batchVerify",
        BatchVerifyResource,
        Audience.ADMIN,
        Tag.ADMIN,
        "Verify up to a hundred credentials.",
        "Each credential as by a single verification, in order, rate limits included. An empty "
        "or over-long credential fails the whole call.",
        response=wire.BatchVerifyApiKeysResponse,
        request=messages.BATCH_VERIFY,
    ),
)

"""Operations on imported keys (contract 4.7 to 4.11)."""

from http import HTTPStatus
from typing import Final

from talos.http import messages, paths, wire
from talos.http.operation import LIST_QUERY, Audience, Operation, Tag
from talos.http.resources.imported_api_keys import (
    ImportedApiKeyBatchResource,
    ImportedApiKeyResource,
    ImportedApiKeysResource,
)

_BAD: Final = HTTPStatus.BAD_REQUEST
_CREATED: Final = HTTPStatus.CREATED
_NO_CONTENT: Final = HTTPStatus.NO_CONTENT
_CONFLICT: Final = HTTPStatus.CONFLICT
_PAYMENT: Final = HTTPStatus.PAYMENT_REQUIRED

OPERATIONS: Final = (
    Operation(
        "adminImportApiKey",
        "post",
        paths.IMPORTED,
        ImportedApiKeysResource,
        Audience.ADMIN,
        Tag.ADMIN,
        "Import a key that was made elsewhere. Only its hash is kept.",
        "The credential may have neither the shape of an issued key nor that of a derived "
        "token. It is found again by a hash of its bytes.",
        response=wire.ImportedApiKey,
        request=messages.IMPORT,
        success=_CREATED,
        errors=(_BAD, _PAYMENT, _CONFLICT),
        headers=("Location",),
    ),
    Operation(
        "adminBatchCreateImportedApiKeys",
        "post",
        f"{paths.IMPORTED}:batchCreate",
        ImportedApiKeyBatchResource,
        Audience.ADMIN,
        Tag.ADMIN,
        "Import up to a thousand keys; each succeeds or fails by itself.",
        "All inserts run in one transaction. Where every item fails, the answer is an error, by "
        "the most frequent cause. A request_id of an item is ignored.",
        response=wire.BatchCreateImportedApiKeysResponse,
        request=messages.BATCH_IMPORT,
        errors=(_BAD, _PAYMENT, _CONFLICT),
    ),
    Operation(
        "adminListImportedApiKeys",
        "get",
        paths.IMPORTED,
        ImportedApiKeysResource,
        Audience.ADMIN,
        Tag.ADMIN,
        "List imported keys, page by page.",
        "As for issued keys: in descending order of their ids.",
        response=wire.ListImportedApiKeysResponse,
        query=LIST_QUERY,
    ),
    Operation(
        "adminGetImportedApiKey",
        "get",
        f"{paths.IMPORTED}/{{key_id}}",
        ImportedApiKeyResource,
        Audience.ADMIN,
        Tag.ADMIN,
        "Show an imported key.",
        "The credential is not part of it: it was never stored.",
        response=wire.ImportedApiKey,
    ),
    Operation(
        "adminUpdateImportedApiKey",
        "patch",
        f"{paths.IMPORTED}/{{key_id}}",
        ImportedApiKeyResource,
        Audience.ADMIN,
        Tag.ADMIN,
        "Change an imported key.",
        "As for issued keys. Answers of every worker follow at once.",
        response=wire.ImportedApiKey,
        request=messages.UPDATE,
        query=("update_mask",),
        body_required=False,
    ),
    Operation(
        "adminDeleteImportedApiKey",
        "delete",
        f"{paths.IMPORTED}/{{key_id}}",
        ImportedApiKeyResource,
        Audience.ADMIN,
        Tag.ADMIN,
        "Remove an imported key, so that it can be imported again.",
        "The record is gone, and the credential unknown from now on, whatever its status was.",
        success=_NO_CONTENT,
    ),
    Operation(
        "adminRevokeImportedApiKey",
        "post",
        f"{paths.IMPORTED}/{{key_id}}:revoke",
        ImportedApiKeyResource,
        Audience.ADMIN,
        Tag.ADMIN,
        "Revoke an imported key, for good.",
        "As for issued keys. A revoked import cannot be imported again until it is deleted.",
        request=messages.REVOKE,
        success=_NO_CONTENT,
        errors=(_BAD, _CONFLICT),
        body_required=False,
    ),
)

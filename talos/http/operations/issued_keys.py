"""Operations on issued keys (contract 4.1 to 4.6)."""

from http import HTTPStatus
from typing import Final

from talos.http import messages, paths, wire
from talos.http.operation import LIST_QUERY, Audience, Operation, Tag
from talos.http.resources.issued_api_keys import IssuedApiKeyResource, IssuedApiKeysResource

_BAD: Final = HTTPStatus.BAD_REQUEST
_CREATED: Final = HTTPStatus.CREATED
_NO_CONTENT: Final = HTTPStatus.NO_CONTENT
_CONFLICT: Final = HTTPStatus.CONFLICT
_PAYMENT: Final = HTTPStatus.PAYMENT_REQUIRED

OPERATIONS: Final = (
    Operation(
        "adminIssueApiKey",
        "post",
        paths.ISSUED,
        IssuedApiKeysResource,
        Audience.ADMIN,
        Tag.ADMIN,
        "Issue a key. The secret is in this answer and nowhere else.",
        "The key lives for ttl, or for the configured default. With a request_id the call can "
        "be repeated safely.",
        response=wire.IssueApiKeyResponse,
        request=messages.ISSUE,
        success=_CREATED,
        errors=(_BAD, _PAYMENT, _CONFLICT),
        headers=("Location",),
    ),
    Operation(
        "adminListIssuedApiKeys",
        "get",
        paths.ISSUED,
        IssuedApiKeysResource,
        Audience.ADMIN,
        Tag.ADMIN,
        "List issued keys, page by page.",
        "In descending order of their ids. Keys of every status are listed.",
        response=wire.ListIssuedApiKeysResponse,
        query=LIST_QUERY,
    ),
    Operation(
        "adminGetIssuedApiKey",
        "get",
        f"{paths.ISSUED}/{{key_id}}",
        IssuedApiKeyResource,
        Audience.ADMIN,
        Tag.ADMIN,
        "Show an issued key.",
        "The secret is not part of it: nobody has it any more.",
        response=wire.IssuedApiKey,
    ),
    Operation(
        "adminUpdateIssuedApiKey",
        "patch",
        f"{paths.ISSUED}/{{key_id}}",
        IssuedApiKeyResource,
        Audience.ADMIN,
        Tag.ADMIN,
        "Change an issued key.",
        "Answers of every worker follow at once. Prefix, actor, lifetime and visibility cannot "
        "be changed.",
        response=wire.IssuedApiKey,
        request=messages.UPDATE,
        query=("update_mask",),
        body_required=False,
    ),
    Operation(
        "adminRotateIssuedApiKey",
        "post",
        f"{paths.ISSUED}/{{key_id}}:rotate",
        IssuedApiKeyResource,
        Audience.ADMIN,
        Tag.ADMIN,
        "Replace an issued key by a successor, and revoke it.",
        "The successor inherits what the body does not name, the actor and the end of life "
        "always. The old key is refused at once, with the reason SUPERSEDED. Of two calls for "
        "one key one succeeds.",
        response=wire.RotateIssuedApiKeyResponse,
        request=messages.ROTATE,
        success=_CREATED,
        errors=(_BAD, _CONFLICT),
        headers=("Location",),
        body_required=False,
    ),
    Operation(
        "adminRevokeIssuedApiKey",
        "post",
        f"{paths.ISSUED}/{{key_id}}:revoke",
        IssuedApiKeyResource,
        Audience.ADMIN,
        Tag.ADMIN,
        "Revoke an issued key, for good.",
        "Refused by every worker once this is answered. The record is kept for at least 30 days.",
        request=messages.REVOKE,
        success=_NO_CONTENT,
        errors=(_BAD, _CONFLICT),
        body_required=False,
    ),
)

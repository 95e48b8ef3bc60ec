"""Operations for the holder of a credential (contract 4.15, 1.4)."""

from http import HTTPStatus
from typing import Final

from talos.http import messages, paths, wire
from talos.http.operation import Audience, Operation, Tag
from talos.http.resources.api_keys import SelfRevokeResource
from talos.http.resources.derived_keys import JwksResource

_BAD: Final = HTTPStatus.BAD_REQUEST
_UNAUTHORIZED: Final = HTTPStatus.UNAUTHORIZED
_FORBIDDEN: Final = HTTPStatus.FORBIDDEN

OPERATIONS: Final = (
    Operation(
        "revokeApiKey",
        "post",
        f"{paths.ROOT}/apiKeys:selfRevoke",
        SelfRevokeResource,
        Audience.HOLDERS,
        Tag.SELF_SERVICE,
        "Revoke the key that is presented.",
        "Whoever holds a secret key may end it, from wherever. A key that is revoked already is "
        "a success; derived tokens cannot be revoked.",
        response=wire.SelfRevokeApiKeyResponse,
        request=messages.SELF_REVOKE,
        errors=(_BAD, _UNAUTHORIZED, _FORBIDDEN),
    ),
    Operation(
        "getJwks",
        "get",
        f"{paths.ROOT}/derivedKeys/jwks.json",
        JwksResource,
        Audience.EVERYONE,
        Tag.SELF_SERVICE,
        "The public keys that derived tokens are signed with.",
        "To verify derived JWTs without asking this server.",
        response=wire.GetJwksResponse,
        errors=(),
    ),
)

"""The body of a verify as the cache keeps it: ready to be sent, and to be read again."""

from typing import Final

import msgspec

from talos.domain.keys import Metadata, RateLimitPolicy
from talos.domain.timestamps import from_rfc3339
from talos.domain.verification import Verification
from talos.http.wire import STATUSES, VISIBILITIES, RateLimit, verification

_VISIBILITIES: Final = {name: value for value, name in VISIBILITIES.items()}
_STATUSES: Final = {name: value for value, name in STATUSES.items()}
_NULL: Final = b"null"


class _VerifyBody(msgspec.Struct):
    """``VerifyApiKeyResponse`` as it is read."""

    is_valid: bool
    key_id: str
    actor_id: str
    issuer: str
    scopes: tuple[str, ...]
    expire_time: str | None
    metadata: msgspec.Raw
    visibility: str
    status: str
    audiences: tuple[str, ...]
    rate_limit_policy: RateLimit | None = None


_DECODER: Final = msgspec.json.Decoder(_VerifyBody)


def render(verdict: Verification) -> bytes:
    """Return the body that the application sends for ``verdict``."""
    return msgspec.json.encode(verification(verdict))


def read(body: bytes) -> Verification:
    """Return the valid verdict that ``render`` made ``body`` of, ``restricted`` left at False.

    Raises ``ValueError`` or ``KeyError`` for what it never made.
    """
    fields = _DECODER.decode(body)
    if not fields.is_valid:
        raise ValueError("is the body of a refusal")
    metadata, policy = bytes(fields.metadata), fields.rate_limit_policy
    return Verification(
        error=None,
        key_id=fields.key_id,
        actor_id=fields.actor_id,
        issuer=fields.issuer,
        scopes=fields.scopes,
        expires_at_ns=None if fields.expire_time is None else from_rfc3339(fields.expire_time),
        metadata=None if metadata == _NULL else Metadata(metadata.decode()),
        visibility=_VISIBILITIES[fields.visibility],
        status=_STATUSES[fields.status],
        audiences=fields.audiences,
        rate_limit=None if policy is None else _policy(policy),
    )


def _policy(fields: RateLimit) -> RateLimitPolicy:
    return RateLimitPolicy(int(fields.quota), int(fields.window.removesuffix("s")))

"""What callers ask for, decoded from the wire and not yet checked.

A field that was absent (or ``null``) is None where absence means something else than an empty
value, else the empty value of its type. The rules of contract 4.0 are applied to these by
``talos.domain.rules``; nothing else may assume that a draft keeps them.
"""

from dataclasses import dataclass

from talos.domain.keys import Metadata


@dataclass(frozen=True, slots=True)
class RateLimitDraft:
    """A ``rate_limit_policy`` object as sent; ``window_ns`` and ``quota`` None when absent."""

    quota: int | None = None
    window_ns: int | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class KeyDraft:
    """Body of issue (4.1), of import (4.7, with ``raw_key``) and of a batch import item (4.8).

    ``visibility`` is the enum's number as sent: one that is out of the known set is a violation,
    not a silent default (contract 16, 16).
    """

    name: str = ""
    actor_id: str = ""
    scopes: tuple[str, ...] = ()
    ttl_ns: int | None = None
    metadata: Metadata | None = None
    rate_limit: RateLimitDraft | None = None
    allowed_cidrs: tuple[str, ...] = ()
    request_id: str = ""
    visibility: int = 0
    raw_key: str = ""


@dataclass(frozen=True, slots=True)
class KeyChange:
    """Body of update (4.4) and rotate (4.5): None means that the member was absent.

    ``allowed_cidrs`` is None when ``ip_restriction`` is absent, and empty for ``{}`` or an empty
    list. ``visibility`` belongs to rotate alone; 0 inherits.
    """

    name: str | None = None
    scopes: tuple[str, ...] | None = None
    metadata: Metadata | None = None
    rate_limit: RateLimitDraft | None = None
    allowed_cidrs: tuple[str, ...] | None = None
    visibility: int = 0


@dataclass(frozen=True, slots=True)
class DeriveDraft:
    """Body of derive (4.13). ``custom_claims`` is a decoded JSON object, or None when absent."""

    credential: str = ""
    algorithm: int = 0
    ttl_ns: int | None = None
    scopes: tuple[str, ...] = ()
    custom_claims: dict[str, object] | None = None
    audiences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VerifyDraft:
    """Body of verify (4.14) and of a batch verify item (4.15)."""

    credential: str = ""
    expected_audiences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RevokeDraft:
    """Body of both revokes (4.6, 4.11): ``reason`` is the enum's number as sent."""

    reason: int = 0
    description: str = ""


@dataclass(frozen=True, slots=True)
class SelfRevokeDraft:
    """Body of self-revoke (4.12)."""

    credential: str = ""
    reason: int = 0


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Query of both list operations (4.3, 4.9, 7)."""

    page_size: int = 0
    page_token: str = ""
    filter: str = ""

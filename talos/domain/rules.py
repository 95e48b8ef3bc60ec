"""The field rules of contract 4.0, each draft's in one place.

A rule finds all violations of a draft, so that a client learns of them in one answer. Violations
name the field as the client spelt it and say what is allowed; they never repeat a value, which
may be a credential. Lengths of text count Unicode characters, except where bytes are named.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from talos.domain.addresses import valid_cidr
from talos.domain.drafts import (
    DeriveDraft,
    KeyChange,
    KeyDraft,
    RateLimitDraft,
    RevokeDraft,
    SelfRevokeDraft,
    VerifyDraft,
)
from talos.domain.durations import MAX_DURATION_NS
from talos.domain.keys import (
    KeyVisibility,
    Metadata,
    RateLimitPolicy,
    RevocationReason,
    TokenAlgorithm,
)
from talos.domain.units import INT64_MAX, NS_PER_S
from talos.errors import InvalidRequest

MAX_TEXT_CHARACTERS: Final = 255
MAX_SCOPES: Final = 100
MAX_SCOPE_CHARACTERS: Final = 100
MAX_CIDRS: Final = 50
MAX_CIDR_CHARACTERS: Final = 50
MAX_REQUEST_ID_CHARACTERS: Final = 36
MAX_DESCRIPTION_CHARACTERS: Final = 500
MAX_METADATA_BYTES: Final = 65_536
MAX_CREDENTIAL_BYTES: Final = 8_192
MAX_QUOTA: Final = INT64_MAX
MIN_TTL_NS: Final = NS_PER_S
MAX_TTL_NS: Final = 315_360_000 * NS_PER_S
MAX_WINDOW_S: Final = MAX_DURATION_NS // NS_PER_S
"""The longest window that is kept; a longer one acts as this one (contract 2.5)."""
MAX_PAGE_SIZE: Final = 1_000

_NO_NUL: Final = "must not contain U+0000"
# An escape that is not itself escaped.
_NUL_IN_JSON: Final = re.compile(r"(?<!\\)(?:\\\\)*+\\u0000")


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule: the path of the field, such as ``scopes[3]``, and what is allowed."""

    field: str
    text: str


Violations = Iterator[Violation]


def raise_for(violations: Iterable[Violation]) -> None:
    """Raise ``InvalidRequest`` naming every violation, if there is one."""
    lines = [f"{violation.field}: {violation.text}" for violation in violations]
    if len(lines) == 1:
        raise InvalidRequest(f"validation error: {lines[0]}")
    if lines:
        raise InvalidRequest("\n - ".join(["validation errors:", *lines]))


def issue(draft: KeyDraft) -> Violations:
    """Rules of issue (4.1 steps 1 and 2)."""
    yield from _text("name", draft.name)
    yield from _text("actor_id", draft.actor_id)
    yield from scopes(draft.scopes)
    yield from ttl(draft.ttl_ns)
    yield from metadata(draft.metadata)
    yield from rate_limit(draft.rate_limit)
    yield from cidr_lengths(draft.allowed_cidrs)
    yield from cidr_syntax(draft.allowed_cidrs)
    if len(draft.request_id) > MAX_REQUEST_ID_CHARACTERS:
        yield Violation("request_id", f"has at most {MAX_REQUEST_ID_CHARACTERS} characters")
    yield from _storable("request_id", draft.request_id)
    yield from visibility(draft.visibility)


def import_key(draft: KeyDraft) -> Violations:
    """Rules of import and of a batch import item (4.7, 4.8)."""
    yield from _credential("raw_key", draft.raw_key)
    yield from _storable("raw_key", draft.raw_key)
    yield from issue(draft)


def change(draft: KeyChange) -> Violations:
    """Rules of update and rotate that hold before the key is looked up (4.4, 4.5).

    The size of metadata and the syntax of CIDRs stand apart: 4.4 checks them after the lookup.
    """
    if draft.name is not None and len(draft.name) > MAX_TEXT_CHARACTERS:
        yield Violation("name", f"has at most {MAX_TEXT_CHARACTERS} characters")
    yield from _storable("name", draft.name or "")
    yield from scopes(draft.scopes or ())
    yield from rate_limit(draft.rate_limit)
    yield from cidr_lengths(draft.allowed_cidrs or ())
    yield from visibility(draft.visibility)


def derive(draft: DeriveDraft) -> Violations:
    """Rules of derive (4.13 step 1)."""
    yield from _credential("credential", draft.credential)
    yield from _enum("algorithm", draft.algorithm, TokenAlgorithm)
    yield from ttl(draft.ttl_ns)
    yield from scopes(draft.scopes)


def verify(draft: VerifyDraft, path: str = "") -> Violations:
    """Rules of verify, and of the batch item at ``path`` such as ``requests[2].`` (4.14, 4.15)."""
    yield from _credential(f"{path}credential", draft.credential)


def revoke(draft: RevokeDraft) -> Violations:
    """Rules of both admin revokes (4.6 step 1)."""
    yield from _enum("reason", draft.reason, RevocationReason)
    if len(draft.description) > MAX_DESCRIPTION_CHARACTERS:
        yield Violation("description", f"has at most {MAX_DESCRIPTION_CHARACTERS} characters")
    if draft.description and draft.reason != RevocationReason.PRIVILEGE_WITHDRAWN:
        yield Violation("description", "is allowed only with REVOCATION_REASON_PRIVILEGE_WITHDRAWN")
    yield from _storable("description", draft.description)


def self_revoke(draft: SelfRevokeDraft) -> Violations:
    """Rules of self-revoke (4.12 steps 1 and 2)."""
    yield from _credential("credential", draft.credential)
    yield from _enum("reason", draft.reason, RevocationReason)
    if draft.reason == RevocationReason.PRIVILEGE_WITHDRAWN:
        yield Violation("reason", "must not be REVOCATION_REASON_PRIVILEGE_WITHDRAWN")


def key_id(text: str) -> Violations:
    """A key id in a path is any text but the empty one."""
    if not text:
        yield Violation("key_id", "must not be empty")


def page_size(size: int) -> Violations:
    """A page size is 0, which means the default, to ``MAX_PAGE_SIZE`` (7.1)."""
    if not 0 <= size <= MAX_PAGE_SIZE:
        yield Violation("page_size", f"must be between 0 and {MAX_PAGE_SIZE}")


def scopes(names: Sequence[str]) -> Violations:
    """At most 100 scopes of 1 to 100 characters; order and duplicates are the caller's."""
    if len(names) > MAX_SCOPES:
        yield Violation("scopes", f"has at most {MAX_SCOPES} entries")
        return
    for index, name in enumerate(names):
        if not 1 <= len(name) <= MAX_SCOPE_CHARACTERS:
            yield Violation(f"scopes[{index}]", f"must have 1 to {MAX_SCOPE_CHARACTERS} characters")
        yield from _storable(f"scopes[{index}]", name)


def ttl(ttl_ns: int | None) -> Violations:
    """A lifetime that is given lies between one second and ten years (2.5)."""
    if ttl_ns is None:
        return
    if ttl_ns <= 0:
        yield Violation("ttl", "ttl must be greater than 0")
    elif not MIN_TTL_NS <= ttl_ns <= MAX_TTL_NS:
        yield Violation("ttl", f"ttl must be between 1s and {MAX_TTL_NS // NS_PER_S}s")


def metadata(text: Metadata | None) -> Violations:
    """Metadata is bounded in its compact form, and storable like any other text."""
    if text is not None and len(text.encode()) > MAX_METADATA_BYTES:
        yield Violation("metadata", f"metadata size is more than {MAX_METADATA_BYTES} bytes")
    elif text is not None and holds_nul(text):
        yield Violation("metadata", _NO_NUL)


def rate_limit(draft: RateLimitDraft | None) -> Violations:
    """A policy that is given has a positive quota and a window of whole seconds."""
    if draft is None:
        return
    if draft.quota is None or not 0 < draft.quota <= MAX_QUOTA:
        yield Violation("rate_limit_policy.quota", "quota must be greater than 0")
    if draft.window_ns is None or draft.window_ns < NS_PER_S:
        yield Violation("rate_limit_policy.window", "window must be at least 1s")
    elif draft.window_ns % NS_PER_S:
        yield Violation("rate_limit_policy.window", "window must be whole seconds")
    if draft.unit not in ("", "requests"):
        yield Violation("rate_limit_policy.unit", 'unit must be "requests"')


def cidr_lengths(cidrs: Sequence[str]) -> Violations:
    """At most 50 entries of 1 to 50 characters."""
    if len(cidrs) > MAX_CIDRS:
        yield Violation("ip_restriction.allowed_cidrs", f"has at most {MAX_CIDRS} entries")
        return
    for index, cidr in enumerate(cidrs):
        if not 1 <= len(cidr) <= MAX_CIDR_CHARACTERS:
            yield Violation(_cidr_path(index), f"must have 1 to {MAX_CIDR_CHARACTERS} characters")


def cidr_syntax(cidrs: Sequence[str]) -> Violations:
    """Every entry is an address with a prefix length; those of a wrong length are not judged."""
    for index, cidr in enumerate(cidrs[:MAX_CIDRS]):
        if 1 <= len(cidr) <= MAX_CIDR_CHARACTERS and not valid_cidr(cidr):
            yield Violation(_cidr_path(index), "must be a CIDR such as 10.0.0.0/8")


def visibility(number: int) -> Violations:
    """A visibility is one of the known numbers (contract 16 (16))."""
    yield from _enum("visibility", number, KeyVisibility)


def rate_limit_policy(draft: RateLimitDraft | None) -> RateLimitPolicy | None:
    """Return the policy that is stored for a draft without violations."""
    if draft is None or draft.quota is None or draft.window_ns is None:
        return None
    return RateLimitPolicy(draft.quota, min(draft.window_ns // NS_PER_S, MAX_WINDOW_S))


def holds_nul(json_text: str) -> bool:
    """Return whether a key or a string of a JSON text holds U+0000."""
    return _NUL_IN_JSON.search(json_text) is not None


def _text(field: str, text: str) -> Violations:
    if not 1 <= len(text) <= MAX_TEXT_CHARACTERS:
        yield Violation(field, f"must have 1 to {MAX_TEXT_CHARACTERS} characters")
    yield from _storable(field, text)


def _storable(field: str, text: str) -> Violations:
    """What is stored holds no U+0000, which databases refuse or cut off (contract 16 (35))."""
    if "\0" in text:
        yield Violation(field, _NO_NUL)


def _credential(field: str, text: str) -> Violations:
    # Most credentials are ASCII: those need no encoding to be counted.
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    if not 1 <= size <= MAX_CREDENTIAL_BYTES:
        yield Violation(field, f"must have 1 to {MAX_CREDENTIAL_BYTES} bytes")


def _enum(
    field: str,
    number: int,
    known: type[KeyVisibility] | type[RevocationReason] | type[TokenAlgorithm],
) -> Violations:
    if number not in known._value2member_map_:
        yield Violation(field, "must be one of the known values")


def _cidr_path(index: int) -> str:
    return f"ip_restriction.allowed_cidrs[{index}]"

"""Field rules (contract 4.0)."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from talos.domain.keys import Metadata, RateLimitPolicy
from talos.domain.rules import Violation
from talos.errors import InvalidRequest

S = 1_000_000_000
GOOD = KeyDraft(name="n", actor_id="a")
KEY = "ü" * 255


def fields(violations: Iterable[Violation]) -> list[str]:
    return [violation.field for violation in violations]


def metadata_of(size: int) -> Metadata:
    return Metadata('{"a":"' + "x" * (size - len('{"a":""}')) + '"}')


GOOD_FIELDS: list[dict[str, Any]] = [
    {},
    {"name": " ", "actor_id": " "},
    {"name": KEY, "actor_id": KEY},
    {"scopes": ("*",) * 100},
    {"scopes": ("s" * 100, "read:*", "read:*")},
    {"metadata": metadata_of(65_536)},
    {"metadata": Metadata('{"ü":"' + "ü" * 32_763 + '"}')},
    {"request_id": "ü" * 36},
    {"ttl_ns": S},
    {"ttl_ns": 315_360_000 * S},
    {"rate_limit": RateLimitDraft(1, S)},
    {"rate_limit": RateLimitDraft(2**63 - 1, 60 * S, "requests")},
    {"allowed_cidrs": ("10.0.0.0/8",) * 50},
    {"visibility": 0},
    {"visibility": 2},
]

BAD_FIELDS: list[tuple[dict[str, Any], list[str]]] = [
    ({"name": ""}, ["name"]),
    ({"name": "n" * 256}, ["name"]),
    ({"actor_id": ""}, ["actor_id"]),
    ({"actor_id": "a" * 256}, ["actor_id"]),
    ({"scopes": ("s",) * 101}, ["scopes"]),
    ({"scopes": ("a", "", "b", "s" * 101)}, ["scopes[1]", "scopes[3]"]),
    ({"metadata": metadata_of(65_537)}, ["metadata"]),
    ({"metadata": Metadata('{"ü":"' + "ü" * 32_764 + '"}')}, ["metadata"]),
    ({"request_id": "r" * 37}, ["request_id"]),
    ({"ttl_ns": 0}, ["ttl"]),
    ({"ttl_ns": -S}, ["ttl"]),
    ({"ttl_ns": S - 1}, ["ttl"]),
    ({"ttl_ns": 315_360_000 * S + 1}, ["ttl"]),
    ({"rate_limit": RateLimitDraft()}, ["rate_limit_policy.quota", "rate_limit_policy.window"]),
    ({"rate_limit": RateLimitDraft(5)}, ["rate_limit_policy.window"]),
    ({"rate_limit": RateLimitDraft(None, S)}, ["rate_limit_policy.quota"]),
    ({"rate_limit": RateLimitDraft(0, S)}, ["rate_limit_policy.quota"]),
    ({"rate_limit": RateLimitDraft(-1, S)}, ["rate_limit_policy.quota"]),
    ({"rate_limit": RateLimitDraft(2**63, S)}, ["rate_limit_policy.quota"]),
    ({"rate_limit": RateLimitDraft(1, 0)}, ["rate_limit_policy.window"]),
    ({"rate_limit": RateLimitDraft(1, -S)}, ["rate_limit_policy.window"]),
    ({"rate_limit": RateLimitDraft(1, S - 1)}, ["rate_limit_policy.window"]),
    ({"rate_limit": RateLimitDraft(1, S + 1)}, ["rate_limit_policy.window"]),
    ({"rate_limit": RateLimitDraft(1, S, "bytes")}, ["rate_limit_policy.unit"]),
    ({"allowed_cidrs": ("10.0.0.0/8",) * 51}, ["ip_restriction.allowed_cidrs"]),
    ({"allowed_cidrs": ("",)}, ["ip_restriction.allowed_cidrs[0]"]),
    (
        {"allowed_cidrs": ("10.0.0.0/8", "10.0.0.0", "1" * 51)},
        ["ip_restriction.allowed_cidrs[2]", "ip_restriction.allowed_cidrs[1]"],
    ),
    ({"visibility": 3}, ["visibility"]),
    ({"visibility": -1}, ["visibility"]),
]


@pytest.mark.parametrize("good", GOOD_FIELDS, ids=lambda good: str(good)[:40])
def test_drafts_that_keep_the_rules(good: dict[str, Any]) -> None:
    draft = replace(GOOD, **good)
    assert fields(rules.issue(draft)) == []
    assert fields(rules.import_key(replace(draft, raw_key="k"))) == []


@pytest.mark.parametrize(("bad", "expected"), BAD_FIELDS, ids=lambda case: str(case)[:40])
def test_drafts_that_break_one(bad: dict[str, Any], expected: list[str]) -> None:
    draft = replace(GOOD, **bad)
    assert fields(rules.issue(draft)) == expected
    assert fields(rules.import_key(replace(draft, raw_key="k"))) == expected


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("", False),
        ("k", True),
        ("k" * 8_192, True),
        ("k" * 8_193, False),
        ("ü" * 4_096, True),
        ("ü" * 4_096 + "k", False),
        ("🗝" * 2_048, True),
        ("🗝" * 2_049, False),
        ("\ud800" * 3, True),
    ],
)
def test_credentials_are_counted_in_bytes(text: str, good: bool) -> None:
    expected = [] if good else ["credential"]
    assert fields(rules.verify(VerifyDraft(text))) == expected
    assert fields(rules.derive(DeriveDraft(text))) == expected
    assert fields(rules.self_revoke(SelfRevokeDraft(text))) == expected
    raw = fields(rules.import_key(replace(GOOD, raw_key=text)))
    assert raw == ([] if good else ["raw_key"])


def test_a_batch_item_names_its_place() -> None:
    assert fields(rules.verify(VerifyDraft(""), "requests[7].")) == ["requests[7].credential"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (KeyChange(), []),
        (KeyChange(name=""), []),
        (KeyChange(name="n" * 256), ["name"]),
        (KeyChange(scopes=("",)), ["scopes[0]"]),
        (KeyChange(rate_limit=RateLimitDraft(1, 0)), ["rate_limit_policy.window"]),
        (KeyChange(allowed_cidrs=("",)), ["ip_restriction.allowed_cidrs[0]"]),
        (KeyChange(visibility=9), ["visibility"]),
        # These two are judged after the key is found.
        (KeyChange(allowed_cidrs=("nonsense",)), []),
        (KeyChange(metadata=metadata_of(65_537)), []),
    ],
)
def test_changes(change: KeyChange, expected: list[str]) -> None:
    assert fields(rules.change(change)) == expected


@pytest.mark.parametrize(
    ("draft", "expected"),
    [
        (RevokeDraft(), []),
        (RevokeDraft(4), []),
        (RevokeDraft(4, "d" * 500), []),
        (RevokeDraft(4, "d" * 501), ["description"]),
        (RevokeDraft(1, "d"), ["description"]),
        (RevokeDraft(0, "d"), ["description"]),
        (RevokeDraft(5), ["reason"]),
        (RevokeDraft(-1), ["reason"]),
    ],
)
def test_revocations(draft: RevokeDraft, expected: list[str]) -> None:
    assert fields(rules.revoke(draft)) == expected


@pytest.mark.parametrize(("reason", "good"), [(0, True), (3, True), (4, False), (5, False)])
def test_holders_cannot_withdraw_privileges(reason: int, good: bool) -> None:
    found = list(rules.self_revoke(SelfRevokeDraft("k", reason)))
    assert fields(found) == ([] if good else ["reason"])
    if reason == 4:
        assert "PRIVILEGE_WITHDRAWN" in found[0].text


@pytest.mark.parametrize(
    ("draft", "expected"),
    [
        (DeriveDraft("k", algorithm=2, ttl_ns=S, scopes=("a",)), []),
        (DeriveDraft("k", algorithm=3), ["algorithm"]),
        (DeriveDraft("k", ttl_ns=0), ["ttl"]),
        (DeriveDraft("k", scopes=("",)), ["scopes[0]"]),
    ],
)
def test_derivations(draft: DeriveDraft, expected: list[str]) -> None:
    assert fields(rules.derive(draft)) == expected


@pytest.mark.parametrize(
    ("size", "good"), [(0, True), (1, True), (1_000, True), (1_001, False), (-1, False)]
)
def test_page_sizes(size: int, good: bool) -> None:
    assert fields(rules.page_size(size)) == ([] if good else ["page_size"])


def test_all_violations_come_in_one_answer() -> None:
    with pytest.raises(InvalidRequest) as caught:
        rules.raise_for(rules.issue(KeyDraft(scopes=("a", ""), visibility=7)))
    for field in ("name", "actor_id", "scopes[1]", "visibility"):
        assert f" - {field}: " in caught.value.message
    rules.raise_for(rules.issue(GOOD))


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"ttl_ns": 0}, "ttl must be greater than 0"),
        ({"metadata": metadata_of(65_537)}, "metadata size"),
        ({"rate_limit": RateLimitDraft()}, "quota"),
        ({"rate_limit": RateLimitDraft(1)}, "window"),
    ],
)
def test_words_that_clients_look_for(bad: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        rules.raise_for(rules.issue(replace(GOOD, **bad)))
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("draft", "policy"),
    [
        (None, None),
        (RateLimitDraft(5, 60 * S), RateLimitPolicy(5, 60)),
        (RateLimitDraft(5, 9_223_372_036 * S), RateLimitPolicy(5, 9_223_372_036)),
        (RateLimitDraft(5, 315_576_000_000 * S), RateLimitPolicy(5, 9_223_372_036)),
    ],
)
def test_the_longest_window_that_is_kept(
    draft: RateLimitDraft | None, policy: RateLimitPolicy | None
) -> None:
    assert rules.rate_limit_policy(draft) == policy


@given(st.text(max_size=300), st.lists(st.text(max_size=120), max_size=5))
def test_no_text_is_repeated_in_a_message(secret: str, names: list[str]) -> None:
    marker = "test-secret-"
    draft = KeyDraft(
        name=marker + secret,
        scopes=tuple(marker + name for name in names),
        raw_key=(marker + secret) * 800,
        allowed_cidrs=(marker,),
        request_id=marker * 4,
    )
    assert all(marker not in violation.text for violation in rules.import_key(draft))

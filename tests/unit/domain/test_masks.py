"""What an update covers and does (the table of contract 4.4)."""

from dataclasses import replace

import pytest

from talos.domain.drafts import KeyChange, RateLimitDraft
from talos.domain.keys import (
    NIL_NETWORK,
    NO_METADATA,
    Key,
    KeyKind,
    KeyStatus,
    KeyVisibility,
    Metadata,
    RateLimitPolicy,
)
from talos.domain.masks import MUTABLE_FIELDS, covered_fields, split_mask, updated
from talos.errors import InvalidRequest

NOW_NS = 2_000
KEY = Key(
    kind=KeyKind.ISSUED,
    network_id=NIL_NETWORK,
    key_id="3f2504e0-4f89-41d3-9a0c-0305e82c3301",
    name="old",
    actor_id="user_1",
    scopes=("old",),
    metadata=Metadata('{"old":1}'),
    status=KeyStatus.ACTIVE,
    visibility=KeyVisibility.SECRET,
    created_at_ns=1_000,
    updated_at_ns=1_000,
    expires_at_ns=10_000,
    rate_limit=RateLimitPolicy(1, 1),
    allowed_cidrs=("10.0.0.0/8",),
)
FULL = KeyChange(
    name="new",
    scopes=("new", "new"),
    metadata=Metadata('{"new":1}'),
    rate_limit=RateLimitDraft(quota=5, window_ns=60_000_000_000),
    allowed_cidrs=("192.0.2.0/24",),
    visibility=KeyVisibility.PUBLIC,
)
ABSENT = KeyChange()
EMPTY = KeyChange(name="", scopes=(), metadata=NO_METADATA, allowed_cidrs=())

NEW: dict[str, dict[str, object]] = {
    "name": {"name": "new"},
    "scopes": {"scopes": ("new", "new")},
    "metadata": {"metadata": Metadata('{"new":1}')},
    "rate_limit_policy": {"rate_limit": RateLimitPolicy(5, 60)},
    "ip_restriction": {"allowed_cidrs": ("192.0.2.0/24",)},
}
CLEARED: dict[str, dict[str, object]] = {
    "name": {"name": ""},
    "scopes": {"scopes": ()},
    "metadata": {"metadata": NO_METADATA},
    "rate_limit_policy": {"rate_limit": None},
    "ip_restriction": {"allowed_cidrs": ()},
}


def result(change: KeyChange, mask: tuple[str, ...] | None) -> Key:
    return updated(KEY, change, covered_fields(change, mask), NOW_NS)


def expected(**changes: object) -> Key:
    return replace(KEY, updated_at_ns=NOW_NS, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("field", MUTABLE_FIELDS)
def test_a_listed_field_takes_the_value_of_the_body(field: str) -> None:
    assert result(FULL, (field,)) == expected(**NEW[field])


@pytest.mark.parametrize("field", MUTABLE_FIELDS)
@pytest.mark.parametrize("change", [ABSENT, EMPTY], ids=["absent", "empty"])
def test_a_listed_field_without_a_value_is_cleared(field: str, change: KeyChange) -> None:
    assert result(change, (field,)) == expected(**CLEARED[field])


def test_a_field_that_is_not_listed_stays() -> None:
    assert result(FULL, ()) == expected()


def test_without_a_mask_populated_fields_are_set() -> None:
    changes = {name: value for new in NEW.values() for name, value in new.items()}
    assert result(FULL, None) == expected(**changes)


def test_without_a_mask_absent_fields_stay() -> None:
    assert result(ABSENT, None) == expected()


def test_without_a_mask_empty_name_and_scopes_stay_and_empty_objects_clear() -> None:
    assert result(EMPTY, None) == expected(metadata=NO_METADATA, allowed_cidrs=())


@pytest.mark.parametrize(
    "mask",
    [
        ("rate_limit_policy", "rateLimitPolicy", "rate_limit_policy"),
        ("rateLimitPolicy",),
    ],
)
def test_both_spellings_and_repeats(mask: tuple[str, ...]) -> None:
    assert covered_fields(ABSENT, mask) == {"rate_limit_policy"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        "name,",
        " name",
        "name, scopes",
        "*",
        "key_id",
        "status",
        "visibility",
        "metadata.plan",
        "rate_limit_policy.quota",
        "Name",
        "ip-restriction",
        "expire_time",
    ],
)
def test_every_other_path_is_refused_and_named(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        covered_fields(FULL, split_mask(text))
    bad = next(path for path in text.split(",") if path not in MUTABLE_FIELDS)
    assert f'"{bad}"' in caught.value.message
    assert all(field in caught.value.message for field in MUTABLE_FIELDS)

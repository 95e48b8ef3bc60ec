"""The list filter (contract 7.2, 16 (8))."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.domain.filters import KeyFilter, parse_filter
from talos.domain.keys import KeyStatus
from talos.errors import InvalidRequest


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", KeyFilter()),
        (" \t\n", KeyFilter()),
        ("actor_id=user_1", KeyFilter("user_1")),
        ('actor_id="user_1"', KeyFilter("user_1")),
        ('  actor_id\t=\n"user_1"  ', KeyFilter("user_1")),
        ("status=KEY_STATUS_ACTIVE", KeyFilter(None, KeyStatus.ACTIVE)),
        ('status="KEY_STATUS_REVOKED"', KeyFilter(None, KeyStatus.REVOKED)),
        ("status=KEY_STATUS_EXPIRED", KeyFilter(None, KeyStatus.EXPIRED)),
        ("actor_id=a AND status=KEY_STATUS_ACTIVE", KeyFilter("a", KeyStatus.ACTIVE)),
        ("status=KEY_STATUS_ACTIVE and actor_id=a", KeyFilter("a", KeyStatus.ACTIVE)),
        ('actor_id="a"\taNd\nstatus=KEY_STATUS_ACTIVE', KeyFilter("a", KeyStatus.ACTIVE)),
        ('actor_id="a AND b"', KeyFilter("a AND b")),
        (
            'actor_id="a AND status=KEY_STATUS_REVOKED" AND status=KEY_STATUS_ACTIVE',
            KeyFilter("a AND status=KEY_STATUS_REVOKED", KeyStatus.ACTIVE),
        ),
        ('actor_id=" padded "', KeyFilter(" padded ")),
        ('actor_id="it\'s = (odd) \\ *"', KeyFilter("it's = (odd) \\ *")),
        ('actor_id="a\nb"', KeyFilter("a\nb")),
        ('actor_id="a*"', KeyFilter("a*")),
        ("actor_id=AND", KeyFilter("AND")),
        ('actor_id="ünïcode 🗝"', KeyFilter("ünïcode 🗝")),
        ('actor_id="' + "ü" * 255 + '"', KeyFilter("ü" * 255)),
    ],
)
def test_filters_that_are_understood(text: str, expected: KeyFilter) -> None:
    assert parse_filter(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "actor_id",
        "actor_id=",
        'actor_id=""',
        '""',
        "=a",
        "actorId=a",
        "Actor_id=a",
        "Status=KEY_STATUS_ACTIVE",
        "name=a",
        "metadata.plan=a",
        "actor_id=a@b",
        "actor_id=a:b",
        "actor_id=ü",
        "actor_id='a'",
        'actor_id="a',
        'actor_id="a""',
        'actor_id="a\\"b"',
        'actor_id="a" "b"',
        "actor_id!=a",
        "actor_id != a",
        "actor_id:a",
        "actor_id<a",
        "NOT actor_id=a",
        "(actor_id=a)",
        "actor_id=a OR status=KEY_STATUS_ACTIVE",
        "actor_id=a status=KEY_STATUS_ACTIVE",
        "actor_id=a AND",
        "AND actor_id=a",
        "actor_id=a AND AND status=KEY_STATUS_ACTIVE",
        'actor_id="a"AND status=KEY_STATUS_ACTIVE',
        'actor_id="a" ANDstatus=KEY_STATUS_ACTIVE',
        "actor_id=a AND actor_id=b",
        "actor_id=a AND actor_id=a",
        "status=KEY_STATUS_UNSPECIFIED",
        "status=ACTIVE",
        "status=key_status_active",
        "status=1",
        'status=" KEY_STATUS_ACTIVE"',
        'actor_id="a\0b"',
        "actor_id=a\0",
        'actor_id="\ud800"',
        "actor_id=a\xa0AND\xa0status=KEY_STATUS_ACTIVE",
        'actor_id="' + "a" * 256 + '"',
    ],
)
def test_filters_that_are_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_filter(text)


STORABLE = st.text(
    st.characters(exclude_characters='"\0', exclude_categories=["Cs"]), min_size=1, max_size=255
)


@given(STORABLE, st.booleans())
def test_every_actor_id_without_a_double_quote_can_be_filtered_by(
    actor_id: str, status_first: bool
) -> None:
    clauses = [f'actor_id="{actor_id}"', "status=KEY_STATUS_ACTIVE"]
    if status_first:
        clauses.reverse()
    assert parse_filter(" AND ".join(clauses)) == KeyFilter(actor_id, KeyStatus.ACTIVE)


@given(st.text('actor_idsu =" \tANDand\0', max_size=40))
def test_hostile_text_is_a_filter_or_an_invalid_request(text: str) -> None:
    try:
        found = parse_filter(text)
    except InvalidRequest:
        return
    assert found == KeyFilter() or found.actor_id or found.status

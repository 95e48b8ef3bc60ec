"""Request bodies: from members on the wire to drafts (contract 2.1, 2.5, 4)."""

import json
from typing import Any

import pytest

from talos.domain.drafts import KeyChange, KeyDraft, RateLimitDraft, RevokeDraft, VerifyDraft
from talos.errors import InvalidRequest
from talos.http.fields import Message, camel_case
from talos.http.messages import (
    BATCH_IMPORT,
    BATCH_VERIFY,
    DERIVE,
    IMPORT,
    ISSUE,
    REVOKE,
    ROTATE,
    SELF_REVOKE,
    UPDATE,
    VERIFY,
    decode_update,
)

S = 1_000_000_000
MESSAGES: dict[str, Message[Any]] = {
    str(message.name): message
    for message in (
        ISSUE,
        IMPORT,
        ROTATE,
        UPDATE,
        REVOKE,
        SELF_REVOKE,
        DERIVE,
        VERIFY,
        BATCH_IMPORT,
        BATCH_VERIFY,
    )
}
MEMBERS = [
    pytest.param(message, member.name, id=f"{name}.{member.name}")
    for name, message in MESSAGES.items()
    for member in message.members
]


def decode(message: Message[Any], members: Any) -> Any:
    return message.decode(json.dumps(members).encode())


def refused(message: Message[Any], members: Any) -> str:
    body = members if isinstance(members, bytes) else json.dumps(members).encode()
    with pytest.raises(InvalidRequest) as caught:
        message.decode(body)
    return caught.value.message


def test_a_full_issue_body() -> None:
    body = {
        "name": "é",
        "actor_id": "a",
        "scopes": ["read", "read", "*"],
        "ttl": "1d12h",
        "metadata": {"ttl": "1d", "n": 9007199254740993},
        "rate_limit_policy": {"quota": "100", "window": "60s", "unit": "requests"},
        "request_id": "r",
        "ip_restriction": {"allowed_cidrs": ["10.0.0.0/8"]},
        "visibility": "KEY_VISIBILITY_PUBLIC",
    }
    draft = KeyDraft(
        name="é",
        actor_id="a",
        scopes=("read", "read", "*"),
        ttl_ns=129_600 * S,
        metadata='{"ttl":"1d","n":9007199254740993}',  # type: ignore[arg-type]
        rate_limit=RateLimitDraft(100, 60 * S, "requests"),
        allowed_cidrs=("10.0.0.0/8",),
        request_id="r",
        visibility=2,
    )
    assert decode(ISSUE, body) == draft
    assert decode(ISSUE, _camel(body, keep=("metadata",))) == draft


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_nothing_is_a_draft_of_defaults(message: Message[Any]) -> None:
    assert message.decode(b"") == message.decode(b"{}")


@pytest.mark.parametrize(("message", "name"), MEMBERS)
def test_null_is_as_good_as_absent(message: Message[Any], name: str) -> None:
    assert decode(message, {name: None}) == message.decode(b"")
    assert decode(message, {camel_case(name): None}) == message.decode(b"")


@pytest.mark.parametrize(("message", "name"), MEMBERS)
def test_a_member_given_twice_is_refused(message: Message[Any], name: str) -> None:
    for second in (name, camel_case(name)):
        text = refused(message, f'{{"{name}":null,"{second}":null}}'.encode())
        assert name in text
        assert "twice" in text


@pytest.mark.parametrize(("message", "name"), MEMBERS)
def test_a_member_of_the_wrong_type_is_refused_by_name(message: Message[Any], name: str) -> None:
    for value in (True, 1.5, [[]], {"x": 1}, [None], [1], "\0"):
        try:
            decode(message, {name: value})
        except InvalidRequest as error:
            assert name in error.message
            break
    else:
        pytest.fail(f"{name} takes anything")
    if name not in ("metadata", "custom_claims", "rate_limit_policy", "ip_restriction"):
        assert name in refused(message, {name: {"x": 1}})
    assert name in refused(message, {name: True})


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_unknown_members_are_ignored_and_may_repeat(message: Message[Any]) -> None:
    body = b'{"x":1,"x":{"a":1,"a":2},"Name":5,"NAME":5,"CREDENTIAL":1,"":1,"":2,"\\u0000":1e400}'
    assert message.decode(body) == message.decode(b"")


def test_unknown_members_are_ignored_at_every_depth() -> None:
    body = {
        "rate_limit_policy": {"quota": 1, "x": [None]},
        "ip_restriction": {"allowed_cidrs": [], "y": {}},
    }
    assert decode(ISSUE, body) == KeyDraft(rate_limit=RateLimitDraft(1))


def test_every_bad_member_is_named_at_once() -> None:
    text = refused(
        ISSUE,
        {
            "name": 1,
            "scopes": ["a", None],
            "ttl": "soon",
            "rate_limit_policy": {"quota": "x", "window": 60},
            "visibility": True,
            "metadata": [],
        },
    )
    for field in (
        "name",
        "scopes[1]",
        "ttl",
        "rate_limit_policy.quota",
        "rate_limit_policy.window",
        "visibility",
        "metadata",
    ):
        assert f"\n - {field}: must" in text


@pytest.mark.parametrize(
    ("message", "body", "path"),
    [
        (ISSUE, {"ip_restriction": {"allowed_cidrs": ["10.0.0.0/8", None]}}, "allowed_cidrs[1]"),
        (BATCH_IMPORT, {"requests": [{}, {"name": 1}]}, "requests[1].name"),
        (BATCH_IMPORT, {"requests": [None]}, "requests[0]"),
        (BATCH_IMPORT, {"requests": [{"ttl": "xx"}]}, "requests[0].ttl"),
        (BATCH_VERIFY, {"requests": [{"credential": []}]}, "requests[0].credential"),
        (BATCH_VERIFY, {"requests": {}}, "requests"),
        (DERIVE, {"audiences": ["a", 1]}, "audiences[1]"),
        (VERIFY, {"expected_audiences": [None]}, "expected_audiences[0]"),
    ],
)
def test_the_path_of_a_bad_member_is_told(message: Message[Any], body: Any, path: str) -> None:
    assert path in refused(message, body)


def test_u0000_in_what_goes_into_a_token_is_refused_by_name() -> None:
    for claims in ({"a": "\0"}, {"a\0": 1}, {"a": [{"b": ["x\0"]}]}, {"a": "\\\0"}):
        text = refused(DERIVE, {"custom_claims": claims})
        assert text == "validation error: custom_claims: must not contain U+0000"
    assert "audiences[1]" in refused(DERIVE, {"audiences": ["a", "\0"]})
    assert decode(DERIVE, {"custom_claims": {"a": "\\u0000"}}).custom_claims == {"a": "\\u0000"}
    assert decode(VERIFY, {"credential": "\0"}) == VerifyDraft("\0")


class TestEnums:
    @pytest.mark.parametrize(
        ("value", "number"),
        [
            ("REVOCATION_REASON_SUPERSEDED", 3),
            ("REVOCATION_REASON_UNSPECIFIED", 0),
            ("SUPERSEDED", 0),
            ("revocation_reason_superseded", 0),
            ("3", 0),
            ("", 0),
            (3, 3),
            (3.0, 3),
            (99, 99),
            (-1, -1),
            (2**31 - 1, 2**31 - 1),
            (None, 0),
        ],
    )
    def test_by_name_or_number(self, value: Any, number: int) -> None:
        assert decode(REVOKE, {"reason": value}) == RevokeDraft(number)

    @pytest.mark.parametrize("value", [1.5, True, [], {}, 2**31, -(2**31) - 1, 1e300])
    def test_anything_else_is_refused(self, value: Any) -> None:
        assert "reason" in refused(REVOKE, {"reason": value})

    def test_numbers_of_any_spelling(self) -> None:
        assert REVOKE.decode(b'{"reason":20e-1}') == RevokeDraft(2)
        refused(REVOKE, b'{"reason":1e999999}')


class TestQuota:
    @pytest.mark.parametrize(
        ("spelling", "quota"),
        [
            ("100", 100),
            ('"100"', 100),
            ("1e2", 100),
            ('"1e2"', 100),
            ("1.0", 1),
            ('"10e-1"', 1),
            ("-5", -5),
            ("9223372036854775807", 2**63 - 1),
            ('"9223372036854775807"', 2**63 - 1),
            ("9223372036854775807.0", 2**63 - 1),
            ('"-9223372036854775808"', -(2**63)),
            ('"0e999999999"', 0),
        ],
    )
    def test_any_spelling_of_an_integer(self, spelling: str, quota: int) -> None:
        draft = ISSUE.decode(f'{{"rate_limit_policy":{{"quota":{spelling}}}}}'.encode())
        assert draft.rate_limit == RateLimitDraft(quota)

    @pytest.mark.parametrize("text", ["", " 1", "1 ", "+1", "0x1", "01", "1.5", "1.", ".5", "1_0"])
    def test_no_other_text(self, text: str) -> None:
        body = {"rate_limit_policy": {"quota": text}}
        assert "rate_limit_policy.quota" in refused(ISSUE, body)

    @pytest.mark.parametrize(
        "spelling",
        [
            "9223372036854775808",
            '"9223372036854775808"',
            "1e19",
            "1e999999",
            '"1e99999999999"',
            "-1e400",
            "1e-1",
            "true",
            "[1]",
            "{}",
            '"\u0661"',
            '"NaN"',
            '"Infinity"',
        ],
    )
    def test_nothing_else(self, spelling: str) -> None:
        body = f'{{"rate_limit_policy":{{"quota":{spelling}}}}}'.encode()
        assert "rate_limit_policy.quota" in refused(ISSUE, body)


class TestDurations:
    @pytest.mark.parametrize(
        ("text", "ttl_ns"),
        [
            ("3600s", 3600 * S),
            ("1.5h", 5400 * S),
            ("1mo", 2_592_000 * S),
            ("0s", 0),
            ("+5s", 5 * S),
        ],
    )
    def test_a_ttl_has_every_unit(self, text: str, ttl_ns: int) -> None:
        assert decode(ISSUE, {"ttl": text}).ttl_ns == ttl_ns
        escaped = "".join(f"\\u{ord(c):04x}" for c in text)
        assert ISSUE.decode(f'{{"ttl":"{escaped}"}}'.encode()).ttl_ns == ttl_ns

    @pytest.mark.parametrize("value", [3600, 0, "3600", "", "-1s", "1 h", "1H", "1.5d", [], True])
    def test_nothing_else_is_one(self, value: Any) -> None:
        for message in (ISSUE, IMPORT, DERIVE):
            assert "ttl" in refused(message, {"ttl": value})

    @pytest.mark.parametrize(
        ("text", "window_ns"), [("60s", 60 * S), ("0.5s", S // 2), ("-1s", -S)]
    )
    def test_a_window_is_seconds(self, text: str, window_ns: int) -> None:
        draft = decode(ISSUE, {"rate_limit_policy": {"window": text}})
        assert draft.rate_limit == RateLimitDraft(window_ns=window_ns)

    @pytest.mark.parametrize("value", ["1m", "60", 60, "", "1h", "1d", "1 s"])
    def test_a_window_has_no_other_unit(self, value: Any) -> None:
        body = {"rate_limit_policy": {"window": value}}
        assert "rate_limit_policy.window" in refused(ISSUE, body)


class TestLists:
    @pytest.mark.parametrize(("message", "most"), [(BATCH_IMPORT, 1000), (BATCH_VERIFY, 100)])
    def test_a_batch_is_counted_before_it_is_read(self, message: Message[Any], most: int) -> None:
        assert len(decode(message, {"requests": [{}] * most})) == most
        assert f"maximum of {most}" in refused(message, {"requests": [None] * (most + 1)})

    def test_an_item_has_a_draft_each(self) -> None:
        drafts = decode(BATCH_VERIFY, {"requests": [{"credential": "a"}, {}]})
        assert drafts == (VerifyDraft("a"), VerifyDraft())


FULL: dict[str, Any] = {
    "name": "n",
    "scopes": ["s"],
    "metadata": {"b": 1, "a": 2},
    "rate_limit_policy": {"quota": 1, "window": "1s"},
    "ip_restriction": {"allowed_cidrs": ["::/0"]},
}
CHANGE = KeyChange(
    name="n",
    scopes=("s",),
    metadata='{"b":1,"a":2}',  # type: ignore[arg-type]
    rate_limit=RateLimitDraft(1, S),
    allowed_cidrs=("::/0",),
)
IGNORED: dict[str, Any] = {
    "key_id": "other",
    "actor_id": "other\0",
    "status": "KEY_STATUS_REVOKED",
    "visibility": 77,
    "create_time": "2026-01-02T03:04:05.123456789Z",
    "update_time": "2026-01-02T03:04:05+02:00",
    "expire_time": "9999-12-31T23:59:59Z",
    "last_used_time": "0001-01-01T00:00:00Z",
    "revocation_reason": "nonsense",
    "revocation_description": "text",
}


class TestUpdate:
    def decode(self, members: Any, wrapper: str = "issued_api_key") -> KeyChange:
        return decode_update(json.dumps(members).encode(), wrapper)

    def test_bare_and_wrapped(self) -> None:
        assert self.decode(FULL) == CHANGE
        assert self.decode({"issued_api_key": FULL}) == CHANGE
        assert self.decode({"issuedApiKey": FULL, "key_id": 5}) == CHANGE
        assert self.decode({"imported_api_key": FULL}, "imported_api_key") == CHANGE
        assert self.decode(FULL | IGNORED) == CHANGE

    def test_the_other_wrapper_is_an_unknown_member(self) -> None:
        assert self.decode({"imported_api_key": FULL}) == KeyChange()

    @pytest.mark.parametrize(
        "outer",
        [{"name": ""}, {"scopes": []}, {"rateLimitPolicy": {}}, {"ipRestriction": {}}],
    )
    def test_a_mutable_member_beside_it_makes_the_body_bare(self, outer: dict[str, Any]) -> None:
        change = self.decode({"issued_api_key": FULL} | outer)
        assert change != CHANGE
        assert change != KeyChange()

    def test_a_null_beside_it_does_not(self) -> None:
        assert self.decode({"issued_api_key": FULL, "name": None}) == CHANGE

    @pytest.mark.parametrize("wrapped", [None, [], "x", 1])
    def test_a_wrapper_that_is_no_object_is_an_unknown_member(self, wrapped: Any) -> None:
        assert self.decode({"issued_api_key": wrapped}) == KeyChange()

    def test_two_wrappers_are_refused(self) -> None:
        body = b'{"issued_api_key":{},"issuedApiKey":{}}'
        with pytest.raises(InvalidRequest, match="twice"):
            decode_update(body, "issued_api_key")

    def test_empty_values_are_values(self) -> None:
        body = {"name": "", "scopes": [], "metadata": {}, "ip_restriction": {}}
        change = KeyChange(name="", scopes=(), metadata="{}", allowed_cidrs=())  # type: ignore[arg-type]
        assert self.decode(body) == change

    @pytest.mark.parametrize("name", IGNORED)
    def test_what_is_ignored_must_be_well_formed_all_the_same(self, name: str) -> None:
        assert self.decode({name: IGNORED[name]}) == KeyChange()
        with pytest.raises(InvalidRequest, match=name):
            self.decode({name: [1]})

    @pytest.mark.parametrize(
        "text",
        [
            "x",
            "",
            "2026-13-01T00:00:00Z",
            "2026-01-01",
            "2026-01-01T00:00:00",
            "0000-01-01T00:00:00Z",
        ],
    )
    def test_a_timestamp_is_one(self, text: str) -> None:
        with pytest.raises(InvalidRequest, match="create_time"):
            self.decode({"create_time": text})


def test_rotate_knows_no_lifetime_and_no_owner() -> None:
    body = {"ttl": 5, "actor_id": 5, "request_id": 5, "key_id": 5, "update_mask": 5}
    assert decode(ROTATE, body) == KeyChange()
    assert decode(ROTATE, {"scopes": [], "visibility": 2}) == KeyChange(scopes=(), visibility=2)


def _camel(body: dict[str, Any], keep: tuple[str, ...]) -> dict[str, Any]:
    return {
        camel_case(name): _camel(value, ())
        if isinstance(value, dict) and name not in keep
        else value
        for name, value in body.items()
    }

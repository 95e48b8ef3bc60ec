import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from talos.credentials import claims
from talos.credentials.claims import TokenClaims
from talos.domain.keys import Key, KeyKind, KeyStatus, KeyVisibility, Metadata
from tests.unit.credentials.material import CLAIMS, ISSUER, NS, PAYLOAD, compact

NETWORK = "550e8400-e29b-41d4-a716-446655440001"
PARENT = Key(
    kind=KeyKind.ISSUED,
    network_id=NETWORK,
    key_id="3f2504e0-4f89-41d3-9a0c-0305e82c3301",
    name="parent",
    actor_id="user_123",
    scopes=("read", "write"),
    metadata=Metadata('{"env":"prod","n":9007199254740993}'),
    status=KeyStatus.ACTIVE,
    visibility=KeyVisibility.PUBLIC,
    created_at_ns=0,
    updated_at_ns=0,
    expires_at_ns=None,
    allowed_cidrs=("10.0.0.0/8",),
)


def derive(parent: Key = PARENT, **changes: Any) -> TokenClaims:
    arguments: dict[str, Any] = {
        "issuer": ISSUER,
        "scopes": ["write"],
        "audiences": ["billing"],
        "custom_claims": {},
        "now_ns": 1_750_000_000 * NS + 999_999_999,
        "ttl_ns": 60 * NS + 1,
    }
    return claims.derive(parent, **{**arguments, **changes})


def payload(token: TokenClaims) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(token.encode())
    return decoded


def test_a_token_says_what_its_parent_is_and_what_was_asked_for() -> None:
    token = derive()
    assert UUID(token.jti).version == 4
    assert payload(token) == {
        "jti": token.jti,
        "sub": PARENT.key_id,
        "iss": ISSUER,
        "iat": 1_750_000_000,
        "nbf": 1_750_000_000,
        # Seconds are cut from the sum, not from its parts.
        "exp": 1_750_000_061,
        "act": "user_123",
        "nid": NETWORK,
        "scp": ["write"],
        "meta": {"env": "prod", "n": 9007199254740993},
        "vis": "public",
        "acl": ["10.0.0.0/8"],
        "aud": ["billing"],
    }


def test_every_token_has_an_id_of_its_own() -> None:
    assert derive().jti != derive().jti


def test_what_is_empty_is_left_out() -> None:
    bare = replace(
        PARENT,
        actor_id="",
        metadata=Metadata("{}"),
        allowed_cidrs=(),
        visibility=KeyVisibility.SECRET,
    )
    token = derive(bare, scopes=[], audiences=[])
    assert sorted(payload(token)) == ["exp", "iat", "iss", "jti", "nbf", "nid", "sub", "vis"]
    assert payload(token)["vis"] == "secret"


def test_custom_claims_never_take_a_reserved_name() -> None:
    reserved = [
        *("jti", "sub", "iss", "aud", "iat", "exp", "nbf", "nid", "act", "akid"),
        *("pid", "tty", "oid", "scp", "scope", "meta", "vis", "acl"),
    ]
    assert set(reserved) == claims.RESERVED_CLAIMS
    custom: dict[str, object] = dict.fromkeys(reserved, "forged")
    token = derive(custom_claims={**custom, "tier": "gold", "none": None, "Sub": 1})
    assert token.custom == {"tier": "gold", "none": None, "Sub": 1}
    assert "forged" not in token.encode().decode()
    assert payload(token)["none"] is None


def test_even_claims_that_were_not_filtered_cannot_be_overridden() -> None:
    token = replace(CLAIMS, custom={"sub": "forged", "scope": ["forged"], "aud": "forged"})
    assert "forged" not in token.encode().decode()


def test_the_response_shows_custom_claims_over_metadata_and_verify_the_reverse() -> None:
    token = derive(custom_claims={"env": "mine", "x": 1})
    assert token.shown_when_derived == {"env": "mine", "n": 9007199254740993, "x": 1}
    assert token.metadata == '{"env":"prod","x":1,"n":9007199254740993}'


def test_without_any_of_them_there_is_no_metadata() -> None:
    bare = derive(replace(PARENT, metadata=Metadata("{}")))
    assert bare.shown_when_derived == {}
    assert bare.metadata is None


def test_metadata_that_cannot_be_read_is_a_value_error() -> None:
    with pytest.raises(ValueError):
        derive(replace(PARENT, metadata=Metadata("[]")))


def test_what_is_written_reads_back_from_either_format() -> None:
    assert compact(PAYLOAD) == CLAIMS.encode()
    assert claims.read_jwt(CLAIMS.encode()) == CLAIMS
    assert claims.read_macaroon(CLAIMS.encode(), CLAIMS.jti) == CLAIMS
    token = derive(custom_claims={"a": [None, 1.5, {"b": "<&>"}]})
    assert claims.read_jwt(token.encode()) == token


def read(flavour: str, members: dict[str, object]) -> TokenClaims:
    if flavour == "jwt":
        return claims.read_jwt(compact(members))
    return claims.read_macaroon(compact(members), "id")


flavours = pytest.mark.parametrize("flavour", ["jwt", "macaroon"])
TEXT_MEMBERS = ["jti", "sub", "iss", "act", "nid", "vis", "tty", "akid", "pid"]
WRONG: dict[str, list[object]] = {
    **{name: [1, True, [], {}, ["a"]] for name in TEXT_MEMBERS},
    **{name: [1, True, "a", {}, [1], ["a", None], [["a"]]] for name in ("scp", "scope", "acl")},
    "aud": [1, True, {}, [1], ["a", None]],
    "meta": [1, True, "a", [], [{}]],
    **{name: [True, [], {}, "soon", 2**70] for name in ("exp", "nbf", "iat")},
}


@flavours
@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_known_member_of_the_wrong_type_spoils_the_token(
    flavour: str, name: str, value: object
) -> None:
    with pytest.raises(ValueError):
        read(flavour, {"scp": [], name: value})


@pytest.mark.parametrize("name", sorted(WRONG))
def test_a_known_null_is_wrong_in_a_jwt_and_absent_in_a_macaroon(name: str) -> None:
    with pytest.raises(ValueError):
        read("jwt", {name: None})
    assert read("macaroon", {name: None}) == TokenClaims(jti="id")


@flavours
def test_an_unknown_member_is_custom_whatever_it_holds(flavour: str) -> None:
    custom: dict[str, object] = {"oid": 5, "x": None, "": {}, "Exp": "never", "client_id": []}
    assert read(flavour, custom).custom == custom


@flavours
def test_scope_is_an_alias_that_gives_way_to_scp(flavour: str) -> None:
    assert read(flavour, {"scope": ["a"]}).scp == ("a",)
    assert read(flavour, {"scope": ["a"], "scp": ["b"]}).scp == ("b",)
    assert read(flavour, {"scope": ["a"], "scp": []}).scp == ()
    assert read("macaroon", {"scope": ["a"], "scp": None}).scp == ("a",)


@flavours
def test_an_audience_is_a_text_or_a_list(flavour: str) -> None:
    assert read(flavour, {"aud": "a"}).aud == ("a",)
    assert read(flavour, {"aud": ["a", "b"]}).aud == ("a", "b")
    assert read(flavour, {"aud": []}).aud == ()


@flavours
def test_absent_members_are_empty(flavour: str) -> None:
    empty = read(flavour, {})
    assert empty == TokenClaims(jti="id" if flavour == "macaroon" else "")
    assert empty.expires_at_ns is None
    assert empty.key_id == ""
    assert empty.visibility is KeyVisibility.SECRET


@flavours
def test_the_key_id_is_akid_or_sub(flavour: str) -> None:
    assert read(flavour, {"sub": "s"}).key_id == "s"
    assert read(flavour, {"sub": "s", "akid": "a"}).key_id == "a"
    assert read(flavour, {"sub": "s", "akid": ""}).key_id == "s"


@flavours
@pytest.mark.parametrize(
    ("vis", "visibility"),
    [
        ("public", KeyVisibility.PUBLIC),
        ("secret", KeyVisibility.SECRET),
        ("Public", KeyVisibility.SECRET),
        ("", KeyVisibility.SECRET),
    ],
)
def test_only_public_is_public(flavour: str, vis: str, visibility: KeyVisibility) -> None:
    assert read(flavour, {"vis": vis}).visibility is visibility


def test_times_of_a_jwt_may_be_spelled_in_other_ways_and_those_of_a_macaroon_not() -> None:
    for value in (1750000000.5, "1750000000", "2025-06-15T15:06:40Z"):
        members: dict[str, object] = {"exp": value, "nbf": value, "iat": value}
        token = read("jwt", members)
        assert (token.exp_s, token.nbf_s, token.iat_s) == (1750000000,) * 3
        for name in members:
            with pytest.raises(ValueError):
                read("macaroon", {name: value})


def test_the_expiry_of_a_token_is_a_whole_second() -> None:
    assert replace(CLAIMS, exp_s=7).expires_at_ns == 7 * NS

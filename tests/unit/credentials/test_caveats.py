"""What a holder may add to a macaroon, and what spoils it (contract 16, 7)."""

import json
from collections import Counter
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from talos.credentials import macaroon
from talos.credentials.claims import TokenClaims
from talos.credentials.rejection import TokenRejected
from talos.credentials.secrets import Retired
from talos.domain.addresses import allows
from talos.domain.verification import VerificationErrorCode
from tests.reference import macaroon as reference
from tests.unit.credentials import material
from tests.unit.credentials.material import (
    BASE,
    CLAIMS,
    EXPIRES_S,
    ISSUED_S,
    ISSUER,
    NOW_NS,
    NS,
    PAYLOAD,
    attenuate,
    compact,
    settings,
    verify_token,
)

INVALID = VerificationErrorCode.SIGNATURE_INVALID
AUDIENCES = {**PAYLOAD, "aud": ["billing", "search"]}


def verified(*caveats: object, claims: object = PAYLOAD, now_ns: int = NOW_NS) -> TokenClaims:
    token = attenuate(material.macaroon(claims), caveats)
    return verify_token(macaroon, token, BASE, now_ns)


def spoiled(*caveats: object, claims: object = PAYLOAD, now_ns: int = NOW_NS) -> bool:
    try:
        verified(*caveats, claims=claims, now_ns=now_ns)
    except TokenRejected as rejected:
        return rejected.code is INVALID
    return False


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in PAYLOAD.items() if name not in names}


# --- what narrows ----------------------------------------------------------------------------


def test_an_earlier_end_counts_and_a_later_one_does_no_harm() -> None:
    assert verified({"exp": EXPIRES_S - 10}).exp_s == EXPIRES_S - 10
    assert verified({"exp": EXPIRES_S + 10}).exp_s == EXPIRES_S
    assert verified({"exp": EXPIRES_S - 10}, {"exp": EXPIRES_S}).exp_s == EXPIRES_S - 10
    assert verified({"exp": EXPIRES_S - 10}, claims=without("exp")).exp_s == EXPIRES_S - 10
    assert spoiled({"exp": EXPIRES_S - 10}, now_ns=(EXPIRES_S - 10) * NS + 1)
    assert spoiled({"exp": ISSUED_S}, {"exp": EXPIRES_S}, now_ns=NOW_NS)
    assert spoiled({"exp": EXPIRES_S + 10}, now_ns=EXPIRES_S * NS + 1)


def test_a_later_beginning_counts_and_an_earlier_one_does_no_harm() -> None:
    assert verified({"nbf": ISSUED_S + 10}).nbf_s == ISSUED_S + 10
    assert verified({"nbf": ISSUED_S - 10}).nbf_s == ISSUED_S
    assert verified({"nbf": ISSUED_S + 10}, {"nbf": 0}).nbf_s == ISSUED_S + 10
    assert verified({"nbf": ISSUED_S + 10}, claims=without("nbf")).nbf_s == ISSUED_S + 10
    assert spoiled({"nbf": ISSUED_S + 302})
    assert not spoiled({"nbf": ISSUED_S + 301})
    assert spoiled({"nbf": ISSUED_S + 302}, {"nbf": 0})


def test_fewer_scopes_are_what_is_left_in_the_holders_order() -> None:
    assert verified({"scp": ["read"]}).scp == ("read",)
    assert verified({"scp": ["write", "read"]}).scp == ("write", "read")
    assert verified({"scp": []}).scp == ()
    assert verified({"scp": []}, {"scp": []}).scp == ()
    assert verified({"scp": ["read"]}, {"scp": ["read"]}).scp == ("read",)


def test_scopes_once_given_up_do_not_come_back() -> None:
    assert spoiled({"scp": ["read"]}, {"scp": ["read", "write"]})
    assert spoiled({"scp": ["read"]}, {"scp": ["write"]})
    assert spoiled({"scp": []}, {"scp": ["read"]})
    assert spoiled({"scp": ["admin"]})
    assert spoiled({"scp": ["read", "admin"]})
    assert spoiled({"scp": ["Read"]})
    assert spoiled({"scp": ["read "]})
    assert spoiled({"scp": ["*"]})
    assert spoiled({"scp": ["read"]}, claims=without("scp"))
    assert not spoiled({"scp": []}, claims=without("scp"))


def test_an_entry_is_named_at_most_as_often_as_the_token_has_it() -> None:
    assert spoiled({"scp": ["read", "read"]})
    twice = {**PAYLOAD, "scp": ["read", "read", "write"]}
    assert verified({"scp": ["read", "read"]}, claims=twice).scp == ("read", "read")
    assert spoiled({"scp": ["read"] * 3}, claims=twice)
    assert spoiled({"aud": ["billing", "billing"]}, claims=AUDIENCES)


def test_fewer_audiences_are_what_is_left() -> None:
    assert verified({"aud": ["search"]}, claims=AUDIENCES).aud == ("search",)
    assert verified({"aud": "search"}, claims=AUDIENCES).aud == ("search",)
    assert verified({"aud": ["search", "billing"]}, claims=AUDIENCES).aud == ("search", "billing")
    assert spoiled({"aud": ["search"]}, {"aud": ["billing"]}, claims=AUDIENCES)
    assert spoiled({"aud": ["search", "x"]}, claims=AUDIENCES)
    assert spoiled({"aud": "x"}, claims=AUDIENCES)
    assert spoiled({"aud": "Search"}, claims=AUDIENCES)


def test_the_last_audience_cannot_be_dropped_nor_a_first_one_named() -> None:
    """Either would open a door that the token did not open (contract 6.5)."""
    assert spoiled({"aud": []}, claims=AUDIENCES)
    assert spoiled({"aud": ["billing"]})
    assert spoiled({"aud": "billing"})
    assert verified({"aud": []}).aud == ()


@pytest.mark.parametrize(
    ("acl", "left"),
    [
        (["10.0.0.0/8"], True),
        (["10.1.0.0/16"], True),
        (["10.1.2.3/32", "10.9.0.0/24"], True),
        (["10.1.2.3/8"], True),
        (["::ffff:10.0.0.0/104"], True),
        (["::ffff:10.1.2.3/128"], True),
        (["10.0.0.0/7"], False),
        (["11.0.0.0/8"], False),
        (["0.0.0.0/0"], False),
        (["::/0"], False),
        (["::ffff:0:0/96"], False),
        (["::ffff:10.0.0.0/103"], False),
        (["::10.0.0.0/104"], False),
        (["10.1.0.0/16", "192.0.2.0/24"], False),
        ([], False),
        (["10.1.0.0"], False),
        (["10.1.0.0/255.255.0.0"], False),
        (["10.01.0.0/16"], False),
        (["10.1.0.0/33"], False),
        ([" 10.1.0.0/16"], False),
        (["10.1.0.0/16\n"], False),
        (["nonsense"], False),
        ([""], False),
        ("10.1.0.0/16", False),
        ([["10.1.0.0/16"]], False),
    ],
)
def test_addresses_are_confined_to_those_the_token_has(acl: object, left: bool) -> None:
    if left:
        assert list(verified({"acl": acl}).acl) == acl
    else:
        assert spoiled({"acl": acl})


def test_a_token_without_a_list_can_be_given_any() -> None:
    open_to_all = without("acl")
    assert verified({"acl": ["192.0.2.0/24", "2001:db8::/32"]}, claims=open_to_all).acl == (
        "192.0.2.0/24",
        "2001:db8::/32",
    )
    assert verified({"acl": []}, claims=open_to_all).acl == ()
    assert spoiled({"acl": ["nonsense"]}, claims=open_to_all)
    assert spoiled({"acl": ["192.0.2.0/24"]}, {"acl": []}, claims=open_to_all)
    assert spoiled({"acl": ["192.0.2.0/24"]}, {"acl": ["2001:db8::/32"]}, claims=open_to_all)


def test_a_list_is_as_long_as_a_keys_own_at_most() -> None:
    assert not spoiled({"acl": ["10.0.0.1/32"] * 50})
    assert spoiled({"acl": ["10.0.0.1/32"] * 51})


def test_a_list_that_the_server_cannot_read_cannot_be_narrowed() -> None:
    assert spoiled({"acl": ["10.0.0.0/8"]}, claims={**PAYLOAD, "acl": ["nonsense", "10.0.0.0/8"]})


def test_an_issuer_is_optional_and_checked() -> None:
    assert verified({"iss": ISSUER}) == CLAIMS
    assert spoiled({"iss": "https://other.example.com"})
    assert spoiled({"iss": ""})
    assert spoiled({"iss": None})
    assert spoiled({"iss": [ISSUER]})
    token = attenuate(material.macaroon(PAYLOAD), [{"iss": "https://old.example.com"}])
    retired = settings(issuers_retired=(Retired("https://old.example.com", NOW_NS + 1),))
    assert verify_token(macaroon, token, retired, NOW_NS) == CLAIMS
    with pytest.raises(TokenRejected):
        verify_token(macaroon, token, retired, NOW_NS + 1)


def test_an_empty_object_changes_nothing() -> None:
    assert verified({}) == CLAIMS
    assert verified(b" { } ", {}) == CLAIMS


def test_several_members_narrow_at_once() -> None:
    caveat = {
        "exp": EXPIRES_S - 1,
        "nbf": ISSUED_S + 1,
        "scp": ["read"],
        "acl": ["10.1.0.0/16"],
        "aud": ["search"],
        "iss": ISSUER,
    }
    assert verified(caveat, claims=AUDIENCES) == replace(
        CLAIMS,
        exp_s=EXPIRES_S - 1,
        nbf_s=ISSUED_S + 1,
        scp=("read",),
        acl=("10.1.0.0/16",),
        aud=("search",),
    )


# --- what spoils -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "caveat",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b"true",
        b'"exp"',
        b"time < 2030-01-01T00:00:00Z",
        b"{",
        b"{}{}",
        b"{}\0",
        b"\xef\xbb\xbf{}",
        b"\xff",
        b'{"exp":1750003599,"exp":1750003599}',
        b'{"exp":1750003599,"\\u0065xp":1750003600}',
        b'{"scp":["read"],"scp":["write"]}',
        b'{"exp":NaN}',
        b'{"exp":1e999}',
        b'{"exp":1750003599.0}',
        b'{"exp":1.750003599e9}',
        b'{"exp":"1750003599"}',
        b'{"exp":true}',
        b'{"exp":null}',
        b'{"exp":[]}',
        b'{"exp":253402300800}',
        b'{"exp":9223372036854775808}',
        b'{"exp":' + b"9" * 4500 + b"}",
        b'{"nbf":"2025-06-15T15:06:40Z"}',
        b'{"nbf":null}',
        b'{"nbf":-62135596801}',
        b'{"scp":null}',
        b'{"scp":"read"}',
        b'{"scp":"read write"}',
        b'{"scp":{}}',
        b'{"scp":[1]}',
        b'{"scp":["read",null]}',
        b'{"scp":["\\ud800"]}',
        b'{"aud":null}',
        b'{"acl":null}',
        b'{"acl":{}}',
        b'{"Exp":1750003599}',
        b'{"exp ":1750003599}',
        b'{"iat":1750000000}',
        b'{"jti":"9b2d6a1e-5c3f-4e7a-8d10-2f6b7c8d9e0f"}',
        b'{"sub":"3f2504e0-4f89-41d3-9a0c-0305e82c3301"}',
        b'{"nid":"00000000-0000-0000-0000-000000000000"}',
        b'{"act":"user_123"}',
        b'{"meta":{}}',
        b'{"vis":"secret"}',
        b'{"tty":"derived"}',
        b'{"akid":"x"}',
        b'{"pid":"x"}',
        b'{"scope":["read"]}',
        b'{"tier":"gold"}',
        b'{"":null}',
        b'{"exp":1750003599,"x":' + b"[" * 1500 + b"]" * 1500 + b"}",
        compact(PAYLOAD),
    ],
)
def test_what_is_not_understood_spoils_the_token(caveat: bytes) -> None:
    assert spoiled(caveat)
    # Wherever it stands, and whatever else is said.
    assert spoiled({}, caveat, {"scp": []})


def test_claims_cannot_be_put_behind_the_first_caveat() -> None:
    """The reference reads the first caveat alone; ours must not read a later one instead."""
    assert spoiled({**PAYLOAD, "scp": ["admin"]})
    assert spoiled(PAYLOAD, claims={"iss": ISSUER})


def test_a_caveat_cannot_be_taken_off_again() -> None:
    token = attenuate(material.macaroon(PAYLOAD), [{"scp": []}])
    short = reference.decode(material.unb64(token.removeprefix("mc_v1_")))
    for kept in ((), short.caveats[:1], short.caveats[1:], short.caveats[::-1]):
        body = reference.write(replace(short, caveats=kept))
        with pytest.raises(TokenRejected):
            verify_token(macaroon, f"mc_v1_{material.b64(body)}", BASE, NOW_NS)


def test_the_type_is_still_looked_at_last() -> None:
    session = {**PAYLOAD, "tty": "session"}
    with pytest.raises(TokenRejected) as caught:
        verified({"scp": []}, claims=session)
    assert caught.value.code is VerificationErrorCode.INVALID_FORMAT
    assert spoiled({"x": 1}, claims=session)


def test_the_number_of_caveats_is_bounded() -> None:
    assert not spoiled(*[{}] * 255)
    assert spoiled(*[{}] * 256)


# --- properties ------------------------------------------------------------------------------

SCOPES = ["read", "write", "admin"]
NESTED = ["10.0.0.0/8", "10.1.0.0/16", "::ffff:10.1.0.0/112", "10.1.2.0/24", "10.1.2.3/32"]
NETWORKS = [*NESTED, "192.0.2.0/24", "0.0.0.0/0", "2001:db8::/32", "::/0"]
TARGETS = ["billing", "search"]
seconds = st.integers(ISSUED_S - 500, EXPIRES_S + 500)


def lists(values: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), max_size=3)


narrowing_members = {
    "exp": seconds,
    "nbf": seconds,
    "scp": lists(SCOPES),
    "acl": lists(NETWORKS),
    "aud": lists(TARGETS),
    "iss": st.just(ISSUER),
}
caveat_objects = st.fixed_dictionaries({}, optional=narrowing_members)
parents = st.fixed_dictionaries(
    {"iss": st.just(ISSUER), "sub": st.just("k")},
    optional={name: values for name, values in narrowing_members.items() if name != "iss"},
)


def only_a_verdict(claims: object, caveats: list[Any], now_ns: int) -> TokenClaims | None:
    try:
        return verified(*caveats, claims=claims, now_ns=now_ns)
    except TokenRejected:
        return None


@effort(max_examples=500)
@given(parents, st.lists(caveat_objects, max_size=4))
def test_whatever_holders_add_the_token_is_never_more_than_its_parent(
    claims: dict[str, Any], caveats: list[dict[str, Any]]
) -> None:
    parent = only_a_verdict(claims, [], NOW_NS)
    left = only_a_verdict(claims, caveats, NOW_NS)
    event(f"accepted: {left is not None}, caveats: {len(caveats)}")
    if left is None:
        return
    assert parent is not None
    assert parent.exp_s is None or (left.exp_s is not None and left.exp_s <= parent.exp_s)
    assert parent.nbf_s is None or (left.nbf_s is not None and left.nbf_s >= parent.nbf_s)
    assert Counter(left.scp) <= Counter(parent.scp)
    assert Counter(left.aud) <= Counter(parent.aud)
    assert bool(left.aud) == bool(parent.aud)
    # Nothing else can change.
    same: dict[str, Any] = {"exp_s": None, "nbf_s": None, "scp": (), "aud": (), "acl": ()}
    assert replace(left, **same) == replace(parent, **same)


ADDRESSES = ["10.1.2.3", "10.1.9.9", "10.200.0.1", "192.0.2.7", "8.8.8.8", "2001:db8::1", "::1"]


def opens(
    token: TokenClaims | None, address: str, expected: frozenset[str], scope: str | None
) -> bool:
    """Whether a service that asks for all this lets the token in (contract 6.5, 6.6)."""
    return (
        token is not None
        and (not token.acl or allows(token.acl, ip_address(address)))
        and (bool(expected & set(token.aud)) if expected else not token.aud)
        and (scope is None or scope in token.scp)
    )


@effort(max_examples=500)
@given(
    parents,
    st.lists(caveat_objects, max_size=3),
    seconds,
    st.sampled_from(ADDRESSES),
    st.frozensets(st.sampled_from(TARGETS), max_size=2),
    st.none() | st.sampled_from(SCOPES),
)
def test_no_door_opens_to_a_narrowed_token_that_was_shut_to_its_parent(
    claims: dict[str, Any],
    caveats: list[dict[str, Any]],
    now_s: int,
    address: str,
    expected: frozenset[str],
    scope: str | None,
) -> None:
    now_ns = now_s * NS
    if opens(only_a_verdict(claims, caveats, now_ns), address, expected, scope):
        event("a door opened")
        assert opens(only_a_verdict(claims, [], now_ns), address, expected, scope)


@st.composite
def honest_caveats(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Caveats of holders who only give up what they have, for the token AUDIENCES."""
    exp, nbf = EXPIRES_S, ISSUED_S
    scopes, targets, networks = ["read", "write"], ["billing", "search"], NESTED
    caveats = []
    for _ in range(draw(st.integers(1, 5))):
        exp -= draw(st.integers(0, 20))
        nbf += draw(st.integers(0, 20))
        scopes = draw(st.permutations(scopes))[: draw(st.integers(0, len(scopes)))]
        targets = draw(st.permutations(targets))[: draw(st.integers(1, len(targets)))]
        # Each of these lies inside the one before it.
        networks = networks[draw(st.integers(0, len(networks) - 1)) :]
        whole = {"exp": exp, "nbf": nbf, "scp": scopes, "aud": targets, "acl": networks[:1]}
        caveats.append(whole)
    return caveats


@given(honest_caveats())
def test_holders_who_only_give_up_what_they_have_are_obeyed(caveats: list[dict[str, Any]]) -> None:
    last = caveats[-1]
    assert verified(*caveats, claims=AUDIENCES) == replace(
        CLAIMS,
        exp_s=last["exp"],
        nbf_s=last["nbf"],
        scp=tuple(last["scp"]),
        aud=tuple(last["aud"]),
        acl=tuple(last["acl"]),
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | seconds,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
hostile = (
    st.binary(max_size=40)
    | st.dictionaries(st.sampled_from([*narrowing_members, "iat", "x"]), json_values).map(
        lambda members: json.dumps(members).encode()
    )
    | caveat_objects
)


@given(st.lists(hostile, max_size=4))
def test_any_caveats_get_a_verdict(caveats: list[Any]) -> None:
    left = only_a_verdict(AUDIENCES, caveats, NOW_NS)
    if left is not None:
        assert set(left.scp) <= {"read", "write"}


cidr_lists = st.lists(
    st.tuples(
        st.sampled_from(["10.0.0.0", "10.3.255.0", "10.128.0.1", "192.0.2.0"]), st.integers(0, 32)
    )
    | st.tuples(st.sampled_from(["2001:db8::", "2001:db8:8000::", "::1"]), st.integers(0, 128)),
    max_size=6,
).map(lambda pairs: [f"{address}/{length}" for address, length in pairs])


@effort(max_examples=300)
@given(cidr_lists, cidr_lists)
def test_a_list_is_inside_another_when_each_network_is_inside_one_of_its(
    outer: list[str], inner: list[str]
) -> None:
    def inside(narrow: str, wide: str) -> bool:
        inner_network: Any = ip_network(narrow, strict=False)
        outer_network: Any = ip_network(wide, strict=False)
        same_family = inner_network.version == outer_network.version
        return same_family and bool(inner_network.subnet_of(outer_network))

    each = all(any(inside(narrow, wide) for wide in outer) for narrow in inner)
    event(f"inside: {each}")
    kept = only_a_verdict({"iss": ISSUER, "acl": outer}, [{"acl": inner}], NOW_NS) is not None
    # An empty list is no restriction: it holds every other one, and is held only by itself.
    assert kept is (not outer if not inner else not outer or each)

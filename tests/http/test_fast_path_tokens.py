"""Derived tokens are told of from memory as the application tells of them (contract 16, 6)."""

import json
import re
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talos.credentials.secrets import Retired, Secret, SecretRing
from tests.http.shared_memory import HotSurface, asking
from tests.http.surface import API_KEYS
from tests.support.fakes.clock import START_NS
from tests.support.fakes.tenants import ISSUER, OTHER_NETWORK, SETTINGS, TENANT
from tests.support.key_samples import LINES, MEMBERS
from tests.support.verify_requests import BATCH_START, request
from tests.unit.credentials import material

S: Final = 1_000_000_000
START_S: Final = START_NS // S
SKEW_NS: Final = SETTINGS.clock_skew_ns
HMAC: Final = SETTINGS.hmac.current.reveal().decode()
CHANGING = re.compile(rb"\r\n(Date|X-Request-Id): [^\r]*")
ALGORITHMS = pytest.mark.parametrize("algorithm", ["JWT", "MACAROON"])
CLAIMS: tuple[dict[str, Any], ...] = (
    {},
    {"tier": "gold", "n": 1.5, "big": 2**63, "nothing": None, "deep": [{"a": [True]}]},
    {"text": 'quo"ted\\ \u2028 \u00e9\U0001f511 </script>', "is_valid": False},
)


def derive(surface: HotSurface, algorithm: str, members: Any = None, **fields: Any) -> str:
    """Derive a token of a fresh key."""
    body = {
        "credential": surface.issue(**(members or {}))["secret"],
        "algorithm": f"TOKEN_ALGORITHM_{algorithm}",
        **fields,
    }
    result = surface.send("POST", f"{API_KEYS}:derive", body)
    assert result.status_code == 200, result.text
    token: str = result.json["token"]["token"]
    return token


def forge(algorithm: str, *caveats: dict[str, Any], **members: Any) -> str:
    """Sign a token over these members."""
    claims = {
        "iss": ISSUER,
        "nid": TENANT.network_id,
        "sub": "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
        **members,
    }
    if algorithm == "JWT":
        return material.jws(claims)
    return material.macaroon(claims, *caveats, secret=HMAC)


def step_to(surface: HotSurface, instant_ns: int) -> None:
    """Set the clock, forth or back."""
    surface.harness.clock.advance(ns=instant_ns - surface.harness.clock.now_ns())


def valid(answer: bytes) -> bool:
    found: bool = json.loads(answer.partition(b"\r\n\r\n")[2])["is_valid"]
    return found


def comparable(answer: bytes) -> bytes:
    return CHANGING.sub(rb"\r\n\1:", answer)


def agree(surface: HotSurface, data: bytes) -> bytes:
    """Ask both, who have to say the same; return what they say."""
    fast = surface.by_fast_path(data)
    assert fast is not None
    assert comparable(fast) == comparable(surface.by_application(data))
    return fast


@ALGORITHMS
@pytest.mark.parametrize("members", MEMBERS, ids=range(len(MEMBERS)))
@pytest.mark.parametrize("claims", CLAIMS, ids=range(len(CLAIMS)))
def test_a_token_is_told_of_alike(
    algorithm: str, members: dict[str, Any], claims: dict[str, Any]
) -> None:
    surface = HotSurface()
    token = derive(surface, algorithm, members, custom_claims=claims)
    assert surface.by_fast_path(asking(token)) is None
    first = surface.by_application(asking(token))
    assert valid(first)
    for lines in LINES:
        answer = agree(surface, asking(token, *lines))
        assert b"\r\nOry-Talos-Cache: SKIP\r\n" in answer
        assert answer.partition(b"\r\n\r\n")[2] == first.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize(
    "token",
    [
        forge("JWT"),
        forge("JWT", vis="public", scope=["read"], act="", akid="another"),
        forge("JWT", iat=START_S, nbf=str(START_S), exp=float(START_S + 60)),
        forge("JWT", exp=253_402_300_799, iat=-62_135_596_800, nbf=-1),
        forge("MACAROON"),
        forge("MACAROON", {"scp": ["read"]}, {"exp": START_S + 30}, scp=["read", "write"]),
        forge("MACAROON", {}, {}, {}, exp=START_S + 60, meta={"tier": "gold"}),
    ],
    ids=range(7),
)
def test_tokens_of_others_making_are_told_of_alike(token: str) -> None:
    surface = HotSurface()
    assert valid(surface.by_application(asking(token)))
    assert valid(agree(surface, asking(token)))


def test_tokens_and_keys_share_a_batch() -> None:
    surface = HotSurface()
    credentials = [derive(surface, "JWT"), surface.issue()["secret"], derive(surface, "MACAROON")]
    for credential in credentials:
        surface.by_application(asking(credential))
    items = [{"credential": credential} for credential in (*credentials, *credentials[::-1])]
    data = request(start=BATCH_START, body=json.dumps({"requests": items}).encode())
    answer = agree(surface, data)
    assert answer.count(b'"is_valid":true') == len(items)
    assert b"Ory-Talos-Cache" not in answer


@ALGORITHMS
@pytest.mark.parametrize("bound", [{"acl": ["192.0.2.0/24"]}, {"aud": "billing"}], ids=str)
def test_tokens_that_are_bound_are_left_to_the_application(
    algorithm: str, bound: dict[str, Any]
) -> None:
    surface = HotSurface()
    token = forge(algorithm, **bound)
    body = json.dumps({"credential": token, "expected_audiences": ["billing"]}).encode()
    for data in (asking(token), request(body=body), asking(token), request(body=body)):
        surface.by_application(data)
        assert surface.by_fast_path(data) is None


@ALGORITHMS
def test_expected_audiences_are_left_to_the_application(algorithm: str) -> None:
    surface = HotSurface()
    token = derive(surface, algorithm)
    body = json.dumps({"credential": token, "expected_audiences": ["billing"]}).encode()
    assert valid(surface.by_application(asking(token)))
    assert not valid(surface.by_application(request(body=body)))
    assert surface.by_fast_path(request(body=body)) is None
    empty = json.dumps({"credential": token, "expected_audiences": []}).encode()
    assert valid(agree(surface, request(body=empty)))


@ALGORITHMS
def test_the_clock_decides_every_time(algorithm: str) -> None:
    surface = HotSurface()
    begins_ns, ends_ns = (START_S - 60) * S, (START_S + 60) * S
    token = forge(algorithm, nbf=START_S - 60, iat=START_S - 90, exp=START_S + 60)
    surface.by_application(asking(token))
    answered = []
    for instant_ns in (
        *(begins_ns - SKEW_NS - S, begins_ns - SKEW_NS - 1, begins_ns - SKEW_NS, begins_ns),
        *(ends_ns - 1, ends_ns, ends_ns + 1, ends_ns + SKEW_NS, START_NS),
    ):
        step_to(surface, instant_ns)
        fast = surface.by_fast_path(asking(token))
        answered.append(fast is not None)
        by_application = surface.by_application(asking(token))
        if fast is not None:
            assert comparable(fast) == comparable(by_application)
    # A macaroon is good at the very instant of its end, which is left to the application.
    assert answered == [False, False, True, True, True, False, False, False, True]


@ALGORITHMS
@given(
    times=st.fixed_dictionaries(
        {}, optional={name: st.integers(-700, 700) for name in ("nbf", "iat", "exp")}
    ),
    steps=st.lists(st.tuples(st.integers(-1400, 1400), st.integers(-1, 1)), min_size=1, max_size=5),
)
@settings(max_examples=60)
def test_what_the_application_refuses_is_declined(
    algorithm: str, times: dict[str, int], steps: list[tuple[int, int]]
) -> None:
    surface = _SURFACES[algorithm]
    token = forge(algorithm, **{name: START_S + offset_s for name, offset_s in times.items()})
    for offset_s, ns in ((0, 0), *steps):
        step_to(surface, (START_S + offset_s) * S + ns)
        # Before the application, which may prove it now, and after it.
        for _ in range(2):
            fast = surface.by_fast_path(asking(token))
            told = surface.by_application(asking(token))
            assert fast is None or comparable(fast) == comparable(told)


_SURFACES: Final = {algorithm: HotSurface() for algorithm in ("JWT", "MACAROON")}


@ALGORITHMS
def test_another_byte_is_another_token(algorithm: str) -> None:
    surface = HotSurface()
    token = derive(surface, algorithm)
    assert valid(surface.by_application(asking(token)))
    for position in range(len(token)):
        other = "A" if token[position] != "A" else "B"
        changed = f"{token[:position]}{other}{token[position + 1 :]}"
        assert surface.by_fast_path(asking(changed)) is None
    assert valid(agree(surface, asking(token)))


@ALGORITHMS
def test_what_is_refused_is_never_answered_for(algorithm: str) -> None:
    surface = HotSurface()
    token = derive(surface, algorithm)
    for forged in (token[:-4] + "AAAA", forge(algorithm, nid=OTHER_NETWORK), token + "A"):
        for _ in range(2):
            assert not valid(surface.by_application(asking(forged)))
            assert surface.by_fast_path(asking(forged)) is None


@ALGORITHMS
def test_credentials_with_escapes_are_left_to_the_application(algorithm: str) -> None:
    surface = HotSurface()
    token = derive(surface, algorithm)
    escaped = request(body=b'{"credential":"\\u%04x%b"}' % (ord(token[0]), token[1:].encode()))
    assert valid(surface.by_application(escaped))
    assert valid(agree(surface, asking(token)))
    assert surface.by_fast_path(escaped) is None


@ALGORITHMS
@pytest.mark.parametrize("directive", [b"no-cache", b"no-store"])
def test_cache_directives_are_left_to_the_application(algorithm: str, directive: bytes) -> None:
    surface = HotSurface()
    token = derive(surface, algorithm)
    data = asking(token, b"Cache-Control: " + directive)
    assert valid(surface.by_application(data))
    assert surface.by_fast_path(data) is None
    # What may not be stored was not.
    assert (surface.by_fast_path(asking(token)) is None) is (directive == b"no-store")


@ALGORITHMS
def test_other_settings_are_another_proof(algorithm: str) -> None:
    surface = HotSurface()
    token = derive(surface, algorithm)
    surface.by_application(asking(token))
    renamed = replace(
        SETTINGS, issuer="https://b.example.com", issuers_retired=(Retired(ISSUER),), generation=2
    )
    dropped = replace(
        SETTINGS,
        hmac=SecretRing(Secret("another-secret-for-hmac-01234567")),
        signing_keys=material.load({"keys": [{**material.ED25519_JWK, "kid": "another"}]}),
        generation=3,
    )
    for credentials, good in ((renamed, True), (dropped, False), (SETTINGS, True)):
        surface.configure(credentials=credentials)
        if credentials is not SETTINGS:
            assert surface.by_fast_path(asking(token)) is None
        told = surface.by_application(asking(token))
        assert valid(told) is good
        if good:
            assert agree(surface, asking(token)).count(credentials.issuer.encode()) == 1


@pytest.mark.parametrize(
    ("algorithm", "retire"),
    [
        ("JWT", "issuer"),
        ("MACAROON", "issuer"),
        ("MACAROON", "secret"),
    ],
)
def test_a_proof_ends_with_what_is_retired(algorithm: str, retire: str) -> None:
    surface = HotSurface()
    token = derive(surface, algorithm)
    ends_ns = START_NS + 60 * S
    if retire == "issuer":
        credentials = replace(
            SETTINGS,
            issuer="https://b.example.com",
            issuers_retired=(Retired(ISSUER, ends_ns),),
            generation=2,
        )
    else:
        ring = SecretRing(
            Secret("another-secret-for-hmac-01234567"), (Retired(Secret(HMAC), ends_ns),)
        )
        credentials = replace(SETTINGS, hmac=ring, generation=2)
    surface.configure(credentials=credentials)
    surface.by_application(asking(token))
    step_to(surface, ends_ns - 1)
    assert valid(agree(surface, asking(token)))
    step_to(surface, ends_ns)
    assert surface.by_fast_path(asking(token)) is None
    assert not valid(surface.by_application(asking(token)))
    step_to(surface, ends_ns - 1)
    assert valid(agree(surface, asking(token)))


def test_a_macaroon_is_one_only_under_an_accepted_prefix() -> None:
    surface = HotSurface()
    token = derive(surface, "MACAROON")
    surface.by_application(asking(token))
    assert surface.by_fast_path(asking(token)) is not None
    # The generation left as it was, which never happens: the routing alone declines it.
    surface.configure(credentials=replace(SETTINGS, macaroon_prefix="tok"))
    assert surface.by_fast_path(asking(token)) is None


@ALGORITHMS
def test_a_cache_that_is_off_answers_for_no_token(algorithm: str) -> None:
    surface = HotSurface()
    token = derive(surface, algorithm)
    surface.by_application(asking(token))
    agree(surface, asking(token))
    surface.fast_path.disable()
    assert surface.by_fast_path(asking(token)) is None


@pytest.mark.parametrize(("length", "told"), [(1200, True), (3500, False), (5000, False)])
def test_long_answers_are_left_to_the_application(length: int, told: bool) -> None:
    surface = HotSurface()
    token = derive(surface, "JWT", custom_claims={"long": "x" * length})
    assert valid(surface.by_application(asking(token)))
    assert (surface.by_fast_path(asking(token)) is not None) is told
    assert valid(surface.by_application(asking(token)))

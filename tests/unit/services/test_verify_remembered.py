"""Verify of derived tokens that were proved before: what is remembered, and what is asked anew.

That a signature was not checked shows where no key is left to check it with: the settings have
lost their keys and secrets, and keep the number of their generation, which no real ones do.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from talos.credentials import claims, jwt, macaroon
from talos.credentials.claims import TokenClaims
from talos.credentials.jwk import SigningKeys
from talos.credentials.secrets import Retired, Secret, SecretRing
from talos.domain.addresses import Caller
from talos.domain.drafts import DeriveDraft
from talos.domain.verification import CacheDirective as Directive
from talos.domain.verification import VerificationErrorCode as Code
from talos.errors import InvalidRequest
from talos.services.tenant import Tenant
from tests.fakes.house import CALLER, House
from tests.fakes.tenants import OTHER_NETWORK, SETTINGS, TENANT, tenant

S = 1_000_000_000
LIFE_S = 3_600
FORMATS = ["jwt", "macaroon"]
OTHER_RING = SecretRing(Secret("another-secret-for-hmac-01234567"))
KEYLESS = tenant(signing_keys=SigningKeys(), hmac=OTHER_RING)
NEXT_GENERATION = tenant(KEYLESS, generation=2)
OFF = tenant(cache_enabled=False)

pytestmark = pytest.mark.parametrize("format_", FORMATS)


def token_of(house: House, format_: str, **changes: object) -> str:
    key, _ = house.issue()
    made = claims.derive(
        key,
        issuer=SETTINGS.issuer,
        scopes=("read",),
        audiences=(),
        custom_claims={"tier": "gold"},
        now_ns=house.clock.now_ns(),
        ttl_ns=LIFE_S * S,
    )
    made = replace(made, **changes)  # type: ignore[arg-type]
    return mint(made, format_)


def mint(made: TokenClaims, format_: str) -> str:
    if format_ == "jwt":
        return jwt.sign(made, SETTINGS.signing_keys.signer(""))
    return macaroon.mint(made, SETTINGS)


def test_the_second_verification_checks_no_signature(house: House, format_: str) -> None:
    token = token_of(house, format_)
    assert house.verdict(token, tenant=KEYLESS) is Code.SIGNATURE_INVALID
    first = house.verified(token)
    second = house.verified(token, tenant=KEYLESS)
    assert first == second
    assert first.verification.is_valid
    assert second.cache.value == "SKIP"


def test_batches_remember_and_recall(house: House, format_: str) -> None:
    token = token_of(house, format_)
    first = house.batch(token, token)
    assert house.batch(token, tenant=KEYLESS) == first[:1]
    assert house.verified(token, tenant=KEYLESS).verification == first[0]


def test_another_generation_knows_nothing(house: House, format_: str) -> None:
    token = token_of(house, format_)
    assert house.verdict(token) is None
    assert house.verdict(token, tenant=NEXT_GENERATION) is Code.SIGNATURE_INVALID
    # And leaves alone what the first one knows: a worker may not yet have heard of a change.
    assert house.verdict(token, tenant=KEYLESS) is None


def test_a_worker_that_lags_behind_teaches_the_others_nothing(house: House, format_: str) -> None:
    token = token_of(house, format_)
    assert house.verdict(token, tenant=NEXT_GENERATION) is Code.SIGNATURE_INVALID
    assert house.verdict(token, tenant=TENANT) is None
    assert house.verdict(token, tenant=NEXT_GENERATION) is Code.SIGNATURE_INVALID


def test_a_token_that_differs_in_one_byte_is_not_known(house: House, format_: str) -> None:
    token = token_of(house, format_)
    house.verified(token)
    last = "A" if token[-1] != "A" else "E"
    assert house.verdict(token[:-1] + last) is Code.SIGNATURE_INVALID
    assert house.proved.recalled == []


# Failures are never remembered


def expired(house: House, format_: str) -> str:
    return token_of(house, format_, exp_s=house.clock.now_ns() // S - 1)


def early(house: House, format_: str) -> str:
    return token_of(house, format_, nbf_s=house.clock.now_ns() // S + 3_000)


def of_another_issuer(house: House, format_: str) -> str:
    return token_of(house, format_, iss="https://other.example.com")


def of_another_network(house: House, format_: str) -> str:
    return token_of(house, format_, nid=OTHER_NETWORK)


def forged(house: House, format_: str) -> str:
    token = token_of(house, format_)
    return token[:-10] + ("A" * 10 if token[-10:] != "A" * 10 else "B" * 10)


@pytest.mark.parametrize("make", [expired, early, of_another_issuer, of_another_network, forged])
def test_nothing_that_fails_is_remembered(
    house: House, format_: str, make: Callable[[House, str], str]
) -> None:
    token = make(house, format_)
    assert house.verdict(token) is not None
    assert house.proved.entries == {}


# What is asked every time


def test_the_end_of_the_token(house: House, format_: str) -> None:
    token = token_of(house, format_)
    house.verified(token)
    house.clock.advance(s=LIFE_S - 1)
    assert house.verdict(token) is None
    house.clock.advance(s=2)
    assert house.verdict(token) is Code.SIGNATURE_INVALID
    house.clock.advance(s=-2)
    assert house.verdict(token) is None


def test_the_beginning_of_the_token(house: House, format_: str) -> None:
    token = token_of(house, format_)
    house.verified(token)
    house.clock.advance(s=-301)
    assert house.verdict(token) is Code.SIGNATURE_INVALID
    assert house.verdict(token, tenant=tenant(clock_skew_ns=400 * S)) is None


def test_the_network(house: House, format_: str) -> None:
    token = token_of(house, format_)
    house.verified(token)
    elsewhere = tenant(network_id=OTHER_NETWORK)
    assert house.verdict(token, tenant=elsewhere) is Code.NOT_FOUND


def test_the_address(house: House, format_: str) -> None:
    token = token_of(house, format_, acl=("10.0.0.0/8",))
    assert house.verdict(token) is Code.IP_NOT_ALLOWED
    assert house.verdict(token, tenant=KEYLESS, caller=Caller("10.0.0.1")) is None
    assert house.verdict(token, tenant=KEYLESS) is Code.IP_NOT_ALLOWED


def test_the_audience(house: House, format_: str) -> None:
    token = token_of(house, format_, aud=("billing",))
    assert house.verdict(token) is Code.AUDIENCE_MISMATCH
    assert house.verdict(token, tenant=KEYLESS, audiences=("billing",)) is None
    assert house.verdict(token, tenant=KEYLESS) is Code.AUDIENCE_MISMATCH


def test_the_issuer_of_the_answer_is_the_present_one(house: House, format_: str) -> None:
    token = token_of(house, format_)
    house.verified(token)
    renamed = tenant(KEYLESS, issuer="https://new.example.com")
    assert house.verified(token, tenant=renamed).verification.issuer == "https://new.example.com"


# How long a proof holds


def retiring(**ends_s: int) -> Tenant:
    """Settings whose secrets and issuer are retired ones, which fall away ``ends_s`` from now."""
    start_ns = House().clock.now_ns()
    return tenant(
        issuer="https://new.example.com",
        issuers_retired=(Retired(SETTINGS.issuer, start_ns + ends_s["issuer"] * S),),
        hmac=SecretRing(
            OTHER_RING.current, (Retired(SETTINGS.hmac.current, start_ns + ends_s["secret"] * S),)
        ),
    )


@pytest.mark.parametrize(
    ("issuer_s", "secret_s", "proved_s"), [(60, 90, 60), (90, 60, 60), (9_000, 9_000, LIFE_S)]
)
def test_a_proof_holds_until_the_token_ends_or_something_falls_away(
    house: House, format_: str, issuer_s: int, secret_s: int, proved_s: int
) -> None:
    now_ns = house.clock.now_ns()
    house.verified(token_of(house, format_), tenant=retiring(issuer=issuer_s, secret=secret_s))
    [proof] = house.proved.entries.values()
    # A token ends at a whole second.
    ends_ns = now_ns + proved_s * S if proved_s != LIFE_S else (now_ns // S + LIFE_S) * S
    assert proof.ends_ns == ends_ns


def test_what_fell_away_counts_no_more_for_tokens_already_proved(
    house: House, format_: str
) -> None:
    token = token_of(house, format_)
    world = retiring(issuer=60, secret=9_000)
    assert house.verdict(token, tenant=world) is None
    house.clock.advance(s=60, ns=-1)
    assert house.verdict(token, tenant=world) is None
    house.clock.advance(ns=1)
    assert house.verdict(token, tenant=world) is Code.SIGNATURE_INVALID
    house.clock.advance(ns=-1)
    assert house.verdict(token, tenant=world) is None


def test_a_token_without_an_end_is_proved_for_good(house: House, format_: str) -> None:
    token = token_of(house, format_, exp_s=None)
    house.verified(token)
    [proof] = house.proved.entries.values()
    assert proof.ends_ns is None
    house.clock.advance(s=10**9)
    assert house.verdict(token, tenant=KEYLESS) is None


# When nothing is remembered


def test_a_cache_that_is_off_neither_remembers_nor_recalls(house: House, format_: str) -> None:
    token = token_of(house, format_)
    house.verified(token, tenant=OFF)
    assert house.proved.entries == {}
    house.verified(token)
    assert house.verdict(token, tenant=tenant(KEYLESS, cache_enabled=False)) is not None


def test_directives_are_obeyed(house: House, format_: str) -> None:
    token = token_of(house, format_)
    house.verified(token, directive=Directive.NO_STORE)
    assert house.proved.entries == {}
    house.verified(token, directive=Directive.NO_CACHE)
    assert len(house.proved.entries) == 1
    for directive in (Directive.NO_CACHE, Directive.NO_STORE):
        assert house.verdict(token, tenant=KEYLESS, directive=directive) is not None
    assert house.verdict(token, tenant=KEYLESS) is None


def test_a_token_is_no_parent_however_well_known(house: House, format_: str) -> None:
    token = token_of(house, format_)
    house.verified(token)
    for seen_by in (TENANT, tenant(cache_ttl_ns=0)):
        with pytest.raises(InvalidRequest):
            house.services.derive.derive(seen_by, DeriveDraft(token), CALLER, Directive.DEFAULT)

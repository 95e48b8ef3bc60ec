"""Verify of derived tokens that were authenticated before: what is cached, what is checked anew.

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
from tests.support.fakes.harness import CALLER, ServiceHarness
from tests.support.fakes.tenants import OTHER_NETWORK, SETTINGS, TENANT, tenant

S = 1_000_000_000
LIFE_S = 3_600
FORMATS = ["jwt", "macaroon"]
OTHER_RING = SecretRing(Secret("another-secret-for-hmac-01234567"))
KEYLESS = tenant(signing_keys=SigningKeys(), hmac=OTHER_RING)
NEXT_GENERATION = tenant(KEYLESS, generation=2)
OFF = tenant(cache_enabled=False)

pytestmark = pytest.mark.parametrize("format_", FORMATS)


def token_of(harness: ServiceHarness, format_: str, **changes: object) -> str:
    key, _ = harness.issue()
    made = claims.derive(
        key,
        issuer=SETTINGS.issuer,
        scopes=("read",),
        audiences=(),
        custom_claims={"tier": "gold"},
        now_ns=harness.clock.now_ns(),
        ttl_ns=LIFE_S * S,
    )
    made = replace(made, **changes)  # type: ignore[arg-type]
    return mint(made, format_)


def mint(made: TokenClaims, format_: str) -> str:
    if format_ == "jwt":
        return jwt.sign(made, SETTINGS.signing_keys.signer(""))
    return macaroon.mint(made, SETTINGS)


def test_the_second_verification_checks_no_signature(harness: ServiceHarness, format_: str) -> None:
    token = token_of(harness, format_)
    assert harness.verdict(token, tenant=KEYLESS) is Code.SIGNATURE_INVALID
    first = harness.verified(token)
    second = harness.verified(token, tenant=KEYLESS)
    assert first == second
    assert first.verification.is_valid
    assert second.cache.value == "SKIP"


def test_batches_remember_and_recall(harness: ServiceHarness, format_: str) -> None:
    token = token_of(harness, format_)
    first = harness.batch(token, token)
    assert harness.batch(token, tenant=KEYLESS) == first[:1]
    assert harness.verified(token, tenant=KEYLESS).verification == first[0]


def test_another_generation_knows_nothing(harness: ServiceHarness, format_: str) -> None:
    token = token_of(harness, format_)
    assert harness.verdict(token) is None
    assert harness.verdict(token, tenant=NEXT_GENERATION) is Code.SIGNATURE_INVALID
    # And leaves alone what the first one knows: a worker may not yet have heard of a change.
    assert harness.verdict(token, tenant=KEYLESS) is None


def test_a_worker_that_lags_behind_teaches_the_others_nothing(
    harness: ServiceHarness, format_: str
) -> None:
    token = token_of(harness, format_)
    assert harness.verdict(token, tenant=NEXT_GENERATION) is Code.SIGNATURE_INVALID
    assert harness.verdict(token, tenant=TENANT) is None
    assert harness.verdict(token, tenant=NEXT_GENERATION) is Code.SIGNATURE_INVALID


def test_a_token_that_differs_in_one_byte_is_not_known(
    harness: ServiceHarness, format_: str
) -> None:
    token = token_of(harness, format_)
    harness.verified(token)
    last = "A" if token[-1] != "A" else "E"
    assert harness.verdict(token[:-1] + last) is Code.SIGNATURE_INVALID
    assert harness.verified_tokens.found == []


# Failures are never remembered


def expired(harness: ServiceHarness, format_: str) -> str:
    return token_of(harness, format_, exp_s=harness.clock.now_ns() // S - 1)


def early(harness: ServiceHarness, format_: str) -> str:
    return token_of(harness, format_, nbf_s=harness.clock.now_ns() // S + 3_000)


def of_another_issuer(harness: ServiceHarness, format_: str) -> str:
    return token_of(harness, format_, iss="https://other.example.com")


def of_another_network(harness: ServiceHarness, format_: str) -> str:
    return token_of(harness, format_, nid=OTHER_NETWORK)


def forged(harness: ServiceHarness, format_: str) -> str:
    token = token_of(harness, format_)
    return token[:-10] + ("A" * 10 if token[-10:] != "A" * 10 else "B" * 10)


@pytest.mark.parametrize("make", [expired, early, of_another_issuer, of_another_network, forged])
def test_nothing_that_fails_is_remembered(
    harness: ServiceHarness, format_: str, make: Callable[[ServiceHarness, str], str]
) -> None:
    token = make(harness, format_)
    assert harness.verdict(token) is not None
    assert harness.verified_tokens.entries == {}


# What is asked every time


def test_the_end_of_the_token(harness: ServiceHarness, format_: str) -> None:
    token = token_of(harness, format_)
    harness.verified(token)
    harness.clock.advance(s=LIFE_S - 1)
    assert harness.verdict(token) is None
    harness.clock.advance(s=2)
    assert harness.verdict(token) is Code.SIGNATURE_INVALID
    harness.clock.advance(s=-2)
    assert harness.verdict(token) is None


def test_the_beginning_of_the_token(harness: ServiceHarness, format_: str) -> None:
    token = token_of(harness, format_)
    harness.verified(token)
    harness.clock.advance(s=-301)
    assert harness.verdict(token) is Code.SIGNATURE_INVALID
    assert harness.verdict(token, tenant=tenant(clock_skew_ns=400 * S)) is None


def test_the_network(harness: ServiceHarness, format_: str) -> None:
    token = token_of(harness, format_)
    harness.verified(token)
    elsewhere = tenant(network_id=OTHER_NETWORK)
    assert harness.verdict(token, tenant=elsewhere) is Code.NOT_FOUND


def test_the_address(harness: ServiceHarness, format_: str) -> None:
    token = token_of(harness, format_, acl=("10.0.0.0/8",))
    assert harness.verdict(token) is Code.IP_NOT_ALLOWED
    assert harness.verdict(token, tenant=KEYLESS, caller=Caller("10.0.0.1")) is None
    assert harness.verdict(token, tenant=KEYLESS) is Code.IP_NOT_ALLOWED


def test_the_audience(harness: ServiceHarness, format_: str) -> None:
    token = token_of(harness, format_, aud=("billing",))
    assert harness.verdict(token) is Code.AUDIENCE_MISMATCH
    assert harness.verdict(token, tenant=KEYLESS, audiences=("billing",)) is None
    assert harness.verdict(token, tenant=KEYLESS) is Code.AUDIENCE_MISMATCH


def test_the_issuer_of_the_answer_is_the_present_one(harness: ServiceHarness, format_: str) -> None:
    token = token_of(harness, format_)
    harness.verified(token)
    renamed = tenant(KEYLESS, issuer="https://new.example.com")
    assert harness.verified(token, tenant=renamed).verification.issuer == "https://new.example.com"


# How long an entry is good


def retiring(**ends_s: int) -> Tenant:
    """Settings whose secrets and issuer are retired ones, which fall away ``ends_s`` from now."""
    start_ns = ServiceHarness().clock.now_ns()
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
    harness: ServiceHarness, format_: str, issuer_s: int, secret_s: int, proved_s: int
) -> None:
    now_ns = harness.clock.now_ns()
    harness.verified(token_of(harness, format_), tenant=retiring(issuer=issuer_s, secret=secret_s))
    [entry] = harness.verified_tokens.entries.values()
    # A token ends at a whole second.
    ends_ns = now_ns + proved_s * S if proved_s != LIFE_S else (now_ns // S + LIFE_S) * S
    assert entry.ends_ns == ends_ns


def test_what_fell_away_counts_no_more_for_tokens_already_proved(
    harness: ServiceHarness, format_: str
) -> None:
    token = token_of(harness, format_)
    world = retiring(issuer=60, secret=9_000)
    assert harness.verdict(token, tenant=world) is None
    harness.clock.advance(s=60, ns=-1)
    assert harness.verdict(token, tenant=world) is None
    harness.clock.advance(ns=1)
    assert harness.verdict(token, tenant=world) is Code.SIGNATURE_INVALID
    harness.clock.advance(ns=-1)
    assert harness.verdict(token, tenant=world) is None


def test_a_token_without_an_end_is_proved_for_good(harness: ServiceHarness, format_: str) -> None:
    token = token_of(harness, format_, exp_s=None)
    harness.verified(token)
    [entry] = harness.verified_tokens.entries.values()
    assert entry.ends_ns is None
    harness.clock.advance(s=10**9)
    assert harness.verdict(token, tenant=KEYLESS) is None


# When nothing is remembered


def test_a_cache_that_is_off_neither_remembers_nor_recalls(
    harness: ServiceHarness, format_: str
) -> None:
    token = token_of(harness, format_)
    harness.verified(token, tenant=OFF)
    assert harness.verified_tokens.entries == {}
    harness.verified(token)
    assert harness.verdict(token, tenant=tenant(KEYLESS, cache_enabled=False)) is not None


def test_directives_are_obeyed(harness: ServiceHarness, format_: str) -> None:
    token = token_of(harness, format_)
    harness.verified(token, directive=Directive.NO_STORE)
    assert harness.verified_tokens.entries == {}
    harness.verified(token, directive=Directive.NO_CACHE)
    assert len(harness.verified_tokens.entries) == 1
    for directive in (Directive.NO_CACHE, Directive.NO_STORE):
        assert harness.verdict(token, tenant=KEYLESS, directive=directive) is not None
    assert harness.verdict(token, tenant=KEYLESS) is None


def test_a_token_is_no_parent_however_well_known(harness: ServiceHarness, format_: str) -> None:
    token = token_of(harness, format_)
    harness.verified(token)
    for seen_by in (TENANT, tenant(cache_ttl_ns=0)):
        with pytest.raises(InvalidRequest):
            harness.services.derive.derive(seen_by, DeriveDraft(token), CALLER, Directive.DEFAULT)

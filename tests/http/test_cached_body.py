"""Bodies that the cache keeps are those that are sent, and tell all that they were made of."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.domain.keys import KeyStatus, KeyVisibility, Metadata, RateLimitPolicy
from talos.domain.timestamps import from_rfc3339
from talos.domain.verification import Verification, VerificationErrorCode
from talos.http.cached_body import read, render
from talos.http.json_body import compact
from tests.http.surface import API_KEYS, Surface

EARLIEST_NS = from_rfc3339("0001-01-01T00:00:00Z")
LATEST_NS = from_rfc3339("9999-12-31T23:59:59.999999999Z")

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
OBJECTS = st.dictionaries(TEXTS, TEXTS | st.integers() | st.none() | st.lists(TEXTS), min_size=1)
VERDICTS = st.builds(
    Verification,
    error=st.none(),
    key_id=TEXTS,
    actor_id=TEXTS,
    issuer=TEXTS,
    scopes=st.lists(TEXTS).map(tuple),
    expires_at_ns=st.none() | st.integers(EARLIEST_NS, LATEST_NS),
    metadata=st.none() | OBJECTS.map(lambda value: Metadata(compact(value))),
    visibility=st.sampled_from(KeyVisibility),
    status=st.just(KeyStatus.ACTIVE),
    rate_limit=st.none()
    | st.builds(RateLimitPolicy, st.integers(1, 2**63 - 1), st.integers(1, 2**40)),
)


@given(VERDICTS)
def test_what_is_rendered_can_be_read(verdict: Verification) -> None:
    assert read(render(verdict)) == verdict


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"metadata": {"text": "\u00e9\u2028", "n": 1.5, "deep": {"a": [1, {}]}}},
        {"scopes": ["read", 'quo"ted'], "visibility": "KEY_VISIBILITY_PUBLIC"},
        {"rate_limit_policy": {"quota": "5", "window": "60s"}, "ttl": "1h30m"},
    ],
    ids=str,
)
def test_what_is_rendered_is_what_the_application_sends(members: dict[str, object]) -> None:
    surface = Surface()
    surface.harness.limiter.failing = True
    issued = surface.issue(**members)
    body = {"credential": issued["secret"]}
    sent = surface.send("POST", f"{API_KEYS}:verify", body).content
    assert render(read(sent)) == sent


REFUSAL = Verification(error=VerificationErrorCode.REVOKED, message="no")


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"null", b"\xff", render(REFUSAL), render(replace(REFUSAL, error=None))[:-1]],
)
def test_other_bodies_are_errors(body: bytes) -> None:
    with pytest.raises((ValueError, KeyError)):
        read(body)

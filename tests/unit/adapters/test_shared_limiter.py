"""The limiter over the shared table: its answers in the terms of the services (contract 6.7)."""

import logging
from mmap import mmap

import pytest

from talos._core import RateLimits
from talos.adapters.ratelimit.shared import SharedRateLimiter
from talos.domain.keys import NIL_NETWORK, RateLimitPolicy
from talos.domain.verification import RateLimitState

S = 1_000_000_000
NOON_NS = 1_800_000_000 * S
SMALLEST = 2432
PLACES = 16
TWICE_A_MINUTE = RateLimitPolicy(2, 60)


class Clocked:
    """A limiter on a clock of its own, which is not the wall clock."""

    def __init__(self, size_bytes: int = 1 << 16) -> None:
        self.monotonic = memoryview(mmap(-1, 8)).cast("B").cast("Q")
        self.monotonic[0] = 5 * S
        self.limiter = SharedRateLimiter(RateLimits(size_bytes, clock=self.monotonic))

    def admit(
        self, key_id: str = "k", policy: RateLimitPolicy = TWICE_A_MINUTE
    ) -> RateLimitState | None:
        return self.limiter.admit(NIL_NETWORK, key_id, policy, NOON_NS)


def test_answers_tell_when_the_key_has_recovered_by_the_wall_clock() -> None:
    clocked = Clocked()
    assert clocked.admit() == RateLimitState(True, 1, NOON_NS + 30 * S)
    assert clocked.admit() == RateLimitState(True, 0, NOON_NS + 60 * S)
    assert clocked.admit() == RateLimitState(False, 0, NOON_NS + 60 * S)
    clocked.monotonic[0] += 30 * S
    assert clocked.admit() == RateLimitState(True, 0, NOON_NS + 60 * S)


@pytest.mark.parametrize("step_s", [-3_600, 3_600, -1_800_000_000])
def test_a_step_of_the_wall_clock_moves_no_limit(step_s: int) -> None:
    clocked = Clocked()
    for _ in range(2):
        clocked.admit()
    stepped_ns = NOON_NS + step_s * S
    refused = clocked.limiter.admit(NIL_NETWORK, "k", TWICE_A_MINUTE, stepped_ns)
    assert refused == RateLimitState(False, 0, stepped_ns + 60 * S)
    clocked.monotonic[0] += 30 * S
    admitted = clocked.limiter.admit(NIL_NETWORK, "k", TWICE_A_MINUTE, stepped_ns)
    assert admitted == RateLimitState(True, 0, stepped_ns + 60 * S)


def test_the_longest_policy() -> None:
    policy = RateLimitPolicy(2**63 - 1, 9_223_372_036)
    assert Clocked().admit(policy=policy) == RateLimitState(True, 2**63 - 2, NOON_NS + 1)
    once = RateLimitPolicy(1, 9_223_372_036)
    assert Clocked().admit(policy=once) == RateLimitState(True, 0, NOON_NS + 9_223_372_036 * S)


def test_without_room_calls_pass_uncounted_and_that_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clocked = Clocked(SMALLEST)
    for number in range(PLACES):
        assert clocked.admit(str(number)) is not None
    with caplog.at_level(logging.WARNING):
        assert [clocked.admit("one more") for _ in range(3)] == [None] * 3
    [record] = caplog.records
    assert "rate_limit.memory.max_size" in record.message
    assert record.fields == {"uncounted": 1}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "policy", [RateLimitPolicy(0, 60), RateLimitPolicy(-5, 60), RateLimitPolicy(5, 0)]
)
def test_a_stored_policy_that_is_none_lets_calls_pass(
    caplog: pytest.LogCaptureFixture, policy: RateLimitPolicy
) -> None:
    with caplog.at_level(logging.ERROR):
        assert Clocked().admit(policy=policy) is None
    [record] = caplog.records
    assert record.fields == {"key_id": "k"}  # type: ignore[attr-defined]

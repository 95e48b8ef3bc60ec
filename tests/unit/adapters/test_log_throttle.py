"""What would be logged at every request is logged once in a while."""

import time

import pytest

from talos.adapters.observability.log_throttle import REPEAT_NS, LogThrottle


def test_it_is_due_at_first_and_when_the_time_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ns = 1_000
    monkeypatch.setattr(time, "monotonic_ns", lambda: now_ns)
    seldom = LogThrottle()
    assert [seldom.due(), seldom.due()] == [True, False]
    now_ns += REPEAT_NS - 1
    assert not seldom.due()
    now_ns += 1
    assert [seldom.due(), seldom.due()] == [True, False]

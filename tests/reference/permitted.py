"""What a rate limit lets through, told from outside: from when calls began and were answered.

When a call was decided is known only to lie between two readings of the monotonic clock. Within
that, what passed is neither more nor less than the algorithm permits (contract 6.7).
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Call:
    """A call that was decided between two readings of the clock.

    ``afresh``: it passed, and the key had recovered fully by then.
    """

    before_ns: int
    after_ns: int
    passed: bool
    afresh: bool


def assert_permitted(calls: Sequence[Call], quota: int, interval_ns: int) -> None:
    """Check the calls of one key. Some must have been refused, for want of anything to check."""
    passed = sorted((call for call in calls if call.passed), key=lambda call: call.before_ns)
    refused = [call for call in calls if not call.passed]
    assert len(passed) > quota
    assert refused
    _assert_not_too_many(passed, quota, interval_ns)
    _assert_not_too_few(passed, refused, quota, interval_ns)


def _assert_not_too_many(passed: list[Call], quota: int, interval_ns: int) -> None:
    """In every span between two readings of the clock no more than the quota and its share."""
    for index, first in enumerate(passed):
        ends_ns = sorted(call.after_ns for call in passed[index:])
        for count, end_ns in enumerate(ends_ns, 1):
            assert count <= quota + (end_ns - first.before_ns) // interval_ns


def _assert_not_too_few(
    passed: list[Call], refused: list[Call], quota: int, interval_ns: int
) -> None:
    """Whoever was refused came after all that was permitted since the key had last recovered."""
    afresh = [call for call in passed if call.afresh]
    assert afresh
    checked = Counter[bool]()
    for call in refused:
        since = max(
            (start for start in afresh if start.after_ns <= call.before_ns),
            key=lambda start: start.after_ns,
            default=None,
        )
        overlapping = any(
            start.before_ns <= call.after_ns and start.after_ns > call.before_ns for start in afresh
        )
        checked[since is not None and not overlapping] += 1
        if since is None or overlapping:
            continue
        begun = [other for other in passed if other.after_ns >= since.before_ns]
        count = bisect_left([other.before_ns for other in begun], call.after_ns)
        assert count >= quota + (call.before_ns - since.after_ns) // interval_ns
    assert checked[True]

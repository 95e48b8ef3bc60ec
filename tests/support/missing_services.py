"""What becomes of tests whose server is not installed: skipped and reported, or failed in CI."""

import os
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

import pytest

from tests.support.servers import INSTALL, MySqlService, PostgresService, RedisService, Unavailable

_Service = TypeVar("_Service", PostgresService, MySqlService, RedisService)


def open_or_skip(opener: Callable[[], _Service]) -> _Service:
    """Open a service; without its program skip the test, or fail it where CI wants all of them."""
    try:
        return opener()
    except Unavailable as missing:
        if os.environ.get("TALOS_REQUIRE_SERVICES") == "1":
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))


def report_missing(terminalreporter: pytest.TerminalReporter) -> None:
    """Say plainly which services were missing, and the one command that changes it."""
    counts: Counter[str] = Counter()
    packages: set[str] = set()
    for report in terminalreporter.stats.get("skipped", ()):
        _, _, reason = report.longrepr
        cause, separator, package = reason.removeprefix("Skipped: ").partition(INSTALL)
        if separator:
            counts[cause] += 1
            packages.add(package)
    if not counts:
        return
    terminalreporter.section("tests that did not run for want of a server", yellow=True)
    for cause, count in sorted(counts.items()):
        terminalreporter.line(f"{count} tests: {cause}")
    terminalreporter.line(f"To run them{INSTALL}{' '.join(sorted(packages))}")

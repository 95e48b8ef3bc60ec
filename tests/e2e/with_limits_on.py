"""``talos`` with rate limits that run on the clock of a test: a program to run.

``python -m tests.e2e.with_limits_on CLOCK serve ...``; the file ``CLOCK`` holds the time, one
unsigned 64-bit word of nanoseconds.
"""

import sys
from functools import partial
from pathlib import Path

from talos import bootstrap
from talos.__main__ import main
from tests.e2e.shared_word import shared_word

if __name__ == "__main__":
    core = bootstrap._core
    clock = shared_word(Path(sys.argv.pop(1)))
    core.RateLimits = partial(core.RateLimits, clock=clock)  # type: ignore[assignment,misc]
    main()

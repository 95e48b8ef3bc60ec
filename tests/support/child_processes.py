"""Processes forked by a test."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def child(act: Callable[[], bytes]) -> Iterator[bytes]:
    """A process that has done ``act`` and waits; killed at the end. Gives what ``act`` returned."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(theirs, act())
            signal.pause()
        finally:
            os._exit(1)
    os.close(theirs)
    try:
        yield os.read(ours, 64)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(ours)

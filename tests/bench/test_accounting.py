"""What the accounts say of processes, checked against what the processes say of themselves."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from bench import accounting
from bench.program import free_port

SPENT_S = 0.3
SPEND = f"""
import os, sys, time
if os.fork() == 0:
    while time.process_time() < {SPENT_S}: pass
    os._exit(0)
while time.process_time() < {SPENT_S}: pass
if sys.argv[1] == "reaped":
    os.wait()
    print(1, flush=True)
else:
    os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
    print(2, flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=["reaped", "waiting"])
def spender(request: pytest.FixtureRequest) -> Iterator[tuple[int, int]]:
    """A process and its child that have both spent time; the child may be reaped or not."""
    with subprocess.Popen(
        [sys.executable, "-c", SPEND, request.param],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        yield process.pid, int(process.stdout.readline())
        process.stdin.close()


def test_time_of_children_counts_reaped_or_not(spender: tuple[int, int]) -> None:
    pid, members = spender
    # A tick is a hundredth of a second, and each of four counts is cut to whole ones.
    assert accounting.cpu_s(pid) >= 2 * SPENT_S - 0.05
    assert len(accounting.tree(pid)) == members


def test_memory_counts(spender: tuple[int, int]) -> None:
    pid, _ = spender
    assert accounting.pss_bytes(pid) > 1 << 20


def test_a_process_that_is_gone_has_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    assert accounting.tree(process.pid) == []
    assert accounting.cpu_s(process.pid) == 0
    assert accounting.pss_bytes(process.pid) == 0
    assert accounting.command_name(process.pid) == ""


def test_who_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert accounting.listening_process(listener.getsockname()[1]) == os.getpid()


def test_nobody_listens() -> None:
    assert accounting.listening_process(free_port()) is None

"""No server outlives the bench, however it or the bench ends."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.accounting import tree
from bench.program import Program, StartFailed
from tests.e2e.processes import REPOSITORY, eventually

WITH_A_CHILD = "import os, time; os.fork(); time.sleep(1000)"
HARNESS = f"""
import sys, time
from pathlib import Path
from bench.program import Program
program = Program([sys.executable, "-c", {WITH_A_CHILD!r}], Path(sys.argv[1]))
print(program.pid, flush=True)
time.sleep(1000)
"""


def two_processes(pid: int) -> list[int] | None:
    members = tree(pid)
    return members if len(members) == 2 else None


def alive(pid: int) -> bool:
    try:
        # pid (name) state ...
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_what_a_server_started_ends_with_it(tmp_path: Path) -> None:
    with Program([sys.executable, "-c", WITH_A_CHILD], tmp_path) as program:
        members = eventually(lambda: two_processes(program.pid), "a child")
    eventually(lambda: not any(map(alive, members)), "the end of both")


@pytest.mark.skipif(not Path("/usr/bin/setpriv").exists(), reason="no setpriv on this system")
def test_a_server_ends_when_the_bench_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HARNESS, str(tmp_path)], cwd=REPOSITORY, stdout=subprocess.PIPE
    ) as harness:
        assert harness.stdout is not None
        pid = int(harness.stdout.readline())
        members = eventually(lambda: two_processes(pid), "a child")
        harness.send_signal(signal.SIGKILL)
        harness.wait()
    try:
        eventually(lambda: not alive(pid), "the end of the server")
    finally:
        for member in filter(alive, members):
            subprocess.run(["kill", "-KILL", str(member)], check=False)


def test_a_server_that_ends_at_once_tells_what_it_said(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('no room'); raise SystemExit(3)"]
    with Program(command, tmp_path) as program, pytest.raises(StartFailed, match="no room"):
        program.wait_until(lambda: False)

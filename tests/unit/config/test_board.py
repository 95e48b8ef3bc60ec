"""The board that the processes of a host share, with real processes that are really killed."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from talos.config import board as board_module
from talos.config.board import ReloadBoard

ROOT = Path(__file__).parents[3]
DIGEST = hashlib.sha256(b"first").digest()


def test_a_new_board() -> None:
    board = ReloadBoard(DIGEST)
    assert board.revision == 0
    assert board.seen == DIGEST
    assert board.payload(0) is None
    board.close()


def test_what_is_published_can_be_read() -> None:
    board = ReloadBoard(DIGEST)
    for revision in range(1, 6):
        payload = f"configuration {revision}".encode() * 100 * revision
        with board.turn():
            board.publish(payload)
        assert board.revision == revision
        assert board.payload(revision) == payload
    assert board.payload(3) is None, "overwritten, and so not given out"
    assert board.payload(7) is None, "not there yet"
    board.close()


def test_a_shorter_payload_after_a_longer_one() -> None:
    board = ReloadBoard(DIGEST)
    for payload in (b"x" * 10_000, b"", b"short", b"y"):
        with board.turn():
            board.publish(payload)
        assert board.payload(board.revision) == payload
    board.close()


def test_what_does_not_fit_is_refused() -> None:
    board = ReloadBoard(DIGEST)
    with pytest.raises(ValueError, match="32 bytes"):
        board.seen = b"short"
    with pytest.raises(ValueError, match="too large"):
        board.publish(bytes(64 * 1024 * 1024))
    assert board.revision == 0
    board.close()


def test_a_record_that_was_not_finished_is_not_given_out() -> None:
    board = ReloadBoard(DIGEST)
    with board.turn():
        board.publish(b"good")
    # What a writer that dies leaves: bytes in the other place, and the revision as it was.
    os.pwrite(board._fd, os.urandom(200), board_module._place(2))
    assert board.revision == 1
    assert board.payload(1) == b"good"
    # And should the revision have moved all the same, the digest tells.
    board._revision[0] = 2
    assert board.revision == 2
    assert board.payload(2) is None
    board.close()


def test_turns_exclude_the_threads_of_a_process() -> None:
    board = ReloadBoard(DIGEST)
    inside = threading.Event()

    def enter() -> None:
        with board.turn():
            inside.set()

    thread = threading.Thread(target=enter)
    with board.turn():
        thread.start()
        assert not inside.is_set()
        order = ["first"]
    thread.join(10)
    assert inside.is_set() and order == ["first"]
    board.close()


# Forks children that take turns incrementing a counter kept in the payload; every third child is
# killed by itself inside its turn, half of those in the middle of a publication.
KILLING = """
import json, os, signal, sys
from talos.config.board import ReloadBoard

board = ReloadBoard(bytes(32))
children, rounds = 12, 40

def work(number):
    for at in range(rounds):
        with board.turn():
            count = int(board.payload(board.revision) or b"0")
            if number % 3 == 0 and at == rounds // 2:
                if number % 2:
                    # The record is there, the revision is not.
                    after = board._revision
                    class Dying:
                        def __getitem__(self, index): return after[index]
                        def __setitem__(self, index, value): os.kill(os.getpid(), signal.SIGKILL)
                    board._revision = Dying()
                    board.publish(b"999999")
                os.kill(os.getpid(), signal.SIGKILL)
            board.publish(str(count + 1).encode().rjust(50 + count % 50))
    os._exit(0)

pids = []
for number in range(children):
    pid = os.fork()
    if pid == 0:
        work(number)
    pids.append(pid)
statuses = [os.waitpid(pid, 0)[1] for pid in pids]
killed = sum(os.WIFSIGNALED(status) for status in statuses)
print(json.dumps({
    "killed": killed,
    "failed": sum(os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0 for status in statuses),
    "revision": board.revision,
    "count": int(board.payload(board.revision)),
}))
"""


def test_killed_holders_harm_nobody() -> None:
    run = subprocess.run(
        [sys.executable, "-c", KILLING], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    done = (12 - 4) * 40 + 4 * 20
    assert result == {"killed": 4, "failed": 0, "revision": done, "count": done}

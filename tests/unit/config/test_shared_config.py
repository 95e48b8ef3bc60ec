"""What the processes of a host share of the configuration, with processes that are killed."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from talos.config import shared_config as shared_config_module
from talos.config.shared_config import SharedConfig

ROOT = Path(__file__).parents[3]
DIGEST = hashlib.sha256(b"first").digest()


def test_a_new_shared_configuration() -> None:
    shared = SharedConfig(DIGEST)
    assert shared.revision == 0
    assert shared.seen == DIGEST
    assert shared.payload(0) is None
    shared.close()


def test_what_is_published_can_be_read() -> None:
    shared = SharedConfig(DIGEST)
    for revision in range(1, 6):
        payload = f"configuration {revision}".encode() * 100 * revision
        with shared.turn():
            shared.publish(payload)
        assert shared.revision == revision
        assert shared.payload(revision) == payload
    assert shared.payload(3) is None, "overwritten, and so not given out"
    assert shared.payload(7) is None, "not there yet"
    shared.close()


def test_a_shorter_payload_after_a_longer_one() -> None:
    shared = SharedConfig(DIGEST)
    for payload in (b"x" * 10_000, b"", b"short", b"y"):
        with shared.turn():
            shared.publish(payload)
        assert shared.payload(shared.revision) == payload
    shared.close()


def test_what_does_not_fit_is_refused() -> None:
    shared = SharedConfig(DIGEST)
    with pytest.raises(ValueError, match="32 bytes"):
        shared.seen = b"short"
    with pytest.raises(ValueError, match="too large"):
        shared.publish(bytes(64 * 1024 * 1024))
    assert shared.revision == 0
    shared.close()


def test_a_record_that_was_not_finished_is_not_given_out() -> None:
    shared = SharedConfig(DIGEST)
    with shared.turn():
        shared.publish(b"good")
    # What a writer that dies leaves: bytes in the other place, and the revision as it was.
    os.pwrite(shared._fd, os.urandom(200), shared_config_module._place(2))
    assert shared.revision == 1
    assert shared.payload(1) == b"good"
    # And should the revision have moved all the same, the digest tells.
    shared._revision[0] = 2
    assert shared.revision == 2
    assert shared.payload(2) is None
    shared.close()


def test_turns_exclude_the_threads_of_a_process() -> None:
    shared = SharedConfig(DIGEST)
    inside = threading.Event()

    def enter() -> None:
        with shared.turn():
            inside.set()

    thread = threading.Thread(target=enter)
    with shared.turn():
        thread.start()
        assert not inside.is_set()
        order = ["first"]
    thread.join(10)
    assert inside.is_set() and order == ["first"]
    shared.close()


# Forks children that take turns incrementing a counter kept in the payload; every third child is
# killed by itself inside its turn, half of those in the middle of a publication.
KILLING = """
import json, os, signal, sys
from talos.config.shared_config import SharedConfig

shared = SharedConfig(bytes(32))
children, rounds = 12, 40

def work(number):
    for at in range(rounds):
        with shared.turn():
            count = int(shared.payload(shared.revision) or b"0")
            if number % 3 == 0 and at == rounds // 2:
                if number % 2:
                    # The record is there, the revision is not.
                    after = shared._revision
                    class Dying:
                        def __getitem__(self, index): return after[index]
                        def __setitem__(self, index, value): os.kill(os.getpid(), signal.SIGKILL)
                    shared._revision = Dying()
                    shared.publish(b"999999")
                os.kill(os.getpid(), signal.SIGKILL)
            shared.publish(str(count + 1).encode().rjust(50 + count % 50))
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
    "revision": shared.revision,
    "count": int(shared.payload(shared.revision)),
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

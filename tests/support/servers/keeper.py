"""Runs one server, and ends it when its owner is gone.

Started as a program of its own by ``process.py``, with the owner's end of a pipe as standard
input. The owner may end in any way, kill -9 included: the pipe then reads end of file, the server
is stopped and its folder removed. The single byte ``k`` before the end of file keeps the folder.

Arguments: folder, uid or -1, name of the stop signal, then the server's command line.
"""

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_STOP_TIMEOUT_S = 20
_POLL_S = 0.2


def _die_with_keeper() -> None:
    """Let the kernel end the server if even the keeper is killed (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> int:
    """Run the server until the owner or the server ends; print its pid first."""
    # The owner may have blocked signals that a server wants to be stopped with.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    folder, uid, stop_signal = Path(sys.argv[1]), int(sys.argv[2]), signal.Signals[sys.argv[3]]
    with (folder / "server.log").open("ab") as log:
        server = subprocess.Popen(
            sys.argv[4:],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            preexec_fn=_die_with_keeper,
            **({} if uid == -1 else {"user": uid, "group": uid, "extra_groups": []}),
        )
    print(server.pid, flush=True)

    keep_folder = owner_gone = told = False
    while not owner_gone:
        if server.poll() is None:
            readable, _, _ = select.select([0], [], [], _POLL_S)
            if not readable:
                continue
        elif not told:
            # The server ended by itself: end of file on our output says so, the owner acts.
            os.close(1)
            told = True
        said = os.read(0, 1)
        owner_gone = not said
        keep_folder = keep_folder or said == b"k"

    if server.poll() is None:
        server.send_signal(stop_signal)
        # A server that a test has suspended must be able to act on the signal.
        server.send_signal(signal.SIGCONT)
        try:
            server.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
    if not keep_folder:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

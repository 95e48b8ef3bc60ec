"""The open loop: requests are due at a fixed rate, however long the server takes.

This is what callers who do not know of one another do, and what latency has to be measured under:
a request that waits because the server stalls counts with its wait.

Our own small generator (``openloop.c``), since h2load's fixed rate lets the timers of all its
connections fire together, so that even an idle server sees bursts of as many requests as there are
connections, and counts from when a request was sent, not from when it was due.
"""

import json
import subprocess
from pathlib import Path
from typing import Final

from bench.load.measured import Latency, Load, LoadFailed
from bench.tools import compiled

_SOURCE: Final = Path(__file__).with_name("openloop.c")
_PATIENCE_S: Final = 30


def run(
    port: int,
    requests: Path,
    *,
    rate: float,
    connections: int,
    seconds: float,
    warmup_s: float = 0.0,
    seed: int = 1,
) -> Load:
    """Send ``rate`` requests a second for ``seconds``. Raises ``LoadFailed`` and ``Missing``."""
    command: list[str | Path] = [
        compiled(_SOURCE),
        "127.0.0.1",
        str(port),
        requests,
        f"{rate:.3f}",
        str(connections),
        f"{warmup_s:.3f}",
        f"{seconds:.3f}",
        str(seed),
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=warmup_s + seconds + _PATIENCE_S,
    )
    if done.returncode != 0:
        raise LoadFailed(done.stderr.strip())
    result = json.loads(done.stdout)
    if result["samples"] == 0:
        raise LoadFailed("no request was due in so short a time")
    return Load(
        requests=int(result["samples"]),
        seconds=seconds,
        latency=Latency(*(result[name] for name in Latency.__slots__)),
        refused=int(result["refused"]),
        broken=int(result["broken"] + result["unfinished"]),
        longest_queue=int(result["longest_queue"]),
    )


def available() -> None:
    """Raise ``Missing`` if the generator cannot be compiled."""
    compiled(_SOURCE)

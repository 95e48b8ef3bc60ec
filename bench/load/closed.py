"""The closed loop: each connection sends its next request when the last one is answered (wrk).

This finds the most that a server can do. The latency that goes with it is that of a server under
all the load it can take, and flattered: a server that stalls is not asked meanwhile.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Final

from bench.load.measured import Latency, Load, LoadFailed
from bench.tools import find

_SCRIPT: Final = Path(__file__).with_name("closed.lua")
_MARK: Final = "RESULT "
_PATIENCE_S: Final = 30


def warm(port: int, requests: Path, *, connections: int, seconds: float) -> None:
    """Send as ``run`` does, whatever comes of it. Raises ``LoadFailed`` and ``Missing``."""
    _wrk(port, requests, connections, seconds)


def run(port: int, requests: Path, *, connections: int, seconds: float) -> Load:
    """Send from one thread on ``connections``.

    Raises ``LoadFailed``, also where there was no answer at all, and ``Missing``.
    """
    result = _wrk(port, requests, connections, seconds)
    count = int(result["requests"])
    if count == 0:
        raise LoadFailed("no request was answered")
    return Load(
        requests=count,
        seconds=result["duration_us"] / 1e6,
        latency=Latency(*(result[name] for name in Latency.__slots__)),
        refused=int(result["refused"]),
        broken=int(result["broken"] + result["timeouts"]),
        answer_bytes=result["bytes"] / count,
    )


def available() -> None:
    """Raise ``Missing`` if wrk is not installed."""
    find("wrk")


def _wrk(port: int, requests: Path, connections: int, seconds: float) -> dict[str, float]:
    # wrk counts whole seconds. It is ended as by Ctrl-C, which makes it report.
    command: list[str | Path] = [
        "timeout",
        "--signal=INT",
        f"{seconds:.3f}",
        find("wrk"),
        "--threads=1",
        f"--connections={connections}",
        f"--duration={int(seconds) + _PATIENCE_S}s",
        "--timeout=10s",
        f"--script={_SCRIPT}",
        f"http://127.0.0.1:{port}/",
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "BENCH_REQUESTS": str(requests)},
        timeout=seconds + 2 * _PATIENCE_S,
    )
    _, found, text = done.stdout.partition(_MARK)
    if not found:
        raise LoadFailed(f"wrk: {(done.stderr or done.stdout)[-1000:]}")
    result: dict[str, float] = json.loads(text)
    return result

"""A host in miniature: forked workers that share one configuration, driven through pipes.

``python -m tests.unit.config.host FILE`` reads commands from standard input, one JSON list a line,
and answers each with one JSON value a line. Workers log to standard error as the server does.

- ``["spawn"]``: fork a worker that follows the file; its number
- ``["spawn", "blind"]``: fork a worker that does not look at the file itself
- ``["ask", N]``: what worker N has in force, as it answers a request now
- ``["kill", N]``: kill -9 worker N, and wait for its end
"""

import json
import os
import signal
import sys
from multiprocessing.connection import Connection, Pipe

from talos.adapters.observability.logs import configure
from talos.config.loading import load
from talos.config.reload import ConfigSource, ConfigWatcher


def main() -> None:
    """Obey standard input."""
    configure("info", "json")
    source = ConfigSource(load(sys.argv[1], {}), {})
    workers: list[tuple[int, Connection]] = []
    living: set[int] = set()
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        answer: object
        if command == "spawn":
            ours, theirs = Pipe()
            pid = os.fork()
            if pid == 0:
                _work(source, theirs, blind="blind" in arguments)
            theirs.close()
            workers.append((pid, ours))
            living.add(pid)
            answer = ours.recv() and len(workers) - 1
        elif command == "ask":
            _, ours = workers[arguments[0]]
            ours.send("ask")
            answer = ours.recv()
        else:
            pid, _ = workers[arguments[0]]
            _kill(pid)
            living.remove(pid)
            answer = True
        print(json.dumps(answer), flush=True)
    for pid in living:
        _kill(pid)


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _work(source: ConfigSource, orders: Connection, *, blind: bool) -> None:
    if not blind:
        ConfigWatcher(source).start()
    orders.send(True)
    while True:
        orders.recv()
        snapshot = source.current()
        credentials = snapshot.tenant.credentials
        orders.send(
            {
                "issuer": credentials.issuer,
                "port": snapshot.config.integer("serve.http.port"),
                "generation": credentials.generation,
                "hash": snapshot.config.hash("h", "n"),
                "kids": [key.kid for key in credentials.signing_keys.keys],
            }
        )


if __name__ == "__main__":
    main()

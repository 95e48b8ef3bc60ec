"""What was acknowledged survives kill -9 of every process, at any moment, hundreds of times."""

import json
import os
import random
import signal
import sqlite3
import threading
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from tests.e2e.conftest import ADMIN, Serve, Talos
from tests.e2e.processes import PATIENCE_S, eventually, free_ports, session, try_get

KILLS = 240
KILLS_TO_A_RESTART = 40
CLIENTS = 4


class Administrator(threading.Thread):
    """Issues keys and revokes every other one; remembers what was acknowledged."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port
        self.ending = threading.Event()
        self.issued: dict[str, str] = {}
        self.revoked: set[str] = set()
        self.doubtful: set[str] = set()
        self.refused: list[int] = []

    def run(self) -> None:
        while not self.ending.is_set():
            connection = HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
            try:
                while not self.ending.is_set():
                    self._work(connection)
            except (OSError, HTTPException):
                continue
            finally:
                connection.close()

    def _work(self, connection: HTTPConnection) -> None:
        body = {"name": "n", "actor_id": "a", "ttl": "24h"}
        status, answer = self._ask(connection, f"{ADMIN}/issuedApiKeys", body)
        if status != 201:
            self.refused.append(status)
            return
        key_id = answer["issued_api_key"]["key_id"]
        self.issued[key_id] = answer["secret"]
        if len(self.issued) % 2:
            # Until it is acknowledged it may have happened or not.
            self.doubtful.add(key_id)
            status, _ = self._ask(connection, f"{ADMIN}/issuedApiKeys/{key_id}:revoke", {})
            if status == 204:
                self.revoked.add(key_id)
            else:
                self.refused.append(status)

    def _ask(self, connection: HTTPConnection, path: str, body: object) -> tuple[int, Any]:
        connection.request("POST", path, json.dumps(body))
        response = connection.getresponse()
        text = response.read()
        return response.status, json.loads(text) if text else {}


def test_nothing_acknowledged_is_lost(serve: Serve, sqlite_dsn: str) -> None:
    port, metrics_port = free_ports(2)
    ports = (port, metrics_port)
    talos = serve("admin", ports=ports)
    administrators = [Administrator(port) for _ in range(CLIENTS)]
    for administrator in administrators:
        administrator.start()

    def acknowledged() -> int:
        return sum(len(a.issued) + len(a.revoked) for a in administrators)

    try:
        for number in range(1, KILLS + 1):
            goal = acknowledged() + random.randint(1, 5)
            eventually(lambda goal=goal: acknowledged() >= goal, "work to be done")  # type: ignore[misc]
            if number % KILLS_TO_A_RESTART:
                kill_a_worker(talos)
            else:
                talos = restart(talos, serve, ports)
    finally:
        for administrator in administrators:
            administrator.ending.set()
        for administrator in administrators:
            administrator.join()
    talos = restart(talos, serve, ports)

    refused = [status for administrator in administrators for status in administrator.refused]
    assert refused == []
    for administrator in administrators:
        for key_id, secret in administrator.issued.items():
            verdict = talos.verify(secret)
            if key_id in administrator.revoked:
                assert verdict["error_code"] == "VERIFICATION_ERROR_REVOKED"
            elif key_id not in administrator.doubtful:
                assert verdict["is_valid"] is True
    assert talos.server.stop() == 0
    with sqlite3.connect(Path(sqlite_dsn.removeprefix("sqlite://"))) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def kill_a_worker(talos: Talos) -> None:
    workers = eventually(lambda: sorted(talos.server.workers), "a worker")
    try:
        os.kill(random.choice(workers), signal.SIGKILL)
    except ProcessLookupError:
        return


def restart(talos: Talos, serve: Serve, ports: tuple[int, int]) -> Talos:
    """Kill the master and every worker, then start anew on the same ports."""
    for pid in session(talos.server.pid):
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not session(talos.server.pid), "the end of every process")
    assert try_get(ports[1], "/health/alive") is None
    return serve("admin", ports=ports)

"""Several processes and one file: one judgement, one line, one configuration for all."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.log_records import LOST
from tests.unit.config.settings import BAD_KEY_URL, JWK, KEY_URL, tree, url_of, write

ROOT = Path(__file__).parents[3]
URLS = "credentials__derived_tokens__jwt__signing_keys__urls"


class Host:
    """The program ``host.py``."""

    def __init__(self, path: Path, workers: int) -> None:
        self.path = path
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.unit.config.host", str(path)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.workers = [self.order("spawn") for _ in range(workers)]

    def order(self, *command: object) -> Any:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def line(self) -> dict[str, Any]:
        """Wait for the next line of the log, warnings about lost values apart."""
        assert self._process.stderr
        while LOST in (text := self._process.stderr.readline()):
            pass
        line: dict[str, Any] = json.loads(text)
        return line

    def edit(self, **settings: Any) -> None:
        write(self.path.with_name("new.tmp"), tree(**settings)).rename(self.path)

    def close(self) -> str:
        """End, and return the rest of the log, warnings about lost values apart."""
        _, rest = self._process.communicate("", timeout=60)
        return "".join(line for line in rest.splitlines() if LOST not in line)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    running = Host(write(tmp_path / "talos.yaml", tree(**{URLS: [KEY_URL]})), workers=4)
    yield running
    assert running.close() == "", "lines that nobody expected"


def test_one_edit_one_line_and_every_worker_at_once(host: Host) -> None:
    for number in range(5):
        host.edit(credentials__issuer=f"issuer-{number}", serve__http__port=number + 1)
        line = host.line()
        assert (line["level"], line["msg"]) == ("INFO", "configuration reloaded")
        assert line["restart_required"] == ["serve.http.port"]
        # The line is out: from here on no worker answers from the settings before.
        answers = [host.order("ask", worker) for worker in host.workers]
        assert all(answer == answers[0] for answer in answers)
        assert answers[0]["issuer"] == f"issuer-{number}"
        assert answers[0]["port"] == 4420


def test_one_line_for_a_broken_edit(host: Host) -> None:
    write(host.path, "broken: [")
    assert host.line()["level"] == "ERROR"
    host.edit(credentials__issuer="good")
    assert host.line()["msg"] == "configuration reloaded"


def test_a_worker_that_comes_later_gets_the_last_good_configuration(host: Host) -> None:
    host.edit(credentials__issuer="good", **{URLS: [KEY_URL]})
    assert host.line()["msg"] == "configuration reloaded"
    host.edit(credentials__issuer="better", **{URLS: [url_of({**JWK, "kid": "x"}), BAD_KEY_URL]})
    assert host.line()["msg"] == "signing keys rejected; the previous ones stay"
    assert host.line()["msg"] == "configuration reloaded"
    write(host.path, "broken: [")
    assert host.line()["level"] == "ERROR"
    host.order("kill", 0)
    late = host.order("spawn")
    answers = [host.order("ask", worker) for worker in (*host.workers[1:], late)]
    assert all(answer == answers[0] for answer in answers)
    assert (answers[0]["issuer"], answers[0]["kids"]) == ("better", ["test-key"])


def test_workers_that_die_leave_the_others_able_to_follow(host: Host) -> None:
    for worker in host.workers[:3]:
        host.order("kill", worker)
    host.edit(credentials__issuer="after")
    assert host.line()["msg"] == "configuration reloaded"
    assert host.order("ask", host.workers[3])["issuer"] == "after"


def test_a_worker_that_does_not_look_follows_the_others(host: Host) -> None:
    blind = host.order("spawn", "blind")
    host.edit(credentials__issuer="seen by others")
    assert host.line()["msg"] == "configuration reloaded"
    assert host.order("ask", blind)["issuer"] == "seen by others"

"""``make serve``: what it makes, what it keeps, and that its commands can be pasted."""

import re
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from talos.cli.first_run import initialise
from tests.e2e.processes import PYTHON, Server, clean_environment, free_ports

Start = Callable[[], tuple[Server, str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def make_serve(tmp_path: Path, folder: Path) -> Iterator[Start]:
    """Run what ``make serve`` runs; return the server and what it printed."""
    servers: list[Server] = []

    def start() -> tuple[Server, str]:
        # Ports of its own, since somebody may be serving on the usual ones.
        port, metrics_port = free_ports(2)
        server = Server(
            [PYTHON, "-m", "talos.cli.first_run", str(folder)],
            tmp_path,
            port=port,
            metrics_port=metrics_port,
            environment=clean_environment(
                TALOS_SERVE_HTTP_PORT=str(port), TALOS_SERVE_METRICS_PORT=str(metrics_port)
            ),
        )
        servers.append(server)
        printed = "".join(server.wait_ready().stdout_lines())
        return server, printed

    yield start
    for server in servers:
        server.destroy()


def run(commands: list[str]) -> list[str]:
    """Paste commands into one shell; return what each printed."""
    script = "\n".join(f"{command}; echo; echo ---" for command in commands)
    done = subprocess.run(
        ["sh", "-eu", "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return [part.strip() for part in done.stdout.split("---")][: len(commands)]


def test_the_printed_commands_work_as_they_are(make_serve: Start) -> None:
    _, printed = make_serve()
    commands = [line for line in printed.splitlines() if re.match(r"  (KEY=|curl )", line)]
    assert len(commands) == 3
    key, verdict, revoked = run(commands)
    assert re.fullmatch(r"ory_ak_v1_\w+_\w+", key)
    assert '"is_valid":true' in verdict
    assert revoked == "{}"
    assert '"VERIFICATION_ERROR_REVOKED"' in run([f"KEY={key}", commands[1]])[1]


def test_a_second_run_keeps_the_keys(make_serve: Start, folder: Path) -> None:
    server, printed = make_serve()
    issue, verify = (
        next(line for line in printed.splitlines() if mark in line) for mark in ("KEY=", ":verify")
    )
    [key] = run([issue])
    configuration = (folder / "talos.yaml").read_bytes()
    assert server.stop() == 0
    second, printed = make_serve()
    assert (folder / "talos.yaml").read_bytes() == configuration
    verify = verify.replace(str(server.port), str(second.port))
    assert '"is_valid":true' in run([f"KEY={key}", verify])[1]


def test_nothing_is_readable_for_others(make_serve: Start, folder: Path) -> None:
    make_serve()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert {"talos.yaml", "talos.db"} <= set(files)
    assert set(files.values()) == {0o600}


def test_the_server_stays_on_the_loopback_interface(folder: Path) -> None:
    serve = yaml.safe_load(initialise(folder).read_text())["serve"]
    assert serve["http"] == {"host": "127.0.0.1", "port": 4420}
    assert serve["metrics"] == {"host": "127.0.0.1", "port": 4422}


def test_every_folder_gets_secrets_of_its_own(tmp_path: Path) -> None:
    one, two = (yaml.safe_load(initialise(tmp_path / name).read_text()) for name in ("one", "two"))
    assert one["secrets"] != two["secrets"]
    assert one["credentials"]["derived_tokens"] != two["credentials"]["derived_tokens"]
    assert len(one["secrets"]["hmac"]["current"]) >= 64


def test_an_interrupted_first_run_is_finished_by_the_next(folder: Path) -> None:
    configuration = initialise(folder).read_bytes()
    (folder / "talos.db").unlink()
    assert initialise(folder).read_bytes() == configuration
    assert (folder / "talos.db").exists()
    assert sorted(path.name for path in folder.iterdir()) == ["talos.db", "talos.yaml"]


def test_modes_that_were_loosened_are_tightened(folder: Path) -> None:
    configuration = initialise(folder)
    folder.chmod(0o755)
    configuration.chmod(0o644)
    initialise(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(configuration.stat().st_mode) == 0o600


def test_an_edit_into_something_invalid_is_a_plain_message(folder: Path, tmp_path: Path) -> None:
    configuration = initialise(folder)
    configuration.write_text(configuration.read_text() + "unknown: 1\n")
    done = subprocess.run(
        [PYTHON, "-m", "talos.cli.first_run", str(folder)],
        capture_output=True,
        text=True,
        env=clean_environment(),
        cwd=tmp_path,
        timeout=60,
    )
    assert done.returncode == 1
    assert "unknown" in done.stderr
    assert "Traceback" not in done.stderr

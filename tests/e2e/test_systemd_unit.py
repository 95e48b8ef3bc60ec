"""The unit of systemd that is shipped, and the installation that makes what it names."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.processes import PYTHON, REPOSITORY, Server, clean_environment, free_ports

UNITS = REPOSITORY / "packaging" / "systemd"
SERVICE = (UNITS / "talos.service").read_text()


def settings(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", SERVICE, re.MULTILINE)


def test_its_exposure_is_low() -> None:
    """The threshold is in tenths of the scale that goes to 10."""
    done = subprocess.run(
        [
            "systemd-analyze",
            "security",
            "--offline=true",
            "--no-pager",
            "--threshold=30",
            str(UNITS / "talos.service"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [exposure] = re.findall(r"Overall exposure level for talos.service: ([\d.]+)", done.stdout)
    told = (REPOSITORY / "docs" / "deployment.md").read_text()
    assert f"rates its exposure at {exposure} of 10" in " ".join(told.split())


def install(folder: Path) -> None:
    done = subprocess.run(
        [str(UNITS / "install.sh")],
        env=clean_environment(DESTDIR=str(folder), PYTHON=PYTHON),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the documented installation makes, below a folder."""
    folder = tmp_path_factory.mktemp("installed")
    install(folder)
    return folder


def test_every_path_of_the_unit_is_installed(installed: Path) -> None:
    commands = settings("ExecStartPre") + settings("ExecStart")
    assert commands
    for command in commands:
        program, *arguments = command.split()
        for path in [program, *(word for word in arguments if word.startswith("/"))]:
            assert (installed / path.lstrip("/")).exists(), path
    [user] = settings("User")
    assert f"u {user} " in (installed / "etc/sysusers.d/talos.conf").read_text()
    assert (installed / "etc/systemd/system/talos.socket").exists()
    configuration = installed / "etc/talos/talos.yaml"
    assert configuration.stat().st_mode & 0o777 == 0o640
    assert configuration.parent.stat().st_mode & 0o777 == 0o750


def test_installing_again_keeps_the_configuration(installed: Path) -> None:
    """Its secrets are those of keys that have been issued."""
    configuration = installed / "etc/talos/talos.yaml"
    before = configuration.read_bytes()
    install(installed)
    assert configuration.read_bytes() == before


def test_what_is_installed_serves(installed: Path, tmp_path: Path) -> None:
    """The commands of the unit, with the folder in front of their paths."""
    port, metrics_port = free_ports(2)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("TALOS_")
    } | {
        "TALOS_DB_DSN": f"sqlite://{tmp_path}/talos.db",
        "TALOS_SERVE_HTTP_PORT": str(port),
        "TALOS_SERVE_METRICS_PORT": str(metrics_port),
    }
    environment.pop("PYTHONPATH", None)

    def below(command: str) -> list[str]:
        return [f"{installed}{word}" if word.startswith("/") else word for word in command.split()]

    for command in settings("ExecStartPre"):
        subprocess.run(below(command), env=environment, cwd=tmp_path, check=True, timeout=60)
    [command] = settings("ExecStart")
    with Server(
        below(command), tmp_path, port=port, metrics_port=metrics_port, environment=environment
    ) as server:
        server.wait_ready()
        assert server.stop() == 0

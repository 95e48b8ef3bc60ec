"""From nothing to a served database with the program alone."""

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.e2e.processes import PYTHON, clean_environment, free_ports
from tests.support.talos_server import Serve, settings

Finished = subprocess.CompletedProcess[str]


def talos(*args: str, **environment: str) -> Finished:
    return subprocess.run(
        [PYTHON, "-m", "talos", *args],
        capture_output=True,
        text=True,
        env=clean_environment(**environment),
    )


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    port, metrics_port = free_ports(2)
    path = tmp_path / "talos.yaml"
    path.write_text(yaml.safe_dump(settings(f"sqlite://{tmp_path}/new.db", port, metrics_port)))
    return path


def test_serve_names_the_command_that_is_missing(configuration: Path) -> None:
    refused = talos("serve", "--config", str(configuration))
    assert refused.returncode == 1
    assert "talos migrate up" in refused.stderr.splitlines()[-1]


def test_migrate_then_serve(serve: Serve, configuration: Path, tmp_path: Path) -> None:
    dsn = f"sqlite://{tmp_path}/new.db"
    assert talos("config", "validate", "--config", str(configuration)).returncode == 0
    migrated = talos("migrate", "up", "--config", str(configuration))
    assert (migrated.returncode, migrated.stdout) == (0, "")
    assert migrated.stderr.startswith("Applied ")
    again = talos("migrate", "up", DB_DSN=dsn)
    assert again.stderr.startswith("Nothing to apply")
    server = serve(dsn=dsn)
    endpoint = f"http://127.0.0.1:{server.server.port}"
    assert talos("keys", "issue", "n", "--actor", "a", "-e", endpoint).returncode == 0


@pytest.mark.parametrize("line", ["serve pubic", "serve public extra", "serve admin --port 1"])
def test_a_mistyped_surface_is_not_served(line: str) -> None:
    refused = talos(*line.split())
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.splitlines()[-1].startswith('See "talos serve')

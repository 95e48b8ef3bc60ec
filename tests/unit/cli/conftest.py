from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from talos.cli.app import app
from talos.config.variables import COMMAND_LINE_VARIABLES
from tests.support.cli import Run
from tests.unit.cli.fake_server import FakeServer, running


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with running() as fake:
        yield fake


@pytest.fixture
def talos(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command line in this process; returns click's result with stdout and stderr apart."""
    for name in COMMAND_LINE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

    def run(*args: str, stdin: str | bytes | None = None) -> Result:
        result = CliRunner().invoke(app, args, input=stdin, prog_name="talos")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def ask(server: FakeServer, talos: Run) -> Run:
    """Run a command line against the fake server."""

    def run(*args: str, stdin: str | bytes | None = None) -> Result:
        return talos("-e", server.url, *args, stdin=stdin)

    return run

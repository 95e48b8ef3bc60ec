"""``talos migrate`` on every database."""

from click.testing import CliRunner

from talos.adapters.sql.schema_version import latest_version
from talos.cli.app import app
from tests.e2e.processes import eventually
from tests.support.talos_server import Serve

LATEST = latest_version()


def migrate(*args: str, dsn: str, code: int = 0) -> str:
    """Run a migrate command with the DSN in the environment; everything it says is on stderr."""
    environment = {"DB_DSN": dsn, "TALOS_DB_DSN": None, "DSN": None}
    result = CliRunner().invoke(app, ["migrate", *args], env=environment)
    assert (result.exit_code, result.stdout) == (code, ""), result.stderr
    return result.stderr


def test_down_and_up_again(database_dsn: str) -> None:
    assert migrate("status", dsn=database_dsn).startswith("Status: clean\nDriver: ")
    refused = migrate("down", "--steps", "99", dsn=database_dsn, code=1)
    assert refused.splitlines()[-1].startswith("nothing was changed")
    assert migrate("status", dsn=database_dsn).startswith("Status: clean")
    said = migrate("down", "--steps", "99", "--yes", dsn=database_dsn)
    assert said.splitlines()[0].endswith("; no keys are lost.")
    assert "\nRolled back " in said
    status = migrate("status", dsn=database_dsn)
    assert status.startswith("Status: not initialised\n")
    assert f"Latest version: {LATEST} ({LATEST} pending)\n" in status
    assert migrate("up", dsn=database_dsn).startswith(f"Applied {LATEST} migration")
    assert migrate("up", dsn=database_dsn).startswith("Nothing to apply")
    migrate("status", "--block", dsn=database_dsn)
    migrate("force", str(LATEST + 1), dsn=database_dsn)
    assert str(LATEST + 1) in migrate("up", dsn=database_dsn, code=1)
    migrate("force", str(LATEST), dsn=database_dsn)
    assert migrate("status", dsn=database_dsn).startswith("Status: clean")


def test_down_warns_while_a_server_runs(serve: Serve, database_dsn: str) -> None:
    talos = serve(dsn=database_dsn)
    credential = talos.issue()["secret"]

    def refused() -> str:
        return migrate("down", "--steps", "99", dsn=database_dsn, code=1)

    said = refused()
    assert said.startswith("This drops 1 issued key and 0 imported keys and 1 event of the event ")
    assert "a server seems to run on it" in said
    assert talos.verify(credential)["is_valid"] is True
    assert talos.server.stop() == 0
    eventually(lambda: "a server seems to run on it" not in refused(), "the end of the connections")

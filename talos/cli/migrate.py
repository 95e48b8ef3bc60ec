"""``talos migrate``: the schema of the database. Contract 13.4; everything goes to stderr."""

import logging
import re
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

from talos.cli.command import Failure, Group
from talos.cli.database import chosen_database, explained
from talos.cli.output import note
from talos.cli.progress import progress

if TYPE_CHECKING:
    from talos.adapters.sql.dsn import DatabaseUrl
    from talos.adapters.sql.schema_version import SchemaStatus

_POLL_INTERVAL_S: Final = 1.0
_VERSION: Final = re.compile(r"[+-]?[0-9]{1,9}")


@click.command(
    cls=Group,
    examples=[
        "talos migrate up --database sqlite:///var/lib/talos/talos.db",
        "talos migrate status --config talos.yaml",
    ],
)
def migrate() -> None:
    """Create and change the schema of the database.

    The database is that of --database, else of DB_DSN, TALOS_DB_DSN or DSN in the environment, else
    of db.dsn in the file of --config. DB_DSN_FILE and TALOS_DB_DSN_FILE name a file that holds it.
    """


def _database_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--database",
        metavar="DSN",
        help="The database, such as sqlite:///var/lib/talos/talos.db. A password is better given "
        "in the environment, where no process list shows it.",
    )(function)


@migrate.command(examples=["talos migrate up --database sqlite:///var/lib/talos/talos.db"])
@_database_option
def up(database: str | None) -> None:
    """Apply every pending migration."""
    from talos.adapters.sql import migrate as schema

    url = chosen_database(database)
    with explained():
        done = schema.up(url)
    if done.after == done.before:
        note(f"Nothing to apply: the schema has version {done.after}.")
    else:
        note(f"Applied {_counted(done.after - done.before, 'migration')}: {_now(done.after)}.")


@migrate.command(examples=["talos migrate down", "talos migrate down --steps 2 --yes"])
@_database_option
@click.option("--steps", type=int, default=1, show_default=True, help="How many to roll back.")
@click.option("--yes", is_flag=True, help="Do not ask; without a terminal nothing goes without it.")
def down(database: str | None, steps: int, yes: bool) -> None:
    """Roll back the last migrations. The data in the tables that go away is lost.

    How many keys that are is said first, and the answer to it is typed.
    """
    from talos.adapters.sql import migrate as schema

    if steps < 1:
        raise Failure("--steps must be at least 1")
    url = chosen_database(database)
    _require_folder(url)
    _agree(url, steps, yes=yes)
    with explained():
        done = schema.down(url, steps)
    count = done.before - done.after
    if count == 0:
        note("Nothing to roll back: the database is not initialised.")
        return
    note(f"Rolled back {_counted(count, 'migration')}: {_now(done.after)}.")
    if count < steps:
        note(f"There were no more than {count} of the {steps} asked for.")


@migrate.command(examples=["talos migrate status", "talos migrate status --block"])
@_database_option
@click.option(
    "--block", is_flag=True, help="Wait until the schema is clean and at the latest version."
)
def status(database: str | None, block: bool) -> None:
    """Show the version of the schema. Exit code 0 whatever it is."""
    url = chosen_database(database)
    _require_folder(url)
    state = _read(url)
    while block and not state.is_current:
        if state.foreign:
            raise Failure(_FOREIGN)
        time.sleep(_POLL_INTERVAL_S)
        state = _read(url)
    note(f"Status: {_state_of(state)}")
    note(f"Driver: {url.product.value}")
    note(f"Current version: {'none' if state.version is None else state.version}")
    note(f"Latest version: {state.latest} ({state.pending} pending)")
    if state.foreign:
        note(_FOREIGN)


@migrate.command(
    examples=["talos migrate force 1", "talos migrate force -- -1"],
)
@click.argument("version", help="The version; -1, behind --, for a database not initialised.")
@_database_option
def force(version: str, database: str | None) -> None:
    """Say which version the schema has, and that it is clean. No table of keys is touched."""
    from talos.adapters.sql import migrate as schema

    number = _VERSION.match(version)
    if number is None:
        raise Failure("VERSION must be a number")
    url = chosen_database(database)
    with explained():
        schema.force(url, int(number[0]))
    note(f"Set: {_now(max(0, int(number[0])))}.")


@migrate.command(
    examples=[
        "talos migrate adopt --from sqlite:///old.db --database sqlite:///var/lib/talos/talos.db",
        "talos migrate adopt --from sqlite:///old.db --config talos.yaml",
    ],
)
@click.option(
    "--from", "source", required=True, metavar="DSN", help="The old file, such as sqlite:///old.db."
)
@_database_option
def adopt(source: str, database: str | None) -> None:
    """Take over the keys of the reference's free edition from its SQLite file.

    The old file is only read. Run `talos migrate up` on the new database first. Keys that are there
    already are left as they are: run the command again after the old server's last write. With the
    same secrets, prefixes and signing keys in the configuration every credential verifies as
    before.
    """
    from talos.adapters.sql.adopt import adopt as take_over
    from talos.adapters.sql.dsn import parse_migrate_dsn

    # What it logs about single rows is in the report.
    logging.getLogger("talos.adapters.sql.adopt").addHandler(logging.NullHandler())
    with explained():
        old = parse_migrate_dsn(source)
    new = chosen_database(database)
    with explained(), progress("adopting") as show:
        outcome = take_over(old, new, progress=show)
    for fault in outcome.faults:
        note(f"{fault.table} {fault.network_id} {fault.key_id}: {fault.problem}")
    there = (
        f"{outcome.already_there} {'was' if outcome.already_there == 1 else 'were'} there already"
    )
    note(f"Adopted {_counted(outcome.adopted, 'key')}; {there}.")
    if outcome.faults:
        raise Failure(f"{len(outcome.faults)} could not be taken over")


_FOREIGN: Final = (
    "The tables are those of another system; `talos migrate adopt --help` says how to take its "
    "keys over."
)


def _require_folder(url: "DatabaseUrl") -> None:
    """Refuse a file in a folder that is not there: no database was ever meant by that."""
    if url.path is not None and not url.path.parent.is_dir():
        raise Failure(f"cannot open {url.shown}: its folder is not there")


def _agree(url: "DatabaseUrl", steps: int, *, yes: bool) -> None:
    """Say what ``down`` drops, and return once somebody wants that.

    Raises ``Failure`` where nobody does. What needs no answer: a database without a schema.
    """
    from talos.adapters.sql import migrate as schema
    from talos.adapters.sql.occupancy import others_are_connected

    with explained():
        # Before a connection of our own, as the function wants it.
        occupied = others_are_connected(url)
        if schema.status(url).version is None:
            return
        dropped = schema.dropped_by(url, steps)
    goes = []
    if dropped.issued or dropped.imported:
        goes.append(_counted(dropped.issued, "issued key"))
        goes.append(_counted(dropped.imported, "imported key"))
    if dropped.events:
        goes.append(f"{_counted(dropped.events, 'event')} of the event log")
    if goes:
        note(f"This drops {' and '.join(goes)} of {url.shown}, for good.")
    else:
        note(f"This rolls back migrations of {url.shown}; no keys are lost.")
    if occupied:
        note("warning: others are connected to this database: a server seems to run on it.")
    if yes:
        return
    if not _on_terminal():
        raise Failure("nothing was changed: where no terminal can be asked, give --yes")
    answer = click.prompt('Type "yes" to go on', default="", show_default=False, err=True)
    if answer.strip() != "yes":
        raise Failure("nothing was changed")


def _on_terminal() -> bool:
    return sys.stdin.isatty()


def _read(url: "DatabaseUrl") -> "SchemaStatus":
    from talos.adapters.sql import migrate as schema

    with explained():
        return schema.status(url)


def _state_of(state: "SchemaStatus") -> str:
    if state.dirty:
        return "DIRTY"
    return "not initialised" if state.version is None else "clean"


def _now(version: int) -> str:
    return f"the schema has version {version}" if version else "the database is not initialised"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"

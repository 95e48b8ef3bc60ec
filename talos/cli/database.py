"""Which database a migrate command works on. Contract 13.4."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from talos.cli.command import Failure
from talos.cli.invocation import current_invocation
from talos.cli.output import note

if TYPE_CHECKING:
    from talos.adapters.sql.dsn import DatabaseUrl

_SERVED: Final = "TALOS_DB_DSN"
_VARIABLES: Final = ("DB_DSN", _SERVED, "DSN")


def chosen_database(flag: str | None) -> "DatabaseUrl":
    """Return the database of ``--database``, else of the environment, else of ``--config``.

    An empty flag or variable counts as absent. Where the environment names another database to
    ``talos serve``, a line says so. Raises ``Failure``, whose text never holds a password.
    """
    from talos.adapters.sql.dsn import parse_migrate_dsn

    variable = next(filter(os.environ.get, _VARIABLES), None)
    if not flag and variable is not None:
        _warn_of_another(variable)
    text = flag or (os.environ[variable] if variable else _configured())
    if not text:
        raise Failure(
            f"no database is named: give --database, set {' or '.join(_VARIABLES)}, "
            "or give --config with db.dsn in the file"
        )
    with explained():
        url = parse_migrate_dsn(text)
    for warning in url.warnings:
        note(f"warning: {warning}")
    return url


@contextmanager
def explained() -> Iterator[None]:
    """Turn the errors of the database and of the configuration into lines for the operator."""
    from talos.adapters.sql.faults import explain
    from talos.errors import (
        ConfigurationError,
        GatewayTimeout,
        InternalError,
        ServiceUnavailable,
        TalosError,
    )

    try:
        yield
    except ConfigurationError as error:
        raise Failure("\n".join([error.message, *error.faults])) from None
    except (GatewayTimeout, InternalError, ServiceUnavailable) as error:
        # The message of these is for clients; the operator also wants the driver's words.
        raise Failure(f"{error.message}: {explain(error)}") from None
    except TalosError as error:
        raise Failure(error.message) from None
    except ValueError as error:
        raise Failure(str(error)) from None


def _warn_of_another(variable: str) -> None:
    """Say when the server would work on another database than this command; names, no values."""
    served = os.environ.get(_SERVED)
    if served and served != os.environ[variable]:
        note(
            f"warning: {variable} and {_SERVED} name different databases: this command takes "
            f"{variable}, talos serve takes {_SERVED}"
        )


def _configured() -> str | None:
    """Return ``db.dsn`` of the file, which need not be complete or valid otherwise."""
    path = current_invocation().config_path
    if path is None:
        return None
    from pathlib import Path

    from talos.config import files

    with explained():
        section = files.parse(Path(path), files.read(Path(path))).get("db")
    dsn = section.get("dsn") if isinstance(section, dict) else None
    return dsn if isinstance(dsn, str) else None

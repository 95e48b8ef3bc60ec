"""Which database a migrate command works on. Contract 13.4."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from talos.cli.command import Failure
from talos.cli.invocation import current_invocation
from talos.cli.output import note
from talos.config.variables import FILE_SUFFIX

if TYPE_CHECKING:
    from talos.adapters.sql.dsn import DatabaseUrl

_SERVED: Final = "TALOS_DB_DSN"
_VARIABLES: Final = ("DB_DSN", _SERVED, "DSN")
_WITH_FILES: Final = ("DB_DSN", _SERVED)
"""What the server reads from files too; ``DSN`` is a name of this command alone."""


def chosen_database(flag: str | None) -> "DatabaseUrl":
    """Return the database of ``--database``, else of the environment, else of ``--config``.

    An empty flag or variable counts as absent; one with ``_FILE`` names a file instead. Where the
    environment names another database to ``talos serve``, a line says so. Raises ``Failure``, whose
    text never holds a password.
    """
    from talos.adapters.sql.dsn import parse_migrate_dsn

    variables = () if flag else _VARIABLES
    named = {name: text for name in variables if (text := _from_environment(name))}
    variable = next(iter(named), None)
    if variable is not None:
        _warn_of_another(variable, named)
    text = flag or (named[variable] if variable else _configured())
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
    from talos.adapters.sql.driver_errors import explain
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


def _from_environment(variable: str) -> str | None:
    """Return the DSN that the variable holds, or the file that it names with ``_FILE``.

    Raises ``Failure`` where both are set, and where the file cannot be read.
    """
    text = os.environ.get(variable)
    file = os.environ.get(f"{variable}{FILE_SUFFIX}")
    if not file or variable not in _WITH_FILES:
        return text
    if text is not None:
        raise Failure(f"{variable}{FILE_SUFFIX}: {variable} is set too; expected one of the two")
    from pathlib import Path

    from talos.config import files

    found = files.examine(Path(file))
    if found.problem:
        # Without its name: somebody may have written the DSN itself, password and all.
        raise Failure(f"{variable}{FILE_SUFFIX}: {found.problem}")
    return files.secret_text(found.content)


def _warn_of_another(variable: str, named: Mapping[str, str]) -> None:
    """Say when the server would work on another database than this command; names, no values."""
    served = named.get(_SERVED)
    if served and served != named[variable]:
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

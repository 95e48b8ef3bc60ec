"""``sqlite://`` addresses: a path, absolute or relative to the working directory."""

import re
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl

from talos.adapters.sql.dsn.pool import PoolSettings
from talos.adapters.sql.dsn.url import DatabaseUrl, Product
from talos.errors import ConfigurationError

# A connection is a few open files; more threads than this wait for one another.
_POOL: Final = PoolSettings(max_open=40, max_idle=10, max_lifetime_s=None, max_idle_time_s=None)

# What durability, isolation and the cascade rest on is not for the DSN to switch off.
_OUR_PRAGMAS: Final = frozenset({"foreign_keys", "journal_mode", "synchronous"})
_LEADING_SLASHES: Final = re.compile("^//+")
_PRAGMA: Final = re.compile(r"([a-z_]{1,40})(?:\(([\w.+-]{1,40})\)|=([\w.+-]{1,40}))")


def parse(rest: str) -> DatabaseUrl:
    """Parse what follows ``sqlite://``. The path is taken literally: nothing is unescaped.

    Raises ``ConfigurationError`` where no file is named.
    """
    location, _, query = rest.partition("?")
    location = location.removeprefix("file:")
    pairs = parse_qsl(query, keep_blank_values=True)
    if Path(location).name == ":memory:" or ("mode", "memory") in pairs:
        raise ConfigurationError(
            "an in-memory SQLite database cannot be served: it is empty, cannot be migrated, and "
            "would be another one in every worker; name a file, such as sqlite:///var/lib/talos.db"
        )
    if not location or location.endswith("/") or "\0" in location:
        raise ConfigurationError("the SQLite DSN names no file")
    session, warnings = _pragmas([value for name, value in pairs if name == "_pragma"])
    return DatabaseUrl(
        product=Product.SQLITE,
        shown=f"sqlite://{location}",
        pool=_POOL,
        session=tuple(session),
        # Two leading slashes would be another root to POSIX.
        path=Path(_LEADING_SLASHES.sub("/", location)).absolute(),
        warnings=tuple(warnings),
    )


def _pragmas(texts: list[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the pragmas to set on every connection, and why others are not among them."""
    pragmas: list[tuple[str, str]] = []
    warnings: list[str] = []
    for text in texts:
        match = _PRAGMA.fullmatch(text)
        if match is None:
            raise ConfigurationError("_pragma in the database DSN must look like name(value)")
        name, value = match[1], match[2] or match[3]
        if name in _OUR_PRAGMAS:
            warnings.append(f"_pragma={name} in the database DSN is ignored; Talos sets it")
        else:
            pragmas.append((name, value))
    return pragmas, warnings

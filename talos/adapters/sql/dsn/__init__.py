"""Database addresses as the contract spells them (8.5).

``parse_dsn`` is the way in. No error, ``repr`` or ``shown`` text of this package ever holds a
password.
"""

import re

from talos.adapters.sql.dsn import mysql, postgres, sqlite
from talos.adapters.sql.dsn.pool import PoolSettings
from talos.adapters.sql.dsn.url import DatabaseUrl, Product
from talos.errors import ConfigurationError

__all__ = ["DatabaseUrl", "PoolSettings", "Product", "parse_dsn", "parse_migrate_dsn"]

_HARMLESS = re.compile(r"[A-Za-z0-9_./:~ -]{0,200}")


def parse_dsn(text: str) -> DatabaseUrl:
    """Return the database that ``text`` names.

    Raises ``ConfigurationError`` for an unknown scheme (schemes are lower case), for an in-memory
    SQLite database and for parameters that cannot be honoured. Pool parameters that cannot be
    parsed fall back to their defaults and are reported in ``DatabaseUrl.warnings``.
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        raise ConfigurationError(f"unknown database driver: {_without_secrets(text)}")
    match scheme:
        case "sqlite" | "sqlite3":
            return sqlite.parse(rest)
        case "postgres" | "postgresql":
            return postgres.parse(rest, Product.POSTGRES)
        case "cockroach" | "cockroachdb":
            return postgres.parse(rest, Product.COCKROACH)
        case "mysql":
            return mysql.parse(rest)
        case _:
            raise ConfigurationError(f"unknown database driver: {_without_secrets(scheme)}")


def parse_migrate_dsn(text: str) -> DatabaseUrl:
    """Do as ``parse_dsn``, and take a bare path that ends in ``.db`` as well (contract 13.4)."""
    if "://" not in text and text.endswith(".db"):
        return sqlite.parse(text)
    return parse_dsn(text)


def _without_secrets(text: str) -> str:
    """Return ``text`` if nothing in it can be a password, else what stands before the first colon.

    A DSN with a slip in its scheme ends up here, password and all.
    """
    if _HARMLESS.fullmatch(text) and text.count(":") <= 1:
        return text
    return f"{text.partition(':')[0][:20]}:***" if _HARMLESS.match(text) else "***"

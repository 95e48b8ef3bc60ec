"""``postgres://`` and ``cockroach://`` addresses.

libpq reads the address itself, so every form that it knows (several hosts, sockets, percent
escapes) works. Query parameters that are not libpq's become run-time parameters of the session,
as they do for the reference's driver.
"""

import re
from typing import Any, Final
from urllib.parse import parse_qsl

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo

from talos.adapters.sql.dsn.pool import PoolParameters, defaults
from talos.adapters.sql.dsn.url import DatabaseUrl, Product
from talos.errors import ConfigurationError

CONNECT_TIMEOUT_S: Final = 5
# Notices a peer that vanished without a word while it owes us an answer.
TCP_USER_TIMEOUT_MS: Final = 15_000
_LIBPQ: Final = frozenset(option.keyword.decode() for option in Conninfo.get_defaults())
# Settings of the reference's driver that have no meaning here.
_FOREIGN: Final = frozenset(
    {
        "description_cache_capacity",
        "max_protocol_version",
        "min_protocol_version",
        "statement_cache_capacity",
        "statement_cache_mode",
    }
)
# What a pooler between us and the server needs: nothing prepared. Unless one of these modes is
# named, it is found out for each connection whether there is one.
_UNPREPARED_MODES: Final = frozenset({"cache_describe", "describe_exec", "exec", "simple_protocol"})
_PREPARED_MODE: Final = "cache_statement"
_PREPARE_THRESHOLD: Final = 5
"""From which use on a statement is prepared; the driver's default."""
_PORTS: Final = re.compile("[0-9]{0,5}(?:,[0-9]{0,5})*")
_UNREADABLE: Final = (
    "the PostgreSQL DSN cannot be parsed; special characters of a password must be percent-encoded"
)


def parse(rest: str, product: Product) -> DatabaseUrl:
    """Parse what follows ``postgres://`` or ``cockroach://``.

    Raises ``ConfigurationError``; its text names a parameter at most.
    """
    address, _, query = rest.partition("?")
    pairs = dict(parse_qsl(query, keep_blank_values=True))
    parameters = PoolParameters(pairs)
    driver = parameters.without()
    standard_pool = parameters.standard(defaults(max_open=25, max_idle=5))
    connect_args: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "tcp_user_timeout": TCP_USER_TIMEOUT_MS,
        "application_name": "talos",
    }
    try:
        connect_args |= conninfo_to_dict(f"postgresql://{_plain(address)}")
    except psycopg.Error:
        raise ConfigurationError(_UNREADABLE) from None
    mode = driver.pop("default_query_exec_mode", None)
    if mode in _UNPREPARED_MODES:
        connect_args["prepare_threshold"] = None
    elif mode == _PREPARED_MODE:
        connect_args["prepare_threshold"] = _PREPARE_THRESHOLD
    session: list[tuple[str, str]] = []
    for name, value in driver.items():
        if name in _LIBPQ:
            connect_args[name] = value
        elif name not in _FOREIGN:
            session.append((name, value))
    if _has_stray_password(address, pairs, connect_args):
        raise ConfigurationError(_UNREADABLE)
    try:
        # Only libpq knows which values are good; its error is reported without the values.
        psycopg.conninfo.make_conninfo(**_strings(connect_args))
    except psycopg.Error:
        raise ConfigurationError("the PostgreSQL DSN has a bad parameter") from None
    return DatabaseUrl(
        product=product,
        shown=_shown(product, connect_args),
        pool=parameters.advanced() if parameters.is_advanced else standard_pool,
        connect_args=connect_args,
        session=tuple(session),
        warnings=tuple(parameters.warnings),
    )


def _plain(address: str) -> str:
    """End the password at the last ``@``, as the reference's driver does; libpq takes the first."""
    authority, slash, database = address.partition("/")
    account, at, place = authority.rpartition("@")
    return f"{account.replace('@', '%40')}{at}{place}{slash}{database}"


def _has_stray_password(address: str, query: dict[str, str], connect_args: dict[str, Any]) -> bool:
    """Return whether an unescaped ``/`` or ``?`` may have made a part of the password another part.

    As a host, port or database it would be told to everybody who reads the log.
    """
    authority, _, database = address.partition("/")
    if "@" in database or not _PORTS.fullmatch(str(connect_args.get("port", ""))):
        return True
    unknown = (pair for pair in query.items() if pair[0] not in _LIBPQ)
    return "@" not in authority and any("@" in name + value for name, value in unknown)


def _strings(connect_args: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in connect_args.items() if name in _LIBPQ}


def _shown(product: Product, connect_args: dict[str, Any]) -> str:
    user = connect_args.get("user")
    account = f"{user}@" if user else ""
    host = connect_args.get("host", "")
    port = connect_args.get("port")
    place = f"{host}:{port}" if port else host
    return f"{product.value}://{account}{place}/{connect_args.get('dbname', '')}"

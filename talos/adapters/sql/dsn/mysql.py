"""``mysql://`` addresses: the scheme, then a DSN as the Go driver spells it.

``user:password@tcp(host:port)/database?parameters``, where user and password are taken literally:
nothing in them is percent-decoded, and both may hold ``/``, ``:`` and ``@``. Parameters that this
server has no use for (``parseTime``, ``loc``, ``collation``, ...) are ignored; those that are no
parameters of that driver are session variables.
"""

import re
import ssl
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from talos.adapters.sql.dsn.pool import PoolParameters, defaults, processors
from talos.adapters.sql.dsn.url import DatabaseUrl, Product
from talos.domain.durations import parse_config_duration
from talos.domain.units import NS_PER_S
from talos.errors import ConfigurationError

_FORM: Final = "mysql://user:password@tcp(host:port)/database"
_DEFAULT_PORT: Final = 3306
CONNECT_TIMEOUT_S: Final = 5
ANSWER_TIMEOUT_S: Final = 15
_PLACE: Final = re.compile(r"(?P<net>tcp|unix)(?:\((?P<address>[^()]*)\))?")
_HOST_PORT: Final = re.compile(
    r"(?:\[(?P<v6>[^\[\]]+)\]|(?P<host>[^:\[\]]*))(?::(?P<port>\d{1,5}))?"
)
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_VALUE: Final = re.compile(r"[A-Za-z0-9_.,:+/ -]*|'[A-Za-z0-9_.,:+/ -]*'")

_IGNORED: Final = frozenset(
    {
        "allowAllFiles",
        "allowCleartextPasswords",
        "allowFallbackToPlaintext",
        "allowNativePasswords",
        "allowOldPasswords",
        "charset",
        "checkConnLiveness",
        "clientFoundRows",
        "collation",
        "columnsWithAlias",
        "compress",
        "connectionAttributes",
        "interpolateParams",
        "loc",
        "maxAllowedPacket",
        "multiStatements",
        "parseTime",
        "rejectReadOnly",
        "serverPubKey",
        "timeTruncate",
    }
)
_TIMEOUTS: Final = {
    "timeout": "connect_timeout",
    "readTimeout": "read_timeout",
    "writeTimeout": "write_timeout",
}


def parse(rest: str) -> DatabaseUrl:
    """Parse what follows ``mysql://``.

    Raises ``ConfigurationError``; its text names a parameter at most.
    """
    # The last slash of all, as in the driver: password and socket path may hold others, and
    # values of parameters have theirs escaped.
    head, slash, tail = rest.rpartition("/")
    if not slash:
        raise ConfigurationError(f"the MySQL DSN must look like {_FORM}")
    credentials, _, place = head.rpartition("@")
    user, _, password = credentials.partition(":")
    database, _, query = tail.partition("?")
    parameters = PoolParameters(dict(parse_qsl(query, keep_blank_values=True)))
    connect_args: dict[str, Any] = {
        "user": user,
        # As bytes: the driver would force text into Latin-1.
        "password": password.encode(),
        "database": unquote(database) or None,
        "charset": "utf8mb4",
        "connect_timeout": CONNECT_TIMEOUT_S,
        "read_timeout": ANSWER_TIMEOUT_S,
        "write_timeout": ANSWER_TIMEOUT_S,
        "ssl_disabled": True,
    }
    connect_args |= _where(place)
    session: list[tuple[str, str]] = []
    for name, value in parameters.without().items():
        if name in _TIMEOUTS:
            connect_args[_TIMEOUTS[name]] = _timeout_s(name, value)
        elif name == "tls":
            connect_args |= _tls(value)
        elif name not in _IGNORED:
            session.append(_variable(name, value))
    return DatabaseUrl(
        product=Product.MYSQL,
        shown=f"mysql://{user + '@' if user else ''}{place or 'tcp'}/{database}",
        pool=parameters.standard(defaults(max_open=2 * processors(), max_idle=processors())),
        connect_args=connect_args,
        session=tuple(session),
        warnings=tuple(parameters.warnings),
    )


def _where(place: str) -> dict[str, Any]:
    match = _PLACE.fullmatch(place or "tcp")
    if match is None:
        raise ConfigurationError(f"the MySQL DSN must look like {_FORM}")
    address = match["address"] or ""
    if match["net"] == "unix":
        return {"unix_socket": address or "/tmp/mysql.sock"}  # noqa: S108  (the driver's default)
    parts = _HOST_PORT.fullmatch(address)
    if parts is None:
        raise ConfigurationError(f"the MySQL DSN must look like {_FORM}")
    return {
        "host": parts["v6"] or parts["host"] or "127.0.0.1",
        "port": int(parts["port"] or _DEFAULT_PORT),
    }


def _timeout_s(name: str, text: str) -> float | None:
    """Return a driver timeout in seconds; 0 is none, and connecting always has an end."""
    try:
        timeout_s = parse_config_duration(text) / NS_PER_S
    except ValueError as error:
        raise ConfigurationError(f"{name} in the MySQL DSN {error}") from None
    return timeout_s or (CONNECT_TIMEOUT_S if name == "timeout" else None)


def _tls(mode: str) -> dict[str, Any]:
    match mode.lower():
        case "false" | "0":
            return {"ssl_disabled": True}
        case "preferred":
            # What the client does unasked: encrypted where the server can, whoever it is.
            return {"ssl_disabled": False}
        case "true" | "1":
            return {"ssl_disabled": False, "ssl": ssl.create_default_context()}
        case "skip-verify":
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return {"ssl_disabled": False, "ssl": context}
        case _:
            raise ConfigurationError(
                "tls in the MySQL DSN must be true, false, skip-verify or preferred"
            )


def _variable(name: str, value: str) -> tuple[str, str]:
    if not _VARIABLE.fullmatch(name) or not _VALUE.fullmatch(value):
        raise ConfigurationError("the MySQL DSN has a parameter that cannot be a session variable")
    return name, value

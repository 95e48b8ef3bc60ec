"""Tells variables that were meant for this server, and that it does not know, from others'.

A misspelt variable changes nothing, and nobody notices. Every name that begins with ``TALOS_`` and
belongs to nothing is worth a warning, with the name that was probably meant; never its value.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Final

from talos.config import schema
from talos.config.schema import ENV_PREFIX
from talos.config.variables import COMMAND_LINE_VARIABLES, FILE_SUFFIX

CONFIG_FILE: Final = "TALOS_CONFIG"
"""The configuration file of ``talos.serving.wsgi``, and of that alone."""

_OTHERS: Final = frozenset(
    {
        *COMMAND_LINE_VARIABLES,
        CONFIG_FILE,
        "TALOS_BUILD_COMMIT",
        "TALOS_BUILD_TIME",
        "TALOS_REQUIRE_SERVICES",
    }
)
_OF_TESTS: Final = "TALOS_TEST_"
# What Kubernetes and the links of Docker set for a Service named talos, talos-admin and so on. The
# one with the bare port is told from a misspelt setting by its value.
_SERVICE_PORT: Final = re.compile(r"_PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?\Z")
_SERVICE_URL: Final = re.compile(r"(?:tcp|udp|sctp)://[^/]+:[0-9]+")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.]{1,100}")
_NEAR: Final = 0.75
_MOST_SHOWN: Final = 20


def is_known(name: str, value: str) -> bool:
    """Return whether the variable, in upper case, belongs to something that is no setting."""
    if name in _OTHERS or name.startswith(_OF_TESTS):
        return True
    return (
        name.endswith("_SERVICE_HOST")
        or "_SERVICE_PORT" in name
        or _SERVICE_PORT.search(name) is not None
        or (name.endswith("_PORT") and _SERVICE_URL.fullmatch(value) is not None)
    )


def warnings(unknown: Mapping[str, str]) -> Iterable[str]:
    """Return a line for each variable of ``unknown``: as spelled, and in upper case.

    Of very many only the first are named, since each costs a comparison with every setting.
    """
    for spelled in sorted(unknown)[:_MOST_SHOWN]:
        shown = (
            spelled if _PLAIN.fullmatch(spelled) else f"a variable that begins with {ENV_PREFIX}"
        )
        hint = _hint(unknown[spelled])
        yield f"{shown} is ignored: it belongs to no setting{hint and f'; {hint}'}"
    if len(unknown) > _MOST_SHOWN:
        left = len(unknown) - _MOST_SHOWN
        yield f"{left} more variables that begin with {ENV_PREFIX} belong to no setting"


def _hint(name: str) -> str:
    plain = name.removesuffix(FILE_SUFFIX)
    settings = {setting.variable: setting for setting in schema.settings().values()}
    if plain != name and plain in settings:
        return "only secrets can be read from files"
    end = name.removeprefix(ENV_PREFIX)
    ending = [variable for variable in settings if end and variable.endswith(f"_{end}")]
    if len(ending) == 1:
        return f"did you mean {ending[0]}?"
    candidates = [
        *settings,
        *(f"{name}{FILE_SUFFIX}" for name, setting in settings.items() if setting.secret),
        *sorted(_OTHERS),
    ]
    near = difflib.get_close_matches(name[:100], candidates, n=1, cutoff=_NEAR)
    return f"did you mean {near[0]}?" if near else ""

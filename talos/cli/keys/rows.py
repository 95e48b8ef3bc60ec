"""The columns of the keys commands. Contract 13.1.

Rows read answers of any compatible server: a member that is absent is an empty cell.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

KEY_COLUMNS: Final = ("KEY ID", "NAME", "ACTOR ID", "STATUS", "SCOPES")
LIST_COLUMNS: Final = (*KEY_COLUMNS, "EXPIRES", "CREATED", "LAST USED")
VERIFICATION_COLUMNS: Final = ("KEY ID", "IS VALID", "STATUS", "ACTOR ID", "SCOPES")
UNKNOWN: Final = "UNKNOWN"
"""What stands for a verdict where there is none (contract 16 (47))."""

_FRACTION: Final = re.compile(r"(?<=:[0-9]{2})\.[0-9]+(?=Z$)")
_INTERNAL: Final = "VERIFICATION_ERROR_INTERNAL"

BATCH_IMPORT_COLUMNS: Final = ("INDEX", "KEY ID", "NAME", "STATUS", "ERROR", "LINE")


def key_row(key: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of ``KEY_COLUMNS``."""
    return (
        cell(key.get("key_id")),
        cell(key.get("name")),
        cell(key.get("actor_id")),
        cell(key.get("status")),
        cell(key.get("scopes")),
    )


def list_row(key: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of ``LIST_COLUMNS``; times to the second."""
    times = (key.get("expire_time"), key.get("create_time"), key.get("last_used_time"))
    return (*key_row(key), *(_FRACTION.sub("", cell(time)) for time in times))


def verification_row(verification: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of ``VERIFICATION_COLUMNS``."""
    return (
        cell(verification.get("key_id")),
        UNKNOWN if is_undecided(verification) else cell(verification.get("is_valid") is True),
        cell(verification.get("status")),
        cell(verification.get("actor_id")),
        cell(verification.get("scopes")),
    )


def is_undecided(verification: Mapping[str, Any]) -> bool:
    """Return whether a verdict is none: the server had trouble, or it says neither yes nor no."""
    code = verification.get("error_code")
    if isinstance(verification.get("is_valid"), bool):
        return verification["is_valid"] is False and code == _INTERNAL
    return code == _INTERNAL or not code


def labelled(columns: tuple[str, ...], row: tuple[str, ...]) -> list[tuple[str, str]]:
    """Pair the names of columns with the cells of one row."""
    return list(zip(columns, row, strict=True))


def cell(value: object) -> str:
    """Return the text of a cell: lists joined, booleans in lower case, nothing for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(cell(item) for item in value)
    return str(value)


def member(answer: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return an object-valued member of an answer, ``{}`` where it is absent."""
    value = answer.get(name)
    return value if isinstance(value, dict) else {}


def members(answer: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the objects of a list-valued member of an answer."""
    value = answer.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []

"""Files with secrets in them that others may read or write (contract 14)."""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from talos.config import schema
from talos.config.files import FileContent

_READ_BY_ALL: Final = 0o004
_CHANGED_BY_GROUP: Final = 0o020
_CHANGED_BY_ALL: Final = 0o002
_EVERYBODY: Final = "every user of the machine may"


def warnings(
    file: FileContent | None, tree: Mapping[str, Any], secrets: Iterable[FileContent]
) -> tuple[str, ...]:
    """Return a line for each file whose mode lets others at its secrets.

    ``file`` is the configuration, which says ``tree``; each of ``secrets`` holds one secret. A
    configuration without secrets is only reported when everybody may change it.
    """
    lines = [line for secret in secrets for line in _lines(secret, holds="a secret")]
    if file is not None:
        lines += _lines(file, holds="secrets" if _holds_secrets(tree) else "")
    return tuple(sorted(set(lines)))


def _lines(file: FileContent, *, holds: str) -> Iterator[str]:
    who = "" if file.problem else _who(file.mode, secret=bool(holds))
    if who:
        subject = f"{file.path} holds {holds}" if holds else f"{file.path} is the configuration"
        change = "g-w,o-rwx" if holds else "o-w"
        mend = f"chmod {change} {shlex.quote(str(file.path))}"
        yield f"{subject}, and {who} (mode {file.mode:04o}): {mend}"


def _who(mode: int, *, secret: bool) -> str:
    """Say who else may do what with a file, in words; nothing where nobody else may."""
    if mode & _CHANGED_BY_ALL:
        return f"{_EVERYBODY} change it"
    if not secret:
        return ""
    if mode & _READ_BY_ALL:
        more = ", and its group change it" if mode & _CHANGED_BY_GROUP else ""
        return f"{_EVERYBODY} read it{more}"
    return "its group may change it" if mode & _CHANGED_BY_GROUP else ""


def _holds_secrets(tree: Mapping[str, Any]) -> bool:
    return any(
        _is_set(tree, setting.parts) for setting in schema.settings().values() if setting.secret
    )


def _is_set(tree: Any, parts: tuple[str, ...]) -> bool:
    for name in parts:
        if not isinstance(tree, Mapping) or name not in tree:
            return False
        tree = tree[name]
    return bool(tree)

"""The request target before and after decoding, and the one spelling of a path that is served.

A WSGI server decodes the path once and hands it over as ``PATH_INFO``. Three rules (contract 2.1)
need what was there before: a malformed escape is a low-level error, health and version paths
do not take ``%2F``, and the log shows the path as escaped. Servers that keep the target offer it as
``RAW_URI`` or ``REQUEST_URI``; under any other these rules see the decoded path alone.
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

_MALFORMED_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2})")
_ABSOLUTE_FORM: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
_SAFE_IN_PATH: Final = "/:@!$&'()*+,;=~"
_SAFE_IN_QUERY: Final = _SAFE_IN_PATH + "?%"


def raw_path(environ: Mapping[str, Any]) -> str | None:
    """Return the path as the client sent it, or None where the server did not keep it."""
    target: str | None = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if not target:
        return None
    if not target.startswith("/"):
        absolute = _ABSOLUTE_FORM.match(target)
        target = target[absolute.end() :] if absolute else target
    return target.partition("?")[0].partition("#")[0] or "/"


def escaped_path(environ: Mapping[str, Any]) -> str:
    """Return the path with its escapes, as the log shows it."""
    path = raw_path(environ)
    return quote(environ["PATH_INFO"].encode("latin-1"), _SAFE_IN_PATH) if path is None else path


def has_malformed_escape(environ: Mapping[str, Any]) -> bool:
    """Return whether the path holds a percent sign that starts no escape."""
    path = raw_path(environ)
    return path is not None and _MALFORMED_ESCAPE.search(path) is not None


def has_escaped_slash(environ: Mapping[str, Any]) -> bool:
    """Return whether a slash of the path was sent as ``%2F``."""
    path = raw_path(environ)
    return path is not None and "%2f" in path.lower()


def clean_path(path: str) -> str:
    """Return ``path`` without doubled slashes and dot segments; a trailing slash stays."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    trailing = "/" if kept and path.endswith("/") else ""
    return "/" + "/".join(kept) + trailing


def location(path: str, query: str) -> str:
    """Return the target that leads to a decoded path (text tunnelled as Latin-1) and raw query."""
    target = quote(path.encode("latin-1"), _SAFE_IN_PATH)
    if query:
        target += "?" + quote(query.encode("latin-1"), _SAFE_IN_QUERY)
    return target

"""What of a request may stand in the log, and how much of it (contract 11.4, 14.1, 16 (33)).

Callers send credentials in headers and paths of any name, and imported keys have no shape by which
they could be found. So nothing is logged for not being known as secret: there is a list of headers,
and of a path only what is a word of a route of ours or has the shape of an id of ours. What is
shaped like a credential of ours is cut out even there.

Each value takes at most ``LONGEST_VALUE`` bytes of a line, and all of them together at most
``FREE_BYTES`` and half of what was sent, in their printed form: a caller cannot make the log grow
faster than by half a byte for each byte, beyond a fixed amount for each request.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from talos.credentials.redaction import REDACTED, redacted
from talos.http.verbs import VERBS

LONGEST_VALUE: Final = 256
FREE_BYTES: Final = 512

_CUT: Final = "..."
_MOST_SEGMENTS: Final = 8
_HEADERS: Final = {
    "CONTENT_TYPE": "content-type",
    "CONTENT_LENGTH": "content-length",
    **{
        f"HTTP_{name.upper().replace('-', '_')}": name
        for name in (
            "user-agent",
            "accept",
            "origin",
            "referer",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-real-ip",
            "cf-connecting-ip",
            "true-client-ip",
            "cache-control",
            "pragma",
            "traceparent",
            "sec-fetch-site",
            "sec-fetch-mode",
        )
    },
}
"""The headers that are logged, by their names in the environ. ``Host``, ``X-Request-ID`` and
``CF-Ray`` have fields of their own.
"""
_SECRET_HEADERS: Final = {
    f"HTTP_{name.upper().replace('-', '_')}": name
    for name in (
        "authorization",
        "cookie",
        "proxy-authorization",
        "set-cookie",
        "x-api-key",
        "x-session-token",
    )
}
"""Headers of which the log says that they were there."""
_URL_VALUED: Final = frozenset({"origin", "referer"})
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,15}://[A-Za-z0-9.:_\[\]-]*+(?=[/?#]|\Z)")
# Without what is printed longer than it is: quotes, backslashes, what an address may hide behind.
_PLAIN: Final = re.compile(r"[ !#-?A-\[\]-~]*+")
_KEY_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{64}")
_ESCAPED_BYTES: Final = 6
_PASSWORD_BYTES: Final = len(REDACTED) + 1


def text(value: str) -> str:
    """Return ``value`` with every credential cut out, in at most ``LONGEST_VALUE`` bytes."""
    return _cut(redacted(value), LONGEST_VALUE)


def headers(environ: Mapping[str, Any]) -> dict[str, str]:
    """Return those headers of a request that are logged, by their names in lower case."""
    found = {}
    for variable, name in _HEADERS.items():
        value = environ.get(variable)
        if value:
            found[name] = _without_path(value) if name in _URL_VALUED else text(value)
    found.update(
        (name, REDACTED) for variable, name in _SECRET_HEADERS.items() if variable in environ
    )
    return found


def within(sent_bytes: int, *groups: dict[str, str]) -> None:
    """Cut the values of the groups, the last ones first, to what belongs into one line.

    ``sent_bytes`` is how much of the request they were taken from.
    """
    room = FREE_BYTES + sent_bytes // 2
    if _printed_bytes("".join("".join(group.values()) for group in groups)) <= room:
        return
    for group in groups:
        for name, value in group.items():
            group[name] = kept = _cut(value, room)
            room -= _printed_bytes(kept)


def path(decoded: str, template: str | None, words: Collection[str]) -> str:
    """Return a path as it may be logged.

    ``template`` is the route's, None where none was found; ``words`` are the segments that routes
    consist of. An id stays where it has the shape of one: a UUID, or 64 hexadecimal digits.
    """
    if template is not None and "{" not in template:
        return template
    segments = decoded.split("/", _MOST_SEGMENTS)
    shown = [_segment(segment, words) for segment in segments[:_MOST_SEGMENTS]]
    return "/".join(shown + [_CUT] * (len(segments) > _MOST_SEGMENTS))


def _segment(segment: str, words: Collection[str]) -> str:
    if not segment or segment in words or _KEY_ID.fullmatch(segment):
        return segment
    name, _, verb = segment.rpartition(":")
    if verb not in VERBS:
        return REDACTED
    return f"{name if _KEY_ID.fullmatch(name) else REDACTED}:{verb}"


def _without_path(url: str) -> str:
    """Return scheme and host of a URL: other sites put secrets into all the rest."""
    match = _URL.match(url)
    if match is None:
        return REDACTED if url != "null" else url
    return match[0][:LONGEST_VALUE]


def _cut(value: str, most_bytes: int) -> str:
    """Return ``value``, or as much of its beginning as is printed in ``most_bytes``."""
    if len(value) <= most_bytes and _printed_bytes(value) <= most_bytes:
        return value
    room = most_bytes - len(_CUT)
    end = 0
    for character in value[: max(room, 0)]:
        room -= _character_bytes(character)
        if room < 0:
            break
        end += 1
    return value[:end] + _CUT if most_bytes >= len(_CUT) else ""


def _printed_bytes(value: str) -> int:
    """How long a value becomes at most: escapes, and ``[REDACTED]`` for what may be a password."""
    if _PLAIN.fullmatch(value):
        return len(value)
    return sum(map(_character_bytes, value))


def _character_bytes(character: str) -> int:
    if character in '"\\':
        return 2
    if character == "@":
        return _PASSWORD_BYTES
    return 1 if " " <= character <= "~" else _ESCAPED_BYTES

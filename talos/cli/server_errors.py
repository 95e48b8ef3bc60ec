"""What a server says when it refuses, in every form that servers of this API have used.

- the envelope of contract 3.1: ``{"error": {"message": .., "details": [..]}}``;
- the older form with ``reason`` beside ``message``, either of them absent;
- a short text of a gateway, such as ``no healthy upstream``.

Pages and other things of machines in between say nothing that their status does not.
"""

import json
import re
from typing import Any, Final

_LONGEST_TEXT: Final = 4096
_LONGEST_FOREIGN_TEXT: Final = 200
# Lines go on below only where this API lists violations: nobody else may write lines of his own.
_BREAK: Final = re.compile(r"\n(?! - )")


def error_text(body: bytes) -> str:
    """Return the message of an error body, with ``(reason: ..)`` where the old form has one.

    It is cut at 4096 characters. A page, and a body that says nothing, give ``""``.
    """
    decoded = _decoded(body)
    if decoded is None:
        return _foreign_text(body)
    error = decoded.get("error", decoded) if isinstance(decoded, dict) else decoded
    if isinstance(error, str):
        return _cut(error)
    if not isinstance(error, dict):
        return ""
    message, reason = error.get("message"), error.get("reason")
    said = message if isinstance(message, str) else ""
    if isinstance(reason, str) and reason:
        said = f"{said} (reason: {reason})" if said else f"reason: {reason}"
    return _cut(said)


def is_envelope(body: bytes) -> bool:
    """Return whether an error body has the form of this API: an ``error`` object with a message."""
    decoded = _decoded(body)
    error = decoded.get("error") if isinstance(decoded, dict) else None
    return isinstance(error, dict) and isinstance(error.get("message"), str)


def error_reason(body: bytes) -> str:
    """Return the reason of the envelope's ``ErrorInfo``, ``""`` where there is none."""
    decoded = _decoded(body)
    error = decoded.get("error") if isinstance(decoded, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    for detail in details if isinstance(details, list) else ():
        reason = detail.get("reason") if isinstance(detail, dict) else None
        if isinstance(reason, str):
            return reason
    return ""


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _foreign_text(body: bytes) -> str:
    """Return a body that is one short line of text, ``""`` for a page or for no text."""
    try:
        text = body[: _LONGEST_FOREIGN_TEXT * 4 + 1].decode().strip()
    except UnicodeDecodeError:
        return ""
    is_line = text.isprintable() and len(text) <= _LONGEST_FOREIGN_TEXT
    return text if is_line and not text.startswith(("<", "{", "[")) else ""


def _cut(text: str) -> str:
    shown = text[:_LONGEST_TEXT].strip()
    return _BREAK.sub(" ", shown) + (" ..." if len(text) > _LONGEST_TEXT else "")

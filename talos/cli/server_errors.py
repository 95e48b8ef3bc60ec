"""What a server says when it refuses, in every form that servers of this API have used.

- the envelope of contract 3.1: ``{"error": {"message": .., "details": [..]}}``;
- the older form with ``reason`` beside ``message``, either of them absent;
- plain text, HTML of a proxy, or nothing.
"""

import json
from typing import Final

# A proxy's error page says what it has to say in its first lines.
_LONGEST_TEXT: Final = 4096


def error_text(body: bytes) -> str:
    """Return the message of an error body, with ``(reason: ..)`` where the old form has one.

    A body that is no JSON is returned as it is, cut at 4096 characters; a body that says nothing
    gives ``""``.
    """
    text = body.decode(errors="replace").strip()
    try:
        decoded = json.loads(text)
    except (ValueError, RecursionError):
        return _cut(text)
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


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + " ..."

"""Cutting what is shaped like a credential of ours out of text that others may read.

People paste a key where its id belongs, and errors repeat what they were given. Whoever writes a
log goes through here (contract 14.1, 16 (33)); it is the last line of defence, not the first.
"""

import re
from typing import Final

REDACTED: Final = "[REDACTED]"

_CREDENTIAL: Final = re.compile(
    # An issued key or a macaroon; the prefix stays readable.
    r"(?P<prefix>[A-Za-z0-9_]{1,16}_v1_)[A-Za-z0-9_\-=+/%.]{16,}"
    # A JWT, whole or cut off.
    r"|eyJ[A-Za-z0-9_-]{16}[A-Za-z0-9_.-]*"
)


def redacted(text: str) -> str:
    """Return ``text`` with every credential cut out."""
    # Cheap signs that the pattern may match at all.
    if "_v1_" in text or "eyJ" in text:
        return _CREDENTIAL.sub(_cut, text)
    return text


def _cut(match: re.Match[str]) -> str:
    return (match["prefix"] or "") + REDACTED

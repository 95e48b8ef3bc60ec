"""Base64url without padding, in its one canonical spelling (RFC 4648, section 5).

Whatever has two spellings has two texts that verify: a token with other spare bits, or with
padding, would be a different token that means the same. Decoding therefore accepts only what
encoding writes.
"""

import base64
import re

_ALPHABET = re.compile(r"[A-Za-z0-9_-]*")


def encode(data: bytes) -> str:
    """Encode ``data`` without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """Decode ``text``; raises ValueError unless ``encode`` gives it back unchanged."""
    if not _ALPHABET.fullmatch(text):
        raise ValueError("not base64url")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encode(data) != text:
        raise ValueError("not canonical base64url")
    return data

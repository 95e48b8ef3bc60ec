"""Base64url without padding, in its one canonical spelling (RFC 4648, section 5).

Whatever has two spellings has two texts that verify: a token with other spare bits, or with
padding, would be a different token that means the same. Decoding therefore accepts only what
encoding writes.
"""

import base64
import binascii
from typing import Final

_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
# By the characters behind the last group of four: the last ones that leave the spare bits zero.
_LAST: Final = (_ALPHABET, b"", b"AQgw", b"AEIMQUYcgkosw048")


def encode(data: bytes) -> str:
    """Encode ``data`` without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """Decode ``text``; raises ValueError unless ``encode`` gives it back unchanged."""
    data = text.encode("ascii")
    if data.translate(None, _ALPHABET):
        raise ValueError("not base64url")
    if data and data[-1] not in _LAST[len(data) % 4]:
        raise ValueError("not canonical base64url")
    return binascii.a2b_base64(data.translate(_TO_STANDARD) + b"=" * (-len(data) % 4))

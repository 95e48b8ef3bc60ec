"""Text that came from elsewhere, made safe to show.

A name is whatever its creator chose, and an error body whatever the server sent: neither may send
commands to the terminal, turn or hide what stands around it, or break the lines of a table.
"""

import re
from collections.abc import Callable
from typing import Final

# Everything of the Unicode categories Cc (control), Cf (format: what turns the direction of
# writing, and what is invisible), Zl and Zp (line ends) and Cs (lone surrogates).
_UNSAFE: Final = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f"
)
_UNSAFE_CHARACTER: Final = re.compile(f"[{_UNSAFE}]")


def one_line(text: str) -> str:
    """Return ``text`` with everything unsafe, line ends and tabs included, as ``\\u001b``."""
    return many_lines(text).replace("\n", "\\u000a").replace("\t", "\\u0009")


def many_lines(text: str) -> str:
    """Return ``text`` with everything unsafe but line ends and tabs as ``\\u001b``."""
    return _escaped(text, "\\U{:08x}".format)


def json_escaped(text: str) -> str:
    """Return JSON text in which everything unsafe is written as JSON's escapes."""
    return _escaped(text, _surrogate_pair)


def is_safe(text: str) -> bool:
    """Return whether ``text`` can be shown as it is, apart from line ends and tabs."""
    return _UNSAFE_CHARACTER.search(text) is None


def _escaped(text: str, beyond_16_bits: Callable[[int], str]) -> str:
    def escape(match: re.Match[str]) -> str:
        number = ord(match[0])
        return beyond_16_bits(number) if number > 0xFFFF else f"\\u{number:04x}"

    return _UNSAFE_CHARACTER.sub(escape, text)


def _surrogate_pair(number: int) -> str:
    high, low = divmod(number - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"

"""Text that came from elsewhere, made safe to show.

A name is whatever its creator chose, and an error body whatever the server sent: neither may send
commands to the terminal, and a name must not break the lines of a table.
"""

import re
from typing import Final

# Control characters, line separators, the ones that turn the direction of writing, lone surrogates.
_UNSAFE_IN_LINES: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def one_line(text: str) -> str:
    """Return ``text`` with everything unsafe, line ends and tabs included, as ``\\u001b``."""
    return many_lines(text).replace("\n", "\\u000a").replace("\t", "\\u0009")


def many_lines(text: str) -> str:
    """Return ``text`` with everything unsafe but line ends and tabs as ``\\u001b``."""
    return _UNSAFE_IN_LINES.sub(lambda match: f"\\u{ord(match[0]):04x}", text)

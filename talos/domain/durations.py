"""Durations in every spelling that the contract knows (2.5), as integer nanoseconds.

Three grammars live here, and each caller needs exactly one of them:

- ``parse_ttl``: the JSON member ``ttl``; seconds, Go units, and ``d``, ``w``, ``mo``, ``y``;
- ``parse_window``: the JSON member ``window``; only seconds with ``s``;
- ``parse_config_duration``: settings and command-line flags; only Go units.

All raise ``ValueError`` with a text that says what was expected and never echoes the input.
"""

import re
from typing import Final

from talos.domain.units import INT64_MAX, NS_PER_S

MAX_DURATION_NS: Final = INT64_MAX
"""The longest duration there is, about 292 years."""

MAX_JSON_SECONDS: Final = 315_576_000_000
"""The bound of a duration in JSON: ten thousand years, in seconds."""

_GO_UNIT_NS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": NS_PER_S,
    "m": 60 * NS_PER_S,
    "h": 3_600 * NS_PER_S,
}
_LONG_UNIT_NS: Final = {
    "d": 86_400 * NS_PER_S,
    "w": 7 * 86_400 * NS_PER_S,
    "mo": 30 * 86_400 * NS_PER_S,
    "y": 365 * 86_400 * NS_PER_S,
}
_UNIT_NS: Final = _GO_UNIT_NS | _LONG_UNIT_NS

# Longer names stand before their prefixes: "mo" and "ms" before "m".
_TERM: Final = re.compile(r"([0-9]*)(\.[0-9]*)?(ns|us|µs|ms|mo|s|m|h|d|w|y)")
_SECONDS: Final = re.compile(r"([+-]?)(0|[1-9][0-9]*)?(?:\.([0-9]*))?s")

# Bounds the work that one text can cause; zeros and terms may be repeated up to it.
_LONGEST_TEXT: Final = 1_024
# What lies behind these many digits of a fraction is below a nanosecond in every unit.
_FRACTION_DIGITS: Final = 18
# More digits than any number in range has, leading zeros apart.
_INTEGER_DIGITS: Final = 20


def parse_ttl(text: str) -> int:
    """Return the lifetime ``text`` in ns.

    Raises ``ValueError`` for anything but one of the three forms of contract 2.5, for a negative
    value and for one beyond ``MAX_DURATION_NS``. Its bounds as a lifetime are a rule, not syntax.
    """
    return _sum_of_terms(text, long_units=True)


def parse_window(text: str) -> int:
    """Return the rate limit window ``text`` in ns: seconds with the unit ``s``, decimals allowed.

    Negative values parse; that a window is positive is a rule, not syntax. Decimals beyond the
    ninth are cut. Raises ``ValueError``, also beyond ``MAX_JSON_SECONDS``.
    """
    match = _SECONDS.fullmatch(text)
    if len(text) > _LONGEST_TEXT or match is None or (match[2] is None and not match[3]):
        raise ValueError("must be seconds with the unit s, such as 60s")
    seconds = _integer(match[2] or "0")
    if seconds > MAX_JSON_SECONDS:
        raise ValueError(f"must be at most {MAX_JSON_SECONDS}s")
    magnitude_ns = seconds * NS_PER_S + _fraction_of(match[3] or "", NS_PER_S)
    return -magnitude_ns if match[1] == "-" else magnitude_ns


def parse_config_duration(text: str) -> int:
    """Return a duration from the configuration or a flag in ns: Go units, never negative.

    A bare ``0`` is accepted, as Go does. Raises ``ValueError``.
    """
    return 0 if text == "0" else _sum_of_terms(text, long_units=False)


def format_go(duration_ns: int) -> str:
    """Print a duration as Go does: ``24h0m0s``, ``1.5s``, ``100ms``, ``0s``."""
    if duration_ns == 0:
        return "0s"
    sign = "-" if duration_ns < 0 else ""
    magnitude_ns = abs(duration_ns)
    if magnitude_ns < NS_PER_S:
        for unit in ("ms", "µs", "ns"):
            if magnitude_ns >= _GO_UNIT_NS[unit]:
                return f"{sign}{_decimal(magnitude_ns, _GO_UNIT_NS[unit])}{unit}"
    minutes, rest_ns = divmod(magnitude_ns, _GO_UNIT_NS["m"])
    seconds = f"{_decimal(rest_ns, NS_PER_S)}s"
    if minutes == 0:
        return sign + seconds
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours}h{minutes}m{seconds}" if hours else f"{sign}{minutes}m{seconds}"


def format_seconds(duration_s: int) -> str:
    """Print whole seconds as durations are printed in JSON: ``60s``."""
    return f"{duration_s}s"


def _sum_of_terms(text: str, *, long_units: bool) -> int:
    """Add up terms such as ``1h30m``; a leading plus sign goes with Go units only."""
    units = _UNIT_NS if long_units else _GO_UNIT_NS
    position = 1 if text.startswith("+") else 0
    total_ns = 0
    uses_long_unit = False
    uses_fraction = False
    if position == len(text) or len(text) > _LONGEST_TEXT:
        raise _not_a_duration(long_units=long_units)
    while position < len(text):
        match = _TERM.match(text, position)
        if match is None or match[3] not in units or not (match[1] or (match[2] or ".")[1:]):
            raise _not_a_duration(long_units=long_units)
        unit_ns = units[match[3]]
        uses_long_unit |= match[3] in _LONG_UNIT_NS
        uses_fraction |= match[2] is not None
        total_ns += _integer(match[1] or "0") * unit_ns
        total_ns += _fraction_of((match[2] or ".")[1:], unit_ns)
        if total_ns > MAX_DURATION_NS:
            raise ValueError("is longer than a duration can be")
        position = match.end()
    if uses_long_unit and (uses_fraction or text.startswith("+")):
        raise ValueError("takes whole numbers without a sign where d, w, mo or y occurs")
    return total_ns


def _not_a_duration(*, long_units: bool) -> ValueError:
    examples = "3600s, 1h30m or 30d" if long_units else "30s, 5m or 1h30m"
    return ValueError(f"must be a duration such as {examples}")


def _integer(digits: str) -> int:
    """Read digits; a number far out of every range is answered by one that is out of range too."""
    significant = digits.lstrip("0")
    return int(significant[:_INTEGER_DIGITS] or "0")


def _fraction_of(digits: str, unit_ns: int) -> int:
    """Return the part ``0.<digits>`` of a unit, cut to whole nanoseconds."""
    kept = digits[:_FRACTION_DIGITS]
    return int(kept) * unit_ns // 10 ** len(kept) if kept else 0


def _decimal(value_ns: int, unit_ns: int) -> str:
    """Print ``value_ns`` in units of ``unit_ns`` without trailing zeros."""
    whole, rest = divmod(value_ns, unit_ns)
    if rest == 0:
        return str(whole)
    digits = len(str(unit_ns)) - 1
    return f"{whole}.{rest:0{digits}d}".rstrip("0")

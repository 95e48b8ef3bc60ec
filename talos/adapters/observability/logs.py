"""Log records as lines on standard error, in one format for everything that logs (contract 11.4).

Every logger of the process ends here: ours, gunicorn's and the libraries'. What a record says
beyond its message stands in ``extra={"fields": {...}}``: a mapping of JSON values, groups being
nested mappings. Durations are integer nanoseconds under the name ``duration``.

Lines go to standard error through ``line_queue``: whoever logs waits for nobody.

As a last line of defence each finished line is searched for what looks like a credential, a
signing key or a password in a DSN (contract 14.1, 16.33). Whoever logs is still not to log one.
"""

import json
import logging
import os
import re
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final, Literal, TextIO

import msgspec

from talos.adapters.observability.line_queue import AUDIT, LineQueueHandler
from talos.credentials.redaction import REDACTED, redacted
from talos.domain.durations import format_go

Level = Literal["debug", "info", "warn", "error"]
Format = Literal["json", "text"]

SERVICE: Final = "talos-server"

_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}
_OURS: Final = ("talos", "gunicorn")
STACKTRACES_PER_S: Final = 20
"""How many are printed within a second. While a database is down every request has one, all alike,
and a log that fills a disk is a second outage.
"""
_WITHHELD: Final = f"withheld: {STACKTRACES_PER_S} were printed within this second"
_SCHEME_END: Final = "://"
_SIGNING_KEY: Final = re.compile(r"(?<=base64://)[A-Za-z0-9+/=_-]{12,}")
_WORD: Final = re.compile(r'[^\s"]+')
_STDERR: Final = 2
_LONGEST_CAUSE: Final = 1_024
_MOST_CAUSES: Final = 4
_ENCODER: Final = msgspec.json.Encoder(enc_hook=str)
_COMPACT: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str)
_NEEDS_QUOTES: Final = re.compile(r'[\s"=]|^$')


def configure(level: Level, style: Format, stream: TextIO | None = None) -> None:
    """Send every record of the process to standard error, from ``level`` on.

    Records of other people's libraries are written from WARN on, whatever the level; audit events
    (contract 11.3) always. Warnings and exceptions that nobody caught become records too. Can be
    called again. A ``stream`` is written to directly instead.
    """
    handler: logging.Handler
    handler = LineQueueHandler(_STDERR) if stream is None else logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter(style, with_stacktraces=level in ("debug", "info")))
    root = logging.getLogger()
    for previous in list(root.handlers):
        root.removeHandler(previous)
    root.addHandler(handler)
    root.setLevel(max(_LEVELS[level], logging.WARNING))
    for name in _OURS:
        logging.getLogger(name).setLevel(_LEVELS[level])
    # After a backup is restored, keys are revoked again by these: a quieter log must not lose them.
    logging.getLogger(AUDIT).setLevel(logging.INFO)
    logging.captureWarnings(True)
    threading.excepthook = _log_thread_exception


def flush() -> None:
    """Write what was logged so far, so that what is printed next comes behind it."""
    for handler in logging.getLogger().handlers:
        handler.flush()


def _log_thread_exception(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None:
        logging.getLogger("talos").error("a thread ended abnormally", exc_info=arguments.exc_value)


class LineFormatter(logging.Formatter):
    """Prints a record as one line of JSON, or of ``name=value`` pairs."""

    def __init__(self, style: Format, *, with_stacktraces: bool) -> None:
        """Print in ``style``; ``with_stacktraces`` also what led to an exception."""
        super().__init__()
        self._shape = style
        self._with_stacktraces = with_stacktraces
        self._traced = threading.Lock()
        self._second = 0
        self._stacktraces = 0
        self._told_second = (-1, "", "")

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        fields = self._fields(record)
        line = _json_line(fields) if self._shape == "json" else _text_line(fields)
        return scrub(_visible(line))

    def _fields(self, record: logging.LogRecord) -> dict[str, object]:
        fields: dict[str, object] = {
            "time": self._time(record.created),
            "level": _level_name(record.levelno),
            "msg": record.getMessage(),
            "service": SERVICE,
            "pid": os.getpid(),
        }
        own = getattr(record, "fields", None)
        if isinstance(own, Mapping):
            fields |= own
        if record.exc_info and record.exc_info[1] is not None:
            error = fields.get("error")
            fields["error"] = (dict(error) if isinstance(error, Mapping) else {}) | (
                self._cause(record.exc_info[1], int(record.created))
            )
        return fields

    def _time(self, instant_s: float) -> str:
        """Print an instant in the time zone of the process; the second is printed once."""
        second, fraction = divmod(instant_s, 1)
        told, before, after = self._told_second
        if told != second:
            local = time.localtime(second)
            zone = time.strftime("%z", local)
            before = time.strftime("%Y-%m-%dT%H:%M:%S.", local)
            after = "Z" if local.tm_gmtoff == 0 else f"{zone[:3]}:{zone[3:]}"
            self._told_second = (int(second), before, after)
        digits, width = (1_000_000, 6) if self._shape == "json" else (1_000, 3)
        return f"{before}{int(fraction * digits):0{width}d}{after}"

    def _cause(self, cause: BaseException, second: int) -> dict[str, object]:
        described: dict[str, object] = {"cause": _described(cause)}
        if self._with_stacktraces:
            described["stacktrace"] = self._stacktrace(cause, second)
        return described

    def _stacktrace(self, cause: BaseException, second: int) -> str:
        with self._traced:
            if second != self._second:
                self._second, self._stacktraces = second, 0
            self._stacktraces += 1
            if self._stacktraces > STACKTRACES_PER_S:
                return _WITHHELD
        return "".join(traceback.format_exception(cause))


def _visible(line: str) -> str:
    """Escape what a terminal may act upon or an eye be misled by; it stands in strings alone."""
    if line.isprintable():
        return line
    return "".join(
        character if character.isprintable() else _escaped(character) for character in line
    )


@lru_cache(maxsize=4096)
def _escaped(character: str) -> str:
    return json.dumps(character)[1:-1]


def scrub(line: str) -> str:
    """Replace whatever in ``line`` looks like a credential or a password."""
    if _SCHEME_END in line:
        line = _SIGNING_KEY.sub(REDACTED, line)  # (8.3)
        line = _WORD.sub(_without_password, line)
    return redacted(line)


def _without_password(word: re.Match[str]) -> str:
    """Cut user and password out of a DSN (8.5), up to the last ``@``: a password may hold others.

    Every search ends at the next ``://`` at the latest, so the work is linear in the word.
    """
    text = word[0]
    end = text.rfind("@")
    start = text.find(_SCHEME_END, 0, end) if end >= 0 else -1
    while start >= 0:
        start += len(_SCHEME_END)
        colon, slash = text.find(":", start, end), text.find("/", start, end)
        if colon >= 0 and (slash < 0 or colon < slash):
            return text[:start] + REDACTED + text[end:]
        start = text.find(_SCHEME_END, start, end)
    return text


def _described(cause: BaseException) -> str:
    """Return what happened and what that came from: for a translated error the driver's words."""
    told: list[str] = []
    present: BaseException | None = cause
    while present is not None and len(told) < _MOST_CAUSES:
        # A library's first line is the event; what follows is advice.
        text = str(present).split("\n", 1)[0][:_LONGEST_CAUSE]
        if not told or not (text and text in told[-1]):
            told.append(f"{type(present).__name__}: {text}" if text else type(present).__name__)
        present = present.__cause__ or (
            None if present.__suppress_context__ else present.__context__
        )
    return "; ".join(told)


def _level_name(number: int) -> str:
    if number >= logging.ERROR:
        return "ERROR"
    if number >= logging.WARNING:
        return "WARN"
    return "INFO" if number >= logging.INFO else "DEBUG"


def _json_line(fields: Mapping[str, object]) -> str:
    try:
        return _ENCODER.encode(fields).decode()
    except (ValueError, TypeError, OverflowError):
        # What it does not take, such as a lone surrogate, the slower one does.
        return _COMPACT.encode(fields)


def _text_line(fields: Mapping[str, object]) -> str:
    return " ".join(f"{name}={_text(name, value)}" for name, value in _flat("", fields))


def _flat(group: str, fields: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Yield the leaves of ``fields`` under dotted names."""
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{group}{name}.", value)
        else:
            yield f"{group}{name}", value


def _text(name: str, value: object) -> str:
    if name == "duration" and isinstance(value, int):
        return format_go(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    quoted = _NEEDS_QUOTES.search(text) or not text.isprintable()
    return json.dumps(text, ensure_ascii=False) if quoted else text

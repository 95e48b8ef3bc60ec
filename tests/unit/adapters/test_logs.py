"""Log lines: their fields, their two formats, and what never gets into them (contract 11.4)."""

import io
import json
import logging
import os
import threading
import warnings
from collections.abc import Iterator
from datetime import datetime

import pytest

from talos.adapters.observability.events import LogEventEmitter
from talos.adapters.observability.logs import (
    STACKTRACES_PER_S,
    Format,
    Level,
    LineFormatter,
    configure,
    scrub,
)
from talos.domain.events import AuditEvent, EventName, Requester

ISSUED = "ory_ak_v1_QixjHYYL488U6zBjcSAJchJoStiobPoN2NZeFepLRv7fXkvunFdTjqckLqj5G1pt_HNHaEG7x9"
MACAROON = "mc_v1_AgEXaHR0cHM6Ly9hcGkuZXhhbXBsZS5jb20CLnsianRpIjoi-_x"
JWT = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhIn0.c2ln"


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    loggers = [root, *map(logging.getLogger, ("talos", "talos.audit", "gunicorn"))]
    levels = [logger.level for logger in loggers]
    handlers, hook = list(root.handlers), threading.excepthook
    yield
    logging.captureWarnings(False)
    threading.excepthook = hook
    root.handlers = handlers
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def start(level: Level = "info", style: Format = "json") -> io.StringIO:
    stream = io.StringIO()
    configure(level, style, stream)
    return stream


def records(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_json_line() -> None:
    stream = start()
    fields = {"status": 200, "duration": 1_500_000, "http_request": {"method": "GET"}}
    logging.getLogger("talos.http").info("done", extra={"fields": fields})
    [record] = records(stream)
    time = datetime.fromisoformat(str(record.pop("time")))
    assert time.tzinfo is not None
    assert record == {
        "level": "INFO",
        "msg": "done",
        "service": "talos-server",
        "pid": os.getpid(),
        "status": 200,
        "duration": 1_500_000,
        "http_request": {"method": "GET"},
    }


def test_a_text_line() -> None:
    stream = start(style="text")
    fields = {
        "status": 200,
        "duration": 1_500_000,
        "empty": "",
        "http_request": {"method": "GET", "headers": {"a": 'say "x"'}},
    }
    logging.getLogger("talos.http").warning("it is done", extra={"fields": fields})
    line = stream.getvalue()
    time, rest = line.removeprefix("time=").split(" ", 1)
    assert datetime.fromisoformat(time).tzinfo is not None
    assert rest == (
        f'level=WARN msg="it is done" service=talos-server pid={os.getpid()} status=200 '
        'duration=1.5ms empty="" http_request.method=GET http_request.headers.a="say \\"x\\""\n'
    )


@pytest.mark.parametrize("style", ["json", "text"])
def test_a_record_is_one_line_whatever_it_holds(style: Format) -> None:
    stream = start(style=style)
    logging.getLogger("talos").error("a\nb\x85c", extra={"fields": {"x": "d\r\ne\x00"}})
    assert len(stream.getvalue().split("\n")) == 2
    assert "\r" not in stream.getvalue()
    assert "\x00" not in stream.getvalue()


@pytest.mark.parametrize("style", ["json", "text"])
def test_nothing_in_a_record_moves_the_cursor_of_who_reads_it(style: Format) -> None:
    stream = start(style=style)
    # An escape sequence in one character, a line's end in two more, and a turn of the direction.
    hostile = "a\x9b2Jb\x7fc\x85d\u2028e\u2029f\u202eg\u2066h"
    logging.getLogger("talos").error("x", extra={"fields": {"user_agent": hostile}})
    line = stream.getvalue()
    assert line.removesuffix("\n").isprintable()
    told = json.loads(line)["user_agent"] if style == "json" else line.split("user_agent=")[1]
    assert (told if style == "json" else json.loads(told)) == hostile


@pytest.mark.parametrize(
    ("level", "ours", "theirs"),
    [
        ("debug", ["DEBUG", "INFO", "WARN", "ERROR", "ERROR"], ["WARN", "ERROR", "ERROR"]),
        ("info", ["INFO", "WARN", "ERROR", "ERROR"], ["WARN", "ERROR", "ERROR"]),
        ("warn", ["WARN", "ERROR", "ERROR"], ["WARN", "ERROR", "ERROR"]),
        ("error", ["ERROR", "ERROR"], ["ERROR", "ERROR"]),
    ],
)
def test_levels(level: Level, ours: list[str], theirs: list[str]) -> None:
    for name, expected in (("talos.x", ours), ("gunicorn.error", ours), ("urllib3", theirs)):
        stream = start(level)
        for number in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, 50):
            logging.getLogger(name).log(number, "x")
        assert [record["level"] for record in records(stream)] == expected


@pytest.mark.parametrize(("level", "shown"), [("info", True), ("warn", False)])
def test_stack_traces_depend_on_the_level(level: Level, shown: bool) -> None:
    stream = start(level)
    try:
        raise RuntimeError("broken")
    except RuntimeError as cause:
        logging.getLogger("talos").error(
            "failed", exc_info=cause, extra={"fields": {"error": {"id": "x"}}}
        )
    [record] = records(stream)
    error = record["error"]
    assert isinstance(error, dict)
    assert error["id"] == "x"
    assert error["cause"] == "RuntimeError: broken"
    assert ("stacktrace" in error) is shown


@pytest.mark.parametrize("level", ["debug", "info", "warn", "error"])
def test_a_translated_error_tells_what_it_began_with(level: Level) -> None:
    stream = start(level)
    try:
        try:
            try:
                raise OSError("the driver's words")
            except OSError as driver:
                raise LookupError("of a library") from driver
        except LookupError as library:
            raise RuntimeError("database connection failed") from library
    except RuntimeError as cause:
        logging.getLogger("talos").error("failed", exc_info=cause)
    [record] = records(stream)
    assert record["error"]["cause"] == (  # type: ignore[index]
        "RuntimeError: database connection failed; LookupError: of a library; "
        "OSError: the driver's words"
    )


def test_stacktraces_are_few_in_a_second_and_come_again_in_the_next() -> None:
    formatter = LineFormatter("json", with_stacktraces=True)

    def stacktrace(at_s: float) -> str:
        cause = RuntimeError("broken")
        record = logging.makeLogRecord(
            {
                "msg": "failed",
                "levelno": logging.ERROR,
                "exc_info": (RuntimeError, cause, None),
                "created": at_s,
            }
        )
        text = json.loads(formatter.format(record))["error"]["stacktrace"]
        assert isinstance(text, str)
        return text

    within = [stacktrace(1000 + n / 100) for n in range(STACKTRACES_PER_S + 1)]
    assert all("RuntimeError: broken" in text for text in within[:-1])
    assert within[-1] == f"withheld: {STACKTRACES_PER_S} were printed within this second"
    assert "RuntimeError: broken" in stacktrace(1001.0)


@pytest.mark.parametrize("style", ["json", "text"])
@pytest.mark.parametrize(
    "secret",
    [ISSUED, MACAROON, JWT, "eyJraWQiOiJhIn0=", "user:p%40ss", "user:pa:ss/word"],
)
def test_what_looks_like_a_credential_is_cut_out(style: Format, secret: str) -> None:
    text = {
        "eyJraWQiOiJhIn0=": f"base64://{secret}",
        "user:p%40ss": f"postgres://{secret}@db/talos",
        "user:pa:ss/word": f"mysql://{secret}@tcp(db:3306)/talos",
    }.get(secret, f"key {secret}!")
    stream = start(style=style)
    try:
        raise RuntimeError(text)
    except RuntimeError as cause:
        logging.getLogger("talos").error(text, exc_info=cause, extra={"fields": {"a": {"b": text}}})
    assert secret not in stream.getvalue()
    assert stream.getvalue().count("[REDACTED]") >= 3


@pytest.mark.parametrize(
    "line",
    ['"path":"/v2alpha1/admin/issuedApiKeys"', "https://keys.example.com:8443/a", "ory_ak_v1_"],
)
def test_what_is_no_secret_stays(line: str) -> None:
    assert scrub(line) == line


def test_warnings_and_dying_threads_are_records_too() -> None:
    stream = start()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("take care", stacklevel=1)

    def die() -> None:
        raise RuntimeError("dead")

    thread = threading.Thread(target=die)
    thread.start()
    thread.join()
    warned, died = records(stream)
    assert "take care" in str(warned["msg"])
    assert died["msg"] == "a thread ended abnormally"


@pytest.mark.parametrize("level", ["debug", "info", "warn", "error"])
def test_an_audit_event_is_a_record_whatever_the_level(level: Level) -> None:
    stream = start(level)
    event = AuditEvent(EventName.ISSUED_CREATED, "net", {"APIKeyID": "k", "Visibility": "secret"})
    LogEventEmitter().emit(event.by(Requester("r-1", "192.0.2.1")))
    [record] = records(stream)
    assert record["event"] == "IssuedAPIKeyCreated"
    assert record["attributes"] == {"ProjectID": "net", "APIKeyID": "k", "Visibility": "secret"}
    assert record["http_request"] == {"request_id": "r-1", "client": "192.0.2.1"}

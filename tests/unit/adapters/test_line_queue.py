"""Lines on their way through the queue: order, bounds, what is dropped, the end of a process."""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from talos.adapters.observability.line_queue import AUDIT, LineQueueHandler
from talos.adapters.observability.logs import LineFormatter

PIPE_BYTES = 65_536


@dataclass
class Pipe:
    """A pipe that is read when the test says so, and a handler that writes to it."""

    reader: int
    writer: int
    handler: LineQueueHandler
    received: bytearray = field(default_factory=bytearray)

    def log(self, text: str, *, name: str = "talos", **fields: Any) -> None:
        record = {"name": name, "levelno": logging.INFO, "msg": text, "fields": fields}
        self.handler.handle(logging.makeLogRecord(record))

    def read(self) -> None:
        self.received += os.read(self.reader, PIPE_BYTES)

    @property
    def records(self) -> list[dict[str, Any]]:
        """The whole lines that have been read."""
        return [json.loads(line) for line in self.received.split(b"\n")[:-1]]

    def wait_for(self, text: str) -> list[dict[str, Any]]:
        """Read until a record with this message is there."""
        while text not in [record["msg"] for record in self.records]:
            self.read()
        return self.records


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reader, writer = os.pipe()
    handler = LineQueueHandler(writer, lines_bytes=20_000, audit_bytes=40_000, flush_s=0.01)
    handler.setFormatter(LineFormatter("json", with_stacktraces=True))
    made = Pipe(reader, writer, handler)
    yield made
    os.close(reader)
    # A thread that waits for the pipe is told that nobody reads it.
    handler.flush()
    os.close(writer)


def stall(pipe: Pipe, *, blocking: bool = True) -> None:
    """Fill the pipe, so that whoever writes to it waits."""
    os.set_blocking(pipe.writer, False)
    with suppress(BlockingIOError):
        while True:
            os.write(pipe.writer, b"x" * 4096)
    os.set_blocking(pipe.writer, blocking)


def test_lines_keep_their_order(pipe: Pipe) -> None:
    for number in range(50):
        pipe.log(str(number))
    assert [record["msg"] for record in pipe.wait_for("49")] == [str(n) for n in range(50)]


def drain(pipe: Pipe, logged: int) -> tuple[list[str], dict[str, int], set[str]]:
    """Read until all that was logged is accounted for: messages, what was dropped, and levels."""
    while True:
        pipe.read()
        records = [json.loads(line.lstrip(b"x")) for line in pipe.received.split(b"\n")[:-1]]
        notices = [record for record in records if "dropped_lines" in record]
        messages = [record["msg"] for record in records if "dropped_lines" not in record]
        dropped = {
            what: sum(notice[what] for notice in notices)
            for what in ("dropped_lines", "dropped_audit_events")
        }
        if len(messages) + sum(dropped.values()) == logged:
            return messages, dropped, {notice["level"] for notice in notices}


def test_whoever_logs_never_waits_and_is_told_what_was_dropped(pipe: Pipe) -> None:
    stall(pipe)
    for number in range(1_000):
        pipe.log(f"{number:0100}")
    messages, dropped, levels = drain(pipe, 1_000)
    assert 50 < len(messages) < 500
    assert [int(message) for message in messages] == list(range(len(messages)))
    assert dropped["dropped_audit_events"] == 0
    assert levels == {"WARN"}


def test_audit_events_have_room_of_their_own_and_are_counted_apart(pipe: Pipe) -> None:
    stall(pipe)
    for _ in range(1_000):
        pipe.log("y" * 100)
    for number in range(400):
        pipe.log(f"{number:0100}", name=AUDIT)
    messages, dropped, levels = drain(pipe, 1_400)
    events = [message for message in messages if message.isdecimal()]
    assert 100 < len(events) < 400
    assert dropped["dropped_audit_events"] == 400 - len(events)
    assert dropped["dropped_lines"] > 0
    assert "ERROR" in levels


def test_a_flush_waits_for_what_was_logged(pipe: Pipe) -> None:
    patient = LineQueueHandler(pipe.writer, flush_s=60.0)
    patient.setFormatter(logging.Formatter())
    patient.handle(logging.makeLogRecord({"msg": "last words"}))
    patient.flush()
    os.set_blocking(pipe.reader, False)
    assert os.read(pipe.reader, PIPE_BYTES) == b"last words\n"


def test_a_flush_gives_up_once_and_for_all(pipe: Pipe) -> None:
    stall(pipe)
    pipe.log("x")
    pipe.handler.flush()
    pipe.handler.flush()
    assert pipe.handler._stalled


def test_a_reader_who_has_left_harms_nobody() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    handler = LineQueueHandler(writer, flush_s=60.0)
    handler.handle(logging.makeLogRecord({"msg": "x"}))
    handler.flush()
    os.close(writer)


def test_a_descriptor_that_does_not_block_is_waited_for(pipe: Pipe) -> None:
    stall(pipe, blocking=False)
    pipe.log("a")
    pipe.log("b")
    while b'"b"' not in pipe.received:
        pipe.read()
    assert b'"a"' in pipe.received


def test_a_child_writes_its_own_lines_and_not_those_of_its_parent(pipe: Pipe) -> None:
    stall(pipe)
    pipe.log("of the parent")
    child = os.fork()
    if child == 0:
        pipe.log("of the child")
        pipe.handler._flush_s = 60.0
        pipe.handler.flush()
        os._exit(0)
    while b"of the child" not in pipe.received or b"of the parent" not in pipe.received:
        pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    assert pipe.received.count(b"of the parent") == 1


def test_what_cannot_be_formatted_is_counted_as_dropped(pipe: Pipe) -> None:
    broken = {"levelno": logging.INFO, "msg": "%d", "args": ("x",)}
    pipe.handler.handle(logging.makeLogRecord(broken))
    pipe.log("y")
    while b"dropped_lines" not in pipe.received:
        pipe.read()
    assert pipe.records[-1]["dropped_lines"] == 1


def test_a_lone_surrogate_is_written_as_an_escape(pipe: Pipe) -> None:
    pipe.log("a", value="\ud800\x1b[2J\u202e")
    [record] = pipe.wait_for("a")
    assert record["value"] == "\ud800\x1b[2J\u202e"
    assert bytes(pipe.received).isascii()
    assert b"\x1b" not in pipe.received

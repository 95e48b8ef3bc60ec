"""Where the fast path is off, that is said in words, and no request is answered by it."""

import logging
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from talos import fast_path
from talos.config import snapshot
from talos.config.reload import ConfigSource
from talos.http import application, bypass
from talos.http.middleware.cors import Cors
from talos.http.surfaces import Surface
from talos.services.tenant import HttpSettings
from tests.support.worker import Worker
from tests.unit.config.settings import loaded, tree, write


class Undeclared:
    """Middleware whose author has not thought of the fast path."""

    def process_request(self, _req: object, _resp: object) -> None:
        """Look on."""


class Derived(Cors):
    """Middleware that is something else than what it derives from."""


def taken(tmp_path: Path, **changes: Any) -> snapshot.Snapshot:
    return snapshot.take(loaded(tmp_path, tree(**changes)))


def test_nothing_is_said_where_it_is_on(tmp_path: Path) -> None:
    assert fast_path.notes(Surface.ALL, taken(tmp_path)) == []


PREFIXES = [f"p{number}" for number in range(70)]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"cache__type": "noop"}, "cache.type is not memory"),
        ({"cache__enabled": False}, "cache.enabled is false"),
        (
            {"credentials__api_keys__prefix__retired": PREFIXES},
            "there are more than 64 prefixes of keys",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_each_reason_is_said_in_words(tmp_path: Path, changes: Any, reason: str) -> None:
    seen = taken(tmp_path, **changes)
    expected = [f"the fast path for verifications is off: {reason}"]
    assert fast_path.notes(Surface.ALL, seen) == expected
    assert fast_path.notes(Surface.ADMIN, seen) == expected
    assert fast_path.notes(Surface.PUBLIC, seen) == [], "it verifies nothing"


@pytest.mark.parametrize("part", [Undeclared, Derived])
def test_middleware_that_declares_nothing_switches_it_off(
    tmp_path: Path, sqlite_dsn: str, monkeypatch: pytest.MonkeyPatch, part: type
) -> None:
    with Worker(tmp_path, sqlite_dsn) as worker:
        credential = worker.issue()
        worker.verify(credential)
        assert worker.answers_at_once(credential)
    parts = (*application.INNER_MIDDLEWARE, part)
    monkeypatch.setattr(application, "INNER_MIDDLEWARE", parts)
    with Worker(tmp_path, sqlite_dsn) as worker:
        assert worker.verify(credential) == "MISS"
        assert worker.verify(credential) == "HIT"
        assert not worker.answers_at_once(credential)
        [note] = fast_path.notes(Surface.ALL, worker.source.current())
        assert part.__name__ in note


def test_every_middleware_declares_itself() -> None:
    assert application.fast_path_obstacles(HttpSettings()) == []
    assert list(bypass.obstacles([Undeclared], HttpSettings())) != []


def test_a_reload_that_turns_it_off_says_so_once(
    tmp_path: Path, sqlite_dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with Worker(tmp_path, sqlite_dsn) as worker:
        worker.source = ConfigSource(
            loaded(tmp_path, tree(**worker.settings)),
            {},
            partial(fast_path.notes, Surface.ALL),
        )
        assert worker.source.notes() == []

        def told_after(**changes: Any) -> list[str]:
            caplog.clear()
            worker.edit(**changes)
            assert "configuration reloaded" in caplog.messages
            return [line for line in caplog.messages if "fast path" in line]

        off = "the fast path for verifications is off: "
        many = "there are more than 64 prefixes of keys"
        assert told_after(credentials__api_keys__prefix__retired=PREFIXES) == [off + many]
        assert told_after(log__level="debug") == []
        assert told_after(cache__enabled=False, credentials__api_keys__prefix__retired=[]) == [
            off + "cache.enabled is false"
        ]
        assert told_after(cache__enabled=True) == []


START = """
import _hashlib, os, sys
if sys.argv[2] == "hidden":
    _hashlib.__file__ = "/nonexistent.so"
from talos.http.surfaces import Surface
from talos.errors import TalosError
from talos.serving.start import serve
try:
    serve(Surface(sys.argv[3]), sys.argv[1], os.environ, worker_class=sys.argv[4])
except TalosError as error:
    print(type(error).__name__)
"""


def lines_of_a_start(
    tmp_path: Path, *, openssl: str = "found", surface: str = "all", worker: str = "talos"
) -> str:
    """What is logged until the start ends at a database without tables."""
    path = tmp_path / "talos.yaml"
    dsn = f"sqlite://{tmp_path}/none.db"
    write(path, tree(db__dsn=dsn, cache__enabled=False))
    asked = [sys.executable, "-c", START, str(path), openssl, surface, worker]
    ended = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
    assert ended.stdout == "SchemaBehind\n", ended.stderr
    return ended.stderr


def test_a_start_says_once_that_it_is_off_and_why(tmp_path: Path) -> None:
    off = "the fast path for verifications is off: cache.enabled is false"
    assert lines_of_a_start(tmp_path).count(off) == 1
    assert "fast path" not in lines_of_a_start(tmp_path, surface="public")
    assert "fast path" not in lines_of_a_start(tmp_path, worker="sync")


def test_a_python_whose_openssl_cannot_be_called_says_so_at_start(tmp_path: Path) -> None:
    warning = "the OpenSSL of this Python cannot be called directly"
    assert lines_of_a_start(tmp_path, openssl="hidden").count(warning) == 1
    assert warning not in lines_of_a_start(tmp_path)

"""The watcher against a real file system: every way in which files are really edited."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from talos.config import watching
from talos.config.loading import load
from talos.config.reload import ConfigSource, ConfigWatcher
from tests.support.log_records import Records
from tests.unit.config.settings import tree, write

RELOADED = "configuration reloaded"


class Watched:
    """A file with its watcher; ``looks`` counts how often the file was examined."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = path
        self.source = ConfigSource(load(path, {}), {})
        self.looks = threading.Semaphore(0)
        examine = self.source.examine

        def counted(quiet: Callable[[], bool]) -> None:
            examine(quiet)
            self.looks.release()

        monkeypatch.setattr(self.source, "examine", counted)
        self.watcher = ConfigWatcher(self.source)
        self.watcher.start()
        self.look()

    def look(self) -> None:
        """Wait until the file was looked at once more."""
        assert self.looks.acquire(timeout=30)

    @property
    def issuer(self) -> str:
        return self.source.current().tenant.credentials.issuer


def content(issuer: str, **changes: Any) -> dict[str, Any]:
    return tree(credentials__issuer=issuer, **changes)


def replace(path: Path, issuer: str) -> None:
    write(path.with_name("new.tmp"), content(issuer)).rename(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "talos.yaml", content("first"))


@pytest.fixture
def watched(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    host = Watched(path, monkeypatch)
    yield host
    host.watcher.stop()


def test_an_edit_in_place(watched: Watched, records: Records) -> None:
    write(watched.path, content("second"))
    assert records.next()[1] == RELOADED
    assert watched.issuer == "second"


def test_an_atomic_replacement_again_and_again(watched: Watched, records: Records) -> None:
    for number in range(3):
        replace(watched.path, f"issuer-{number}")
        assert records.next()[1] == RELOADED
        assert watched.issuer == f"issuer-{number}"
    assert records.none()


def test_truncating_and_writing_in_pieces_is_one_edit(watched: Watched, records: Records) -> None:
    text = str(content("second"))
    with watched.path.open("w") as file:
        for at in range(0, len(text), 10):
            file.write(text[at : at + 10])
            file.flush()
            os.fsync(file.fileno())
    assert records.next()[1] == RELOADED
    assert watched.issuer == "second"
    assert records.none()


def test_mode_and_time_are_no_event(watched: Watched, records: Records) -> None:
    watched.path.chmod(0o600)
    watched.look()
    os.utime(watched.path, (1, 1))
    watched.look()
    replace(watched.path, "first")
    watched.look()
    assert records.none()
    replace(watched.path, "second")
    assert records.next()[1] == RELOADED


def test_a_file_that_goes_and_comes_back(watched: Watched, records: Records) -> None:
    watched.path.unlink()
    level, _, fields = records.next()
    assert (level, fields["errors"]) == ("ERROR", [f"{watched.path}: no such file"])
    assert watched.issuer == "first"
    write(watched.path, content("second"))
    assert records.next()[1] == RELOADED
    assert watched.issuer == "second"


def test_a_broken_edit_and_its_correction(watched: Watched, records: Records) -> None:
    write(watched.path, "credentials: [")
    assert records.next()[0] == "ERROR"
    write(watched.path, content("second"))
    assert records.next()[1] == RELOADED
    assert watched.issuer == "second"


def test_a_directory_that_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, records: Records
) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    host = Watched(write(folder / "talos.yaml", content("first")), monkeypatch)
    folder.rename(tmp_path / "old")
    folder.mkdir()
    write(folder / "talos.yaml", content("second"))
    message = records.next()[1]
    if message != RELOADED:  # the moment without a file may have been seen
        message = records.next()[1]
    assert (message, host.issuer) == (RELOADED, "second")
    replace(host.path, "third")
    assert records.next()[1] == RELOADED
    assert host.issuer == "third"
    host.watcher.stop()


def test_the_kubernetes_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, records: Records
) -> None:
    """A volume: ``talos.yaml -> ..data/talos.yaml``, ``..data -> ..<time>``, the latter swapped."""
    volume = tmp_path / "volume"
    volume.mkdir()

    def publish(version: str, issuer: str) -> None:
        folder = volume / f"..{version}"
        folder.mkdir()
        write(folder / "talos.yaml", content(issuer))
        (volume / "..data_tmp").symlink_to(folder.name)
        (volume / "..data_tmp").rename(volume / "..data")

    publish("1", "first")
    (volume / "talos.yaml").symlink_to("..data/talos.yaml")
    host = Watched(volume / "talos.yaml", monkeypatch)
    for version in ("2", "3"):
        publish(version, f"issuer-{version}")
        assert records.next()[1] == RELOADED
        assert host.issuer == f"issuer-{version}"
    host.watcher.stop()


def test_a_link_into_another_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, records: Records
) -> None:
    for name in ("etc", "opt"):
        (tmp_path / name).mkdir()
    target = write(tmp_path / "opt" / "talos.yaml", content("first"))
    link = tmp_path / "etc" / "talos.yaml"
    link.symlink_to(target)
    host = Watched(link, monkeypatch)
    replace(target, "second")
    assert records.next()[1] == RELOADED
    assert host.issuer == "second"
    other = write(tmp_path / "other.yaml", content("third"))
    link.with_name("link.tmp").symlink_to(other)
    link.with_name("link.tmp").rename(link)
    assert records.next()[1] == RELOADED
    assert host.issuer == "third"
    host.watcher.stop()


def test_an_edit_before_the_watch_began(
    path: Path, monkeypatch: pytest.MonkeyPatch, records: Records
) -> None:
    config = load(path, {})
    write(path, content("second"))
    source = ConfigSource(config, {})
    watcher = ConfigWatcher(source)
    watcher.start()
    assert records.next()[1] == RELOADED
    assert source.current().tenant.credentials.issuer == "second"
    watcher.stop()


def test_what_else_happens_in_the_folder_is_not_looked_at(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, records: Records
) -> None:
    """The folder may hold the database, which is written to all the time."""
    polls = threading.Semaphore(0)
    signatures = watching._signatures

    def counted(paths: Sequence[Path]) -> object:
        polls.release()
        return signatures(paths)

    monkeypatch.setattr(watching, "_signatures", counted)
    other = watched.path.with_name("talos.db-wal")
    for number in range(3):
        other.write_text(f"{number}")
        assert polls.acquire(timeout=30)
    other.unlink()
    assert polls.acquire(timeout=30)
    assert not watched.looks.acquire(blocking=False)
    assert records.none()


def test_the_watcher_ends_when_told_and_is_not_in_the_way(watched: Watched) -> None:
    thread = watched.watcher._thread
    assert thread.daemon
    watched.watcher.stop(timeout_s=30)
    assert not thread.is_alive()

"""What an edit of the file does: accepted, rejected, in part, and what is said about it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from talos.config.directory import SingleTenantSource
from talos.config.loading import load
from talos.config.reload import ConfigSource, ConfigWatcher
from tests.support.log_records import Records
from tests.unit.config.settings import (
    BAD_KEY_URL,
    JWK,
    KEY_URL,
    OTHER_SECRET,
    from_environ,
    tree,
    url_of,
    write,
)

URLS = "credentials__derived_tokens__jwt__signing_keys__urls"
KEY_ID = "credentials__derived_tokens__jwt__signing_key_id"
REJECTED = "configuration rejected; the previous one stays in force"

Edit = Callable[..., None]


class Host:
    """A source over a file that tests edit."""

    def __init__(self, path: Path, environ: dict[str, str], **settings: Any) -> None:
        self.path = write(path, tree(**settings))
        self.source = ConfigSource(load(self.path, environ), environ)

    def edit(self, content: str | None = None, **settings: Any) -> None:
        """Write the file and look at it, as the watcher does."""
        write(self.path, tree(**settings) if content is None else content)
        self.source.examine()

    @property
    def issuer(self) -> str:
        return self.source.current().tenant.credentials.issuer

    @property
    def kids(self) -> list[str]:
        keys = self.source.current().tenant.credentials.signing_keys.keys
        return [key.kid for key in keys]


@pytest.fixture
def host(tmp_path: Path) -> Callable[..., Host]:
    def make(environ: dict[str, str] | None = None, **settings: Any) -> Host:
        return Host(tmp_path / "talos.yaml", environ or {}, **settings)

    return make


def test_a_valid_edit(host: Callable[..., Host], records: Records) -> None:
    here = host()
    before = here.source.current()
    here.edit(credentials__issuer="edited", serve__http__cors__enabled=True)
    after = here.source.current()
    assert (here.issuer, after.http.cors_enabled) == ("edited", True)
    assert before.tenant.credentials.issuer != "edited", "a snapshot in use does not change"
    assert after.tenant.credentials.generation != before.tenant.credentials.generation
    assert records.next() == ("INFO", "configuration reloaded", {"file": str(here.path)})
    assert records.none()


def test_nothing_new_is_no_event(host: Callable[..., Host], records: Records) -> None:
    here = host()
    held = here.source.current()
    here.source.examine()
    here.edit()
    here.path.chmod(0o600)
    here.source.examine()
    assert here.source.current() is held
    assert records.none()


def test_a_file_that_is_being_written_is_left_for_later(
    host: Callable[..., Host], records: Records
) -> None:
    here = host()
    held = here.source.current()
    write(here.path, "")
    here.source.examine(lambda: False)
    assert here.source.current() is held
    assert records.none()
    here.edit(credentials__issuer="edited")
    assert records.next()[1] == "configuration reloaded"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("credentials: [", "not valid YAML"),
        ("", "the document is empty"),
        ("credentials: {}", "credentials.issuer (TALOS_CREDENTIALS_ISSUER): missing"),
        ("surprise: 1", "surprise: unknown key"),
    ],
)
def test_an_invalid_edit_keeps_what_was_there(
    host: Callable[..., Host], records: Records, content: str, fault: str
) -> None:
    here = host(credentials__issuer="good")
    held = here.source.current()
    here.edit(content)
    assert here.source.current() is held
    level, message, fields = records.next()
    assert (level, message, fields["file"]) == ("ERROR", REJECTED, str(here.path))
    assert any(fault in line for line in fields["errors"])
    # Looking again at the same broken file says nothing more.
    here.source.examine()
    assert records.none()
    # And the way back is an event, though nothing but the file changes.
    here.edit(credentials__issuer="good")
    assert records.next()[1] == "configuration reloaded"


def test_a_file_that_goes_and_comes_back(host: Callable[..., Host], records: Records) -> None:
    here = host(credentials__issuer="good")
    here.path.unlink()
    here.source.examine()
    here.source.examine()
    assert here.issuer == "good"
    fields = {"file": str(here.path), "errors": [f"{here.path}: no such file"]}
    assert records.next() == ("ERROR", REJECTED, fields)
    here.edit(credentials__issuer="back")
    assert here.issuer == "back"
    assert records.next()[1] == "configuration reloaded"
    assert records.none()


@pytest.mark.parametrize(
    ("before", "after", "path"),
    [
        ({"db__dsn": "sqlite:///a.db"}, {"db__dsn": "sqlite:///b.db"}, "db.dsn"),
        ({"db__dsn": "sqlite:///a.db"}, {}, "db.dsn"),
        ({}, {"db__dsn": "sqlite:///b.db"}, "db.dsn"),
        (
            {"cache__redis__password": "test-a"},
            {"cache__redis__password": "test-b"},
            "cache.redis.password",
        ),
    ],
)
def test_an_immutable_setting_rejects_the_whole_edit(
    host: Callable[..., Host],
    records: Records,
    before: dict[str, str],
    after: dict[str, str],
    path: str,
) -> None:
    here = host(**before, credentials__issuer="good")
    here.edit(**after, credentials__issuer="edited")
    assert here.issuer == "good"
    faults = [f"{path}: cannot change while the server runs"]
    assert records.next() == ("ERROR", REJECTED, {"file": str(here.path), "errors": faults})
    assert records.none()


def test_the_environment_keeps_winning(host: Callable[..., Host], records: Records) -> None:
    here = host({"TALOS_CREDENTIALS_ISSUER": "from-environ", "DB_DSN": "sqlite:///a.db"})
    here.edit(credentials__issuer="edited", db__dsn="sqlite:///b.db", cache__ttl="1m")
    assert here.issuer == "from-environ"
    assert here.source.current().tenant.cache_ttl_ns == 60 * 10**9
    assert records.next()[1] == "configuration reloaded"


def test_settings_that_need_a_restart_wait_for_it(
    host: Callable[..., Host], records: Records
) -> None:
    here = host(serve__http__port=1111)
    before = here.source.current().config
    here.edit(
        serve__http={"port": 2222, "host": "::"}, cache__type="noop", credentials__issuer="edited"
    )
    config = here.source.current().config
    assert here.issuer == "edited"
    assert config.integer("serve.http.port") == 1111
    assert not config.was_set("serve.http.host")
    assert (config.text("cache.type"), config.flag("cache.enabled")) == ("memory", True)
    waiting = ["serve.http.host", "serve.http.port", "cache.type"]
    assert records.next()[2] == {"file": str(here.path), "restart_required": waiting}
    here.edit(serve__http__port=2222)
    assert records.next()[2]["restart_required"] == ["serve.http.port"]
    assert here.source.current().config.hash("h", "n") == before.hash("h", "n")


def test_a_setting_that_is_taken_out_of_the_file(host: Callable[..., Host]) -> None:
    here = host(serve__metrics__port=1111, cache__ttl="1m")
    here.edit()
    config = here.source.current().config
    assert config.integer("serve.metrics.port") == 1111
    assert config.was_set("serve.metrics.port")
    assert config.duration_ns("cache.ttl") == 300 * 10**9


def test_a_bad_signing_key_leaves_the_last_good_set(
    host: Callable[..., Host], records: Records
) -> None:
    other = url_of({**JWK, "kid": "other"})
    here = host(**{URLS: [KEY_URL], KEY_ID: "test-key"})
    here.edit(**{URLS: [other, BAD_KEY_URL], KEY_ID: "other", "credentials__issuer": "edited"})
    assert here.issuer == "edited"
    assert here.kids == ["test-key"]
    assert here.source.current().tenant.credentials.signing_key_id == "test-key"
    level, message, fields = records.next()
    assert (level, message) == ("ERROR", "signing keys rejected; the previous ones stay")
    [line] = fields["errors"]
    assert line.startswith("credentials.derived_tokens.jwt.signing_keys.urls[1]: ")
    assert records.next()[1] == "configuration reloaded"
    here.edit(**{URLS: [other], KEY_ID: "other"})
    assert here.kids == ["other"]
    assert records.next()[1] == "configuration reloaded"
    assert records.none()


def test_a_bad_signing_key_of_the_start_is_not_reported_at_every_edit(
    host: Callable[..., Host], records: Records
) -> None:
    here = host(**{URLS: [BAD_KEY_URL, KEY_URL]})
    assert len(here.source.current().key_faults) == 1
    here.edit(**{URLS: [BAD_KEY_URL, KEY_URL], "credentials__issuer": "edited"})
    assert here.issuer == "edited" and here.kids == ["test-key"]
    assert records.next()[1] == "configuration reloaded"
    assert records.none()


def test_new_warnings_are_logged_once(host: Callable[..., Host], records: Records) -> None:
    here = host()
    here.edit(credentials__clock_skew="1h")
    assert records.next()[1] == "configuration reloaded"
    assert records.next()[:2] == ("WARNING", "credentials.clock_skew is above 10m and acts as 10m")
    here.edit(credentials__clock_skew="2h")
    assert records.next()[1] == "configuration reloaded"
    assert records.none()


def test_no_secret_of_a_rejected_edit_is_logged(
    host: Callable[..., Host], records: Records
) -> None:
    here = host(db__dsn="sqlite:///a.db")
    canary = "canary-7f3a"
    here.edit(
        db__dsn=f"postgres://u:{canary}@h/d",
        secrets__hmac={"current": canary, "retired": [canary], canary: 1},
        cache__redis__password=[canary],
        **{URLS: [canary]},
    )
    assert canary not in repr(records.next())
    here.edit(db__dsn=f"postgres://u:{canary}@h/d")
    assert canary not in repr(records.next())
    here.edit(f'secrets: "{canary}')
    assert canary not in repr(records.next())


def test_without_a_file_there_is_nothing_to_follow(records: Records) -> None:
    config = from_environ()
    source = ConfigSource(config, {})
    source.examine()
    assert source.current().config is config
    watcher = ConfigWatcher(source)
    watcher.start()
    watcher.stop()
    assert records.none()


def test_the_directory_answers_from_the_snapshot_in_force(host: Callable[..., Host]) -> None:
    here = host()
    source = SingleTenantSource(here.source)
    before = source.current()
    hash_before = before.config_hash("a")
    assert before.resolve("a") is before.resolve("c")
    assert before.config_hash("b") != hash_before
    here.edit(secrets__hmac__current=OTHER_SECRET, serve__http__cors__max_age=5.9)
    after = source.current()
    ring = after.resolve("a").credentials.hmac
    assert ring.accepted(0) == (OTHER_SECRET.encode(),)
    assert after.http.cors_max_age_s == 5
    assert after.config_hash("a") != hash_before


def test_a_directory_outlives_an_edit_unchanged(host: Callable[..., Host]) -> None:
    here = host()
    directory = SingleTenantSource(here.source).current()
    http, tenant, digest = directory.http, directory.resolve("a"), directory.config_hash("a")
    here.edit(secrets__hmac__current=OTHER_SECRET, serve__http__cors__max_age=5.9)
    assert here.source.current().http != http
    assert directory.http is http
    assert directory.resolve("a") is tenant
    assert directory.config_hash("a") == digest


def test_what_nobody_expected_is_survived_and_logged_without_its_text(
    host: Callable[..., Host], records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = host()

    def fail() -> bytes:
        raise RuntimeError("canary")

    monkeypatch.setattr(here.source._loader, "read", fail)
    here.source._examine_and_survive(lambda: True)
    level, message, fields = records.next()
    assert (level, message) == ("ERROR", "the configuration could not be examined")
    assert fields == {"file": str(here.path), "error": "RuntimeError"}
    monkeypatch.undo()
    here.edit(credentials__issuer="edited")
    assert here.issuer == "edited"

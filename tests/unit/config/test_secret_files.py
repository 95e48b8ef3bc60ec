"""Secrets in files that variables name: read, checked, followed, never shown."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from talos.config import schema
from talos.config.files import MAX_BYTES
from talos.config.loading import load
from talos.config.reload import ConfigSource, ConfigWatcher
from talos.config.values import Config
from talos.errors import ConfigurationError
from tests.support.canaries import CANARY, LONG, told_by
from tests.support.log_records import Records
from tests.unit.config.settings import (
    ISSUER,
    KEY_URL,
    OTHER_SECRET,
    SECRET,
    faults,
    tree,
    write,
)

CURRENT = "TALOS_SECRETS_HMAC_CURRENT_FILE"
RETIRED = "TALOS_SECRETS_HMAC_RETIRED"
REQUIRED = {"TALOS_CREDENTIALS_ISSUER": ISSUER}
REJECTED = "configuration rejected; the previous one stays in force"


@pytest.fixture
def secret(tmp_path: Path) -> Callable[..., str]:
    """Writes a file for its owner alone, and returns its name."""

    def write_secret(content: str | bytes = f"{SECRET}\n", name: str = "hmac") -> str:
        path = tmp_path / name
        path.touch(mode=0o600)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write_secret


def current(config: Config) -> str:
    return config.secret("secrets.hmac.current").reveal().decode()


@pytest.mark.parametrize(
    "name", [CURRENT, "SECRETS_HMAC_CURRENT_FILE", "secrets.hmac.current_file"]
)
def test_a_secret_in_a_file(secret: Callable[..., str], name: str) -> None:
    config = load(None, REQUIRED | {name: secret()})
    assert current(config) == SECRET
    assert config.origin("secrets.hmac.current") == name
    assert config.warnings == ()


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (SECRET, SECRET),
        (f"{SECRET}\n", SECRET),
        (f"{SECRET}\r\n", SECRET),
        (f"{SECRET}\n\n", f"{SECRET}\n"),
        (f"{SECRET}\r", f"{SECRET}\r"),
        (f" {SECRET} \n", f" {SECRET} "),
        (b"\xef\xbb\xbf" + SECRET.encode() + b"\n", SECRET),
        (f"{SECRET}é\n", f"{SECRET}é"),
    ],
)
def test_one_line_break_at_the_end_is_not_part_of_it(
    secret: Callable[..., str], content: str | bytes, value: str
) -> None:
    config = load(None, REQUIRED | {CURRENT: secret(content)})
    assert current(config) == value
    blank = "begins or ends with a blank or a line break"
    assert [blank in line for line in config.warnings] == [True] * (value != value.strip())


@pytest.mark.parametrize("path", [p for p, each in schema.settings().items() if each.secret])
def test_every_secret_has_a_file(secret: Callable[..., str], path: str) -> None:
    setting = schema.settings()[path]
    text = KEY_URL if path.endswith("urls") else OTHER_SECRET
    environ = REQUIRED | {"SECRETS_HMAC_CURRENT": SECRET}
    environ.pop("SECRETS_HMAC_CURRENT" if path == "secrets.hmac.current" else "") if False else None
    if path == "secrets.hmac.current":
        del environ["SECRETS_HMAC_CURRENT"]
    config = load(None, environ | {f"{setting.variable}_FILE": secret(f"{text}\n")})
    assert config.origin(path) == f"{setting.variable}_FILE"
    assert text in repr(json.loads(config.to_bytes()))


def test_lists_items_and_members(secret: Callable[..., str]) -> None:
    required = REQUIRED | {"TALOS_SECRETS_HMAC_CURRENT": SECRET}
    listed = json.dumps(
        [OTHER_SECRET, {"value": f"{OTHER_SECRET}2", "expires_at": "2030-01-31T00:00:00Z"}]
    )
    config = load(None, required | {f"{RETIRED}_FILE": secret(listed)})
    assert [entry.value[-1] for entry in config.retired("secrets.hmac.retired")] == ["9", "2"]
    environ = {
        f"{RETIRED}_0_FILE": secret(f"{OTHER_SECRET}\n", "first"),
        f"{RETIRED}_1_VALUE_FILE": secret(f"{OTHER_SECRET}2\n", "second"),
        f"{RETIRED}_1_EXPIRES_AT": "2030-01-31T00:00:00Z",
    }
    other = load(None, required | environ)
    assert other.retired("secrets.hmac.retired") == config.retired("secrets.hmac.retired")


def test_a_file_overrules_the_configuration(tmp_path: Path, secret: Callable[..., str]) -> None:
    path = write(tmp_path / "talos.yaml", tree(secrets__hmac__current=OTHER_SECRET))
    config = load(path, {CURRENT: secret()})
    assert current(config) == SECRET


@pytest.mark.parametrize("other", ["TALOS_SECRETS_HMAC_CURRENT", "SECRETS_HMAC_CURRENT"])
@pytest.mark.parametrize("value", [SECRET, OTHER_SECRET, ""])
def test_both_ways_at_once_are_a_fault(secret: Callable[..., str], other: str, value: str) -> None:
    [line] = faults(None, REQUIRED | {CURRENT: secret(), other: value})
    assert line == f"secrets.hmac.current ({CURRENT}): {other} is set too; expected one of the two"


def test_a_file_with_the_prefix_wins(secret: Callable[..., str]) -> None:
    names = {CURRENT: secret(), "SECRETS_HMAC_CURRENT_FILE": secret(OTHER_SECRET, "other")}
    config = load(None, REQUIRED | names)
    assert current(config) == SECRET
    assert config.warnings == (
        f"SECRETS_HMAC_CURRENT_FILE is ignored: {CURRENT} sets the same setting",
    )


FILE_EXPECTED = "expected the name of a regular file that can be read"


def unusable(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / kind
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path, 0o600)
        case "large":
            path.write_bytes(b"x" * (MAX_BYTES + 1))
            path.chmod(0o600)
        case "loop":
            path.symlink_to(path)
        case "device":
            path.symlink_to("/dev/zero")
    return path


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("folder", "Is a directory"),
        ("pipe", "a pipe, not a regular file"),
        ("device", "not a regular file"),
        ("large", f"larger than {MAX_BYTES} bytes"),
        ("loop", "Too many levels of symbolic links"),
        ("absent", "no such file"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_fault(tmp_path: Path, kind: str, told: str) -> None:
    """At once: nobody writes into the pipe, and the device never ends."""
    path = unusable(tmp_path, kind)
    lines = faults(None, REQUIRED | {CURRENT: str(path), "SERVE_HTTP_PORT": "0"})
    [line] = [line for line in lines if line.startswith("secrets.hmac.current")]
    assert f"secrets.hmac.current ({CURRENT}): " in line
    assert line.endswith(f"{told}; {FILE_EXPECTED}")
    assert any(line.startswith("serve.http.port") for line in lines), "all faults at once"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty"),
        (b"\n", "empty"),
        (b"\xff" * 40, "not valid UTF-8"),
        (CANARY.encode(), "too short"),
        (f"${{{LONG}}}".encode(), "holds a variable"),
    ],
)
def test_a_secret_that_is_none(secret: Callable[..., str], content: bytes, told: str) -> None:
    [line] = faults(None, REQUIRED | {CURRENT: secret(content)})
    assert line.startswith(f"secrets.hmac.current ({CURRENT}): {told}")
    assert CANARY not in line


def test_no_name_is_a_fault() -> None:
    lines = faults(None, REQUIRED | {CURRENT: ""})
    assert lines[0].startswith(f"secrets.hmac.current ({CURRENT}): names no file; {FILE_EXPECTED}")


@pytest.mark.parametrize("value", [LONG, f"{LONG}/{LONG}", LONG * 200, f"/{LONG}\udcff"])
def test_a_secret_in_the_place_of_a_file_name_is_not_shown(value: str) -> None:
    for path, setting in schema.settings().items():
        if setting.secret:
            with pytest.raises(ConfigurationError) as caught:
                load(None, {f"{setting.variable}_FILE": value})
            assert any(line.startswith(path) for line in caught.value.faults)
            assert CANARY not in told_by(caught.value)


# Following.


class Followed:
    """A server's configuration of one file of a secret, and maybe one of settings."""

    def __init__(self, environ: dict[str, str], path: Path | None = None) -> None:
        environ = ({} if path else REQUIRED) | environ
        self.source = ConfigSource(load(path, environ), environ)

    @property
    def secrets(self) -> tuple[bytes, ...]:
        return self.source.current().tenant.credentials.hmac.accepted(0)


def test_a_changed_file_is_a_reload(secret: Callable[..., str], records: Records) -> None:
    here = Followed({CURRENT: secret()})
    secret(f"{OTHER_SECRET}\n")
    here.source.examine()
    assert here.secrets == (OTHER_SECRET.encode(),)
    assert records.next()[:2] == ("INFO", "configuration reloaded")
    here.source.examine()
    [line] = records.lost
    assert line.startswith("secrets.hmac.current was replaced")
    assert records.none()


def test_a_file_that_goes_leaves_the_secret_in_force(
    tmp_path: Path, secret: Callable[..., str], records: Records
) -> None:
    path = write(tmp_path / "talos.yaml", tree(secrets__hmac__current=None))
    name = secret()
    here = Followed({CURRENT: name}, path)
    Path(name).unlink()
    here.source.examine()
    here.source.examine()
    level, message, fields = records.next()
    assert (level, message, fields["file"]) == ("ERROR", REJECTED, str(path))
    assert fields["errors"][0] == f"secrets.hmac.current ({CURRENT}): no such file; {FILE_EXPECTED}"
    assert here.secrets == (SECRET.encode(),)
    assert records.none()
    secret(OTHER_SECRET)
    here.source.examine()
    assert here.secrets == (OTHER_SECRET.encode(),)


def test_a_dsn_cannot_change(secret: Callable[..., str], records: Records) -> None:
    here = Followed(
        {"TALOS_DB_DSN_FILE": secret("sqlite:///a.db"), "TALOS_SECRETS_HMAC_CURRENT": SECRET}
    )
    secret("sqlite:///b.db")
    here.source.examine()
    assert records.next()[2]["errors"] == ["db.dsn: cannot change while the server runs"]


@pytest.fixture
def watched() -> Iterator[Callable[[Followed], None]]:
    """Starts the watcher of a configuration, which ends with the test."""
    watchers: list[ConfigWatcher] = []

    def start(followed: Followed) -> None:
        watchers.append(ConfigWatcher(followed.source))
        watchers[-1].start()

    yield start
    for watcher in watchers:
        watcher.stop()


def test_a_file_is_watched(
    tmp_path: Path,
    secret: Callable[..., str],
    watched: Callable[[Followed], None],
    records: Records,
) -> None:
    """In another folder than the configuration, and beside one that nobody touches."""
    (tmp_path / "elsewhere").mkdir()
    path = write(tmp_path / "elsewhere" / "talos.yaml", tree(secrets__hmac__current=None))
    here = Followed({CURRENT: secret()}, path)
    watched(here)
    for text in (OTHER_SECRET, SECRET):
        secret(text, "new.tmp")
        (tmp_path / "new.tmp").rename(tmp_path / "hmac")
        assert records.next()[1:] == ("configuration reloaded", {"file": str(path)})
        assert here.secrets == (text.encode(),)
    write(path, tree(secrets__hmac__current=None, credentials__issuer="edited"))
    assert records.next()[1] == "configuration reloaded"
    assert here.source.current().tenant.credentials.issuer == "edited"


def test_a_mounted_secret_of_kubernetes(
    tmp_path: Path, watched: Callable[[Followed], None], records: Records
) -> None:
    """The volume is a link to a folder that is swapped, and the file a link through it."""
    volume = tmp_path / "volume"
    volume.mkdir()

    def publish(name: str, text: str) -> None:
        (volume / name).mkdir()
        (volume / name / "hmac").touch(mode=0o600)
        (volume / name / "hmac").write_text(text)
        (volume / "..data_tmp").symlink_to(name)
        (volume / "..data_tmp").rename(volume / "..data")

    publish("..2026_01", f"{SECRET}\n")
    (volume / "hmac").symlink_to("..data/hmac")
    here = Followed({CURRENT: str(volume / "hmac")})
    watched(here)
    publish("..2026_02", f"{OTHER_SECRET}\n")
    assert records.next()[:2] == ("INFO", "configuration reloaded")
    assert here.secrets == (OTHER_SECRET.encode(),)


# Files that others may read.


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        (0o600, None),
        (0o640, None),
        (0o400, None),
        (0o644, "every user of the machine may read it (mode 0644)"),
        (0o604, "every user of the machine may read it (mode 0604)"),
        (0o660, "its group may change it (mode 0660)"),
        (0o664, "every user of the machine may read it, and its group change it (mode 0664)"),
        (0o602, "every user of the machine may change it (mode 0602)"),
        (0o666, "every user of the machine may change it (mode 0666)"),
    ],
)
def test_who_else_may_see_a_secret(
    tmp_path: Path, secret: Callable[..., str], mode: int, told: str | None
) -> None:
    name = secret()
    Path(name).chmod(mode)
    config = load(None, REQUIRED | {CURRENT: name})
    expected = [f"{name} holds a secret, and {told}: chmod g-w,o-rwx {name}"] if told else []
    assert list(config.warnings) == expected
    path = write(tmp_path / "the file.yaml", tree())
    path.chmod(mode)
    expected = [f"{path} holds secrets, and {told}: chmod g-w,o-rwx '{path}'"] if told else []
    assert list(load(path, {}).warnings) == expected


@pytest.mark.parametrize("path", [p for p, each in schema.settings().items() if each.secret])
def test_every_secret_in_a_file_counts(tmp_path: Path, path: str) -> None:
    value = [KEY_URL] if path.endswith("urls") else OTHER_SECRET
    value = [OTHER_SECRET] if path.endswith("retired") else value
    file = write(tmp_path / "talos.yaml", {"credentials": {"issuer": ISSUER}})
    environ = {} if path == "secrets.hmac.current" else {"SECRETS_HMAC_CURRENT": SECRET}
    file.chmod(0o644)
    if environ:
        assert load(file, environ).warnings == (), "without a secret anybody may read it"
    content = tree(secrets=None, **{path.replace(".", "__"): value})
    write(file, content)
    [line] = load(file, environ).warnings
    assert "holds secrets" in line


def test_a_configuration_without_secrets_that_everybody_may_change(tmp_path: Path) -> None:
    file = write(tmp_path / "talos.yaml", {"credentials": {"issuer": ISSUER}})
    environ = {"SECRETS_HMAC_CURRENT": SECRET}
    file.chmod(0o664)
    assert load(file, environ).warnings == ()
    file.chmod(0o666)
    [line] = load(file, environ).warnings
    told = "every user of the machine may change it (mode 0666)"
    assert line == f"{file} is the configuration, and {told}: chmod o-w {file}"


def test_what_a_link_leads_to_counts(tmp_path: Path, secret: Callable[..., str]) -> None:
    link = tmp_path / "link"
    link.symlink_to(secret())
    assert load(None, REQUIRED | {CURRENT: str(link)}).warnings == ()

"""``serve.http.allowed_hosts``: what may stand in the list (contract 16 (39))."""

from pathlib import Path

import pytest

from talos.config.snapshot import http_settings
from tests.unit.config.settings import faults_of, from_environ, loaded, tree

GOOD = ["keys.example.com", "Localhost.", "10.0.0.7", "::1", "[2001:db8::1]", "*.svc.local", "a_b"]
BAD = ["", "*", "*.", "a.*.b", "https://a", "a:80", "[::1]:80", "a/b", "a b", "[::1", "-a", "\xe9"]


def test_every_host_is_allowed_unless_some_are_named(tmp_path: Path) -> None:
    assert http_settings(loaded(tmp_path, tree())).allowed_hosts is None
    empty = loaded(tmp_path, tree(serve__http__allowed_hosts=[]))
    assert http_settings(empty).allowed_hosts is None


def test_names_addresses_and_patterns_are_taken(tmp_path: Path) -> None:
    hosts = http_settings(loaded(tmp_path, tree(serve__http__allowed_hosts=GOOD))).allowed_hosts
    assert hosts is not None
    for host in ("KEYS.example.com:1", "localhost", "10.0.0.7", "[::1]", "[2001:DB8::1]:2"):
        assert hosts.allow(host)
    assert hosts.allow("x.svc.local")
    assert not hosts.allow("other")


def test_the_environment_may_name_them() -> None:
    config = from_environ(TALOS_SERVE_HTTP_ALLOWED_HOSTS="a.example.com,*.b.example.com")
    hosts = http_settings(config).allowed_hosts
    assert hosts is not None
    assert hosts.allow("a.example.com")
    assert hosts.allow("x.b.example.com")


@pytest.mark.parametrize("entry", BAD)
def test_anything_else_is_a_fault(tmp_path: Path, entry: str) -> None:
    [fault] = faults_of(tmp_path, tree(serve__http__allowed_hosts=["a", entry]))
    assert "serve.http.allowed_hosts[1]" in fault
    assert "*.example.com" in fault

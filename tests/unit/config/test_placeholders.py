"""Secrets that nobody filled in, or that anybody could guess, are faults and never repeated."""

import re
import secrets
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.config.placeholders import guessable, unexpanded
from tests.unit.config.settings import (
    SECRET,
    faults,
    faults_of,
    loaded,
    tree,
)

REPOSITORY = Path(__file__).parents[3]
CURRENT = "secrets.hmac.current (TALOS_SECRETS_HMAC_CURRENT): "

TEMPLATES = [
    "${TALOS_SECRETS_HMAC_CURRENT_OF_PRODUCTION}",
    "${HMAC:?set the secret of the production server}",
    "${A:-${B}} and more text to fill the length",
    "prefix-of-some-length-${HMAC_SECRET}-suffix",
    "$TALOS_SECRETS_HMAC_CURRENT_OF_PRODUCTION",
    "%TALOS_SECRETS_HMAC_CURRENT_OF_PRODUCTION%",
    "$(openssl rand -base64 48 | tr -d '\\n')",
    "`openssl rand -base64 48 | tr -d newline`",
    "{{ .Values.secrets.hmac.current | quote }}",
    "{{talos_hmac_secret_of_the_production_host}}",
    "<%= ENV['TALOS_SECRETS_HMAC_CURRENT'] %>",
    "__TALOS_SECRETS_HMAC_CURRENT_PRODUCTION__",
    "<at least 32 characters from a random generator>",
    "  <a secret that you have generated yourself>  ",
    "ENC[AES256_GCM,data:Tr7oZp0=,iv:1vLmQ=,tag:o0,type:str]",
    "$ANSIBLE_VAULT;1.1;AES256\n6132636465666768696a6b6c6d6e6f70",
]
GUESSES = [
    "x" * 32,
    "ab" * 20,
    "0123456789abcdef0123456789abcdef",
    "12345678901234567890123456789012",
    "abcdefghijklmnopqrstuvwxyzABCDEF",
    "zyxwvutsrqponmlkjihgfedcba987654",
    "0" * 31 + "1",
    "01" * 15 + "0011",
    "changeme-changeme-changeme-changeme",
    "please-change-me-to-32-random-chars",
    "CHANGE_THIS_SECRET_BEFORE_PRODUCTION",
    "your-hmac-secret-at-least-32-characters",
    "replace-with-32-random-characters!!",
    "a-placeholder-of-32-characters-or-so",
    "insert-your-secret-of-32-characters",
    "my-super-secret-key-of-32-characters",
    "rotated-secret-rotated-secret-00",
    "qwertyuiopasdfghjklzxcvbnm1234567890",
    "file:///run/secrets/talos_hmac_secret",
    "vault://secret/data/talos#hmac_current",
    "/run/secrets/talos_secrets_hmac_current",
]


@pytest.mark.parametrize("text", [*TEMPLATES, *GUESSES])
def test_no_secret_of_this_server(tmp_path: Path, text: str) -> None:
    for lines in (
        faults_of(tmp_path, tree(secrets__hmac__current=text)),
        faults(None, {"CREDENTIALS_ISSUER": "x", "TALOS_SECRETS_HMAC_CURRENT": text}),
    ):
        [line] = lines
        assert line.startswith(CURRENT)
        assert line.endswith(
            "expected a secret from a random generator, such as: openssl rand -base64 48"
        )
        assert text.strip() not in line
    [line] = faults_of(tmp_path, tree(secrets__hmac__retired=[SECRET, text]))
    assert line.startswith("secrets.hmac.retired[1] (TALOS_SECRETS_HMAC_RETIRED): ")


@pytest.mark.parametrize("text", [*TEMPLATES, *GUESSES])
def test_a_retired_one_that_ends_is_worth_a_warning(tmp_path: Path, text: str) -> None:
    """Who finds out can replace it without losing the keys that it has made."""
    entry = {"value": text, "expires_at": "2030-01-31T00:00:00Z"}
    config = loaded(tmp_path, tree(secrets__hmac__retired=[SECRET, entry]))
    assert [kept.value for kept in config.retired("secrets.hmac.retired")] == [SECRET, text]
    warning, *_ = config.warnings
    assert warning.startswith("secrets.hmac.retired[1].value: ")
    assert warning.endswith("until it ends, whoever knows it can make macaroons that verify")
    assert text.strip() not in warning
    [line] = faults_of(tmp_path, tree(secrets__hmac__retired=[{"value": text}]))
    assert line.startswith("secrets.hmac.retired[0].value (TALOS_SECRETS_HMAC_RETIRED): ")


def test_an_entry_that_is_skipped_anyway_is_no_fault(tmp_path: Path) -> None:
    entry = {"value": "${OLD}" + SECRET, "expires_at": "soon"}
    loaded(tmp_path, tree(secrets__hmac__retired=[entry]))


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("db.dsn", "postgres://talos:${TALOS_DB_PASSWORD}@db:5432/talos"),
        ("db.dsn", "mysql://talos:<TALOS_DB_PASSWORD>@tcp(mariadb:3306)/talos?parseTime=true"),
        ("db.dsn", "mysql://talos:<password>@tcp(mariadb:3306)/talos"),
        ("db.dsn", "postgres://talos:changeme@db:5432/talos"),
        ("db.dsn", "postgres://talos:your-password@db:5432/talos"),
        ("db.dsn", "postgres://talos:PASSWORD@db:5432/talos"),
        ("db.dsn", "postgres://talos:...@db:5432/talos"),
        ("db.dsn", "{{ .Values.dsn }}"),
        ("cache.redis.password", "$REDIS_PASSWORD"),
        ("cache.redis.password", "change-me"),
        ("credentials.issuer", "https://${TALOS_HOST}"),
        ("credentials.issuer", "<your public URL>"),
        ("serve.http.host", "{{ ansible_host }}"),
    ],
)
def test_other_settings(tmp_path: Path, place: str, text: str) -> None:
    [line] = faults_of(tmp_path, tree(**{place.replace(".", "__"): text}))
    assert line.startswith(f"{place} (TALOS_{place.replace('.', '_').upper()}): ")
    assert line.endswith("expected the value itself, with nothing left to replace")
    assert text not in line


def test_items_of_lists(tmp_path: Path) -> None:
    urls = "credentials__derived_tokens__jwt__signing_keys__urls"
    [line] = faults_of(tmp_path, tree(**{urls: ["base64://${SIGNING_KEYS}"]}))
    assert line.startswith("credentials.derived_tokens.jwt.signing_keys.urls[0] (TALOS_")
    [line] = faults_of(tmp_path, tree(credentials__issuer_retired=["https://a", {"value": "$OLD"}]))
    assert line.startswith("credentials.issuer_retired[1].value (TALOS_CREDENTIALS_ISSUER_RETIRED)")


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("db.dsn", "sqlite:///var/lib/talos/talos.db"),
        ("db.dsn", "postgres://talos:a$b%7B%7D@db:5432/talos?sslmode=disable"),
        ("db.dsn", "mysql://talos:a<b>c$d@tcp(mariadb:3306)/talos"),
        ("cache.redis.password", "aaaa"),
        ("credentials.issuer", "https://keys.example.com/{tenant}"),
        ("secrets.hmac.current", "test-secret-of-words-with-$igns-and-<signs>"),
    ],
)
def test_what_only_looks_like_it(tmp_path: Path, place: str, text: str) -> None:
    loaded(tmp_path, tree(**{place.replace(".", "__"): text}))


@given(st.integers(32, 96), st.sampled_from([secrets.token_urlsafe, secrets.token_hex]))
def test_generated_secrets_are_secrets(size: int, generator: Any) -> None:
    text = generator(size)
    assert (unexpanded(text), guessable(text)) == (None, None)


PAGES = sorted(
    [
        REPOSITORY / "README.md",
        REPOSITORY / "docker-compose.yml",
        *(REPOSITORY / "docs").rglob("*.md"),
    ]
)
_EXAMPLE = re.compile(
    r"""^[ #>-]*(?:export\ )?(?:
        (?:TALOS_)?SECRETS_HMAC_(?:CURRENT|RETIRED(?:_\d+)?(?:_VALUE)?)[=:]\s*(?P<variable>\S.*)
        |(?:current|value):\s*(?P<member>.*)
        |<(?P<item>[^!>][^>]*)>
        |hmac:\s*\{\s*current:\s*(?P<inline>[^,}]+)
    )$""",
    re.MULTILINE | re.VERBOSE,
)
_DSN = re.compile(r"\b(?:postgres|postgresql|cockroach|mysql)://[^\s:/@`]+:[^\s@`]+@[^\s`\"']+")


def example_secrets() -> list[tuple[str, str]]:
    """Every value that a page shows in the place of an HMAC secret, with the page."""
    found = []
    for page in PAGES:
        for match in _EXAMPLE.finditer(page.read_text()):
            text = next(filter(None, match.groups())).strip("\"'")
            text = f"<{text}>" if match["item"] else text
            if not text.startswith("http"):
                found.append((page.name, text))
    return found


def example_dsns() -> list[tuple[str, str]]:
    return [
        (page.name, dsn.rstrip(".,;)"))
        for page in PAGES
        for dsn in _DSN.findall(page.read_text())
        if "${" not in dsn
    ]


def test_the_search_finds_the_examples() -> None:
    """What these pages are known to show; a search that finds less would prove nothing."""
    found = example_secrets()
    assert ("settings.md", "<at least 32 characters from a random generator>") in found
    assert ("settings.md", "<an earlier secret>") in found
    assert ("deployment.md", "$(openssl rand -base64 48)") in found
    assert {page for page, _ in example_dsns()} >= {"deployment.md", "docker-compose.yml"}


@pytest.mark.parametrize(("page", "text"), example_secrets())
def test_no_example_of_the_docs_is_a_secret(tmp_path: Path, page: str, text: str) -> None:
    [line] = faults_of(tmp_path, tree(secrets__hmac__current=text))
    assert line.startswith(CURRENT)


@pytest.mark.parametrize(("page", "dsn"), example_dsns())
def test_no_example_of_the_docs_is_a_dsn(tmp_path: Path, page: str, dsn: str) -> None:
    [line] = faults_of(tmp_path, tree(db__dsn=dsn))
    assert line.startswith("db.dsn (TALOS_DB_DSN): ")


def configurations() -> list[tuple[str, str]]:
    """Every block of YAML on a page that holds the section of secrets."""
    return [
        (page.name, block)
        for page in PAGES
        for block in re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
        if re.search(r"^secrets:", block, re.MULTILINE)
    ]


@pytest.mark.parametrize(("page", "block"), configurations())
def test_a_configuration_of_the_docs_does_not_validate(
    tmp_path: Path, page: str, block: str
) -> None:
    faults_of(tmp_path, block)


def test_there_are_configurations_in_the_docs() -> None:
    assert len(configurations()) >= 2

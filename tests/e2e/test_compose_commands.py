"""Dockerfile and docker-compose.yml: their commands, run by hand in the order they give.

No engine is needed: the commands, the environment and the health check are taken out of the files
and run as they are, against a database server of the tests.
"""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from talos.adapters.sql.dsn import parse_dsn
from talos.bootstrap import CLOSE_TIMEOUT_S
from talos.serving.process.worker import GRACE_S
from tests.e2e.processes import PYTHON, REPOSITORY, Server, clean_environment, free_ports
from tests.support.servers import MySqlService, PostgresService
from tests.support.talos_server import ADMIN, HMAC_SECRET, ISSUER, Talos, signing_keys

COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("migrate", "admin", "public")
VARIABLES = {
    "TALOS_DB_PASSWORD": "not-a-live-password",
    "TALOS_SECRETS_HMAC_CURRENT": HMAC_SECRET,
    "TALOS_ISSUER": ISSUER,
    "TALOS_SIGNING_KEYS": "base64://e30=",
}


class Unset(Exception):
    """A variable that must be set is not."""


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """Replace ``${NAME}``, ``${NAME:-default}`` and ``${NAME:?message}``, as Compose does."""
    done = ""
    while (start := text.find("${")) >= 0:
        depth, end = 1, start + 2
        while depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        match = re.fullmatch(r"(\w+)(?::([-?])(.*))?", text[start + 2 : end - 1])
        assert match is not None, text
        name, operator, rest = match.groups()
        value = variables.get(name, "")
        if not value and operator == "?":
            raise Unset(rest)
        done += text[:start] + (value or interpolate(rest or "", variables))
        text = text[end:]
    return done + text


def environment_of(service: str, variables: Mapping[str, str]) -> dict[str, str]:
    entries = SERVICES[service].get("environment", {})
    return {name: interpolate(str(value), variables) for name, value in entries.items()}


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions with their arguments, comments and line breaks taken out."""
    lines = [
        line
        for line in (REPOSITORY / "Dockerfile").read_text().splitlines()
        if line.strip() and not line.lstrip().startswith("#")
    ]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in joined.split("\n"))]


def final_stage() -> list[tuple[str, str]]:
    found = instructions()
    last = max(index for index, (name, _) in enumerate(found) if name == "FROM")
    return found[last:]


def image_environment() -> dict[str, str]:
    """What the image sets by itself for the server."""
    pairs = [pair for name, rest in final_stage() if name == "ENV" for pair in shlex.split(rest)]
    entries = dict(pair.split("=", 1) for pair in pairs)
    return {name: value for name, value in entries.items() if name.startswith("TALOS_SERVE_")}


def health_check() -> list[str]:
    [rest] = [rest for name, rest in final_stage() if name == "HEALTHCHECK"]
    command: list[str] = yaml.safe_load(rest[rest.index("[") :])
    assert command[0] == "talos"
    return [PYTHON, "-m", "talos", *command[1:]]


@pytest.fixture(params=["postgres", "mysql"])
def empty_dsn(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database with nothing in it."""
    service: PostgresService | MySqlService = request.getfixturevalue(f"{request.param}_service")
    dsn = service.create_database()
    yield dsn
    service.drop_database(dsn)


class Deployment:
    """The services of the file as processes of this host, each on ports of its own."""

    def __init__(self, folder: Path, dsn: str, stack: ExitStack) -> None:
        self._folder = folder
        self._variables = {**VARIABLES, "TALOS_DB_DSN": dsn, "TALOS_SIGNING_KEYS": signing_keys()}
        self._stack = stack

    def up(self, service: str) -> Server:
        port, metrics_port = free_ports(2)
        ports = {"TALOS_SERVE_HTTP_PORT": str(port), "TALOS_SERVE_METRICS_PORT": str(metrics_port)}
        environment = image_environment() | environment_of(service, self._variables) | ports
        assert ("ENTRYPOINT", '["talos"]') in final_stage()
        server = Server(
            [PYTHON, "-m", "talos", *SERVICES[service]["command"]],
            self._folder,
            port=port,
            metrics_port=metrics_port,
            environment=clean_environment(**environment),
        )
        return self._stack.enter_context(server)


@pytest.fixture
def deployment(tmp_path: Path, empty_dsn: str) -> Iterator[Deployment]:
    with ExitStack() as stack:
        yield Deployment(tmp_path, empty_dsn, stack)


def healthy(server: Server) -> bool:
    environment = environment_of("admin", {**VARIABLES, "TALOS_SIGNING_KEYS": signing_keys()})
    environment["TALOS_SERVE_METRICS_PORT"] = str(server.metrics_port)
    # A proxy that nobody listens on: the check may not ask it.
    environment["HTTP_PROXY"] = environment["http_proxy"] = "http://127.0.0.1:9"
    done = subprocess.run(
        health_check(), env=clean_environment(**environment), capture_output=True, timeout=60
    )
    return done.returncode == 0


def test_the_commands_in_their_order(deployment: Deployment, tmp_path: Path) -> None:
    too_early = deployment.up("admin")
    assert too_early.wait() == 1
    assert "talos migrate up" in too_early.last_line

    assert deployment.up("migrate").wait() == 0
    # The job runs again at every `docker compose up`.
    assert deployment.up("migrate").wait() == 0

    admin = Talos(deployment.up("admin").wait_ready(), tmp_path)
    public = Talos(deployment.up("public").wait_ready(), tmp_path)
    assert healthy(admin.server)
    assert healthy(public.server)

    credential = admin.issue(ttl="1h")["secret"]
    assert admin.verify(credential)["is_valid"] is True
    assert public.ask("POST", f"{ADMIN}/apiKeys:verify", {"credential": credential})[0] == 404
    assert public.ask("POST", "/v2alpha1/apiKeys:selfRevoke", {"credential": credential})[0] == 200
    assert admin.verify(credential)["is_valid"] is False
    keys = "/v2alpha1/derivedKeys/jwks.json"
    assert admin.ask("GET", keys) == public.ask("GET", keys)

    assert public.server.stop() == 0
    assert not healthy(public.server)


def test_only_the_public_surface_is_published() -> None:
    published = {name for name, service in SERVICES.items() if "ports" in service}
    assert published == {"public"}
    assert COMPOSE["networks"]["inside"]["internal"] is True
    outside = {name for name, service in SERVICES.items() if "outside" in service["networks"]}
    assert outside == {"public"}


def test_both_surfaces_wait_for_the_migration() -> None:
    for name in ("admin", "public"):
        condition = SERVICES[name]["depends_on"]["migrate"]["condition"]
        assert condition == "service_completed_successfully"


@pytest.mark.parametrize("name", ["postgres", "mariadb"])
def test_the_migration_waits_for_its_database(name: str) -> None:
    """It does not wait by itself, and is not run again after it failed."""
    awaited = SERVICES["migrate"]["depends_on"][name]
    assert awaited["condition"] == "service_healthy"
    # A database that stands in a profile is not there unless somebody asks for it.
    assert awaited.get("required", True) is ("profiles" not in SERVICES[name])
    assert SERVICES["migrate"]["restart"] == "no"


def test_a_database_is_healthy_only_once_it_can_be_reached() -> None:
    """While the images make their first database, a server answers on its local socket alone."""
    postgres = SERVICES["postgres"]["healthcheck"]["test"]
    assert postgres[postgres.index("--host") + 1] == "127.0.0.1"
    assert "--connect" in SERVICES["mariadb"]["healthcheck"]["test"]


def test_every_database_of_the_contract_is_there() -> None:
    assert {"postgres", "mariadb", "redis"} <= set(SERVICES)
    for name in ("postgres", "mariadb", "redis"):
        assert "healthcheck" in SERVICES[name]


def test_our_containers_may_do_little() -> None:
    for name in OURS:
        assert SERVICES[name]["read_only"] is True
        assert SERVICES[name]["cap_drop"] == ["ALL"]
        assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", VARIABLES)
def test_nothing_starts_without_its_secrets(name: str) -> None:
    incomplete = {other: value for other, value in VARIABLES.items() if other != name}
    with pytest.raises(Unset, match=name):
        for service in (*OURS, "postgres", "mariadb"):
            environment_of(service, incomplete)


def test_the_default_address_of_the_database_is_one() -> None:
    url = parse_dsn(environment_of("admin", VARIABLES)["TALOS_DB_DSN"])
    assert VARIABLES["TALOS_DB_PASSWORD"] not in url.shown
    assert "postgres:5432" in url.shown


def test_the_time_to_stop_is_more_than_a_drain_takes() -> None:
    longest_s = GRACE_S + CLOSE_TIMEOUT_S
    for name in ("admin", "public"):
        assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > longest_s
    unit = (REPOSITORY / "packaging" / "systemd" / "talos.service").read_text()
    [systemd] = re.findall(r"^TimeoutStopSec=(\d+)", unit, re.MULTILINE)
    told = (REPOSITORY / "docs" / "deployment.md").read_text()
    [container] = re.findall(r"Give it (\d+) s\s+to stop", told)
    assert min(int(systemd), int(container)) > longest_s


def test_the_image_is_built_in_two_stages_and_runs_as_nobody() -> None:
    found = instructions()
    assert [name for name, _ in found].count("FROM") == 2
    stage = dict(final_stage())
    user, _, group = stage["USER"].partition(":")
    assert int(user) > 0
    assert int(group) > 0
    assert not any("apt-get" in rest for name, rest in final_stage() if name == "RUN")
    assert stage["CMD"] == '["serve"]'


_DIGEST = re.compile(r"\S+:\S+@sha256:[0-9a-f]{64}")


def test_images_are_named_by_their_digests() -> None:
    for name, service in SERVICES.items():
        if name not in OURS:
            assert _DIGEST.fullmatch(service["image"]), name
    defaults = dict(rest.split("=", 1) for name, rest in instructions() if name == "ARG")
    for name, rest in instructions():
        if name == "FROM":
            image = interpolate(rest.split()[0], defaults)
            assert _DIGEST.fullmatch(image), image


def test_everything_the_image_is_built_from_reaches_the_builder() -> None:
    kept = {
        line.removeprefix("!")
        for line in (REPOSITORY / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = {
        source
        for name, rest in instructions()
        if name == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    assert {source.partition("/")[0] for source in copied} <= kept
    assert all((REPOSITORY / name).exists() for name in copied)


@pytest.mark.skipif(
    shutil.which("docker") is None
    or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode != 0,
    reason="docker compose is not installed",
)
def test_compose_takes_the_file() -> None:
    done = subprocess.run(
        [
            "docker",
            "compose",
            "--file",
            str(REPOSITORY / "docker-compose.yml"),
            "config",
            "--quiet",
        ],
        env=clean_environment(**VARIABLES),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr

"""Slips of operators on a running server: refused at start, warned of, or told at the reload."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.processes import PYTHON, clean_environment, eventually
from tests.support.talos_server import ADMIN, HMAC_SECRET, Serve, Talos

NEXT_SECRET = "test-secret-that-comes-next-0123456789"
CURRENT = "TALOS_SECRETS_HMAC_CURRENT"


def warnings(talos: Talos) -> list[str]:
    return [line["msg"] for line in talos.server.records if line["level"] == "WARN"]


@pytest.mark.parametrize(
    "secret",
    [
        "<at least 32 characters from a random generator>",
        "${TALOS_SECRETS_HMAC_CURRENT_OF_THE_HOST}",
        "0123456789abcdef0123456789abcdef",
        "x" * 48,
    ],
)
def test_a_secret_that_everybody_knows_is_refused(serve: Serve, secret: str) -> None:
    talos = serve(over={"secrets": {"hmac": {"current": secret}}}, ready=False)
    assert talos.server.wait() == 1
    assert f"secrets.hmac.current ({CURRENT}): " in talos.server.log
    assert "openssl rand -base64 48" in talos.server.log
    assert secret not in talos.server.log


def test_the_start_tells_of_slips(serve: Serve) -> None:
    key_id = "credentials.derived_tokens.jwt.signing_key_id"
    talos = serve(
        over={"credentials": {"derived_tokens": {"jwt": {"signing_key_id": "key-of-july"}}}},
        environment={
            "TALOS_SECRETS_HMAC_CURENT": "canary-41f0",
            "TALOS_SERVICE_HOST": "10.0.0.1",
            "TALOS_PORT_4420_TCP_ADDR": "10.0.0.1",
        },
    )
    told = warnings(talos)
    unknown = "TALOS_SECRETS_HMAC_CURENT is ignored: it belongs to no setting; did you mean "
    assert f"{unknown}{CURRENT}?" in told
    assert not [line for line in told if "TALOS_SERVICE" in line or "TALOS_PORT" in line]
    [line] = [line for line in told if line.startswith(key_id)]
    assert "names no key that can sign; expected the kid of a key" in line
    assert "canary-41f0" not in talos.server.log
    talos.configuration.chmod(0o644)
    again = subprocess.run(
        [PYTHON, "-m", "talos", "config", "validate", "--config", str(talos.configuration)],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (again.returncode, "names no key that can sign" in again.stderr) == (1, True)


def test_a_reload_tells_of_a_signing_key_id_that_names_no_key(serve: Serve) -> None:
    talos = serve()
    credential = talos.issue()["secret"]

    def told() -> list[str]:
        return [line for line in warnings(talos) if "names no key that can sign" in line]

    def reload(key_id: str) -> None:
        seen = talos.server.log.count("configuration reloaded")
        jwt = {"signing_key_id": key_id}
        talos.edit({"credentials": {"derived_tokens": {"jwt": jwt}}})
        eventually(lambda: talos.server.log.count("configuration reloaded") > seen, "the reload")

    def derive() -> int:
        body = {"credential": credential, "algorithm": "TOKEN_ALGORITHM_JWT"}
        return talos.ask("POST", f"{ADMIN}/apiKeys:derive", body)[0]

    assert (told(), derive()) == ([], 200)
    reload("key-of-july")
    eventually(told, "the warning")
    assert "JSON Web Tokens cannot be derived" in told()[-1]
    assert "key-of-july" not in talos.server.log
    eventually(lambda: derive() == 500, "the worker's reload")
    assert talos.verify(credential)["is_valid"] is True
    reload("")
    eventually(lambda: derive() == 200, "the worker's reload")
    assert len(told()) == 1


def test_a_world_readable_file_is_told(serve: Serve) -> None:
    def opened(command: list[str]) -> list[str]:
        """Let everybody read the file, the last word of the command, before the server does."""
        return ["sh", "-c", f'chmod 0644 "{command[-1]}"; exec "$@"', "sh", *command]

    talos = serve(wrap=opened)
    path = talos.configuration
    told = "holds secrets, and every user of the machine may read it (mode 0644)"
    assert f"{path} {told}: chmod g-w,o-rwx {path}" in warnings(talos)


def test_a_replaced_secret_is_told_with_what_it_does(serve: Serve) -> None:
    talos = serve()
    credential = talos.issue()["secret"]
    told = "secrets.hmac.current was replaced, and the earlier secret is not in "

    def lost() -> int:
        return sum(line.startswith(told) for line in warnings(talos))

    def reload(current: str, *retired: str) -> None:
        seen = talos.server.log.count("configuration reloaded")
        talos.edit({"secrets": {"hmac": {"current": current, "retired": list(retired)}}})
        eventually(lambda: talos.server.log.count("configuration reloaded") > seen, "the reload")

    reload(NEXT_SECRET)
    eventually(lambda: lost() == 1, "the warning")
    assert talos.verify(credential)["error_code"] == "VERIFICATION_ERROR_NOT_FOUND"
    reload(NEXT_SECRET, HMAC_SECRET)
    assert talos.verify(credential)["is_valid"] is True
    reload(HMAC_SECRET, NEXT_SECRET)
    assert talos.verify(credential)["is_valid"] is True
    assert lost() == 1
    assert HMAC_SECRET not in talos.server.log
    assert NEXT_SECRET not in talos.server.log


@pytest.fixture
def secret_file(tmp_path: Path) -> Callable[[str], Path]:
    def put(text: str) -> Path:
        draft = tmp_path / "draft"
        draft.touch(mode=0o600)
        draft.write_text(f"{text}\n")
        return draft.rename(tmp_path / "hmac")

    return put


def test_a_secret_in_a_file_is_followed(
    serve: Serve, secret_file: Callable[[str], Path], tmp_path: Path
) -> None:
    path = secret_file(HMAC_SECRET)
    both = serve(environment={f"{CURRENT}_FILE": str(path), CURRENT: HMAC_SECRET}, ready=False)
    assert both.server.wait() == 1
    assert f"{CURRENT} is set too; expected one of the two" in both.server.log

    talos = serve(environment={f"{CURRENT}_FILE": str(path)})
    credential = talos.issue()["secret"]
    seen = talos.server.log.count("configuration reloaded")
    secret_file(NEXT_SECRET)
    eventually(lambda: talos.server.log.count("configuration reloaded") > seen, "the reload")
    assert talos.verify(credential)["error_code"] == "VERIFICATION_ERROR_NOT_FOUND"
    assert any(line.startswith("secrets.hmac.current was replaced") for line in warnings(talos))
    # What cannot be read changes nothing, whatever it is.
    fresh = talos.issue()["secret"]
    path.unlink()
    os.mkfifo(path)
    talos.server.signal(signal.SIGHUP)
    eventually(lambda: "a pipe, not a regular file" in talos.server.log, "the refusal")
    assert talos.verify(fresh)["is_valid"] is True
    path.unlink()
    secret_file(HMAC_SECRET)
    eventually(lambda: talos.verify(credential)["is_valid"], "the first secret again")
    assert HMAC_SECRET not in talos.server.log
    assert NEXT_SECRET not in talos.server.log


def test_a_configuration_that_is_no_file_any_more_holds_up_nobody(serve: Serve) -> None:
    talos = serve()
    good = talos.configuration.read_text()
    talos.configuration.unlink()
    os.mkfifo(talos.configuration)
    eventually(lambda: "a pipe, not a regular file" in talos.server.log, "the refusal")
    talos.configuration.unlink()
    talos.configuration.write_text(good.replace("default_ttl: 24h", "default_ttl: 12h"))
    eventually(lambda: "configuration reloaded" in talos.server.log, "the reload")
    assert talos.ask("GET", f"{ADMIN}/issuedApiKeys")[0] == 200

"""``talos completion``, and what the shells are told."""

import shutil
import subprocess

import pytest

from tests.support.cli import Run


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_every_shell(talos: Run, shell: str) -> None:
    result = talos("completion", shell)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "_TALOS_COMPLETE" in result.stdout
    binary = shutil.which(shell)
    if binary:
        check = subprocess.run([binary, "-n"], input=result.stdout, text=True, capture_output=True)
        assert (check.returncode, check.stderr) == (0, "")


def test_another_shell(talos: Run) -> None:
    result = talos("completion", "powershell")
    assert (result.exit_code, result.stdout) == (1, "")


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("k", ["keys"]),
        ("keys iss", ["issue", "issued"]),
        ("keys issued r", ["rotate", "revoke"]),
        ("keys verify --no", ["--no-cache"]),
        ("keys verify --format j", ["json", "json-pretty", "jsonpath=", "jsonpointer="]),
        ("keys issued list --status KEY_STATUS_E", ["KEY_STATUS_EXPIRED"]),
        ("jwk generate rsa --alg PS", ["PS256", "PS384", "PS512"]),
        ("migrate f", ["force"]),
        ("completion f", ["fish"]),
    ],
)
def test_what_bash_is_offered(
    talos: Run, monkeypatch: pytest.MonkeyPatch, words: str, offered: list[str]
) -> None:
    line = f"talos {words}"
    monkeypatch.setenv("_TALOS_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split()) - 1))
    result = talos()
    assert result.stdout.split() == [f"plain,{word}" for word in offered]

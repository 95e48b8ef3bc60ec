"""The native code of rate limits, driven by threads, with ThreadSanitizer where there is one."""

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
SOURCE = Path(__file__).with_name("rate_limits_threads.c")
# A sanitizer that is preloaded into this interpreter has no place in the driver.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}


def run(*command: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)


def build(program: Path, *flags: str) -> bool:
    compiler = sysconfig.get_config_var("CC").split()
    return not run(
        *(*compiler, "-Wall", "-Wextra", "-Werror", "-pthread", *flags),
        *(f"-I{CHECKOUT / 'talos' / 'native'}", SOURCE, "-o", program),
    ).returncode


def test_threads_pass_exactly_what_is_permitted(tmp_path: Path) -> None:
    program = tmp_path / "threads"
    assert build(program, "-O2")
    result = run(program, "1000")
    assert (result.returncode, result.stderr) == (0, "")


def test_threads_are_free_of_data_races(tmp_path: Path) -> None:
    empty = tmp_path / "empty.c"
    empty.write_text("int main(void) { return 0; }\n")
    compiler = sysconfig.get_config_var("CC").split()
    if run(*compiler, "-fsanitize=thread", empty, "-o", tmp_path / "empty").returncode:
        pytest.skip("the compiler has no ThreadSanitizer")
    program = tmp_path / "threads"
    assert build(program, "-O1", "-g", "-fsanitize=thread")
    result = run(program, "60")
    assert (result.returncode, result.stderr) == (0, "")

"""The tour in README.md works as it is written, and prints what it says."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.processes import PYTHON, REPOSITORY, Server, clean_environment, free_ports

TOUR = (REPOSITORY / "README.md").read_text().partition("\n## Five minutes\n")[2]
TOUR = TOUR.partition("\n## ")[0]
ADDRESS = "localhost:4420"
END = "-- end of a command --"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TOUR, re.MULTILINE | re.DOTALL)


def steps() -> list[tuple[str, str]]:
    """Each command of the tour with what stands below it."""
    parts = re.split(r"^\$ ", "".join(blocks("console")), flags=re.MULTILINE)
    commands = [part.partition("\n") for part in parts if part]
    return [(command, output) for command, _, output in commands]


def pattern(token: str) -> str:
    """What a word of the page matches: ``...`` and the characters before it are anything."""
    return r"[\w:.-]+".join(map(re.escape, re.split(r"[\w:-]*\.\.\.", token)))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """What ``make serve`` starts, on ports of its own."""
    folder = tmp_path_factory.mktemp("readme")
    port, metrics_port = free_ports(2)
    with Server(
        [PYTHON, "-m", "talos.cli.first_run"],
        folder,
        port=port,
        metrics_port=metrics_port,
        environment=clean_environment(
            TALOS_SERVE_HTTP_PORT=str(port), TALOS_SERVE_METRICS_PORT=str(metrics_port)
        ),
    ) as running:
        yield running.wait_ready()


def test_the_commands_print_what_the_page_shows(server: Server, tmp_path: Path) -> None:
    (path, _), *rest = steps()
    assert path == "PATH=$PWD/.venv/bin:$PATH"
    address = f"127.0.0.1:{server.port}"
    script = [f'talos() {{ "{PYTHON}" -m talos "$@" -e http://{address}; }}', "exec 2>&1"]
    for command, _ in rest:
        script += [command.replace(ADDRESS, address), f"echo; echo '{END}'"]
    done = subprocess.run(
        ["sh", "-u", "-c", "\n".join(script)],
        capture_output=True,
        text=True,
        check=True,
        env=clean_environment(),
        cwd=tmp_path,
        timeout=120,
    )
    printed = done.stdout.split(END)[:-1]
    assert len(printed) == len(rest)
    for (command, shown), output in zip(rest, printed, strict=True):
        # The page breaks the line of an answer.
        expected = re.sub(r'\n (?=")', "", shown).split()
        assert len(output.split()) == len(expected), f"{command}\n{output}"
        for word, said in zip(expected, output.split(), strict=True):
            assert re.fullmatch(pattern(word), said), f"{command}\n{output}"


def test_the_example_of_the_sdk_runs(server: Server, tmp_path: Path) -> None:
    [example] = blocks("python")
    done = subprocess.run(
        [PYTHON, "-c", example.replace(ADDRESS, f"127.0.0.1:{server.port}")],
        capture_output=True,
        text=True,
        env=clean_environment(),
        cwd=tmp_path,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def test_every_step_of_the_tour_is_found() -> None:
    assert TOUR.count(ADDRESS) == 2
    assert len(steps()) == 9

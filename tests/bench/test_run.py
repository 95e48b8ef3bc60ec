"""The bench as a person runs it, with tiny counts on our own server."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.load import closed, open_loop
from bench.tools import Missing, install_command
from tests.support.bench_results import read

ROOT = Path(__file__).parents[2]


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one small run of servers and of a curve."""
    try:
        closed.available()
        open_loop.available()
    except Missing as missing:
        pytest.skip(str(missing))
    folder = tmp_path_factory.mktemp("results")
    done = bench(
        *("--effort", "smoke", "--only", "http", "--only", "growth"),
        *("--rows", "cached,nginx", "--curves", "body", "--output", str(folder)),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "What it must reach" in done.stdout
    return folder


@pytest.fixture(scope="module")
def result(output: Path) -> Any:
    (path,) = output.glob("*.json")
    return json.loads(path.read_text())


def test_our_server_is_measured(result: Any) -> None:
    ours = next(row for row in result["servers"] if row["name"] == "cached")
    assert ours["left_out"] == ""
    (usage,) = ours["closed"]
    assert usage["load"]["requests"] > 0
    assert (usage["load"]["refused"], usage["load"]["broken"]) == (0, 0)
    assert usage["cpu_s"] >= 0
    assert usage["pss_bytes"] > 1 << 20
    (at_rate,) = ours["open"]
    assert at_rate["rate"] > 0
    latency = at_rate["usage"]["load"]["latency"]
    assert 0 < latency["p50_us"] <= latency["p99_us"] <= latency["p999_us"] <= latency["max_us"]


def test_the_limit_is_measured_or_says_why_not(result: Any) -> None:
    limit = next(row for row in result["servers"] if row["name"] == "nginx")
    assert bool(limit["closed"]) != bool(limit["left_out"])


def test_the_curve_has_its_points(result: Any) -> None:
    (curve,) = result["growth"]
    assert curve["left_out"] == ""
    assert [point["x"] for point in curve["points"]] == [0, 4096]
    assert all(point["figures"]["requests/s"] > 0 for point in curve["points"])


def test_the_run_tells_where_and_of_what_it_is(result: Any) -> None:
    assert result["effort"] == "smoke"
    assert result["machine"]["cores_used"]
    assert result["versions"]["talos"]
    assert result["commit"]


def test_the_page_is_well_formed(output: Path) -> None:
    (path,) = output.glob("*.html")
    found = read(path.read_text())
    assert "svg" in found.tags
    assert "talos, cached" in "\n".join(found.text)


@pytest.mark.parametrize("option", ["--rows", "--curves"])
def test_unknown_names_are_refused(option: str) -> None:
    done = bench(option, "no-such-name")
    assert done.returncode == 2
    assert "no-such-name" in done.stderr


def test_the_missing_are_named_in_one_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.tools.shutil.which", lambda *arguments, **more: None)
    assert install_command() == "apt-get install -y wrk nginx redis-server gcc"

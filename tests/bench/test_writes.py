"""The bench of writes runs, and measures every kind both ways."""

import subprocess
import sys
from pathlib import Path


def test_it_prints_a_ratio_for_every_kind_of_write(tmp_path: Path) -> None:
    dsn = f"sqlite://{tmp_path / 'bench.db'}"
    command = [sys.executable, "-m", "bench.writes", "--rounds", "1", "--writes", "2"]
    done = subprocess.run([*command, "--database", dsn], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert [line.split()[1] for line in lines] == ["issue", "update", "import_100"]
    assert all(float(line.split()[-1]) > 0 for line in lines)

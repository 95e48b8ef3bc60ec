"""The comparison of two checkouts, of this one with itself."""

from pathlib import Path

import pytest

from bench import compare_checkouts
from bench.load import closed
from bench.servers import talos
from bench.servers.exchange import WrongAnswer
from bench.servers.site import Site, Subject
from bench.tools import ROOT, Missing

QUICK = ["--rounds", "2", "--seconds", "0.2"]


@pytest.fixture(autouse=True)
def load() -> None:
    try:
        closed.available()
    except Missing as missing:
        pytest.skip(str(missing))


@pytest.mark.skipif(not (ROOT / ".venv").exists(), reason="this checkout has no .venv of its own")
def test_both_are_measured_in_every_round_and_the_median_decides() -> None:
    told: list[str] = []
    status = compare_checkouts.main([str(ROOT), *QUICK, "--at-least", "0.0001"], told.append)
    assert status == 0, told
    assert len(told) == 3
    assert all("ours" in line and "theirs" in line for line in told[:2])
    assert told[-1].startswith("median of 2 rounds: ")
    for more in ([], ["--by-cpu"]):
        asked = [str(ROOT), *QUICK, "--at-least", "1e9", *more]
        assert compare_checkouts.main(asked, told.append) == 1


def test_what_is_no_checkout_cannot_be_measured(tmp_path: Path) -> None:
    told: list[str] = []
    assert compare_checkouts.main([str(tmp_path), *QUICK], told.append) == 2
    assert "cannot be measured" in told[0]


def test_a_server_that_says_no_is_not_measured() -> None:
    with Site(workers=1) as site:
        ours = talos.cached(site)
        mistaken = Subject(ours.port, talos.wire.verify_request("no-key"), ours.answer, ours.pid)
        with pytest.raises(WrongAnswer):
            compare_checkouts.speeds(site, ours, mistaken, rounds=1, seconds=0.2)

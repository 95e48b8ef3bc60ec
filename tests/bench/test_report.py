"""What is made of measurements: ratios, verdicts, tables and the page."""

import pytest

from bench.report import page, summary, svg
from bench.report.table import figure, nanoseconds, ratio
from bench.results import ServerRow, paired_ratio
from bench.targets import verdicts
from tests.bench.made import curve, row, run
from tests.support.bench_results import read


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0, "0"),
        (0.012345, "0.0123"),
        (1.5, "1.5"),
        (12345, "12,300"),
        (999.6, "1,000"),
        (99.96, "100"),
        (-2.5, "-2.5"),
    ],
)
def test_figure(value: float | None, text: str) -> None:
    assert figure(value) == text


def test_units() -> None:
    assert ratio(0.981) == "0.981 x"
    assert [nanoseconds(value) for value in (12, 1400, 2.5e6, 3e9)] == [
        "12 ns",
        "1.4 us",
        "2.5 ms",
        "3 s",
    ]


def test_ratios_are_taken_round_by_round() -> None:
    """A machine that slows down for a round slows both, which the median ratio does not see."""
    ours, theirs = row("a", 1000, 100, 1000, 400), row("b", 2000, 200, 2000, 1000)
    assert paired_ratio(ours, theirs) == pytest.approx(0.5)


class TestVerdicts:
    def of(self, title: str, *rows: ServerRow, **more: object) -> tuple[float | None, str]:
        found = next(v for v in verdicts(run(*rows, **more)) if v.title.startswith(title))  # type: ignore[arg-type]
        return found.measured, found.word

    def test_reached_and_missed(self) -> None:
        title = "cached throughput / nginx"
        assert self.of(title, row("cached", 95), row("nginx", 100)) == (0.95, "reached")
        assert self.of(title, row("cached", 80), row("nginx", 100)) == (0.8, "MISSED")

    def test_a_row_without_figures_decides_nothing(self) -> None:
        absent = ServerRow("nginx", "nginx", "", left_out="nginx is not installed")
        assert self.of("cached throughput / nginx", row("cached", 1), absent) == (
            None,
            "not measured",
        )

    def test_reference_is_a_peer_if_there_is_one(self) -> None:
        title = "cached throughput / the reference"
        rows = [row("cached", 100), row("nginx", 100)]
        assert self.of(title, *rows) == (pytest.approx(25), "reached")
        assert self.of(title, *rows, row("peer", 10)) == (pytest.approx(10), "MISSED")

    def test_cpu(self) -> None:
        rows = [row("cached", 100, cpu_s=1.5), row("nginx", 100, cpu_s=1.0)]
        assert self.of("CPU of a cached", *rows) == (1.5, "MISSED")

    @pytest.mark.parametrize(
        ("ours_us", "limit_us", "measured"), [(900, 600, 0.9), (1100, 600, 1.1), (900, 800, None)]
    )
    def test_short_tails_are_asked_for_where_nginx_has_one(
        self, ours_us: float, limit_us: float, measured: float | None
    ) -> None:
        rows = [row("cached", 100, p99_us=ours_us), row("nginx", 100, p99_us=limit_us)]
        assert self.of("the same p99", *rows)[0] == measured

    def test_batches(self) -> None:
        series = "CPU us a credential"
        batch = curve("batch", {0: {series: 50.0}, 100: {series: 10.0}})
        assert self.of("CPU of a credential", curves=(batch,)) == (0.2, "reached")

    def test_workers(self) -> None:
        workers = curve("workers", {1: {"MiB": 60.0}, 4: {"MiB": 150.0}})
        assert self.of("MiB of an added", curves=(workers,)) == (30.0, "reached")

    def test_a_million_keys(self) -> None:
        series = "cached, requests/s"
        keys = curve("keys", {1000: {series: 100.0}, 1_000_000: {series: 70.0}}, log=True)
        assert self.of("cached with 1,000,000", curves=(keys,)) == (0.7, "MISSED")


class TestPage:
    def test_everything_is_on_it(self) -> None:
        grown = curve("growth", {1: {"a, 1/s": 1.0, "b, ms": 3.0}, 10: {"a, 1/s": 2.0}}, log=True)
        absent = ServerRow("gone", "the one that is gone", "", left_out="not installed")
        page_of = run(row("cached", 95), row("nginx", 100), absent, curves=(grown,))
        found = read(page.render(page_of))
        text = "\n".join(found.text)
        for part in ("0.95 x", "the growth", "the one that is gone: not installed", "2.5 x"):
            assert part in text
        # Three of servers, and one of each unit of the curve.
        assert found.tags.count("svg") == 5

    def test_nothing_measured(self) -> None:
        found = read(page.render(run()))
        assert "svg" not in found.tags

    def test_texts_are_escaped(self) -> None:
        named = row("cached", 95, title='<script>alert("&")</script>')
        html = page.render(run(named))
        assert "<script" not in html
        assert '<script>alert("&")</script>' in "\n".join(read(html).text)

    def test_doubts_are_told(self) -> None:
        busy = run(row("cached", 95))
        busy.machine["load_before"] = 3.0
        busy.changed = True
        text = "\n".join(read(page.render(busy)).text)
        assert "the machine was busy" in text
        assert "the working tree was not the commit" in text


def test_tables_are_even() -> None:
    rows = [row("cached", 95), row("nginx", 100), ServerRow("waits", "waits", "")]
    grown = curve("growth", {1: {"a": 1.0, "b": 2.0}, 2: {"b": 3.0}})
    tables = [*summary.servers(rows), summary.core(run().core), summary.curve(grown)]
    tables.append(summary.targets(verdicts(run(*rows))))
    for table in tables:
        assert table.rows
        assert {len(cells) for cells in table.rows} == {len(table.columns)}


@pytest.mark.parametrize("top", [0.003, 1, 1.01, 7, 99, 100, 123_456])
def test_lines_reach_no_higher_than_their_scale(top: float) -> None:
    drawn = svg.lines("t", "x", "y", {"s": [(1, 0.0), (2, top)]})
    points = drawn.partition('points="')[2].partition('"')[0].split(" ")
    heights = [float(point.split(",")[1]) for point in points]
    read(drawn)
    assert heights[0] > heights[1] >= 15.9

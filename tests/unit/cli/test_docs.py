"""``docs/cli.md`` says what the commands say."""

import pytest

from talos.cli import render_docs
from talos.cli.render_docs import MARK, PAGE, main, render
from tests.support.commands import COMMANDS


def test_the_page_is_up_to_date() -> None:
    assert render(PAGE.read_text()) == PAGE.read_text(), "run python -m talos.cli.render_docs"
    assert main(["--check"]) == 0


def test_every_command_has_a_section() -> None:
    lines = PAGE.read_text().splitlines()
    for path in COMMANDS:
        if path != "talos":
            assert any(line.lstrip("#") == f" {path}" for line in lines), path


def test_a_page_that_is_behind_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path_factory.mktemp("docs") / "cli.md"
    page.write_text(f"# By hand\n\n{MARK}\n\nstale lines\n")
    monkeypatch.setattr(render_docs, "PAGE", page)
    assert main(["--check"]) == 1
    assert main([]) == 0
    assert main(["--check"]) == 0
    assert page.read_text().startswith("# By hand\n\n<!-- ")
    assert "stale lines" not in page.read_text()
    page.write_text("# No mark\n")
    with pytest.raises(ValueError, match="mark"):
        main([])

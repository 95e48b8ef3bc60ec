"""The settings page of the docs says what the schema says."""

from pathlib import Path

import pytest

from talos.config import render_docs, schema


def test_the_page_is_up_to_date() -> None:
    written = render_docs.PAGE.read_text(encoding="utf-8")
    assert written == render_docs.render(), "run `python -m talos.config.render_docs`"


@pytest.mark.parametrize("path", schema.settings())
def test_every_setting_has_its_row(path: str) -> None:
    setting = schema.settings()[path]
    [row] = [line for line in render_docs.render().splitlines() if f"| `{path}`<br>" in line]
    assert f"`{setting.variable}`" in row
    assert str(setting.node["description"]) in row


def test_check_tells_a_stale_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "settings.md"
    arguments = ["--output", str(page)]
    assert render_docs.main([*arguments, "--check"]) == 1
    assert "out of date" in capsys.readouterr().err
    assert render_docs.main(arguments) == 0
    assert render_docs.main([*arguments, "--check"]) == 0
    page.write_text(page.read_text() + "\n")
    assert render_docs.main([*arguments, "--check"]) == 1

"""Configuration files: formats, what is refused, and that nothing of a file is quoted."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.config import files
from talos.config.loading import load
from talos.errors import ConfigurationError


def parse(name: str, text: str | bytes) -> dict[str, Any]:
    return files.parse(Path(name), text.encode() if isinstance(text, str) else text)


def fault(name: str, text: str | bytes) -> str:
    with pytest.raises(ConfigurationError) as caught:
        parse(name, text)
    [line] = caught.value.faults
    assert caught.value.__context__ is None, "an exception of the parser holds the file's text"
    return line


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "db: {dsn: x}\nlist: [a, 1, true, ~]"),
        ("a.yml", "db:\n  dsn: x\nlist:\n- a\n- 1\n- true\n- null"),
        ("a.json", '{"db": {"dsn": "x"}, "list": ["a", 1, true, null]}'),
        ("a.json", '\ufeff{"db": {"dsn": "x"}, "list": ["a", 1, true, null]}'),
    ],
)
def test_formats(name: str, text: str) -> None:
    assert parse(name, text) == {"db": {"dsn": "x"}, "list": ["a", 1, True, None]}


def test_toml() -> None:
    text = '[db]\ndsn = "x"\n[t]\nat = 2030-01-31T00:00:00Z\nlist = ["a", 1, true]'
    assert parse("a.toml", text) == {
        "db": {"dsn": "x"},
        "t": {"at": "2030-01-31T00:00:00Z", "list": ["a", 1, True]},
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("12:30:45", "12:30:45"),
        ("2030-01-31T00:00:00Z", "2030-01-31T00:00:00Z"),
        ("2030-01-31", "2030-01-31"),
        ("010", "010"),
        ("True", True),
        ("1_000", 1000),
        ("0x1F", 31),
        ("-0o17", -15),
        ("0b11", 3),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("~", None),
        ("", None),
        ("5m", "5m"),
    ],
)
def test_yaml_scalars_are_those_of_version_1_2(text: str, value: object) -> None:
    parsed = parse("a.yaml", f"key: {text}")["key"]
    assert parsed == value
    assert type(parsed) is type(value)


def test_only_the_first_yaml_document_counts() -> None:
    assert parse("a.yaml", "a: 1\n---\na: [") == {"a": 1}


def test_yaml_merge_keys_and_aliases() -> None:
    text = "base: &b {x: 1, y: 2}\nmore: {<<: *b, x: 3}\nsame: *b"
    assert parse("a.yaml", text) == {
        "base": {"x": 1, "y": 2},
        "more": {"x": 3, "y": 2},
        "same": {"x": 1, "y": 2},
    }


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.yaml", "a: 1\nb: 2\na: 3", "line 3, column 1: duplicate key a"),
        ("a.yaml", 'a: {x: 1, "x": 2}', "line 1, column 11: duplicate key x"),
        ("a.json", '{"a": {"x": 1, "x": 2}}', "duplicate key x"),
        ("a.toml", "a = 1\na = 2", "not valid TOML"),
        ("a.yaml", "a: [1", "not valid YAML"),
        ("a.yaml", "a: b: c", "line 1, column 5: not valid YAML (mapping values are not allowed"),
        ("a.json", '{"a": 1', "line 1, column 8: not valid JSON"),
        ("a.json", '{"a": 1} {"b": 2}', "line 1, column 10: not valid JSON"),
        ("a.toml", "a = ", "not valid TOML"),
        ("a.yaml", "", "empty"),
        ("a.yaml", "# only a comment", "empty"),
        ("a.json", "", "not valid JSON"),
        ("a.json", "[1]", "no mapping"),
        ("a.yaml", "just text", "no mapping"),
        ("a.yaml", "1: 2", "a key that is no text"),
        ("a.yaml", "a: .inf", "not finite"),
        ("a.json", '{"a": NaN}', "not finite"),
        ("a.yaml", "a: !!binary aGk=", "no text, number"),
        ("a.yaml", "a: !!python/object:os.system {}", "not valid YAML"),
        ("a.yaml", "a: &a [*a]", "nested too deeply"),
        ("a.yaml", "[" * 5000, "nested too deeply"),
        ("a.json", "[" * 100_000, "nested too deeply"),
        ("a.json", '{"a": "\\ud800"}', "not valid Unicode"),
        ("a.yaml", b"a: \xff", "not valid UTF-8"),
        ("a.yaml", "a: \x01", "not valid in its format"),
        ("a.json", '{"a": ' + "1" * 5000 + "}", "not valid in its format"),
        ("a.txt", "a: 1", "unknown format; expected a name ending in .yaml, .yml, .json, .toml"),
        ("a.YAML", "a: 1", "unknown format"),
        ("talos", "a: 1", "unknown format"),
    ],
)
def test_what_cannot_be_used(name: str, text: str | bytes, problem: str) -> None:
    line = fault(name, text)
    assert line.startswith(f"{name}: ")
    assert problem in line


def test_aliases_that_stand_for_an_endless_tree() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "too many values" in fault("a.yaml", "\n".join(lines))


CANARY = "Canary9c1f77"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", f"a: *{CANARY}"),
        ("a.yaml", f"a: !{CANARY} x"),
        ("a.yaml", f'a: "{CANARY}\\q"'),
        ("a.yaml", f"a: '{CANARY}"),
        ("a.yaml", f"a: {CANARY}: {CANARY}"),
        ("a.yaml", f"a: @{CANARY}"),
        ("a.yaml", f"{CANARY}: [\n{CANARY}"),
        ("a.yaml", f"- {CANARY}"),
        ("a.yaml", f"a: &{CANARY} 1\nb: &{CANARY} *{CANARY}"),
        ("a.json", f'{{"a": {CANARY}}}'),
        ("a.json", f'{{"a": "{CANARY}'),
        ("a.json", f'"{CANARY}"'),
        ("a.toml", f"a = {CANARY}"),
        ("a.toml", f'a = "{CANARY}'),
        ("a.toml", f"[{CANARY}"),
        ("a.yaml", f"'{CANARY} with blanks': 1\n'{CANARY} with blanks': 2"),
    ],
)
def test_a_broken_file_is_not_quoted(name: str, text: str) -> None:
    assert CANARY not in fault(name, text)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        files.read(tmp_path / "none.yaml")
    assert caught.value.faults == (f"{tmp_path}/none.yaml: no such file",)


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        files.read(tmp_path)
    assert caught.value.faults == (f"{tmp_path}: Is a directory",)


def test_a_file_that_cannot_be_a_configuration(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"#" * (files.MAX_BYTES + 1))
    with pytest.raises(ConfigurationError) as caught:
        files.read(path)
    assert caught.value.faults == (f"{path}: larger than 4194304 bytes",)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), values, max_size=4))
def test_json_means_the_same_in_both_of_its_names(tree: dict[str, Any]) -> None:
    text = json.dumps(tree)
    assert parse("a.json", text) == tree


@given(st.text(max_size=200), st.sampled_from(["a.yaml", "a.json", "a.toml"]))
def test_any_text_is_a_mapping_or_one_fault(text: str, name: str) -> None:
    try:
        parsed = parse(name, text.encode(errors="surrogatepass"))
    except ConfigurationError as error:
        assert len(error.faults) == 1
    else:
        assert isinstance(parsed, dict)


def test_very_many_keys_are_refused_before_the_end(tmp_path: Path) -> None:
    """The syntax error behind them is not reached, and each unknown key costs a comparison."""
    many = "".join(f"key{index}: 1\n" for index in range(60_000))
    assert fault("a.yaml", f"{many}: [") == "a.yaml: holds too many values"
    path = tmp_path / "talos.json"
    path.write_text(json.dumps(dict.fromkeys(f"key{index}" for index in range(9_000))))
    with pytest.raises(ConfigurationError) as caught:
        load(path, {})
    assert len([line for line in caught.value.faults if "unknown key" in line]) == 100


@pytest.mark.parametrize("text", ["a{} = 1", "[a{}]", "b = {{a{} = 1}}", "a{} . 'x' = 1"])
def test_a_key_of_very_many_parts(text: str) -> None:
    """Without the refusal the parser's work would grow with the square of them."""
    line = fault("a.toml", text.format(' . "x"' * 200_000))
    assert line == "a.toml: nested too deeply"


def test_a_configuration_that_is_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "talos.yaml")
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path / "talos.yaml", {})
    assert caught.value.faults == (f"{tmp_path}/talos.yaml: a pipe, not a regular file",)

"""Environment variables: names, types, list forms, precedence (contract 8.1 and 16, 31)."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.config import environment, schema
from talos.config.loading import load
from talos.config.values import Config
from talos.config.variables import COMMAND_LINE_VARIABLES
from tests.unit.config.settings import (
    ISSUER,
    OTHER_SECRET,
    SECRET,
    faults,
    faults_of,
    from_environ,
    loaded,
    tree,
)

REQUIRED = {"CREDENTIALS_ISSUER": ISSUER, "SECRETS_HMAC_CURRENT": SECRET}
METHODS = "serve.http.cors.allowed_methods"
METHODS_VAR = "TALOS_SERVE_HTTP_CORS_ALLOWED_METHODS"
RETIRED = "credentials.issuer_retired"
RETIRED_VAR = "TALOS_CREDENTIALS_ISSUER_RETIRED"


def fault(**environ: str) -> str:
    [line] = faults(None, REQUIRED | environ)
    return line


def issuers(config: Config) -> list[tuple[str, int | None]]:
    return [(entry.value, entry.expires_at_ns) for entry in config.retired(RETIRED)]


@pytest.mark.parametrize(
    "name",
    ["TALOS_SERVE_HTTP_PORT", "SERVE_HTTP_PORT", "talos_serve_http_port", "serve.http.port"],
)
def test_every_spelling_of_a_name(name: str) -> None:
    assert from_environ(**{name: "1234"}).integer("serve.http.port") == 1234


@pytest.mark.parametrize("order", [("A", "B"), ("B", "A")])
def test_the_prefixed_name_wins(order: tuple[str, str]) -> None:
    values = {"A": ("TALOS_SERVE_HTTP_PORT", "1"), "B": ("SERVE_HTTP_PORT", "2")}
    config = from_environ(**dict(values[each] for each in order))
    assert config.integer("serve.http.port") == 1
    assert config.origin("serve.http.port") == "TALOS_SERVE_HTTP_PORT"


def test_the_canonical_letter_case_wins() -> None:
    config = from_environ(serve_http_port="1", SERVE_HTTP_PORT="2", Serve_Http_Port="3")
    assert config.integer("serve.http.port") == 2


def test_a_prefixed_section_beats_an_unprefixed_setting_in_it() -> None:
    config = from_environ(TALOS_LOG='{"level":"warn"}', LOG_LEVEL="debug", LOG_FORMAT="text")
    assert (config.text("log.level"), config.text("log.format")) == ("warn", "text")


def test_a_setting_beats_its_section_of_the_same_kind() -> None:
    assert from_environ(LOG='{"level":"warn"}', LOG_LEVEL="debug").text("log.level") == "debug"


@pytest.mark.parametrize("name", ["PATH", "TALOS_URL", "TALOS_SERVE_HTTP_PORTS", "TALOS_", "É"])
def test_what_matches_no_setting_is_ignored(name: str) -> None:
    assert from_environ(**{name: "anything"}).redacted() == from_environ().redacted()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((text, True) for text in ("1", "t", "T", "true", "True", "TRUE")),
        *((text, False) for text in ("0", "f", "F", "false", "False", "FALSE", "")),
    ],
)
def test_booleans(text: str, value: bool) -> None:
    config = from_environ(CACHE_TYPE="memory", CACHE_ENABLED=text)
    assert config.flag("cache.enabled") is value
    assert config.was_set("cache.enabled")


@pytest.mark.parametrize("text", ["yes", "on", "tRUE", " true", "2", "null"])
def test_what_is_no_boolean_is_a_fault(text: str) -> None:
    expected = "cache.enabled (CACHE_ENABLED): neither true nor false; expected true or false"
    assert fault(CACHE_ENABLED=text) == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [("4433", 4433), ("0x1151", 4433), ("0o10521", 4433), ("010521", 4433), ("0b11", 3), ("+7", 7)],
)
def test_integers(text: str, value: int) -> None:
    assert from_environ(SERVE_HTTP_PORT=text).integer("serve.http.port") == value


@pytest.mark.parametrize("text", ["abc", "1.5", "4420.0", "1e3", "09", "1 2", "½", "9" * 5000])
def test_what_is_no_integer_is_a_fault(text: str) -> None:
    assert fault(TALOS_SERVE_HTTP_PORT=text) == (
        "serve.http.port (TALOS_SERVE_HTTP_PORT): not an integer; "
        "expected an integer from 1 to 65535"
    )


@pytest.mark.parametrize("name", ["SERVE_HTTP_PORT", "CACHE_ENABLED", "TRACING_SAMPLE_RATE"])
def test_quotes_that_a_file_of_variables_has_kept(name: str) -> None:
    for text in ('"1"', "'1'"):
        assert ", with quotes around it; expected " in fault(**{name: text})


def test_an_empty_integer_is_zero() -> None:
    assert from_environ(QUOTA_API_KEYS_MAX="").integer("quota.api_keys_max") == 0
    assert "is 0; expected an integer from 1" in fault(SERVE_HTTP_PORT="")


@pytest.mark.parametrize(("text", "value"), [("0.25", 0.25), ("1", 1.0), ("5e-1", 0.5), ("", 0.0)])
def test_numbers(text: str, value: float) -> None:
    assert from_environ(TRACING_SAMPLE_RATE=text).number("tracing.sample_rate") == value


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "half", "0,5"])
def test_what_is_no_number_is_a_fault(text: str) -> None:
    assert "not a number; expected a number from 0 to 1" in fault(TRACING_SAMPLE_RATE=text)


def test_text_is_taken_as_it_stands() -> None:
    assert from_environ(CREDENTIALS_ISSUER=' {"a": 1} ').text("credentials.issuer") == ISSUER
    assert (
        load(None, {**REQUIRED, "CREDENTIALS_ISSUER": ' {"a": 1} '}).text("credentials.issuer")
        == ' {"a": 1} '
    )


def test_an_empty_text_counts() -> None:
    assert from_environ(TALOS_SERVE_HTTP_HOST="").optional_text("serve.http.host") == ""
    assert faults(None, {**REQUIRED, "CREDENTIALS_ISSUER": ""}) == (
        "credentials.issuer (CREDENTIALS_ISSUER): empty; expected a non-empty string",
    )


def test_bytes_that_are_no_text() -> None:
    undecodable = b"test-\xff".decode("utf-8", "surrogateescape")
    assert fault(LOG_LEVEL=undecodable).startswith("log.level (LOG_LEVEL): not valid UTF-8; ")


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ('["GET","POST"]', ("GET", "POST")),
        (' [ "GET" ] ', ("GET",)),
        ("[]", ()),
        ("", ()),
        ("GET", ("GET",)),
        ("GET,POST", ("GET", "POST")),
        ('"GET","POST"', ("GET", "POST")),
    ],
)
def test_a_list_replaces_the_default_and_the_file(
    tmp_path: Path, text: str, items: tuple[str, ...]
) -> None:
    content = tree(serve__http__cors__allowed_methods=["PUT", "PATCH", "DELETE"])
    assert loaded(tmp_path, content, {METHODS_VAR: text}).texts(METHODS) == items
    assert from_environ(**{METHODS_VAR: text}).texts(METHODS) == items


def test_csv_quoting_and_blanks() -> None:
    text = f'"a,{OTHER_SECRET}", b{OTHER_SECRET},"say ""x"" {OTHER_SECRET}"'
    config = from_environ(SECRETS_HMAC_RETIRED=text)
    assert [entry.value for entry in config.retired("secrets.hmac.retired")] == [
        f"a,{OTHER_SECRET}",
        f" b{OTHER_SECRET}",
        f'say "x" {OTHER_SECRET}',
    ]


@pytest.mark.parametrize("text", ["5", "true", '"GET"', "null", '{"a": 1}'])
def test_a_single_json_value_is_no_list(text: str) -> None:
    assert "a single JSON value; expected a JSON array such as" in fault(**{METHODS_VAR: text})


@pytest.mark.parametrize("text", ['["GET"', '"GET', '"GET"x', "GET\nPOST", '["GET",]', "[GET]"])
def test_what_is_no_list_at_all(text: str) -> None:
    line = faults(None, REQUIRED | {METHODS_VAR: text})
    assert len(line) == 1 and METHODS in line[0]


def test_single_elements_are_laid_over_the_default() -> None:
    config = from_environ(**{f"{METHODS_VAR}_1": "HEAD", f"{METHODS_VAR}_5": "TRACE"})
    assert config.texts(METHODS) == ("GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE")
    assert config.origin(METHODS) == f"{METHODS_VAR}_1"


def test_single_elements_are_laid_over_the_file(tmp_path: Path) -> None:
    content = tree(serve__http__cors__allowed_methods=["PUT", "PATCH"])
    config = loaded(tmp_path, content, {f"{METHODS_VAR}_0": "GET"})
    assert config.texts(METHODS) == ("GET", "PATCH")


def test_single_elements_are_laid_over_a_whole_list_of_their_kind() -> None:
    config = from_environ(**{METHODS_VAR: "PUT,PATCH", f"{METHODS_VAR}_2": "GET"})
    assert config.texts(METHODS) == ("PUT", "PATCH", "GET")


def test_a_prefixed_list_beats_unprefixed_elements() -> None:
    elements = {METHODS_VAR.removeprefix("TALOS_") + "_0": "TRACE"}
    assert from_environ(**elements, **{METHODS_VAR: "GET"}).texts(METHODS) == ("GET",)


def test_many_elements_in_any_order() -> None:
    names = [f"issuer-{index}" for index in range(12)]
    environ = {f"{RETIRED_VAR}_{index}": name for index, name in reversed(list(enumerate(names)))}
    assert [value for value, _ in issuers(from_environ(**environ))] == names


@pytest.mark.parametrize("indexes", [(1,), (0, 2), (0, 1, 3), (99999,)])
def test_a_gap_in_the_indexes_is_a_fault(indexes: tuple[int, ...]) -> None:
    line = fault(**{f"{RETIRED_VAR}_{index}": "x" for index in indexes})
    assert line == (
        f"{RETIRED}[{indexes[-1]}] ({RETIRED_VAR}_{indexes[-1]}): "
        "leaves a gap before it; expected indexes that count up from 0"
    )


@pytest.mark.parametrize("name", ["_00", "_01", "_-1", "_0_NAME", "_0_0", "_", "_999999", "_x"])
def test_what_is_no_element_is_ignored(name: str) -> None:
    assert issuers(from_environ(**{RETIRED_VAR + name: "x"})) == []


def test_entries_with_members_in_every_form() -> None:
    expected = [("a", 1_900_000_000_000_000_000), ("b", None)]
    whole = json.dumps([{"value": "a", "expires_at": "2030-03-17T17:46:40Z"}, "b"])
    assert issuers(from_environ(**{RETIRED_VAR: whole})) == expected
    members = {
        f"{RETIRED_VAR}_0_VALUE": "a",
        f"{RETIRED_VAR}_0_EXPIRES_AT": "2030-03-17T17:46:40Z",
        f"{RETIRED_VAR}_1": "b",
    }
    assert issuers(from_environ(**members)) == expected
    objects = {
        f"{RETIRED_VAR}_0": '{"value": "a", "expires_at": "2030-03-17T17:46:40Z"}',
        f"{RETIRED_VAR}_1": "b",
    }
    assert issuers(from_environ(**objects)) == expected


def test_an_end_for_a_plain_entry_of_the_file(tmp_path: Path) -> None:
    content = tree(credentials__issuer_retired=["a", "b"])
    environ = {f"{RETIRED_VAR}_1_EXPIRES_AT": "2030-03-17T17:46:40Z"}
    assert issuers(loaded(tmp_path, content, environ)) == [
        ("a", None),
        ("b", 1_900_000_000_000_000_000),
    ]


def test_networks_by_members() -> None:
    config = from_environ(
        MULTITENANCY_NETWORKS_0_HOSTNAME="a.example.com",
        MULTITENANCY_NETWORKS_0_ID="550e8400-e29b-41d4-a716-446655440001",
        MULTITENANCY_NETWORKS_0_CONFIG_PATH="a.yaml",
    )
    assert config["multitenancy.networks"] == (
        (
            ("config_path", "a.yaml"),
            ("hostname", "a.example.com"),
            ("id", "550e8400-e29b-41d4-a716-446655440001"),
        ),
    )


@pytest.mark.parametrize(
    "environ",
    [
        {"TALOS_SECRETS_HMAC": json.dumps({"current": OTHER_SECRET})},
        {"SECRETS_HMAC": json.dumps({"current": OTHER_SECRET})},
        {"SECRETS": json.dumps({"hmac": {"current": OTHER_SECRET}})},
    ],
)
def test_a_section_is_one_json_object_and_merges(tmp_path: Path, environ: dict[str, str]) -> None:
    content = tree(secrets__hmac__retired=[SECRET])
    config = loaded(tmp_path, content, environ)
    assert config.secret("secrets.hmac.current").reveal().decode() == OTHER_SECRET
    assert len(config.retired("secrets.hmac.retired")) == 1
    assert config.origin("secrets.hmac.current") in environ
    assert config.origin("secrets.hmac.retired") == "file"


@pytest.mark.parametrize("name", ["DB", "LOG", "CACHE", "SERVE", "QUOTA", "SECRETS_HMAC"])
@pytest.mark.parametrize("text", ["plain", "", "5", "[]", "{", '"x"'])
def test_a_variable_that_only_shares_its_name_with_a_section(name: str, text: str) -> None:
    assert from_environ(**{name: text}).warnings == ()
    [warning] = from_environ(**{f"TALOS_{name}": text}).warnings
    assert warning == f"TALOS_{name} is ignored: it names a section, and is no JSON object"


def test_foreign_members_of_a_section_are_ignored_and_told() -> None:
    config = from_environ(LOG='{"level": "warn", "driver": "journald", "options": {"a": 1}}')
    assert config.text("log.level") == "warn"
    assert config.warnings == ("LOG: a member that log does not have is ignored",) * 2


def test_a_misspelt_member_of_a_list_entry_is_a_fault_even_there() -> None:
    line = fault(CREDENTIALS='{"issuer_retired": [{"value": "a", "expire_at": "2030"}]}')
    assert line.startswith("credentials.issuer_retired[0].expire_at: unknown key; did you mean")


def test_the_wrong_type_in_a_section_is_a_fault() -> None:
    assert fault(SERVE='{"http": {"port": "4420"}}') == (
        "serve.http.port (SERVE): is a string; expected an integer from 1 to 65535"
    )
    assert fault(SERVE='{"http": 5}') == "serve.http (SERVE): is 5; expected a mapping"


def test_a_variable_cannot_hide_a_broken_section_of_the_file(tmp_path: Path) -> None:
    lines = faults_of(tmp_path, tree(serve=5), {"SERVE_HTTP_PORT": "4420", "METRICS": "x"})
    assert lines == ("serve: is 5; expected a mapping",)
    lines = faults_of(tmp_path, tree(credentials__issuer_retired=5), {f"{RETIRED_VAR}_0": "x"})
    assert lines[0].startswith(
        "credentials.issuer_retired (TALOS_CREDENTIALS_ISSUER_RETIRED): is 5"
    )


def test_all_faults_of_variables_are_reported_together() -> None:
    lines = faults(
        None,
        REQUIRED
        | {
            "SERVE_HTTP_PORT": "x",
            "TALOS_CACHE_ENABLED": "x",
            METHODS_VAR: "5",
            "TALOS_LOG_LEVEL": "x",
            f"{RETIRED_VAR}_3": "x",
        },
    )
    assert [line.split(":")[0] for line in lines] == [
        "serve.http.port (SERVE_HTTP_PORT)",
        f"{METHODS} ({METHODS_VAR})",
        "log.level (TALOS_LOG_LEVEL)",
        f"{RETIRED}[3] ({RETIRED_VAR}_3)",
        "cache.enabled (TALOS_CACHE_ENABLED)",
    ]


@pytest.mark.parametrize(
    ("name", "path", "text", "values"),
    [
        ("SERVE_HTTP_CORS_ALLOWED_METHODS", METHODS, "GET, POST ,\tPUT\n", ("GET", "POST", "PUT")),
        (
            "SERVE_HTTP_CORS_ALLOWED_HEADERS",
            "",
            'X-A, "X-B, X-C", X-D',
            ("X-A", "X-B, X-C", "X-D"),
        ),
        (
            "SERVE_HTTP_CORS_ALLOWED_ORIGINS",
            "",
            " https://a, https://b ",
            ("https://a", "https://b"),
        ),
        ("SERVE_HTTP_CORS_EXPOSED_HEADERS", "", "X-A , X-B", ("X-A", "X-B")),
        ("SERVE_HTTP_TRUSTED_PROXIES", "", "10.0.0.0/8, 192.0.2.7", ("10.0.0.0/8", "192.0.2.7")),
        ("CREDENTIALS_API_KEYS_PREFIX_RETIRED", "", "old, older", ("old", "older")),
        ("CREDENTIALS_API_KEYS_PREFIX_PUBLIC_RETIRED", "", "old, older", ("old", "older")),
        ("CREDENTIALS_DERIVED_TOKENS_MACAROON_PREFIX_RETIRED", "", "a, b", ("a", "b")),
        ("CREDENTIALS_ISSUER_RETIRED", "", "https://a, https://b", ("https://a", "https://b")),
        ("CACHE_REDIS_ADDRS", "", "a:1, b:2", ("a:1", "b:2")),
    ],
)
def test_blanks_around_items_mean_nothing(
    name: str, path: str, text: str, values: tuple[str, ...]
) -> None:
    by_variable = {setting.variable: path for path, setting in schema.settings().items()}
    place = path or by_variable[f"TALOS_{name}"]
    config = from_environ(**{name: text})
    assert config.texts(place) == values
    assert config.warnings == ()
    indexed = {f"{name}_{index}": f" {value} " for index, value in enumerate(values)}
    assert from_environ(**indexed).texts(place)[: len(values)] == values


def test_every_list_but_one_of_secrets_is_trimmed() -> None:
    """A list that is added later takes part by itself, and this says so."""
    kept = []
    for path, setting in schema.settings().items():
        if setting.node["type"] == "array":
            [assignment] = environment.read({setting.variable: "a, b"}).assignments
            kept += [path] if assignment.value != ["a", "b"] else []
    assert kept == ["secrets.hmac.retired"]


def test_blanks_count_in_secrets_and_are_told() -> None:
    name = "TALOS_SECRETS_HMAC_RETIRED"
    config = from_environ(**{name: f"{OTHER_SECRET}, {OTHER_SECRET}x"})
    entries = [entry.value for entry in config.retired("secrets.hmac.retired")]
    assert entries == [OTHER_SECRET, f" {OTHER_SECRET}x"]
    [warning] = config.warnings
    assert warning == (
        f"secrets.hmac.retired[1] ({name}): "
        "begins or ends with a blank or a line break, which counts as part of the value"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{SECRET}\n", "begins or ends with a blank or a line break"),
        (f"\t{SECRET}", "begins or ends with a blank or a line break"),
        (f'"{SECRET}"', "stands in quotes"),
        (f"'{SECRET}'", "stands in quotes"),
    ],
)
def test_what_is_around_a_text(tmp_path: Path, text: str, told: str) -> None:
    [warning] = from_environ(TALOS_SECRETS_HMAC_CURRENT=text).warnings
    assert warning.startswith(f"secrets.hmac.current (TALOS_SECRETS_HMAC_CURRENT): {told}")
    [warning] = loaded(tmp_path, tree(secrets__hmac__current=text)).warnings
    assert warning.startswith(f"secrets.hmac.current: {told}")
    [warning] = from_environ(TALOS_CREDENTIALS_ISSUER=text).warnings
    assert warning.startswith(f"credentials.issuer (TALOS_CREDENTIALS_ISSUER): {told}")
    assert SECRET not in warning


def test_two_variables_for_one_setting() -> None:
    values = {"TALOS_SERVE_HTTP_PORT": "1", "SERVE_HTTP_PORT": "2"}
    [warning] = from_environ(**values).warnings
    assert warning == "SERVE_HTTP_PORT is ignored: TALOS_SERVE_HTTP_PORT sets the same setting"
    assert from_environ(TALOS_SERVE_HTTP_PORT="1", SERVE_HTTP_PORT="1").warnings == ()
    # A section merges, and its members may be overruled one by one.
    config = from_environ(TALOS_LOG='{"level":"warn"}', LOG='{"level":"info","format":"text"}')
    assert config.warnings == ()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("TALOS_SECRETS_HMAC_CURENT", "did you mean TALOS_SECRETS_HMAC_CURRENT?"),
        ("talos.serve.htp.port", "did you mean TALOS_SERVE_HTTP_PORT?"),
        ("TALOS_ISSUER", "did you mean TALOS_CREDENTIALS_ISSUER?"),
        ("TALOS_DSN", "did you mean TALOS_DB_DSN?"),
        ("TALOS_DB_DSN_FIEL", "did you mean TALOS_DB_DSN_FILE?"),
        ("TALOS_CREDENTIALS_ISSUER_FILE", "only secrets can be read from files"),
        ("TALOS_CONFG", "did you mean TALOS_CONFIG?"),
        ("TALOS_ENDPONT", "did you mean TALOS_ENDPOINT?"),
        ("TALOS_SERVE_HTTP_PORTS", "did you mean TALOS_SERVE_HTTP_PORT?"),
        ("TALOS_METRICS_PORT", ""),
        ("TALOS_QQQQ", ""),
    ],
)
def test_an_unknown_variable(name: str, told: str) -> None:
    [warning] = from_environ(**{name: "canary-2b61"}).warnings
    begins = f"{name} is ignored: it belongs to no setting"
    assert warning.startswith(begins)
    assert warning.endswith(told)
    assert "canary-2b61" not in warning


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, "x") for name in COMMAND_LINE_VARIABLES),
        ("TALOS_BUILD_COMMIT", "x"),
        ("TALOS_BUILD_TIME", "x"),
        ("TALOS_REQUIRE_SERVICES", "1"),
        ("TALOS_TEST_POSTGRES", "x"),
        ("TALOS_SERVICE_HOST", "10.0.0.1"),
        ("TALOS_SERVICE_PORT", "4420"),
        ("TALOS_SERVICE_PORT_HTTP", "4420"),
        ("TALOS_PORT", "tcp://10.0.0.1:4420"),
        ("TALOS_PORT_4420_TCP", "tcp://10.0.0.1:4420"),
        ("TALOS_PORT_4420_TCP_PROTO", "tcp"),
        ("TALOS_PORT_4420_TCP_PORT", "4420"),
        ("TALOS_PORT_4420_TCP_ADDR", "10.0.0.1"),
        ("TALOS_ADMIN_SERVICE_HOST", "10.0.0.1"),
        ("TALOS_ADMIN_SERVICE_PORT_METRICS", "4422"),
        ("TALOS_ADMIN_PORT", "tcp://10.0.0.1:4420"),
        ("TALOS_ADMIN_PORT_4422_TCP_ADDR", "10.0.0.1"),
        ("_TALOS_COMPLETE", "bash_source"),
    ],
)
def test_variables_of_others(name: str, value: str) -> None:
    assert from_environ(**{name: value}).warnings == ()


def test_every_variable_that_the_program_names_is_known() -> None:
    """Whoever adds one adds it to the list, or servers warn of it."""
    package = Path(environment.__file__).parents[1]
    named = {
        name
        for path in package.rglob("*.py")
        for name in re.findall(r"\"(TALOS_[A-Z_]*[A-Z])\"", path.read_text())
    }
    assert {"TALOS_CONFIG", "TALOS_BUILD_COMMIT", "TALOS_TOKEN", "TALOS_DB_DSN"} <= named
    environ = dict.fromkeys(sorted(named), "1")
    told = [line for line in environment.read(environ).warnings if "belongs to no setting" in line]
    assert told == []


def test_a_misspelt_port_is_not_taken_for_that_of_a_service() -> None:
    [warning] = from_environ(TALOS_SERVE_HTP_PORT="4420").warnings
    assert warning.endswith("did you mean TALOS_SERVE_HTTP_PORT?")


def test_very_many_unknown_variables_are_counted() -> None:
    lines = from_environ(**{f"TALOS_X{index:04}": "x" for index in range(5000)}).warnings
    assert len(lines) == 21
    assert "4980 more variables that begin with TALOS_ belong to no setting" in lines


def test_a_strange_name_is_not_repeated() -> None:
    [line] = from_environ(**{"TALOS_\n\x1b[31mX": "x"}).warnings
    assert line == "a variable that begins with TALOS_ is ignored: it belongs to no setting"


def test_a_file_that_is_named_and_not_read(tmp_path: Path) -> None:
    [warning] = from_environ(TALOS_CONFIG="talos.yaml").warnings
    assert warning.startswith("TALOS_CONFIG is ignored")
    assert loaded(tmp_path, tree(), {"TALOS_CONFIG": "talos.yaml"}).warnings == ()


# Nor what stands for a value: <it>, ${IT}.
letters = st.characters(codec="utf-8", exclude_characters="\r\n\0<$")
items = st.lists(st.text(letters, min_size=1))


@given(items)
def test_a_json_array_gives_back_its_items(values: list[str]) -> None:
    config = from_environ(**{RETIRED_VAR: json.dumps(values)})
    assert [value for value, _ in issuers(config)] == values


def trimmed(values: list[str]) -> list[str]:
    """What is left of issuers: blanks around them mean nothing, and empty ones are none."""
    return [value.strip(" \t\r\n") for value in values if value.strip(" \t\r\n")]


# A single quoted item is a JSON value, and refused as such.
@given(items.filter(lambda values: len(values) > 1))
def test_quoted_csv_gives_back_its_items(values: list[str]) -> None:
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="").writerow(values)
    config = from_environ(**{RETIRED_VAR: buffer.getvalue()})
    assert [value for value, _ in issuers(config)] == trimmed(values)


# An element that is a JSON object is an entry with members.
@given(items.filter(lambda values: not any("{" in value for value in values)))
def test_indexed_variables_give_back_their_items(values: list[str]) -> None:
    environ = {f"{RETIRED_VAR}_{index}": value for index, value in enumerate(values)}
    assert [value for value, _ in issuers(from_environ(**environ))] == trimmed(values)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                METHODS_VAR,
                RETIRED_VAR,
                "LOG",
                "SERVE_HTTP_PORT",
                "CACHE_ENABLED",
                "TRACING_SAMPLE_RATE",
                f"{RETIRED_VAR}_0",
                f"{RETIRED_VAR}_1_VALUE",
                "CREDENTIALS_CLOCK_SKEW",
                "SECRETS",
            ]
        ),
        st.text(st.characters(exclude_characters="\0")),
    )
)
def test_any_environment_is_a_configuration_or_faults(environ: dict[str, str]) -> None:
    overlay = environment.read(environ)
    origins, gaps = environment.apply(overlay, {})
    assert len(overlay.assignments) + len(overlay.faults) <= len(environ)
    assert len(gaps) <= len(overlay.assignments)
    assert set(origins.values()) <= set(environ)

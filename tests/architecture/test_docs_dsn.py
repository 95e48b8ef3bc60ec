"""docs/dsn.md names every parameter that an address may have, and no other."""

import pytest
from psycopg.pq import Conninfo

from talos.adapters.sql.dsn import mysql, parse_dsn, pool, postgres, sqlite
from tests.architecture.pages import DOCS, Page

PAGE = Page(DOCS / "dsn.md")
DOCUMENTED = set(PAGE.spans)

ACCEPTED = {
    *pool._PLAIN_NAMES,
    "pool_mode",
    "pool_max_conns",
    "pool_max_conn_lifetime",
    "pool_max_conn_idle_time",
    "pool_min_conns",
    "pool_health_check_period",
    "default_query_exec_mode",
    *postgres._FOREIGN,
    *(option.keyword.decode() for option in Conninfo.get_defaults()),
    *mysql._IGNORED,
    *mysql._TIMEOUTS,
    "tls",
    "_pragma",
    *sqlite._OUR_PRAGMAS,
}


@pytest.mark.parametrize("name", sorted(ACCEPTED))
def test_every_parameter_is_told(name: str) -> None:
    assert name in DOCUMENTED


@pytest.mark.parametrize("mode", [*sorted(postgres._UNPREPARED_MODES), postgres._PREPARED_MODE])
def test_every_mode_of_statements_is_told(mode: str) -> None:
    assert mode in DOCUMENTED


TABLES = [
    *PAGE.table("Parameter", "Default", "Meaning"),
]


@pytest.mark.parametrize("row", TABLES, ids=lambda row: row[0][:20])
def test_what_is_told_of_the_pool_is_taken(row: list[str]) -> None:
    """A value that is no number or duration is noticed, where the parameter is read at all."""
    for name in row[0].removesuffix(" and others that begin with pool_").split(", "):
        mode = "&pool_mode=advanced" if name.startswith("pool_max") else ""
        url = parse_dsn(f"postgres://u@h/db?{name}=nonsense{mode}")
        noticed = any(name in warning for warning in url.warnings)
        assert noticed is (row[2] != "ignored")
        assert not url.session


def test_the_examples_are_addresses() -> None:
    for row in PAGE.table("Scheme", "Form"):
        for example in (word.strip(",:") for word in row[1].split()):
            if "://" in example:
                parse_dsn(example)

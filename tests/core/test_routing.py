from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos import _core
from tests.core import strategies as make
from tests.reference import parity, routing
from tests.vectors import cases, title


@pytest.mark.parametrize("vector", cases("routing", "vectors"), ids=title)
def test_vectors(vector: dict[str, Any]) -> None:
    prefixes = tuple(vector["macaroon_prefixes"])
    assert routing.route(vector["credential"], prefixes) == vector["type"]
    assert _core.route(vector["credential"], prefixes) == parity.ROUTES[vector["type"]]


def test_the_four_routes_are_told_apart() -> None:
    assert sorted(parity.ROUTES.values()) == [1, 2, 3, 4]


@make.thorough
@given(make.mutated(make.jwts))
def test_jwts_agree(credential: str) -> None:
    parity.credential(credential, (), make.MACAROON_PREFIXES)


@make.thorough
@given(
    make.mutated(make.macaroon_texts) | make.anything,
    st.lists(st.text(make.WORD, max_size=4) | st.text(max_size=2), max_size=3).map(tuple),
)
def test_macaroon_prefixes_agree(credential: str, prefixes: tuple[str, ...]) -> None:
    parity.credential(credential, (), prefixes)
    parity.credential(f"{''.join(prefixes[:1])}_v1_{credential}", (), prefixes)


@make.thorough
@given(make.credentials)
def test_everything_else_agrees(credential: str) -> None:
    parity.credential(credential, (), make.MACAROON_PREFIXES)


@make.thorough
@given(make.credentials)
def test_issued_is_what_parses(credential: str) -> None:
    # Without macaroon prefixes in the way, the two questions have one answer.
    route = _core.route(credential, ())
    if route != _core.ROUTE_JWT:
        assert (route == _core.ROUTE_ISSUED) is (_core.parse_issued_key(credential) is not None)


@pytest.mark.parametrize("unit", ["1", "_", "_v1_", "eyJ", ".", "eyJa.", "\0", "é", "\ud800", "z"])
def test_long_credentials_are_answered(unit: str) -> None:
    for length in (8192, 1_000_000):
        parity.credential(unit * (length // len(unit)), (), make.MACAROON_PREFIXES)


def test_takes_exact_types_only() -> None:
    for wrong in (None, b"abc", 5):
        with pytest.raises(TypeError):
            _core.route(wrong, ())  # type: ignore[arg-type]
    for wrong in (None, ["mc"], "mc", (b"mc",), (5,)):
        with pytest.raises(TypeError):
            _core.route("mc_v1_x", wrong)  # type: ignore[arg-type]

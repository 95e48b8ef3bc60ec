"""The vector files of the core, as data: what is valid, what is not, and why in its name."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def load(name: str) -> dict[str, Any]:
    """The vectors of one subject. Lone surrogates come out of their escapes as they are."""
    vectors: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="ascii"))
    return vectors


def cases(name: str, group: str) -> list[Any]:
    """One group of a file, such as ``invalid``, for ``pytest.mark.parametrize``."""
    group_of_cases: list[Any] = load(name)[group]
    assert group_of_cases, f"{name}.json has no {group} vectors"
    return group_of_cases


def title(case: Any) -> str:
    """What pytest shows for a case."""
    return case["name"] if isinstance(case, dict) else ascii(case)

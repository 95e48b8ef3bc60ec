"""The tree of talos.errors holds nothing that nobody raises."""

import inspect
import re
from pathlib import Path

import pytest

from talos import errors

SOURCE = Path(errors.__file__).parent
CLASSES = [
    found
    for _, found in inspect.getmembers(errors, inspect.isclass)
    if issubclass(found, errors.TalosError) and found is not errors.TalosError
]
# Where errors are declared, and where they are only told apart.
ELSEWHERE = ("errors.py", "http/errors.py")
CODE = "\n".join(
    path.read_text()
    for path in SOURCE.rglob("*.py")
    if path.relative_to(SOURCE).as_posix() not in ELSEWHERE
)


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_an_error_is_made_somewhere(error: type[errors.TalosError]) -> None:
    name = error.__name__
    made = rf"\b{name}\(|raise {name}\b|return {name}\b|else {name}\b"
    assert re.search(made, CODE), f"nothing makes a {name}"

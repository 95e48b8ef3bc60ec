"""Values that somebody forgot to fill in, and secrets that anybody could guess (contract 16, 27).

A template that was never rendered and the example of a manual are long enough for a secret, and
known to everybody. What says so never repeats the value.
"""

import itertools
import re
from collections.abc import Mapping
from typing import Any, Final

from talos.config import schema
from talos.config.faults import Fault
from talos.config.schema import Path
from talos.config.texts import texts
from talos.config.validation import VariableOf, variable_for

_GENERATED: Final = "a secret from a random generator, such as: openssl rand -base64 48"
_REPLACED: Final = "the value itself, with nothing left to replace"

# No alternative runs past the place where the next one may begin: the search stays linear.
_UNEXPANDED: Final = re.compile(
    r"\$\{[A-Za-z_][^{}]*\}"  # a shell's or Compose's variable
    r"|\$\([^()]*\)"  # a shell's command
    r"|\{\{[^{}]*\}\}"  # Jinja, Helm, Go templates
    r"|<%[^<>%]*%>"
)
_UNEXPANDED_WHOLE: Final = re.compile(
    r"\$[A-Za-z_][A-Za-z0-9_]*|%[A-Za-z_][A-Za-z0-9_]*%|__[A-Z][A-Z0-9_]*__|`[^`]*`"
)
_ANGLED: Final = re.compile(r"(?:\A|[:/@])<[A-Za-z][A-Za-z0-9 _.,'-]*>(?=[@:/?]|\Z)")
_ANGLED_WHOLE: Final = re.compile(r"<[^<>]*>")
_ENCRYPTED: Final = re.compile(r"ENC\[[^\]]*\]|\$ANSIBLE_VAULT;.*", re.DOTALL)
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.*", re.DOTALL)
_FILE_NAME: Final = re.compile(r"/(?:run|var|etc|mnt|home|opt|srv|vault|secrets)/[A-Za-z0-9/._-]*")
_DSN_PASSWORD: Final = re.compile(r"\A[a-z0-9]+://[^:/@]*:([^@]*)@")

# At least seven letters each: of ten million random secrets, one holds any of these.
_PLACEHOLDERS: Final = (
    "changeme",
    "changethis",
    "changeit",
    "changebefore",
    "pleasechange",
    "replaceme",
    "replacethis",
    "replacewith",
    "yoursecret",
    "yourhmac",
    "yourown",
    "yourkey",
    "yourpassword",
    "secrethere",
    "keyhere",
    "passwordhere",
    "inserthere",
    "insertyour",
    "putyour",
    "placeholder",
    "examplesecret",
    "secretexample",
    "examplekey",
    "dummysecret",
    "samplesecret",
    "supersecret",
    "topsecret",
    "notasecret",
    "randomstring",
    "opensslrand",
    "qwertyuiop",
    "asdfghjkl",
    "correcthorsebattery",
    # The second secret of the published test vectors (contract 5.1); the first repeats itself.
    "rotatedsecretrotatedsecret",
)
_PASSWORDS: Final = frozenset({*_PLACEHOLDERS, "yourdbpassword", "todo", "fixme"})
_BLANK_PASSWORDS: Final = frozenset({"PASSWORD", "...", "***"})

_LONGEST_PATTERN: Final = 16
_FEWEST_CHARACTERS: Final = 6


def examine(
    tree: Mapping[str, Any], variable_of: VariableOf
) -> tuple[list[Fault], tuple[str, ...]]:
    """Return the faults and the warnings about texts of ``tree`` that stand for a value.

    A retired secret with an end is worth a warning only, though everybody may know it: whoever
    notices could not give it up without losing the keys that were made with it.
    """
    faults: list[Fault] = []
    warnings: list[str] = []
    for path, text, ends in texts(tree):
        own = _is_own_secret(path)
        problem = _problem(path, text, own=own)
        if problem is None:
            continue
        if ends:
            consequence = "until it ends, whoever knows it can make macaroons that verify"
            warnings.append(f"{schema.dotted(path)}: {problem}; {consequence}")
            continue
        expected = _GENERATED if own else _REPLACED
        faults.append(Fault(path, variable_for(path, variable_of), problem, expected))
    return faults, tuple(warnings)


def unexpanded(text: str) -> str | None:
    """Say what in ``text`` should have been replaced and was not, or None."""
    stripped = text.strip()
    if _UNEXPANDED.search(text) or _UNEXPANDED_WHOLE.fullmatch(stripped):
        return "holds a variable or a template that nothing has replaced"
    if _ANGLED.search(text) or _ANGLED_WHOLE.fullmatch(stripped):
        return "a placeholder in angle brackets"
    if _ENCRYPTED.fullmatch(stripped):
        return "encrypted text that nothing has decrypted"
    return None


def guessable(text: str) -> str | None:
    """Say why ``text`` is no secret that this server could key a MAC with, or None."""
    stripped = text.strip()
    if _URL.fullmatch(stripped) or _FILE_NAME.fullmatch(stripped):
        return "the place of a secret, not a secret (a file is named by the variable with _FILE)"
    letters = _letters(text)
    if any(word in letters for word in _PLACEHOLDERS):
        return "a placeholder, not a secret"
    long = len(text) > _LONGEST_PATTERN
    if long and (_repeats(text) or len(set(text)) < _FEWEST_CHARACTERS or _counts(text)):
        return "one pattern repeated, or a plain sequence: anybody can guess it"
    return None


def _problem(path: Path, text: str, *, own: bool) -> str | None:
    if not text:
        return None
    found = unexpanded(text)
    if found is None and own:
        found = guessable(text)
    elif found is None and schema.is_secret(path):
        match = _DSN_PASSWORD.match(text)
        password = match[1] if match else text
        if password in _BLANK_PASSWORDS or _letters(password) in _PASSWORDS:
            found = "the password is a placeholder"
    return found


def _is_own_secret(path: Path) -> bool:
    """Return whether this server keys its own MACs with it: those have a shortest length."""
    return schema.is_secret(path) and (schema.at(path) or {}).get("minLength", 0) > 1


def _letters(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())


def _repeats(text: str) -> bool:
    return any(
        text[length:] == text[:-length]
        for length in range(1, min(_LONGEST_PATTERN, len(text) // 2) + 1)
    )


def _counts(text: str) -> bool:
    """Return whether most characters are the neighbours of the one before: abcdef, 98765."""
    codes = [ord(character) for character in text]
    near = sum(abs(after - before) <= 1 for before, after in itertools.pairwise(codes))
    return near * 4 >= len(codes) * 3

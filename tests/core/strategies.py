"""Inputs for the property tests: good credentials, nearly good ones, and hostile text."""

import uuid
from string import ascii_letters, digits

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.reference import base58, issued_key, macaroon

# Nothing here is timed: a loaded machine is not a fault of the core.
quick = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
thorough = settings(quick, max_examples=400)

CURRENT = b"test-secret-for-hmac-0123456789abcdef"
RETIRED = b"test-secret-retired-0123456789abcdef"
STRANGE = b"test-secret-of-someone-else-0123456789"
SECRETS = (CURRENT, RETIRED)
ROOT_KEYS = tuple(macaroon.root_key(secret) for secret in SECRETS)
MACAROON_PREFIXES = ("mc", "old_mc", "eyJ")

WORD = ascii_letters + digits + "_"
# What a hand-written parser is most likely to get wrong, in one alphabet.
HOSTILE = "_v1.eyJ-+/= \n\r\t\0{}:0OIl19zZ\x7f\x80é\uff11\u0663\ud800\udfff\U0001f511"

prefixes = st.text(WORD, min_size=1, max_size=16)
timestamps = st.integers(-(2**63), 2**63 - 1)
uuids = st.uuids(allow_nil=True)
secrets = st.sampled_from((CURRENT, RETIRED, STRANGE))


@st.composite
def mutated(draw: st.DrawFn, source: st.SearchStrategy[str]) -> str:
    """A text with up to three edits: a stretch removed, repeated, or replaced by other text."""
    text = draw(source)
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 3)))
        inserted = draw(
            st.just("")
            | st.sampled_from(WORD)
            | st.text(HOSTILE, max_size=2)
            | st.just(text[start:end] * 2)
        )
        text = text[:start] + inserted + text[end:]
    return text


@st.composite
def integer_texts(draw: st.DrawFn) -> str:
    """An integer near the borders of 64 bits or anywhere, spelled in some way."""
    border = st.sampled_from((0, 2**31, 2**32, 2**63, 2**64)).flatmap(
        lambda value: st.integers(value - 12, value + 12)
    )
    magnitude = abs(draw(border | st.integers(0, 2**70) | st.integers(0, 2**33)))
    zeros = "0" * draw(st.integers(0, 3))
    return draw(st.sampled_from(("", "", "+", "-"))) + zeros + str(magnitude)


@st.composite
def uuid_texts(draw: st.DrawFn) -> str:
    """A UUID in one of the accepted spellings."""
    value: uuid.UUID = draw(uuids)
    text = draw(st.sampled_from((str(value), value.hex, str(value).upper(), value.hex.upper())))
    return draw(st.sampled_from(("%s", "%s", "{%s}", "urn:uuid:%s"))) % text


claims = (
    st.builds("{}:{}".format, integer_texts(), uuid_texts())
    | mutated(st.builds("{}:{}".format, timestamps, uuid_texts()))
).map(lambda text: text.encode("utf-8", "surrogatepass"))

identifiers = (claims | st.binary(min_size=14, max_size=96)).map(base58.encode)

issued_keys = st.builds(issued_key.mint, prefixes, timestamps, uuids.map(str), secrets)
nearly_issued_keys = mutated(
    issued_keys
    | st.builds(issued_key.assemble, prefixes | st.text(WORD, max_size=20), identifiers, secrets)
)

jwts = st.lists(st.text(WORD + "-", min_size=1, max_size=8), min_size=1, max_size=4).map(
    lambda parts: "eyJ" + ".".join(parts)
)
macaroon_texts = st.builds(
    "{}_v1_{}".format, st.sampled_from(("mc", "old_mc", "eyJ", "m", "")), st.text(max_size=8)
)
# Lone surrogates and NULs are characters like all others here.
anything = st.text(st.characters(codec=None, exclude_categories=()), max_size=200)

credentials = (
    nearly_issued_keys
    | mutated(jwts)
    | mutated(macaroon_texts)
    | anything
    | st.text(HOSTILE, max_size=64)
)

byte_strings = st.binary(max_size=160)
macaroons = st.builds(
    macaroon.mint,
    byte_strings,
    byte_strings,
    st.lists(byte_strings, max_size=4).map(tuple),
    st.sampled_from((*ROOT_KEYS, STRANGE)),
)


@st.composite
def nearly_macaroons(draw: st.DrawFn) -> bytes:
    """A macaroon with up to three edits, each of them likely to hit a type, a length or an end."""
    data = draw(macaroons)
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 2)))
        small = st.sampled_from((0, 1, 2, 4, 6, 32, 0x7F, 0x80, 0xFF))
        inserted = draw(st.lists(small | st.integers(0, 255), max_size=2))
        data = data[:start] + bytes(inserted) + data[end:]
    return data

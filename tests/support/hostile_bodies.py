"""Bodies that a stranger might send."""

import json
from typing import Any

from hypothesis import strategies as st

from talos.http.fields import Message, camel_case

# Text that has broken somebody's parser, database or log before.
NASTY_TEXT = [
    "",
    " ",
    "\0",
    "a\0b",
    "\ufeff",
    "\u202e",
    "\U0010ffff",
    "\ud800",
    "é",
    "e\u0301",
    "x" * 256,
    "😀" * 8193,
    "../../etc/passwd",
    "' OR 1=1 --",
    "%00%ff%s%n",
    "{{7*7}}",
    "10.0.0.1/33",
    "10.0.0.1/-1",
    "fe80::1%eth0/64",
    "[::1]/128",
    "9223372036854775808s",
    "-1s",
    "1e9s",
    "99999999999999999999999999y",
    "KEY_STATUS_ACTIVE",
    "eyJ.a.b",
    "eyJhbGciOiJub25lIn0.e30.AA",
    "mc_v1_",
    "mc_v1_AgEX",
    "ory_ak_v1_" + "1" * 40 + "_" + "1" * 44,
    "ory_ak_v1_" + "z" * 4000 + "_" + "z" * 4000,
]


SCALARS: Any = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(NASTY_TEXT)
    | st.sampled_from([2**31, 2**63, -(2**63) - 1, 2**64, 10**400, -1, 0])
)


VALUES: Any = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=8,
)


def bodies(message: Message[Any]) -> Any:
    """Objects whose members are those of the message, or nearly so, with any values."""
    names = [member.name for member in message.members]
    spellings = [*names, *map(camel_case, names), *map(str.upper, names)]
    nested = ["requests", "quota", "window", "unit", "allowed_cidrs", "issued_api_key"]
    named = st.dictionaries(st.sampled_from([*spellings, *nested]), VALUES, max_size=6)
    return named | st.dictionaries(st.sampled_from(spellings), VALUES | named | st.lists(named))


def text_of(value: Any, is_ascii: bool) -> bytes:
    """JSON as careless clients write it: NaN, infinities and lone surrogates included."""
    text = json.dumps(value, ensure_ascii=is_ascii)
    return text.encode("utf-8", "surrogatepass")


GREAT_BODIES = [
    b"[" * 1_000_000,
    b'{"a":' * 1_000_000,
    b"{" + b'"name":"x",' * 100_000 + b'"name":"x"}',
    b'{"' + b"a" * 4_000_000 + b'":1}',
    b'{"name":"' + b"\\u0000" * 600_000 + b'"}',
    b'{"name":"' + b'\\"' * 2_000_000,
    b'{"scopes":[' + b"[]," * 1_000_000 + b"1]}",
    b'{"requests":[' + b"{}," * 1_000_000 + b"{}]}",
    b'{"metadata":{"a":' + b"9" * 4_000_000 + b"}}",
    b'{"metadata":{"a":0.' + b"9" * 4_000_000 + b"}}",
    b'{"rate_limit_policy":{"quota":' + b"9" * 4_000_000 + b',"window":"1s"}}',
    b'{"rate_limit_policy":{"quota":"1e' + b"9" * 4_000_000 + b'","window":"1s"}}',
    b'{"metadata":{' + b",".join(b'"%d":0' % n for n in range(300_000)) + b"}}",
    b'{"ttl":"' + b"1" * 4_000_000 + b's"}',
    b'{"ttl":"' + b"1h" * 2_000_000 + b'"}',
    b'{"credential":"' + b"a" * 4_000_000 + b'"}',
    b'{"credential":"eyJ' + b"." * 4_000_000 + b'"}',
    b'{"x":' * 200 + b"1" + b"}" * 200,
    b"\xff" * 4_000_000,
    b" " * 4_194_304,
    b"x" * 10_000_000,
]

"""A whole verification from the cache: the bytes of a request in, the bytes of its answer out."""

import hmac
import time
from typing import Final

from bench.core.cached import GENERATION, KIND, NETWORK, TYPICAL_ANSWER, shared_cache
from bench.core.conftest import KEY_ID, SECRET, Measure
from bench.servers.wire import verify_request
from talos import _core

CASE = "cached verify"
TWIN = "tests/core/test_fast_path.py"

_HEAD: Final = (
    b"\r\nContent-Length: ",
    b"\r\nContent-Type: application/json\r\n\r\n",
)
_PREFIX: Final = "ory_ak"


def test_ours(measure: Measure) -> None:
    """Request in, answer out."""
    now_ns = time.time_ns()
    fast_path = _core.FastPath(shared_cache([KEY_ID]), kind=KIND)
    settings = _core.FastPathNetwork(
        network=NETWORK,
        secrets=[(SECRET, None)],
        prefixes=(_PREFIX.encode(),),
        macaroons=(),
        max_ttl_ns=0,
        max_age_ns=2**62,
        skew_ns=0,
        generation=GENERATION,
    )
    fast_path.configure(lambda _host: settings, head=_HEAD)
    key = _core.mint_issued_key(_PREFIX, now_ns // 1_000_000_000, KEY_ID, SECRET)
    request = verify_request(key).encode("127.0.0.1:4420")
    answer, end = measure(fast_path.answer, request, now_ns=now_ns)
    assert end == len(request)
    assert answer.endswith(b"\r\n\r\n" + TYPICAL_ANSWER)


def test_hmac(measure: Measure, issued_key: str) -> None:
    """hmac.digest of the bytes that the checksum covers."""
    signed = issued_key.rpartition("_")[0].encode() + b"_"
    assert len(measure(hmac.digest, SECRET, signed, "sha256")) == 32

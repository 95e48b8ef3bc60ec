"""A fast path that answers batches."""

import json

from tests.support.fast_path import HEAD, NOW_NS, Host
from tests.support.verify_requests import BATCH_START, request

BATCH_HEAD = (b"\r\nB: c\r\nContent-Length: ", b"\r\n\r\n")


class BatchHost(Host):
    """A host whose fast path answers batches too."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.heads = {"head": HEAD, "batch_head": BATCH_HEAD}
        self.configure()

    def results(self, *keys: str) -> list[object] | None:
        """Ask for the keys in one batch; None where that is declined."""
        data = batch(*keys)
        answer, end = self.fast_path.answer(data, now_ns=NOW_NS)
        if not end:
            assert answer == b""
            return None
        assert end == len(data)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.endswith(b"Content-Length: %d" % len(body))
        (results,) = json.loads(body).values()
        return list(results)


def batch(*keys: str, lines: tuple[bytes, ...] = ()) -> bytes:
    items = b",".join(b'{"credential":"%b"}' % key.encode() for key in keys)
    return request(*lines, start=BATCH_START, body=b'{"requests":[%b]}' % items)

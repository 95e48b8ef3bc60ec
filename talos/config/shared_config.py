"""What the processes of one host agree on about the configuration file.

Every worker watches the file, but an edit must be judged once, logged once (contract 16, 33) and
be in force for all of them from the same moment on; and a worker that is started later must get the
last good configuration, not the broken file that lies there by then. So the judgement is written to
memory that the workers share, made before the first of them is forked.

A process that is killed at any moment harms nobody: its lock falls with it, and a half-written
record is never pointed to.
"""

import fcntl
import hashlib
import mmap
import os
import struct
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

DIGEST_BYTES: Final = 32

_PAGE: Final = mmap.PAGESIZE
_RECORD: Final = struct.Struct(f"<QQ{DIGEST_BYTES}s")
"""Revision, length and SHA-256 of what follows."""
_SLOT_BYTES: Final = 64 * 1024 * 1024
"""Far more than a configuration can take; what is not written takes no memory."""


class SharedConfig:
    """A few bytes that all processes of a host see, and the configuration behind them.

    The first eight bytes are the revision, written last and with one store; whoever sees it move
    finds the record of that revision complete.
    """

    def __init__(self, seen: bytes) -> None:
        """Start at revision 0, which has no payload, with the file content ``seen`` announced."""
        self._fd = _anonymous_file()
        os.ftruncate(self._fd, _PAGE)
        self._map = mmap.mmap(self._fd, _PAGE)
        self._revision = memoryview(self._map)[:8].cast("Q")
        self._thread = threading.Lock()
        self.seen = seen

    @property
    def revision(self) -> int:
        """The number of configurations published so far. Costs one read of memory."""
        return self._revision[0]

    @property
    def revision_word(self) -> memoryview:
        """The eight bytes of memory that ``revision`` is read from."""
        return self._revision

    @property
    def seen(self) -> bytes:
        """The digest of the file content that was judged last. Meant for inside ``turn``."""
        return self._map[8 : 8 + DIGEST_BYTES]

    @seen.setter
    def seen(self, digest: bytes) -> None:
        if len(digest) != DIGEST_BYTES:
            raise ValueError(f"a digest has {DIGEST_BYTES} bytes")
        self._map[8 : 8 + DIGEST_BYTES] = digest

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for and hold the one right of the host to judge the file.

        The right of a process that dies goes to the next one waiting.
        """
        with self._thread:  # the lock below tells processes apart, and no threads
            fcntl.lockf(self._fd, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._fd, fcntl.LOCK_UN)

    def publish(self, payload: bytes) -> None:
        """Make ``payload`` the next revision. Meant for inside ``turn``."""
        if len(payload) > _SLOT_BYTES - _RECORD.size:
            raise ValueError("the configuration is too large to share")
        revision = self.revision + 1
        # The two places take turns, so the record in force is never the one being written.
        record = _RECORD.pack(revision, len(payload), hashlib.sha256(payload).digest()) + payload
        place = _place(revision)
        while record:
            written = os.pwrite(self._fd, record, place)
            record, place = record[written:], place + written
        self._revision[0] = revision

    def payload(self, revision: int) -> bytes | None:
        """Return what was published as ``revision``, or None where later ones took its place.

        Takes no lock, so that a process that hangs in its turn holds up nobody's requests.
        """
        place = _place(revision)
        head = os.pread(self._fd, _RECORD.size, place)
        if len(head) != _RECORD.size:
            return None
        found, length, digest = _RECORD.unpack(head)
        if found != revision or length > _SLOT_BYTES:
            return None
        payload = os.pread(self._fd, length, place + _RECORD.size)
        return payload if hashlib.sha256(payload).digest() == digest else None

    def close(self) -> None:
        """Give the memory back in this process; the others keep theirs."""
        self._revision.release()
        self._map.close()
        os.close(self._fd)


def _place(revision: int) -> int:
    return _PAGE + (revision % 2) * _SLOT_BYTES


def _anonymous_file() -> int:
    """Return a file without a name, in memory where the system has such a thing."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("talos-configuration", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())

"""What Python sees of the compiled core.

Arguments are exactly of the type that is written here: a subclass, or None, is a TypeError. No
function keeps a reference to a secret, which is left to ``KeyedHmac``, and no message of an error
holds any part of an argument.
"""

from collections.abc import Callable
from typing import Final, final

ROUTE_JWT: Final[int]
ROUTE_MACAROON: Final[int]
ROUTE_ISSUED: Final[int]
ROUTE_IMPORTED: Final[int]

def compare_digest(a: bytes, b: bytes) -> bool:
    """Whether ``a`` equals ``b``, in time that depends on their lengths alone.

    Different lengths are unequal at once. Contract 14, 5.
    """

def base58_encode(data: bytes) -> str:
    """Base58 with the Bitcoin alphabet, a leading ``1`` for each leading zero byte. Contract 5.

    Raises ValueError for more than 1024 bytes.
    """

def base58_decode(text: str) -> bytes:
    """The bytes that ``base58_encode`` makes ``text`` of. Contract 5.

    Raises ValueError for a character outside the alphabet, for more than 1399 characters, and for
    a text of more than 1024 bytes. Every other text, the empty one too, has a meaning.
    """

def route(credential: str, macaroon_prefixes: tuple[str, ...]) -> int:
    """One of the ``ROUTE_`` values for any text whatever. Contract 5.6.

    ``macaroon_prefixes`` holds the current prefix and the retired ones, without ``_v1_``; an empty
    one never matches. ``ROUTE_ISSUED`` is answered exactly where ``parse_issued_key`` finds a key.
    """

@final
class UnverifiedIssuedKey:
    """What an issued key says about itself before its checksum has been checked. Contract 5.1.

    Made by ``parse_issued_key`` only; immutable; its repr leaves out the checksum.
    """

    @property
    def prefix(self) -> str:
        """1 to 16 of ``[A-Za-z0-9_]``."""
    @property
    def timestamp_s(self) -> int:
        """When the key says it was made, in seconds since the Unix epoch; any 64-bit value."""
    @property
    def key_id(self) -> str:
        """A UUID of any version, in lower case with hyphens, however the key spelled it."""

def parse_issued_key(credential: str) -> UnverifiedIssuedKey | None:
    """The shape test of contract 5.1. None for any text that is not an issued key; never raises."""

def checksum_valid(key: UnverifiedIssuedKey, secrets: tuple[bytes, ...]) -> bool:
    """Whether one of ``secrets`` made the checksum of ``key``. Contract 5.1.

    Tries all of them, in constant time. False if there are none.
    """

def mint_issued_key(prefix: str, timestamp_s: int, key_id: str, secret: bytes) -> str:
    """A complete issued key, secret part included. Contract 5.1.

    Raises ValueError if the prefix is not 1 to 16 of ``[A-Za-z0-9_]``, the timestamp beyond 64
    bits, or the key id not a UUID in lower case with hyphens.
    """

@final
class UnverifiedMacaroon:
    """The parts of a macaroon before its signature has been checked. Contract 5.5.

    Made by ``macaroon_decode`` only; immutable; its repr shows none of them.
    """

    @property
    def location(self) -> bytes:
        """Empty if the token has none. Not covered by the signature."""
    @property
    def identifier(self) -> bytes:
        """Any bytes."""
    @property
    def caveats(self) -> tuple[bytes, ...]:
        """First-party caveats in order, 256 at most; any bytes."""
    @property
    def signature(self) -> bytes:
        """32 bytes. Compare it with ``macaroon_signature_valid`` only."""

def macaroon_decode(data: bytes) -> UnverifiedMacaroon:
    """Reads the canonical libmacaroons V2 binary form, and nothing else. Contract 5.5.

    Raises ValueError for every other input: another version, fields missing, repeated or out of
    order, lengths not in their shortest form, a third-party caveat, an empty location that is
    spelled out, a signature that is not 32 bytes, bytes after it, more than 256 caveats, more than
    8192 bytes.
    """

def macaroon_encode(
    location: bytes, identifier: bytes, caveats: tuple[bytes, ...], root_key: bytes
) -> bytes:
    """A signed macaroon in V2 binary form. Contract 5.5.

    ``root_key`` is what ``macaroon_root_key`` answers; the key generator is applied here. Raises
    ValueError for more than 256 caveats or a result beyond 8192 bytes.
    """

def macaroon_signature_valid(macaroon: UnverifiedMacaroon, root_keys: tuple[bytes, ...]) -> bool:
    """Whether the chain from one of ``root_keys`` ends in the macaroon's signature. Contract 5.5.

    Tries all of them, in constant time. False if there are none.
    """

def macaroon_root_key(secret: bytes) -> bytes:
    """The 32 bytes from which the macaroons of an HMAC secret are signed. Contract 5.5."""

def pagination_key(secret: bytes) -> bytes:
    """The 32 bytes that encrypt the page tokens of an HMAC secret. Contract 5.8."""

@final
class KeyedHmac:
    """HMAC-SHA256 under one key for many messages, at a fifth of the cost of the one-shot.

    It keeps the key. Not for several threads at once: what it computes with has state. It cannot
    be pickled.
    """

    def __init__(self, key: bytes, *, one_shot: bool = False) -> None:
        """Prepare ``key``; ``one_shot`` asks for the standard library's function instead.

        That happens by itself where the interpreter's OpenSSL cannot be reached or is before 3.
        """

    @property
    def is_one_shot(self) -> bool:
        """Whether digests come from the standard library's function."""

    def digest(self, message: bytes) -> bytes:
        """``HMAC-SHA256(key, message)``; RuntimeError where OpenSSL fails."""

def recognise_verify(
    data: bytes, start: int = 0
) -> tuple[bytes, bytes, int, bool, int, bool] | None:
    """The request to verify one credential that ``data`` holds at ``start``, if it is a plain one.

    Returns its body, the ``X-Request-Id`` to echo (empty: a fresh one is due), the position behind
    it, whether the connection is to be kept alive, the minor version of HTTP/1, and whether there
    is an ``X-Forwarded-Host``. None says nothing about the request: the parser has to read it. What
    is returned has no cache directive that counts, and no parser reads it otherwise. Raises
    ValueError where ``start`` lies outside of ``data``.
    """

def recognise_batch_verify(
    data: bytes, start: int = 0
) -> tuple[bytes, bytes, int, bool, int, bool] | None:
    """As ``recognise_verify``, of a request to verify a batch."""

def match_verify(body: bytes) -> bytes | None:
    """The credential of a body that asks for nothing else, contract 4.14; None where in doubt.

    The body is one JSON object in plain spelling, its credential of visible ASCII without escapes,
    and it may name an empty list of expected audiences.
    """

def match_batch_verify(body: bytes) -> list[bytes] | None:
    """The 1 to 100 credentials of a batch, contract 4.15; None where in doubt.

    Each item is as ``match_verify`` has it, and a credential may be empty, which is an error there.
    """

def xxh3_64(data: bytes, seed: int, *, portable: bool = False) -> int:
    """XXH3 of ``data``, 64 bits, by which the shared memory places keys and tells torn values.

    ``portable`` does without the vector instructions of this machine: the same number, more slowly.
    Raises OverflowError for a seed that is no unsigned number of 64 bits.
    """

def measure_json(text: bytes) -> tuple[int, int]:
    """How many values the first of ``text`` holds at most, itself included, and how deep it is.

    Objects and arrays are levels. Of text that is no JSON the answer bounds what a decoder does
    before it sees that. A large text is measured without the interpreter lock.
    """

KEY_CACHE_COUNTERS: Final[tuple[str, ...]]
"""What ``KeyCache`` counts, in the order of the numbers, which begin at 0."""
FAST_PATH_COUNTERS: Final[tuple[str, ...]]
"""What ``FastPath`` counts, in the order of the numbers from ``FIRST_FAST_PATH_COUNTER`` on."""
FIRST_FAST_PATH_COUNTER: Final[int]
FAST_PATH_SECRETS_MAX: Final[int]
"""Of the secrets that one ``FastPath`` may accept."""
FAST_PATH_PREFIXES_MAX: Final[int]
"""Of the prefixes that one ``FastPath`` may accept."""
OPENSSL_IS_DIRECT: Final[bool]
"""Whether ``KeyedHmac`` calls OpenSSL itself, with the key schedule done once."""
FIRST_FREE_COUNTER: Final[int]
"""From here on the numbers are for others than the core."""

@final
class Counters:
    """Counters of 64 bits for all processes of a host that are forked after they were made.

    Each process that counts has one of 256 slots, in which it alone writes; a counter is the sum
    over all slots. What a process has counted stays when it ends, and a later one counts on in its
    slot: no counter ever goes back. Nothing takes a lock. They cannot be pickled, and go when the
    last process that has them ends.
    """

    def __init__(self, counters: int) -> None:
        """Map so many counters, from 0 on. Raises ValueError below 40 and above 4096."""

    @property
    def size(self) -> int:
        """How many there are."""

    def attach(self) -> bool:
        """Take a slot, without which this process counts nothing.

        To be called in each process that counts, after the fork; a child never counts in its
        parent's slot. A second call does nothing. False where 256 living processes have all slots.
        """

    @property
    def attached(self) -> bool:
        """Whether this process has a slot."""

    def add(self, counter: int, amount: int = 1) -> None:
        """Add to a counter in the slot of this process; without a slot nothing is counted.

        Raises IndexError where there is no such counter.
        """

    def read(self, counter: int) -> int:
        """The sum of a counter over all processes, those that have ended included.

        Raises IndexError where there is no such counter.
        """

@final
class SharedMemory:
    """One mapping for all processes of a host that are forked after it was made.

    It holds the keys of a ``KeyCache``; ``docs/shared-memory.md`` draws it. Making it
    takes address space; memory is taken as it is written to. It cannot be pickled, and goes when
    the last process that has it ends.
    """

    def __init__(self, size_bytes: int, *, counters: Counters | None = None) -> None:
        """Map ``size_bytes``, all that it will ever take.

        What happens is counted in ``counters``; without any, in some of its own.
        Raises ValueError for a size that holds not even one set (about 290 kB), and OSError where
        the system refuses.
        """

    @property
    def size_bytes(self) -> int:
        """What was asked for."""
    @property
    def counters(self) -> Counters:
        """What counts what happens here."""
    @property
    def attached(self) -> bool:
        """Whether this process has an owner slot."""

    def attach(self) -> bool:
        """Take an owner slot, without which nothing is published, and one of ``counters``.

        To be called once in each process that writes, after the fork; a child never writes in its
        parent's name. A second call does nothing. False where 256 living processes have all slots:
        then this process reads, holds and evicts all the same.
        """

PUBLISH_DONE: Final[int]
PUBLISH_STALE: Final[int]
"""Evicted or held since the lease was taken, or no lease at all, or expired already."""
PUBLISH_BUSY: Final[int]
"""Others were writing where the key belongs, or this process has no owner slot."""
PUBLISH_COLD: Final[int]
"""All room is taken by keys in use; the same key is let in if it asks again soon."""
PUBLISH_LARGE: Final[int]
"""The payload is longer than 4096 bytes, or that of a proof than 3696."""
KIND_OF_TOKENS: Final[int]
"""What is published under it takes half of the cache at most, and pushes out no key in use."""

@final
class KeyCache:
    """The shared key cache (contract 6.8): what was published for (network, kind, id).

    ``network`` is a UUID in its canonical spelling or its 16 bytes, ``kind`` is 0 to 255,
    ``key_id`` a UUID in its canonical spelling or 64 lower-case hexadecimal digits. A key of any
    other spelling is never cached: it is missed, leased 0, and there is nothing to hold or evict.

    No call waits for another process. Expiry is by the wall clock, in nanoseconds since the epoch,
    which the caller gives; holds are by the monotonic clock.
    """

    def __init__(self, memory: SharedMemory) -> None:
        """Look at ``memory``; of several caches over one all are the same cache."""

    @property
    def memory(self) -> SharedMemory:
        """What it lies in."""

    def get(self, network: str | bytes, kind: int, key_id: str, *, now_ns: int) -> bytes | None:
        """The payload, if it has been neither evicted nor overtaken by ``now_ns``; else None."""

    def lease(self, network: str | bytes, kind: int, key_id: str) -> int:
        """The right to publish what is read from the database after this; 0 while a hold stands."""

    def publish(
        self,
        lease: int,
        network: str | bytes,
        kind: int,
        key_id: str,
        payload: bytes,
        *,
        expires_at_ns: int,
        now_ns: int,
    ) -> int:
        """Publish until ``expires_at_ns``; one of the ``PUBLISH_`` values tells what came of it."""

    def hold(self, network: str | bytes, kind: int, key_id: str, *, for_ns: int) -> int:
        """Evict the key, and give out no lease for it for ``for_ns``; the token lifts the hold.

        Other keys may share the hold. Raises ValueError unless ``for_ns`` is 1 to a day.
        """

    def lift(self, token: int, network: str | bytes, kind: int, key_id: str) -> bool:
        """Evict the key again and end the hold. False if it had lapsed before."""

    def evict(self, network: str | bytes, kind: int, key_id: str) -> None:
        """Forget the key, and make every lease taken on it so far worthless."""

    def flush(self) -> None:
        """Evict every key."""

@final
class RateLimits:
    """How far each key has used up its rate limit (contract 6.7), for all processes of a host.

    One table in memory that is shared with every process forked after it was made. What is let
    through is exactly a run of GCRA for each key, whatever processes ask at once and whichever of
    them are killed. No call waits for another process. ``docs/shared-memory.md`` draws the table.
    """

    def __init__(self, size_bytes: int, *, clock: memoryview | None = None) -> None:
        """Map ``size_bytes``, all that it will ever take; memory is taken as it is written to.

        ``clock``, one unsigned 64-bit word, is read as the time in nanoseconds instead of the
        system's monotonic clock; it must never be set back. Raises ValueError for a size below 2432
        bytes, and OSError where the system refuses.
        """

    @property
    def size_bytes(self) -> int:
        """What was asked for."""
    @property
    def capacity(self) -> int:
        """How many keys could be inside their windows at once, if they were spread evenly."""
    @property
    def unenforced(self) -> int:
        """How many calls were let through uncounted, by all processes, for want of room."""

    def admit(
        self, network_id: str, key_id: str, quota: int, window_s: int
    ) -> tuple[bool, int, int] | None:
        """Count one call; None where there is no room to count it.

        Answers whether it is within the limit, how many more would be now, and in how many
        nanoseconds the key has recovered fully. A call that is not within the limit costs nothing.
        Under a longer window than before, what was used of that one stays used of this one, as a
        share; under a shorter one the time until the key has recovered stays.
        Raises ValueError for a quota outside 1 to 2**63 - 1, and for a window outside 1 to
        9223372036 seconds.
        """

def pack_answer(
    body: bytes,
    tail: bytes,
    *,
    generation: int,
    expires_at_ns: int | None,
    plain: bool,
    limit: tuple[int, int] | None = None,
    begins_at_ns: int | None = None,
    published_at_ns: int | None = None,
) -> bytes:
    """What is published for a key that ``FastPath`` may answer for: its gates, and the answer.

    It may be told up to ``expires_at_ns``, that instant included. Of a derived token
    ``begins_at_ns`` says from when on, the skew of clocks granted. That of a key is told for the
    fast path's ``max_age_ns`` from ``published_at_ns`` on; None does not age.

    ``body`` is sent as it is, but for what ``limit``, the quota and the window in seconds of the
    key's policy, adds to it. ``tail`` is kept beside it for other readers of the entry. A key that
    is not ``plain`` has more gates than the fast path knows, and is never answered for by it.
    Raises ValueError for a token with a limit.
    """

def unpack_answer(payload: bytes) -> tuple[bytes, bytes] | None:
    """The body and the tail that were packed; None for a payload of another layout."""

@final
class FastPathNetwork:
    """The settings of one network, as the fast path needs them; they do not change."""

    def __init__(
        self,
        *,
        network: bytes,
        secrets: list[tuple[bytes, int | None]],
        prefixes: tuple[bytes, ...],
        macaroons: tuple[bytes, ...],
        max_ttl_ns: int,
        skew_ns: int,
        max_age_ns: int,
        generation: int,
        limits_enabled: bool = False,
    ) -> None:
        """Take the settings of ``network``, a UUID of 16 bytes.

        ``secrets`` are those accepted, each with the instant from which it is not (None: never).
        ``macaroons`` are beginnings of macaroons. ``max_ttl_ns`` of 0 is no limit, and ``skew_ns``
        counts for at most 10 minutes (contract 5.2). Answers about keys are sent for ``max_age_ns``
        after they were published (contract 16 (42)). ``limits_enabled`` has calls counted (contract
        6.7). Raises ValueError where ``network`` is not 16 bytes, and for more than
        ``FAST_PATH_SECRETS_MAX`` secrets or ``FAST_PATH_PREFIXES_MAX`` prefixes.
        """

@final
class FastPath:
    """Answers verifications from memory: bytes of a connection in, bytes to send out.

    It says again what was published for a key, and only to who holds the key (contract 6.2, steps
    1 to 3, and 6), or for a derived token authentic under the same settings (contract 16, 6),
    while it lasts. What it declines is not thereby refused. To be made after the fork, and for one
    thread. It starts disabled.
    """

    def __init__(
        self,
        cache: KeyCache,
        *,
        kind: int,
        imported_kind: int | None = None,
        token_kind: int | None = None,
        limits: RateLimits | None = None,
    ) -> None:
        """Answer for keys of ``kind``, and count answers in the counters of the cache's memory.

        Imported keys are declined without a kind of their own, and so are derived tokens.
        ``limits`` is what the service counts calls in; None says that it shows limits and counts
        nothing.
        """

    def disable(self) -> None:
        """Decline everything, and forget the networks with their secrets."""

    def configure(
        self,
        find_network: Callable[[str], FastPathNetwork | None],
        *,
        head: tuple[bytes, bytes],
        token_head: tuple[bytes, bytes] | None = None,
        batch_head: tuple[bytes, bytes] | None = None,
        reads_forwarded_host: bool = False,
    ) -> None:
        """Answer for the network that ``find_network`` returns for the value of a Host header.

        None leaves the request to the application. It is called only when the host differs from
        that of the last request, and may not raise.

        ``head`` are the headers of an answer behind the request id, in two pieces: between them
        stands the length of the body, which is the last of the headers but one. ``token_head`` and
        ``batch_head`` are those of answers about derived tokens and batches, which are declined
        without. Raises ValueError, and is disabled, where a head is over 1024 bytes or has no
        length. ``reads_forwarded_host`` says that ``X-Forwarded-Host`` counts: then requests that
        have one are declined.
        """

    def answer(self, data: bytes, start: int = 0, *, now_ns: int) -> tuple[bytes, int]:
        """The answers to the requests that ``data`` holds at ``start``, as far as they go.

        With them comes the position behind the last request answered: what is there is for the
        parser, or for another call, since one gives at most about 512 kB. Raises ValueError where
        ``start`` lies outside of ``data``.
        """

@final
class FastPathContext:
    """What the connections of one event loop share: where they read into, and who answers."""

    def __init__(
        self,
        fast_path: FastPath | None = None,
        *,
        configure: Callable[[], None] | None = None,
        revision: memoryview | None = None,
    ) -> None:
        """Answer by ``fast_path``, or nothing at once without one.

        ``configure`` brings the fast path in line with the configuration. It is called now, and
        before an answer whenever the word at ``revision`` has changed, which another process may
        do. Raises ValueError where ``revision`` is not 8 aligned bytes.
        """

class FastPathProtocol:
    """A connection whose requests are answered from memory as they are read.

    To be derived from: an ``asyncio.BufferedProtocol`` as far as reading goes, for one thread.
    """

    def __init__(self, context: FastPathContext, descriptor: int) -> None:
        """Answer on the socket ``descriptor``, which has to be there whenever anything is read."""

    @property
    def fast_path_allowed(self) -> bool:
        """Whether what is read next begins a request, and nothing waits to be sent before it."""

    @fast_path_allowed.setter
    def fast_path_allowed(self, value: bool) -> None: ...
    @property
    def served(self) -> bool:
        """Whether anything was answered at once; for others to take back."""

    @served.setter
    def served(self, value: bool) -> None: ...
    def get_buffer(self, sizehint: int) -> bytearray:
        """Where to read into: the same for all connections of a context."""

    def buffer_updated(self, nbytes: int) -> None:
        """Answer what was read while ``fast_path_allowed``; the rest is passed to ``received``."""

    def answer_by_fast_path(self, data: bytes) -> int:
        """Answer the requests that ``data`` begins with; return the position behind the last one.

        Nothing may wait to be sent.
        """

    def lacks_body(self, data: bytes) -> bool:
        """Whether ``data`` is the head of what memory may answer, and not all of its body."""

    def received(self, data: memoryview) -> None:
        """Called with what was read and not answered; valid until it returns."""

    def unsent(self, data: bytes, closing: bool) -> None:
        """Called with what the socket did not take of answers; no fast path from then on.

        ``closing`` says that the connection is to be closed behind them.
        """

    def answered_last(self) -> None:
        """Called when an answer was sent behind which the connection is to be closed."""

    def broken(self) -> None:
        """Called when the socket takes nothing any more, ever; no fast path from then on."""

# The fast path: bytes of a connection in, responses out, for verifications whose answer is in
# the shared cache, one by one or in batches. It can only say again what services/verify.py has
# decided and published; where anything is in doubt it declines, and the request goes to the parser
# and to that code.
#
# What it checks itself, at every request: that its host belongs to a network; that the caller holds
# the key (the checksum, under a secret accepted now; who knows an imported key knows its hash), that
# the key's age and prefix are accepted now, that the entry was published under the credential
# settings of now and no longer ago than cache.ttl of now, and that neither it nor the key has
# expired. Eviction is the cache's own promise. A key's rate limit is the last gate: once a call is
# counted, nothing declines any more. Keys with an address list are declined.
# A derived token is answered for where it was authenticated under these very settings, has begun and
# has not ended, and is bound to no address and no audience.
# A batch is answered where every item of it is, and holds no key with a limit.

from email.utils import formatdate

cdef enum:
    # The longest head: a prepared one, what stands before it with an echoed id of 128 bytes, a
    # length, a limit.
    PREPARED_MAX = 1024
    HEAD_MAX = 2048
    # A payload with the members of a limit, with a comma or the brackets of a batch.
    ITEM_MAX = 4096 + 256
    # A batch of a hundred of the longest, and room to spare.
    OUT_BYTES = 524288
    ENTROPY_BYTES = 4096
    DATE_BYTES = 29
    # Of any credential (contract 4.0).
    CREDENTIAL_MAX = 8192
    # Of a name with a port; under a longer host nothing is answered.
    HOST_MAX = 256

cdef bytes BEFORE_LENGTH = b"\r\nContent-Length: "

cdef struct CachedEntry:
    # An entry of the cache, copied, that passed the gates before the limit.
    uint64_t value[MAX_VALUE_WORDS]
    const uint64_t* gates
    const uint8_t* body
    size_t length
    uint64_t mark
    CacheKey key


cdef uint64_t spelled_kind(uint64_t spelling, int kind) except 0:
    if not 0 <= kind < 1 << KIND_BITS:
        raise ValueError("a kind is 0 to 255")
    return spelling << KIND_BITS | <uint64_t>kind


cdef tuple prepared_head(tuple head):
    cdef bytes before_length, before_body
    before_length, before_body = head
    if None in head or sum(map(len, head)) > PREPARED_MAX:
        raise ValueError("the head of an answer is too long")
    if not before_length.endswith(BEFORE_LENGTH):
        raise ValueError("the length of the body stands behind other headers")
    return before_length.removesuffix(BEFORE_LENGTH), before_body


@cython.final
@cython.auto_pickle(False)
cdef class FastPath:
    cdef KeyCache cache
    cdef uint64_t kind
    cdef uint64_t imported_kind
    cdef void* hashing           # NULL: imported keys are declined
    cdef uint64_t token_kind
    cdef void* token_hashing     # NULL: as without a head for them
    cdef RateLimits limits       # None: limits are shown, and nothing is counted
    cdef Counters counters
    cdef Decline declined        # why the last call went no further
    cdef object find_network     # None: the fast path is off
    cdef FastPathNetwork network # of the host below, the last that was found; None: none yet
    cdef uint8_t host[HOST_MAX]
    cdef size_t host_length
    cdef tuple head
    cdef tuple token_head        # None: derived tokens are declined
    cdef tuple batch_head        # None: batches are declined
    cdef bint reads_forwarded_host
    cdef uint8_t date[DATE_BYTES]
    cdef int64_t date_s
    cdef bytes entropy
    cdef int entropy_used
    cdef size_t filled
    cdef bint closing            # the last answer in there is the connection's last
    cdef uint8_t out[OUT_BYTES]

    def __init__(
        self, KeyCache cache not None, *, int kind, imported_kind=None, token_kind=None,
        RateLimits limits=None
    ):
        self.declined = NOT_DECLINED
        self.cache = cache
        self.kind = spelled_kind(SPELLING_UUID, kind)
        if imported_kind is not None:
            self.imported_kind = spelled_kind(SPELLING_HASH, imported_kind)
            if sha512_256 != NULL and self.hashing == NULL:
                self.hashing = md_new()
        if token_kind is not None:
            self.token_kind = spelled_kind(SPELLING_HASH, token_kind)
            if sha256 != NULL and self.token_hashing == NULL:
                self.token_hashing = md_new()
        self.limits = limits
        self.counters = cache.memory.counters
        self.date_s = -1
        self.entropy_used = ENTROPY_BYTES

    def __dealloc__(self):
        if self.hashing != NULL:
            md_free(self.hashing)
        if self.token_hashing != NULL:
            md_free(self.token_hashing)

    def __reduce__(self):
        raise TypeError("a FastPath cannot be pickled")

    def disable(self):
        self.find_network = self.network = None

    def configure(
        self, find_network not None, *, tuple head not None, tuple token_head=None,
        tuple batch_head=None, bint reads_forwarded_host=False
    ):
        self.disable()
        self.head = prepared_head(head)
        self.token_head = None if token_head is None else prepared_head(token_head)
        self.batch_head = None if batch_head is None else prepared_head(batch_head)
        self.reads_forwarded_host = reads_forwarded_host
        self.find_network = find_network

    def answer(self, bytes data not None, Py_ssize_t start=0, *, int64_t now_ns):
        cdef size_t size = <size_t>PyBytes_GET_SIZE(data)
        cdef size_t end
        if start < 0 or <size_t>start > size:
            raise ValueError("start lies outside of the data")
        end = self.answer_into(bytes_data(data), <size_t>start, size, now_ns)
        self.count_decline(bytes_data(data) + end, size - end)
        return PyBytes_FromStringAndSize(<char*>self.out, <Py_ssize_t>self.filled), <Py_ssize_t>end

    cdef size_t answer_into(
        self, const uint8_t* data, size_t start, size_t size, int64_t now_ns
    ) except? -1:
        """Answer what ``data[start:size]`` begins with; ``start <= size``.

        The answers are the first ``filled`` bytes of ``out`` until the next call. Returns the
        position behind what they answer, ``start`` where that is nothing.
        """
        cdef uint8_t* out = self.out
        cdef uint8_t* after
        cdef Recognised request
        self.filled = 0
        self.closing = False
        self.declined = NOT_DECLINED
        if self.find_network is None or now_ns < 0:
            self.declined = DECLINED_OFF
            return start
        self.tell_date(now_ns // NANOSECONDS)
        while start < size and out - self.out <= OUT_BYTES - HEAD_MAX - ITEM_MAX:
            if not recognise(data, start, size, &request):
                # Where only the end of the body is missing it is no decline yet.
                if request.end == 0:
                    self.declined = DECLINED_FORM
                break
            if (self.reads_forwarded_host and request.forwarded_host) or not self.found_network(
                data + request.host, request.host_length
            ):
                self.declined = DECLINED_HOST
                break
            if request.batch:
                after = verify_batch(self, data, &request, now_ns, out)
            else:
                after = self.verify(data, &request, now_ns, out)
            if after == NULL:
                break
            out = after
            start = request.end
            count(self.counters.own, COUNT_BATCHES if request.batch else COUNT_SINGLE)
            if request.close:
                self.closing = True
                break
        self.filled = <size_t>(out - self.out)
        return start

    cdef bint count_decline(self, const uint8_t* data, size_t size) noexcept:
        """Count why ``data``, which begins where the last answer ended, was declined, if it was.

        For who hands it to the parser: what is looked at twice is to be counted once.
        """
        cdef Decline reason = self.declined
        self.declined = NOT_DECLINED
        # A head that is not all there is looked at again.
        if reason == NOT_DECLINED or not head_is_whole(data, size):
            return False
        if reason == DECLINED_FORM and not is_verification(data, size):
            reason = DECLINED_OPERATION
        count(self.counters.own, COUNT_DECLINED + <uint64_t>reason)
        return True

    cdef bint found_network(self, const uint8_t* host, size_t length) except -1:
        """Whether requests under that host are answered here, from ``network`` then.

        ``host`` is of ASCII.
        """
        cdef FastPathNetwork found
        # Most clients name one host: its network is looked up once, and the host compared after that.
        if (
            self.network is not None
            and length == self.host_length
            and memcmp(host, self.host, length) == 0
        ):
            return True
        if length > HOST_MAX:
            return False
        found = self.find_network(
            PyUnicode_DecodeASCII(<const char*>host, <Py_ssize_t>length, NULL)
        )
        if found is None:
            return False
        memcpy(self.host, host, length)
        self.host_length = length
        self.network = found
        return True

    cdef bint tell_date(self, int64_t now_s) except -1:
        cdef bytes text
        if now_s != self.date_s:
            text = formatdate(now_s, usegmt=True).encode("ascii")
            if PyBytes_GET_SIZE(text) != DATE_BYTES:
                raise ValueError("a date of another length")
            memcpy(self.date, PyBytes_AS_STRING(text), DATE_BYTES)
            self.date_s = now_s
        return True

    cdef uint8_t* verify(
        self, const uint8_t* data, const Recognised* request, int64_t now_ns, uint8_t* out
    ) except? NULL:
        """Write the answer to one request to ``out``; NULL where the fast path declines."""
        cdef size_t credential, length
        cdef CachedEntry entry
        if match_credential(data, request.body, request.end, &credential, &length) != request.end:
            self.declined = DECLINED_FORM
            return NULL
        if not self.find(data + credential, length, now_ns, &entry):
            return NULL
        if entry.mark == MARK_LIMITED:
            return verify_limited(self, data, request, &entry, now_ns, out)
        out = self.put_head(
            self.token_head if entry.mark == MARK_TOKEN else self.head,
            data, request, entry.length, out, NULL, 0,
        )
        return put(out, entry.body, entry.length)

    cdef bint find(
        self, const uint8_t* credential, size_t length, int64_t now_ns, CachedEntry* entry
    ) except -1:
        """Copy what was published for a credential, if it passes every gate but that of a limit.

        Else False, and ``declined`` says why.
        """
        cdef FastPathNetwork network = self.network
        cdef IssuedShape shape
        cdef int payload
        cdef uint64_t words
        cdef bint token
        self.declined = DECLINED_CREDENTIAL
        if length == 0 or length > CREDENTIAL_MAX:
            return False
        memset(entry.key.words, 0, sizeof(entry.key.words))
        memcpy(entry.key.words, network.network, NETWORK_BYTES)
        token = is_derived(network, credential, length)
        if token:
            # Only who has a token that was authentic under these settings knows the name of its entry.
            if self.token_head is None or not hashed_name(
                self.token_hashing, sha256, network.generation_text, GENERATION_BYTES,
                credential, length, <uint8_t*>&entry.key.words[2],
            ):
                self.declined = DECLINED_KIND
                return False
            entry.key.kind = self.token_kind
        elif issued_shape(credential, <Py_ssize_t>length, &shape):
            if not accepted(network, credential, length, &shape, now_ns):
                return False
            memcpy(&entry.key.words[2], shape.key_id, UUID_BYTES)
            entry.key.kind = self.kind
        else:
            if not hashed_name(
                self.hashing, sha512_256, network.network_text, UUID_TEXT + 1,
                credential, length, <uint8_t*>&entry.key.words[2],
            ):
                self.declined = DECLINED_KIND
                return False
            entry.key.kind = self.imported_kind
        locate(&self.cache.view, &entry.key)
        payload = cache_read(&self.cache.view, &entry.key, now_ns, entry.value)
        if payload < <int>(GATE_WORDS * WORD):
            self.declined = DECLINED_MISS
            return False
        entry.gates = &entry.value[VALUE_HEADER_WORDS]
        entry.mark = gate_mark(entry.gates[GATE_SHAPE])
        entry.length = <uint32_t>entry.gates[GATE_SHAPE]
        words = gate_words(entry.mark)
        entry.body = <const uint8_t*>(entry.gates + words)
        if (
            (
                entry.mark != MARK_TOKEN
                if token
                else entry.mark != MARK_PLAIN and entry.mark != MARK_LIMITED
            )
            or entry.gates[GATE_SHAPE] != gate_shape(entry.mark, entry.length)
            or words * WORD + entry.length > <uint64_t>payload
            or (entry.mark == MARK_LIMITED and not limit_is_sound(entry))
        ):
            self.declined = DECLINED_GATES
            return False
        if (
            entry.gates[GATE_GENERATION] != network.generation
            or now_ns > <int64_t>entry.gates[GATE_EXPIRES]
            or not (
                network.begun(<int64_t>entry.gates[GATE_BEGINS], now_ns)
                if token
                else network.is_fresh(<int64_t>entry.gates[GATE_PUBLISHED], now_ns)
            )
        ):
            self.declined = DECLINED_STALE
            return False
        self.declined = NOT_DECLINED
        return True

    cdef uint8_t* put_head(
        self, tuple head, const uint8_t* data, const Recognised* request, size_t length,
        uint8_t* out, const uint8_t* further, size_t further_length
    ) except NULL:
        """Write at most HEAD_MAX bytes, ``further`` headers among them."""
        out = put(out, b"HTTP/1.0" if request.http10 else b"HTTP/1.1", 8)
        out = put(out, b" 200 OK\r\nDate: ", 15)
        out = put(out, self.date, DATE_BYTES)
        if request.close:
            out = put(out, b"\r\nConnection: close", 19)
        else:
            out = put(out, b"\r\nConnection: keep-alive", 24)
        out = put(out, b"\r\nX-Request-Id: ", 16)
        if request.request_id_length:
            out = put(out, data + request.request_id, request.request_id_length)
        else:
            out = put_uuid4(out, self.random())
        out = put_bytes(out, <bytes>head[0])
        if further_length:
            out = put(out, further, further_length)
        out = put_bytes(out, BEFORE_LENGTH)
        out = put_number(out, length)
        return put_bytes(out, <bytes>head[1])

    cdef const uint8_t* random(self) except NULL:
        """The next 16 bytes of a batch from the system's generator."""
        if self.entropy_used + UUID_BYTES > ENTROPY_BYTES:
            self.entropy = urandom(ENTROPY_BYTES)
            self.entropy_used = 0
        self.entropy_used += UUID_BYTES
        return bytes_data(self.entropy) + self.entropy_used - UUID_BYTES

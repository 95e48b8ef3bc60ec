# The hot path: bytes of a connection in, ready answers out, for verifications whose answer is in
# the shared cache, one by one or in batches. It can only say again what services/verify.py has decided and published; where
# anything is in doubt it declines, and the request goes to the parser and to that code.
#
# What it proves itself, at every request: that the caller holds the key (the checksum, under a
# secret accepted now), that the key's age and prefix are accepted now, that the entry was published
# under the credential settings of now, and that neither it nor the key has expired. Eviction is the
# cache's own promise. Entries that are not plain (an address list, a rate limit) are declined. A batch
# is answered where every item of it is, or declined as a whole.

from email.utils import formatdate

cdef enum:
    # Words of a payload's gates. Behind them lie the rendered body and what else was published.
    GATE_SHAPE = 0               # layout << 56 | plain << 32 | bytes of the body
    GATE_GENERATION = 1
    GATE_EXPIRES = 2             # of the key, ns
    GATE_WORDS = 3
    BODY_WORD = VALUE_HEADER_WORDS + GATE_WORDS
    GATE_LAYOUT = 1
    # The longest head: a prepared one, a date, an echoed id of 128 bytes, a length.
    PREPARED_MAX = 1536
    HEAD_MAX = 2048
    # A payload, with a comma or the brackets of a batch.
    ITEM_MAX = 4096 + 32
    OUT_BYTES = 524288
    NOT_READY = -1
    ENTROPY_BYTES = 4096
    DATE_BYTES = 29
    SECRETS_MAX = 16
    PREFIXES_MAX = 64
    SKEW_MAX_S = 600
    NANOSECONDS = 1_000_000_000

cdef int64_t FOREVER_NS = 0x7FFFFFFFFFFFFFFF


cdef inline uint64_t gate_shape(uint64_t plain, uint64_t body_bytes) noexcept nogil:
    return (<uint64_t>GATE_LAYOUT << 56) | (plain << 32) | body_bytes


cdef int64_t end_ns(object ends) except? -1:
    """An end of validity as a word: None, and what is beyond 64 bits, is forever."""
    return FOREVER_NS if ends is None or ends > FOREVER_NS else ends


def pack_answer(
    bytes body not None, bytes tail not None, *, uint64_t generation, expires_at_ns, bint plain
):
    cdef uint64_t gates[GATE_WORDS]
    gates[GATE_SHAPE] = gate_shape(plain, <uint64_t>PyBytes_GET_SIZE(body))
    gates[GATE_GENERATION] = generation
    gates[GATE_EXPIRES] = <uint64_t>end_ns(expires_at_ns)
    return PyBytes_FromStringAndSize(<char*>gates, sizeof(gates)) + body + tail


def unpack_answer(bytes payload not None):
    cdef uint64_t gates[GATE_WORDS]
    cdef uint64_t length = <uint64_t>PyBytes_GET_SIZE(payload)
    cdef uint64_t body
    if length < sizeof(gates):
        return None
    memcpy(gates, PyBytes_AS_STRING(payload), sizeof(gates))
    body = <uint32_t>gates[GATE_SHAPE]
    if gates[GATE_SHAPE] >> 56 != GATE_LAYOUT or body > length - sizeof(gates):
        return None
    return payload[sizeof(gates) : sizeof(gates) + body], payload[sizeof(gates) + body :]


cdef inline uint8_t* put(uint8_t* out, const void* data, size_t length) noexcept nogil:
    memcpy(out, data, length)
    return out + length


cdef uint8_t* put_uuid4(uint8_t* out, const uint8_t* random) noexcept nogil:
    """Format 16 random bytes as a version 4 UUID."""
    cdef uint8_t data[UUID_BYTES]
    memcpy(data, random, UUID_BYTES)
    data[6] = (data[6] & 0x0F) | 0x40
    data[8] = (data[8] & 0x3F) | 0x80
    return put_uuid(out, data)


cdef uint8_t* put_number(uint8_t* out, uint64_t number) noexcept nogil:
    cdef uint8_t digits[20]
    cdef int count = 0
    while True:
        digits[count] = <uint8_t> (c"0" + number % 10)
        number //= 10
        count += 1
        if number == 0:
            break
    while count:
        count -= 1
        out[0] = digits[count]
        out += 1
    return out


cdef tuple prepared_head(tuple head):
    cdef bytes before_date, before_id, before_length, before_body
    before_date, before_id, before_length, before_body = head
    if None in head or sum(map(len, head)) > PREPARED_MAX:
        raise ValueError("the head of an answer is too long")
    return head


cdef inline uint8_t* put_piece(uint8_t* out, tuple head, Py_ssize_t index):
    cdef bytes piece = <bytes>head[index]
    return put(out, bytes_data(piece), <size_t>PyBytes_GET_SIZE(piece))


@cython.final
@cython.auto_pickle(False)
cdef class HotPath:
    cdef KeyCache cache
    cdef uint64_t kind
    cdef uint64_t counter
    cdef uint64_t batch_counter
    cdef bint enabled
    cdef uint64_t network[2]
    cdef uint64_t generation
    cdef int64_t max_ttl_ns      # 0: no limit
    cdef int64_t skew_ns
    cdef list macs               # of KeyedHmac, in step with the next
    cdef int64_t mac_ends[SECRETS_MAX]
    cdef tuple prefixes
    cdef tuple foreign           # beginnings that route a credential elsewhere
    cdef tuple head
    cdef tuple batch_head        # None: batches are declined
    cdef uint8_t date[DATE_BYTES]
    cdef int64_t date_s
    cdef bytes entropy
    cdef int entropy_used
    cdef size_t filled
    cdef uint8_t out[OUT_BYTES]

    def __init__(
        self, KeyCache cache not None, *, int kind, int counter, tuple head not None,
        tuple batch_head=None, int batch_counter=0
    ):
        self.enabled = False
        if not 0 <= kind < 1 << KIND_BITS:
            raise ValueError("a kind is 0 to 255")
        self.head = prepared_head(head)
        self.batch_head = None if batch_head is None else prepared_head(batch_head)
        self.cache = cache
        self.kind = <uint64_t>SPELLING_UUID << KIND_BITS | <uint64_t>kind
        self.counter = cache.memory.own_counter(counter)
        self.batch_counter = cache.memory.own_counter(batch_counter)
        self.date_s = -1
        self.entropy_used = ENTROPY_BYTES

    def __reduce__(self):
        raise TypeError("a HotPath cannot be pickled")

    def disable(self):
        self.enabled = False
        self.macs = []

    def configure(
        self, *, bytes network not None, list secrets not None, tuple prefixes not None,
        tuple foreign not None, int64_t max_ttl_ns, int64_t skew_ns, uint64_t generation
    ):
        self.disable()
        if PyBytes_GET_SIZE(network) != NETWORK_BYTES:
            raise ValueError("a network is 16 bytes")
        if len(secrets) > SECRETS_MAX or len(prefixes) > PREFIXES_MAX:
            return False
        memcpy(self.network, PyBytes_AS_STRING(network), NETWORK_BYTES)
        for index, (secret, ends) in enumerate(secrets):
            self.macs.append(KeyedHmac(secret))
            self.mac_ends[index] = end_ns(ends)
        self.prefixes = prefixes
        self.foreign = foreign
        self.max_ttl_ns = max_ttl_ns
        self.skew_ns = max(0, min(skew_ns, <int64_t>SKEW_MAX_S * NANOSECONDS))
        self.generation = generation
        self.enabled = True
        return True

    def answer(self, bytes data not None, Py_ssize_t start=0, *, int64_t now_ns):
        cdef size_t size = <size_t>PyBytes_GET_SIZE(data)
        cdef size_t end
        if start < 0 or <size_t>start > size:
            raise ValueError("start lies outside of the data")
        end = self.answer_into(bytes_data(data), <size_t>start, size, now_ns)
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
        if not self.enabled or now_ns < 0:
            return start
        self.tell_date(now_ns // NANOSECONDS)
        while (
            out - self.out <= OUT_BYTES - HEAD_MAX - ITEM_MAX
            and recognise(data, start, size, &request)
        ):
            if request.batch:
                after = self.verify_batch(data, &request, now_ns, out)
            else:
                after = self.verify(data, &request, now_ns, out)
            if after == NULL:
                break
            out = after
            start = request.end
            count(
                &self.cache.memory.process,
                self.batch_counter if request.batch else self.counter,
            )
        self.filled = <size_t>(out - self.out)
        return start

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
        """Write the answer to one request to ``out``; NULL where the hot path declines."""
        cdef size_t credential, length
        cdef uint64_t value[MAX_VALUE_WORDS]
        cdef int body
        if match_credential(data, request.body, request.end, &credential, &length) != request.end:
            return NULL
        body = self.find(data + credential, length, now_ns, value)
        if body == NOT_READY:
            return NULL
        out = self.put_head(self.head, data, request, <uint64_t>body, out)
        return put(out, &value[BODY_WORD], <size_t>body)

    cdef uint8_t* verify_batch(
        self, const uint8_t* data, const Recognised* request, int64_t now_ns, uint8_t* out
    ) except? NULL:
        """As ``verify``, for a batch. Its length stands before it, so it is moved behind its head."""
        cdef size_t credential, length, at
        cdef uint64_t value[MAX_VALUE_WORDS]
        cdef uint8_t* results = out + HEAD_MAX
        cdef uint8_t* to = results
        cdef int items = 0, body
        if self.batch_head is None:
            return NULL
        at = begin_batch(data, request.body, request.end)
        to = put(to, b'{"results":[', 12)
        while True:
            at = match_credential(data, at, request.end, &credential, &length)
            if (
                at > request.end
                or items == BATCH_MAX
                or to - self.out > OUT_BYTES - ITEM_MAX
            ):
                return NULL
            body = self.find(data + credential, length, now_ns, value)
            if body == NOT_READY:
                return NULL
            to = put(to, &value[BODY_WORD], <size_t>body)
            items += 1
            if not next_item(data, &at, request.end):
                break
            to = put(to, b",", 1)
        if end_batch(data, at, request.end) != request.end:
            return NULL
        to = put(to, b"]}", 2)
        out = self.put_head(self.batch_head, data, request, <uint64_t>(to - results), out)
        memmove(out, results, <size_t>(to - results))
        return out + (to - results)

    cdef int find(
        self, const uint8_t* credential, size_t length, int64_t now_ns, uint64_t* value
    ) except? -1:
        """Copy a credential's entry to ``value``; the bytes of its body, NOT_READY if there is none.

        ``value`` has room for MAX_VALUE_WORDS; the body is at BODY_WORD.
        """
        cdef IssuedShape shape
        cdef CacheKey key
        cdef uint64_t* gates = &value[VALUE_HEADER_WORDS]
        cdef int payload
        cdef uint64_t body
        if (
            not issued_shape(credential, <Py_ssize_t>length, &shape)
            or not self.accepted(credential, length, &shape, now_ns)
        ):
            return NOT_READY
        memset(key.words, 0, sizeof(key.words))
        memcpy(key.words, self.network, NETWORK_BYTES)
        memcpy(&key.words[2], shape.key_id, UUID_BYTES)
        key.kind = self.kind
        locate(&self.cache.view, &key)
        payload = cache_read(&self.cache.view, &key, now_ns, value)
        if payload < <int>(GATE_WORDS * WORD):
            return NOT_READY
        # Layout and mark at once: anything but a plain entry of this layout is declined.
        body = <uint32_t>gates[GATE_SHAPE]
        if (
            gates[GATE_SHAPE] != gate_shape(1, body)
            or gates[GATE_GENERATION] != self.generation
            or body > <uint64_t>payload - GATE_WORDS * WORD
            or now_ns > <int64_t>gates[GATE_EXPIRES]
        ):
            return NOT_READY
        return <int>body

    cdef uint8_t* put_head(
        self, tuple head, const uint8_t* data, const Recognised* request, uint64_t body, uint8_t* out
    ) except NULL:
        """Write at most HEAD_MAX bytes."""
        out = put_piece(out, head, 0)
        out = put(out, self.date, DATE_BYTES)
        out = put_piece(out, head, 1)
        if request.request_id_length:
            out = put(out, data + request.request_id, request.request_id_length)
        else:
            out = put_uuid4(out, self.random())
        out = put_piece(out, head, 2)
        out = put_number(out, body)
        return put_piece(out, head, 3)

    cdef bint accepted(
        self, const uint8_t* credential, size_t length, const IssuedShape* shape, int64_t now_ns
    ) except -1:
        """Steps 1 to 3 of the rules: ours, of an accepted age, under an accepted prefix."""
        cdef uint8_t claimed[DIGEST_SIZE]
        cdef uint8_t digest[DIGEST_SIZE]
        cdef const uint8_t* checksum = credential + shape.signed_length
        cdef Py_ssize_t checksum_length = <Py_ssize_t>length - shape.signed_length
        cdef int64_t age_ns
        cdef bint valid = False
        cdef Py_ssize_t index
        cdef KeyedHmac mac
        cdef bytes beginning
        for beginning in self.foreign:
            if (
                <size_t>PyBytes_GET_SIZE(beginning) <= length
                and memcmp(
                    credential, bytes_data(beginning), <size_t>PyBytes_GET_SIZE(beginning)
                ) == 0
            ):
                return False
        # Bounded first, so that the nanoseconds below fit in a word.
        if not 0 <= shape.timestamp_s <= now_ns // NANOSECONDS + SKEW_MAX_S:
            return False
        if shape.timestamp_s > FOREVER_NS // NANOSECONDS:
            return False
        age_ns = now_ns - shape.timestamp_s * NANOSECONDS
        if age_ns < -self.skew_ns or (self.max_ttl_ns > 0 and age_ns > self.max_ttl_ns):
            return False
        for beginning in self.prefixes:
            if (
                PyBytes_GET_SIZE(beginning) == shape.prefix_length
                and memcmp(credential, bytes_data(beginning), <size_t>shape.prefix_length) == 0
            ):
                break
        else:
            return False
        if (
            checksum_length > DIGEST_TEXT_MAX
            or base58_decode_into(checksum, checksum_length, claimed, DIGEST_SIZE) != DIGEST_SIZE
        ):
            return False
        # No early way out: how long this takes does not tell which secret fitted.
        for index in range(len(self.macs)):
            if now_ns >= self.mac_ends[index]:
                continue
            mac = <KeyedHmac>self.macs[index]
            mac.digest_into(credential, <size_t>shape.signed_length, digest)
            valid |= talos_equal(digest, claimed, DIGEST_SIZE)
        return valid

    cdef const uint8_t* random(self) except NULL:
        """The next 16 bytes of a batch from the system's generator."""
        if self.entropy_used + UUID_BYTES > ENTROPY_BYTES:
            self.entropy = urandom(ENTROPY_BYTES)
            self.entropy_used = 0
        self.entropy_used += UUID_BYTES
        return bytes_data(self.entropy) + self.entropy_used - UUID_BYTES

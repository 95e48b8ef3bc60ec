# The settings of one network on the fast path, and which credentials it takes for its own under them.

cdef enum:
    SECRETS_MAX = 256
    # Keys are grouped by when they were made, 18 hours to a group: most of one have the same secret.
    GROUP_SHIFT = 16
    GROUPS = 1024
    PREFIXES_MAX = 64
    SKEW_MAX_S = 600
    GENERATION_BYTES = 8

FAST_PATH_SECRETS_MAX = SECRETS_MAX
FAST_PATH_PREFIXES_MAX = PREFIXES_MAX


@cython.final
@cython.auto_pickle(False)
cdef class FastPathNetwork:
    cdef uint64_t network[2]
    cdef uint8_t network_text[UUID_TEXT + 1]     # and a zero byte
    cdef uint64_t generation
    cdef uint8_t generation_text[GENERATION_BYTES]
    cdef int64_t max_ttl_ns      # 0: no limit
    cdef int64_t skew_ns
    cdef int64_t max_age_ns      # of an answer about a key; 0: none is sent
    cdef list macs               # of KeyedHmac, in step with the next
    cdef int64_t mac_ends[SECRETS_MAX]
    cdef uint8_t fitted[GROUPS]  # the secret, by its place, that last fitted a key of the group
    cdef tuple prefixes
    cdef tuple macaroons         # beginnings of macaroons
    cdef bint limits_enabled

    def __init__(
        self, *, bytes network not None, list secrets not None, tuple prefixes not None,
        tuple macaroons not None, int64_t max_ttl_ns, int64_t skew_ns, int64_t max_age_ns,
        uint64_t generation, bint limits_enabled=False
    ):
        if PyBytes_GET_SIZE(network) != NETWORK_BYTES:
            raise ValueError("a network is 16 bytes")
        if len(secrets) > SECRETS_MAX or len(prefixes) > PREFIXES_MAX:
            raise ValueError("too many secrets or prefixes")
        if self.macs is not None:
            raise ValueError("made already")
        self.macs = []
        memcpy(self.network, PyBytes_AS_STRING(network), NETWORK_BYTES)
        for index, (secret, ends) in enumerate(secrets):
            self.macs.append(KeyedHmac(secret))
            self.mac_ends[index] = end_ns(ends)
        self.prefixes = prefixes
        self.macaroons = macaroons
        self.max_ttl_ns = max_ttl_ns
        self.skew_ns = max(0, min(skew_ns, <int64_t>SKEW_MAX_S * NANOSECONDS))
        self.max_age_ns = max(0, max_age_ns)
        self.generation = generation
        put_uuid(self.network_text, <const uint8_t*>self.network)
        self.network_text[UUID_TEXT] = 0
        put_bytes(self.generation_text, (<object>generation).to_bytes(GENERATION_BYTES, "big"))
        self.limits_enabled = limits_enabled

    def __reduce__(self):
        raise TypeError("a FastPathNetwork cannot be pickled")

    cdef bint begun(self, int64_t begins_ns, int64_t now_ns) noexcept:
        """Whether that instant has come, the skew of clocks granted. Both are positive."""
        return begins_ns <= now_ns or begins_ns - now_ns <= self.skew_ns

    cdef bint is_fresh(self, int64_t published_ns, int64_t now_ns) noexcept:
        """Whether an answer that was published then may be sent now (contract 16 (42)).

        One from the future was published before the clock was set back.
        """
        return (
            self.max_age_ns > 0
            and published_ns >= 0
            and now_ns - published_ns < self.max_age_ns
        )


cdef bint is_derived(FastPathNetwork network, const uint8_t* credential, size_t length) except -1:
    """Whether the credential is a derived token's (contract 5.6)."""
    cdef bytes beginning
    if jwt_shape(credential, <Py_ssize_t>length):
        return True
    for beginning in network.macaroons:
        if (
            <size_t>PyBytes_GET_SIZE(beginning) <= length
            and memcmp(
                credential, bytes_data(beginning), <size_t>PyBytes_GET_SIZE(beginning)
            ) == 0
        ):
            return True
    return False


cdef bint accepted(
    FastPathNetwork network, const uint8_t* credential, size_t length, const IssuedShape* shape, int64_t now_ns
) except -1:
    """Steps 1 to 3 of the rules: ours, of an accepted age, under an accepted prefix."""
    cdef uint8_t claimed[DIGEST_SIZE]
    cdef uint8_t digest[DIGEST_SIZE]
    cdef const uint8_t* checksum = credential + shape.signed_length
    cdef Py_ssize_t checksum_length = <Py_ssize_t>length - shape.signed_length
    cdef int64_t age_ns
    cdef bint valid = False
    cdef Py_ssize_t index, first
    cdef uint64_t group = <uint64_t>shape.timestamp_s >> GROUP_SHIFT & (GROUPS - 1)
    cdef KeyedHmac mac
    cdef bytes beginning
    # Bounded first, so that the nanoseconds below fit in a word.
    if not 0 <= shape.timestamp_s <= now_ns // NANOSECONDS + SKEW_MAX_S:
        return False
    if shape.timestamp_s > FOREVER_NS // NANOSECONDS:
        return False
    age_ns = now_ns - shape.timestamp_s * NANOSECONDS
    if age_ns < -network.skew_ns or (network.max_ttl_ns > 0 and age_ns > network.max_ttl_ns):
        return False
    for beginning in network.prefixes:
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
    # A key that is accepted needs one digest where others of its age were accepted before. For any
    # other all secrets are tried, whichever fits: how long that takes depends on their number alone.
    # Only who holds a good key can change what is tried first.
    first = network.fitted[group]
    if first < len(network.macs) and now_ns < network.mac_ends[first]:
        mac = <KeyedHmac>network.macs[first]
        mac.digest_into(credential, <size_t>shape.signed_length, digest)
        if talos_equal(digest, claimed, DIGEST_SIZE):
            return True
    for index in range(len(network.macs)):
        if index == first or now_ns >= network.mac_ends[index]:
            continue
        mac = <KeyedHmac>network.macs[index]
        mac.digest_into(credential, <size_t>shape.signed_length, digest)
        if talos_equal(digest, claimed, DIGEST_SIZE):
            valid = True
            network.fitted[group] = <uint8_t>index
    return valid

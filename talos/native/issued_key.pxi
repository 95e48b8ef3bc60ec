# Issued keys, contract 5.1: <prefix>_v1_<identifier>_<checksum>.

cdef enum:
    PREFIX_MAX = 16
    IDENTIFIER_MIN = 20
    IDENTIFIER_MAX = 128
    CHECKSUM_MIN = 10
    # What an identifier decodes to: <unix seconds>:<uuid>.
    CLAIM_MIN = 20
    CLAIM_MAX = 60
    # A sign and nineteen digits, a colon, a UUID.
    MINTED_CLAIM_MAX = 20 + 1 + UUID_TEXT
    # <prefix>_v1_<identifier>_
    SIGNED_MAX = PREFIX_MAX + 4 + IDENTIFIER_MAX + 1
    # 32 bytes take 44 digits at most. A text that is longer decodes to more bytes.
    DIGEST_TEXT_MAX = 44

cdef extern from "string.h" nogil:
    void* memrchr(const void* text, int c, size_t length)

# What the shape test finds out. Offsets and lengths are counted in bytes of the credential.
cdef struct IssuedShape:
    Py_ssize_t prefix_length
    Py_ssize_t signed_length
    int64_t timestamp_s
    uint8_t key_id[UUID_BYTES]


cdef inline bint is_digit(uint8_t c) noexcept nogil:
    return c"0" <= c <= c"9"


cdef inline bint is_word(uint8_t c) noexcept nogil:
    """``[A-Za-z0-9_]``"""
    return is_digit(c) or c"a" <= c <= c"z" or c"A" <= c <= c"Z" or c == c"_"


cdef inline Py_ssize_t behind_underscore(const uint8_t* text, Py_ssize_t length) noexcept nogil:
    """The position behind the last underscore, 0 where there is none."""
    cdef const uint8_t* found = <const uint8_t*>memrchr(text, c"_", <size_t>length)
    return 0 if found == NULL else found - text + 1


cdef bint parse_int64(const uint8_t* text, Py_ssize_t length, int64_t* value) noexcept nogil:
    """An optional sign and decimal digits, within 64 bits. Leading zeros are allowed."""
    cdef Py_ssize_t i = 0
    cdef bint negative = False
    # The largest magnitude, 2**63 - 1 or 2**63, is ten times this and one last digit.
    cdef uint64_t tenth = 922337203685477580, last = 7
    cdef uint64_t magnitude = 0, digit

    if length > 0 and (text[0] == c"+" or text[0] == c"-"):
        negative = text[0] == c"-"
        i = 1
    if i == length:
        return False
    if negative:
        last = 8
    while i < length:
        if not is_digit(text[i]):
            return False
        digit = text[i] - c"0"
        if magnitude > tenth or (magnitude == tenth and digit > last):
            return False
        magnitude = magnitude * 10 + digit
        i += 1
    if negative and magnitude > 0:
        # -2**63 has no positive counterpart, so the negation is done one short of it.
        value[0] = -<int64_t>(magnitude - 1) - 1
    else:
        value[0] = <int64_t>magnitude
    return True


cdef bint is_prefix(const uint8_t* text, Py_ssize_t length) noexcept nogil:
    """``[A-Za-z0-9_]{1,16}``"""
    cdef Py_ssize_t i
    if length < 1 or length > PREFIX_MAX:
        return False
    for i in range(length):
        if not is_word(text[i]):
            return False
    return True


cdef bint issued_shape(const uint8_t* text, Py_ssize_t length, IssuedShape* shape) noexcept nogil:
    """The shape test of contract 5.1 on a whole credential.

    Identifier and checksum hold no underscore, so the last two underscores of the text decide where
    they lie, and what is before them must end with ``_v1``. There is only one way to read it, and
    the greedy prefix of the contract's expression finds the same one.
    """
    cdef uint8_t claim[CLAIM_MAX]
    cdef Py_ssize_t checksum, identifier, size, colon, i
    cdef int8_t strange = 0

    checksum = behind_underscore(text, length)
    if length - checksum < CHECKSUM_MIN or checksum == 0:
        return False
    for i in range(checksum, length):
        strange |= BASE58_VALUE[text[i]]
    if strange < 0:
        return False

    identifier = behind_underscore(text, checksum - 1)
    size = checksum - 1 - identifier
    if size < IDENTIFIER_MIN or size > IDENTIFIER_MAX:
        return False

    # is_prefix comes first: it also says that identifier is 5 at least, so that memcmp stays inside.
    shape.signed_length = checksum
    shape.prefix_length = identifier - 4
    if (
        not is_prefix(text, shape.prefix_length)
        or memcmp(text + shape.prefix_length, b"_v1_", 4) != 0
    ):
        return False

    # A character that Base58 does not have makes it negative.
    size = base58_decode_into(text + identifier, size, claim, CLAIM_MAX)
    if size < CLAIM_MIN:
        return False
    colon = 0
    while colon < size and claim[colon] != c":":
        colon += 1
    if colon == size:
        return False
    return (
        parse_int64(claim, colon, &shape.timestamp_s)
        and parse_uuid(claim + colon + 1, size - colon - 1, shape.key_id)
    )


@cython.final
@cython.auto_pickle(False)
cdef class UnverifiedIssuedKey:
    cdef readonly str prefix
    cdef readonly int64_t timestamp_s
    cdef readonly str key_id
    # What the checksum covers, and the digest that the checksum claims for it.
    cdef bytes signed
    cdef uint8_t claimed[DIGEST_SIZE]
    cdef bint claimed_is_digest

    def __init__(self):
        raise TypeError("made by parse_issued_key only")

    def __reduce__(self):
        raise TypeError("an UnverifiedIssuedKey cannot be pickled")

    def __repr__(self):
        # Everything that was in the text except the checksum, which is the secret part.
        return (
            f"<UnverifiedIssuedKey prefix={self.prefix!r} timestamp_s={self.timestamp_s}"
            f" key_id={self.key_id!r}>"
        )


def parse_issued_key(str credential not None):
    cdef IssuedShape shape
    cdef UnverifiedIssuedKey key
    cdef uint8_t key_id[UUID_TEXT]
    cdef Py_ssize_t length
    cdef const uint8_t* text = ascii_data(credential, &length)
    if text == NULL or not issued_shape(text, length, &shape):
        return None

    key = UnverifiedIssuedKey.__new__(UnverifiedIssuedKey)
    key.prefix = PyUnicode_DecodeASCII(<const char*>text, shape.prefix_length, NULL)
    key.timestamp_s = shape.timestamp_s
    put_uuid(key_id, shape.key_id)
    key.key_id = PyUnicode_DecodeASCII(<const char*>key_id, UUID_TEXT, NULL)
    key.signed = PyBytes_FromStringAndSize(<const char*>text, shape.signed_length)
    # The contract compares texts. Base58 pairs texts and bytes one to one, so it is enough to decode
    # the claim to bytes and to compare those; a text that is not the digest's own, one more leading
    # "1" included, decodes to other bytes or to another number of them.
    length -= shape.signed_length
    key.claimed_is_digest = (
        length <= DIGEST_TEXT_MAX
        and base58_decode_into(text + shape.signed_length, length, key.claimed, DIGEST_SIZE)
        == DIGEST_SIZE
    )
    return key


def checksum_valid(UnverifiedIssuedKey key not None, tuple secrets not None):
    cdef bytes secret, digest
    cdef bint valid = False
    # This looks at the caller's own text only: it tells the caller nothing that it did not know.
    if not key.claimed_is_digest:
        return False
    # No early way out: how long this takes does not tell which secret fitted.
    for secret in secrets:
        digest = hmac_sha256(secret, key.signed)
        valid |= talos_equal(bytes_data(digest), key.claimed, DIGEST_SIZE)
    return bool(valid)


def mint_issued_key(str prefix not None, timestamp_s, str key_id not None, bytes secret not None):
    cdef uint8_t identifier[IDENTIFIER_MAX]
    cdef uint8_t key_bytes[UUID_BYTES]
    cdef Py_ssize_t length, size
    cdef const uint8_t* text
    cdef bytes claim, signed

    text = ascii_data(prefix, &length)
    if text == NULL or not is_prefix(text, length):
        raise ValueError("a prefix is 1 to 16 of A-Z, a-z, 0-9 and _")
    if not isinstance(timestamp_s, int):
        raise TypeError("timestamp_s is an int")
    if not -(2**63) <= timestamp_s < 2**63:
        raise ValueError("timestamp_s is beyond 64 bits")
    text = ascii_data(key_id, &length)
    if text == NULL or not uuid_bytes(text, length, key_bytes):
        raise ValueError("a key id is a lower-case hyphenated UUID")

    claim = b"%d:%b" % (timestamp_s, key_id.encode("ascii"))
    size = base58_encode_into(bytes_data(claim), PyBytes_GET_SIZE(claim), identifier, IDENTIFIER_MAX)
    assert size >= 0, "a claim of 57 bytes is 78 characters"
    signed = b"%b_v1_%b_" % (prefix.encode("ascii"), identifier[:size])
    return signed.decode("ascii") + base58_encode(hmac_sha256(secret, signed))

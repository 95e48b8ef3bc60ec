# Issued keys, contract 5.1: <prefix>_v1_<identifier>_<checksum>.

cdef enum:
    PREFIX_MAX = 16
    IDENTIFIER_MIN = 20
    IDENTIFIER_MAX = 128
    CHECKSUM_MIN = 10
    # What an identifier decodes to: <unix seconds>:<uuid>.
    CLAIM_MIN = 20
    CLAIM_MAX = 60
    UUID_TEXT = 36
    # A sign and nineteen digits, a colon, a UUID.
    MINTED_CLAIM_MAX = 20 + 1 + UUID_TEXT
    # <prefix>_v1_<identifier>_
    SIGNED_MAX = PREFIX_MAX + 4 + IDENTIFIER_MAX + 1
    # 32 bytes take 44 digits at most. A text that is longer decodes to more bytes.
    DIGEST_TEXT_MAX = 44

# What the shape test finds out. Offsets and lengths are counted in bytes of the credential.
cdef struct IssuedShape:
    Py_ssize_t prefix_length
    Py_ssize_t signed_length
    int64_t timestamp_s
    uint8_t key_id[UUID_TEXT]


cdef inline bint is_digit(uint8_t c) noexcept nogil:
    return c"0" <= c <= c"9"


cdef inline bint is_word(uint8_t c) noexcept nogil:
    """``[A-Za-z0-9_]``"""
    return is_digit(c) or c"a" <= c <= c"z" or c"A" <= c <= c"Z" or c == c"_"


cdef inline bint is_base58(uint8_t c) noexcept nogil:
    return BASE58_VALUE[c] >= 0


cdef bint parse_int64(const uint8_t* text, Py_ssize_t length, int64_t* value) noexcept nogil:
    """An optional sign and decimal digits, within 64 bits. Leading zeros are allowed."""
    cdef Py_ssize_t i = 0
    cdef bint negative = False
    cdef uint64_t limit = 0x7FFFFFFFFFFFFFFF
    cdef uint64_t magnitude = 0, digit

    if length > 0 and (text[0] == c"+" or text[0] == c"-"):
        negative = text[0] == c"-"
        i = 1
    if i == length:
        return False
    if negative:
        limit += 1
    while i < length:
        if not is_digit(text[i]):
            return False
        digit = text[i] - c"0"
        # magnitude <= 2**63 before, so magnitude * 10 could wrap: compare without multiplying.
        if magnitude > limit // 10 or magnitude * 10 > limit - digit:
            return False
        magnitude = magnitude * 10 + digit
        i += 1
    if negative and magnitude > 0:
        # -2**63 has no positive counterpart, so the negation is done one short of it.
        value[0] = -<int64_t>(magnitude - 1) - 1
    else:
        value[0] = <int64_t>magnitude
    return True


cdef bint parse_uuid(const uint8_t* text, Py_ssize_t length, uint8_t* out) noexcept nogil:
    """Writes the lower-case hyphenated form, ``UUID_TEXT`` bytes. Any version, any variant.

    The spellings are those of the reference's UUID library: hyphenated or bare, either one also
    between braces or after ``urn:uuid:``, which must be in lower case.
    """
    cdef Py_ssize_t i = 0, j
    cdef bint hyphenated
    cdef uint8_t c

    if (length == 45 or length == 41) and memcmp(text, b"urn:uuid:", 9) == 0:
        text += 9
        length -= 9
    elif (length == 38 or length == 34) and text[0] == c"{" and text[length - 1] == c"}":
        text += 1
        length -= 2
    if length != 36 and length != 32:
        return False
    hyphenated = length == 36

    # i runs over the input and j over the output: together at 36, four hyphens apart at 32.
    for j in range(UUID_TEXT):
        if j == 8 or j == 13 or j == 18 or j == 23:
            if hyphenated:
                if text[i] != c"-":
                    return False
                i += 1
            out[j] = c"-"
            continue
        c = text[i]
        i += 1
        if c"A" <= c <= c"F":
            c += 32
        elif not (is_digit(c) or c"a" <= c <= c"f"):
            return False
        out[j] = c
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
    cdef Py_ssize_t checksum, identifier, size, colon

    checksum = length
    while checksum > 0 and is_base58(text[checksum - 1]):
        checksum -= 1
    if length - checksum < CHECKSUM_MIN or checksum == 0 or text[checksum - 1] != c"_":
        return False

    identifier = checksum - 1
    while identifier > 0 and is_base58(text[identifier - 1]):
        identifier -= 1
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
    cdef Py_ssize_t length
    cdef const uint8_t* text = ascii_data(credential, &length)
    if text == NULL or not issued_shape(text, length, &shape):
        return None

    key = UnverifiedIssuedKey.__new__(UnverifiedIssuedKey)
    key.prefix = PyUnicode_DecodeASCII(<const char*>text, shape.prefix_length, NULL)
    key.timestamp_s = shape.timestamp_s
    key.key_id = PyUnicode_DecodeASCII(<const char*>shape.key_id, UUID_TEXT, NULL)
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
    cdef uint8_t normalised[UUID_TEXT]
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
    if (
        text == NULL
        or length != UUID_TEXT
        or not parse_uuid(text, length, normalised)
        or memcmp(text, normalised, UUID_TEXT) != 0
    ):
        raise ValueError("a key id is a lower-case hyphenated UUID")

    claim = b"%d:%b" % (timestamp_s, key_id.encode("ascii"))
    size = base58_encode_into(bytes_data(claim), PyBytes_GET_SIZE(claim), identifier, IDENTIFIER_MAX)
    assert size >= 0, "a claim of 57 bytes is 78 characters"
    signed = b"%b_v1_%b_" % (prefix.encode("ascii"), identifier[:size])
    return signed.decode("ascii") + base58_encode(hmac_sha256(secret, signed))

# Macaroons in the libmacaroons V2 binary form, contract 5.5.
#
#   02  [01 location]  02 identifier  00  (02 caveat  00)*  00  06 signature
#
# A field is its type, its length as unsigned LEB128, its bytes. Only the canonical form is read, the
# one that is written below: fields in this order and no others, shortest lengths, an empty location
# left out, no location or verification id in a caveat (so no third-party caveats), 32 signature
# bytes, nothing after them.

cdef enum:
    # More than the 6144 bytes that a credential of 8192 characters can carry in base64url.
    MACAROON_MAX = 8192
    # Checking a signature costs an HMAC for each caveat and secret, before anything is authenticated. The
    # bound keeps a hostile token below half a millisecond a secret. Holders add a handful.
    CAVEATS_MAX = 256

    VERSION_2 = 2
    FIELD_END = 0
    FIELD_LOCATION = 1
    FIELD_IDENTIFIER = 2
    FIELD_SIGNATURE = 6

cdef bytes KEY_GENERATOR = b"macaroons-key-generator"


# A reader over borrowed bytes. 0 <= position <= size always holds.
cdef struct Cursor:
    const uint8_t* data
    Py_ssize_t size
    Py_ssize_t position


cdef bint take(Cursor* cursor, uint8_t expected) noexcept:
    """Steps over one byte if it is the expected one."""
    if cursor.position < cursor.size and cursor.data[cursor.position] == expected:
        cursor.position += 1
        return True
    return False


cdef bytes take_field(Cursor* cursor, uint8_t kind):
    """Steps over a field of this kind and returns its bytes, or None if it is not there whole."""
    cdef Py_ssize_t start, length
    cdef uint8_t low, high
    if not take(cursor, kind) or cursor.position == cursor.size:
        return None
    low = cursor.data[cursor.position]
    cursor.position += 1
    length = low & 0x7F
    if low & 0x80:
        # Two bytes reach 16383, beyond MACAROON_MAX: a third one is never right. A last byte of
        # zero means that one byte less would have done.
        if cursor.position == cursor.size:
            return None
        high = cursor.data[cursor.position]
        cursor.position += 1
        if high == 0 or high & 0x80:
            return None
        length |= <Py_ssize_t>high << 7
    if length > cursor.size - cursor.position:
        return None
    start = cursor.position
    cursor.position += length
    return PyBytes_FromStringAndSize(<const char*>cursor.data + start, length)


cdef bytes field(uint8_t kind, bytes value):
    cdef Py_ssize_t length = PyBytes_GET_SIZE(value)
    # Two length bytes hold 16383, and nothing longer than MACAROON_MAX comes here.
    if length < 0x80:
        return b"%c%c%b" % (kind, length, value)
    return b"%c%c%c%b" % (kind, (length & 0x7F) | 0x80, length >> 7, value)


cdef bytes chain(bytes root_key, bytes identifier, tuple caveats):
    """The signature, from one of the derived roots of contract 5.5 (before the key generator)."""
    cdef bytes caveat
    cdef bytes signature = hmac_sha256(hmac_sha256(KEY_GENERATOR, root_key), identifier)
    for caveat in caveats:
        signature = hmac_sha256(signature, caveat)
    return signature


@cython.final
@cython.auto_pickle(False)
cdef class UnverifiedMacaroon:
    cdef readonly bytes location
    cdef readonly bytes identifier
    cdef readonly tuple caveats
    cdef readonly bytes signature

    def __init__(self):
        raise TypeError("made by macaroon_decode only")

    def __reduce__(self):
        raise TypeError("an UnverifiedMacaroon cannot be pickled")

    def __repr__(self):
        # The signature makes the token; the rest may hold personal data.
        return f"<UnverifiedMacaroon with {len(self.caveats or ())} caveats>"


def macaroon_decode(bytes data not None):
    cdef Cursor cursor
    cdef UnverifiedMacaroon macaroon = UnverifiedMacaroon.__new__(UnverifiedMacaroon)
    cdef bytes value
    cdef list caveats = []

    cursor.data = bytes_data(data)
    cursor.size = PyBytes_GET_SIZE(data)
    cursor.position = 0
    if cursor.size > MACAROON_MAX:
        raise ValueError("a macaroon is at most 8192 bytes")
    if not take(&cursor, VERSION_2):
        raise ValueError("not a macaroon in V2 form")

    macaroon.location = b""
    if cursor.position < cursor.size and cursor.data[cursor.position] == FIELD_LOCATION:
        value = take_field(&cursor, FIELD_LOCATION)
        if not value:
            raise ValueError("the location is broken")
        macaroon.location = value
    value = take_field(&cursor, FIELD_IDENTIFIER)
    if value is None or not take(&cursor, FIELD_END):
        raise ValueError("the identifier is broken")
    macaroon.identifier = value

    while not take(&cursor, FIELD_END):
        value = take_field(&cursor, FIELD_IDENTIFIER)
        if value is None or not take(&cursor, FIELD_END):
            raise ValueError("a caveat is broken, or is not a first-party caveat")
        if len(caveats) == CAVEATS_MAX:
            raise ValueError("a macaroon has at most 256 caveats")
        caveats.append(value)
    macaroon.caveats = tuple(caveats)

    value = take_field(&cursor, FIELD_SIGNATURE)
    if value is None or PyBytes_GET_SIZE(value) != DIGEST_SIZE or cursor.position != cursor.size:
        raise ValueError("the signature is broken")
    macaroon.signature = value
    return macaroon


def macaroon_encode(
    bytes location not None,
    bytes identifier not None,
    tuple caveats not None,
    bytes root_key not None,
):
    cdef bytes value
    cdef list parts = [b"\x02"]
    if len(caveats) > CAVEATS_MAX:
        raise ValueError("a macaroon has at most 256 caveats")
    for value in (location, identifier, *caveats):
        if value is None:
            raise TypeError("a caveat is bytes")
        # Each of them alone, so that two length bytes are enough in every field below.
        if PyBytes_GET_SIZE(value) > MACAROON_MAX:
            raise ValueError("a macaroon is at most 8192 bytes")

    if location:
        parts.append(field(FIELD_LOCATION, location))
    parts += [field(FIELD_IDENTIFIER, identifier), b"\x00"]
    for value in caveats:
        parts += [field(FIELD_IDENTIFIER, value), b"\x00"]
    parts += [b"\x00", field(FIELD_SIGNATURE, chain(root_key, identifier, caveats))]
    encoded = b"".join(parts)
    if len(encoded) > MACAROON_MAX:
        raise ValueError("a macaroon is at most 8192 bytes")
    return encoded


def macaroon_signature_valid(UnverifiedMacaroon macaroon not None, tuple root_keys not None):
    cdef bytes root_key, expected
    cdef bint valid = False
    # No early way out: how long this takes does not tell which secret fitted.
    for root_key in root_keys:
        expected = chain(root_key, macaroon.identifier, macaroon.caveats)
        valid |= talos_equal(bytes_data(expected), bytes_data(macaroon.signature), DIGEST_SIZE)
    return bool(valid)


def macaroon_root_key(bytes secret not None):
    return hmac_sha256(secret, b"talos/macaroon/v1/root-key")


def pagination_key(bytes secret not None):
    return hmac_sha256(secret, b"talos/pagination/v1/cursor-key")

"""The compiled core: what every verification runs through.

Constant-time comparison, Base58, the routing of credentials, issued keys, macaroons, HMAC under a key
that stays, the recogniser of plain requests, the shared key cache, rate limits, the fast path, the
quick part of a connection, and the extent of a JSON text. The types and contracts of what Python sees are in ``_core.pyi``; the code
is in ``native/``, a file a subject.

Rules for everything in here:

- Text and bytes come from strangers. Every loop is bounded by a length that was measured, every
  buffer has a fixed size that was checked first, every sum that could wrap is argued where it stands.
- Nothing allocates until a credential has passed its shape test; after that only Python objects do.
- Names that begin with ``Unverified`` hold what a credential claims, before anyone has proved it.
- Cython's safety directives stay at their defaults, so indexing a Python object is checked. C
  pointers are never checked by Cython, with or without them.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeASCII
from libc.stdint cimport int8_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memmove, memset

from hmac import digest as hmac_digest

include "native/compare.pxi"
include "native/base58.pxi"
include "native/uuid.pxi"
include "native/issued_key.pxi"
include "native/macaroon.pxi"
include "native/routing.pxi"
include "native/keyed_hmac.pxi"
include "native/recogniser.pxi"
include "native/recognised_bodies.pxi"
include "native/xxh3.pxi"
include "native/mapping.pxi"
include "native/counters.pxi"
include "native/shared_memory.pxi"
include "native/key_cache.pxi"
include "native/key_sets.pxi"
include "native/key_cache_api.pxi"
include "native/rate_limits.pxi"
include "native/hashed_names.pxi"
include "native/instants.pxi"
include "native/cached_verification.pxi"
include "native/put.pxi"
include "native/fast_path_counts.pxi"
include "native/fast_path_network.pxi"
include "native/fast_path.pxi"
include "native/fast_path_batches.pxi"
include "native/fast_path_limits.pxi"
include "native/protocol.pxi"
include "native/json_extent.pxi"

# cython: language_level=3
"""The very code of the shared key cache, interleaved access by access.

It is built together with the core's own sources. Nothing of those is changed but that a scheduler is
asked before every access to shared memory, and that it knows who is dead.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.stdint cimport int8_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from hmac import digest as hmac_digest

include "native/compare.pxi"
include "native/uuid.pxi"
include "native/xxh3.pxi"
include "native/mapping.pxi"
include "native/counters.pxi"
include "native/shared_memory.pxi"
include "native/key_cache.pxi"
include "native/key_sets.pxi"
include "native/key_cache_api.pxi"

cdef extern from "scheduler.h":
    ctypedef struct scenario "struct scenario":
        int actors
        unsigned mortal
        void (*act)(int) noexcept nogil
        void (*reset)() noexcept nogil
        int (*enabled)(int) noexcept nogil
        void (*died)(int) noexcept nogil
        const char* (*judge)() noexcept nogil
    long explore(const scenario*, int preemptions, int kills, const char** why) noexcept nogil
    void talos_before_access() noexcept nogil
    unsigned killed

cdef extern from *:
    """
    int talos_claimed[256];
    """
    int talos_claimed[256]

cdef enum Role:
    FILL
    FILL_LATE
    FILL_REBORN
    FILL_NEIGHBOUR
    READ
    REVOKE
    REVOKE_UNHELD
    REVOKE_SLOWLY
    REVOKE_SLOWLY_ONCE
    EVICT
    LAPSE

cdef enum:
    OLD = 1
    NEW = 2
    STRANGER = 77
    MOST_ACTORS = 6
    SURVIVOR = MOST_ACTORS
    PAYLOAD = 24
    HOLD_ENDS = 10
    LAPSED = 20

ROLES = {
    "fill": FILL,
    "fill late": FILL_LATE,
    "fill reborn": FILL_REBORN,
    "fill neighbour": FILL_NEIGHBOUR,
    "read": READ,
    "revoke": REVOKE,
    "revoke unheld": REVOKE_UNHELD,
    "revoke slowly": REVOKE_SLOWLY,
    "revoke slowly, once": REVOKE_SLOWLY_ONCE,
    "evict": EVICT,
    "lapse": LAPSE,
}

cdef int64_t NOW = 10**9
cdef int64_t LATER = 100 * 10**9

cdef CacheView views[MOST_ACTORS + 1]
cdef Membership places[MOST_ACTORS + 1]
# Nobody counts.
cdef uint64_t* no_slot = NULL
cdef Role roles[MOST_ACTORS]
cdef CacheKey key
cdef CacheKey neighbours[3]
cdef uint64_t prepared[SET_WORDS]
cdef bint all_seem_dead
# The world of one run.
cdef const char* trouble
# What the database says, and the oldest row that a reader may still answer from.
cdef int row
cdef int bound
cdef uint64_t now_mono


cdef uint64_t signed(uint64_t slot, uint64_t incarnation) noexcept nogil:
    return 1 | (slot << SLOT_SHIFT) | (incarnation << INCARNATION_SHIFT)


# ---- what actors do ----------------------------------------------------------------------------

cdef Publication put(
    int me, const CacheKey* of, uint64_t lease, int byte, int64_t now_ns, int64_t expires_ns
) noexcept nogil:
    """Every byte of a payload is the same, so that a mixture shows."""
    cdef uint8_t payload[PAYLOAD]
    memset(payload, byte, PAYLOAD)
    return cache_publish(&views[me], of, lease, payload, PAYLOAD, now_ns, expires_ns)


cdef void fill(int me) noexcept nogil:
    """A verification that missed: lease, read the row, publish."""
    cdef uint64_t lease = cache_lease(&views[me], &key, now_mono)
    talos_before_access()
    put(me, &key, lease, row, NOW, LATER)


cdef void fill_neighbour(int me) noexcept nogil:
    """Another key of the same set."""
    cdef uint64_t lease = cache_lease(&views[me], &neighbours[0], now_mono)
    put(me, &neighbours[0], lease, STRANGER, NOW, LATER)


cdef void fill_late(int me) noexcept nogil:
    """The mistake that leases are there to prevent."""
    cdef int read_before
    talos_before_access()
    read_before = row
    put(me, &key, cache_lease(&views[me], &key, now_mono), read_before, NOW, LATER)


cdef void fill_reborn(int me) noexcept nogil:
    """A later owner of the first actor's slot."""
    places[me].mark = signed(0, 2)
    talos_claimed[0] = 1
    store_release(&places[me].incarnations[0], 2)
    fill(me)


cdef void look(int me) noexcept nogil:
    global trouble
    cdef uint64_t value[MAX_VALUE_WORDS]
    cdef const uint8_t* payload = <const uint8_t*>&value[VALUE_HEADER_WORDS]
    cdef int seen, length, i
    talos_before_access()
    seen = bound
    length = cache_read(&views[me], &key, NOW, value)
    if length == READ_MISS:
        return
    if length != PAYLOAD or (payload[0] != OLD and payload[0] != NEW):
        trouble = "a payload of another key"
        return
    for i in range(PAYLOAD):
        if payload[i] != payload[0]:
            trouble = "a torn payload"
            return
    if payload[0] < seen:
        trouble = "a stale answer"


cdef void commit() noexcept nogil:
    global row
    talos_before_access()
    row = NEW


cdef void revoke(int me, bint held) noexcept nogil:
    """A change under a hold that outlasts it: the commit itself binds readers."""
    global bound
    cdef int place = HOLDS
    if held:
        place = cache_hold(&views[me], &key, now_mono, HOLD_ENDS)
    commit()
    bound = NEW
    talos_before_access()
    cache_lift(&views[me], &key, place, HOLD_ENDS)


cdef void revoke_slowly(int me, bint twice) noexcept nogil:
    """A change whose hold may lapse before it ends: then the end of the change binds readers."""
    global bound
    cdef int place = cache_hold(&views[me], &key, now_mono, HOLD_ENDS)
    commit()
    talos_before_access()
    if twice:
        cache_lift(&views[me], &key, place, HOLD_ENDS)
    bound = NEW


cdef void evict(int me) noexcept nogil:
    """A change without a hold: an eviction after it binds readers when it has returned."""
    global bound
    commit()
    cache_evict(&views[me], &key)
    bound = NEW


cdef void act(int me) noexcept nogil:
    global now_mono
    if roles[me] == FILL:
        fill(me)
    elif roles[me] == FILL_LATE:
        fill_late(me)
    elif roles[me] == FILL_REBORN:
        fill_reborn(me)
    elif roles[me] == FILL_NEIGHBOUR:
        fill_neighbour(me)
    elif roles[me] == READ:
        look(me)
    elif roles[me] == REVOKE:
        revoke(me, True)
    elif roles[me] == REVOKE_UNHELD:
        revoke(me, False)
    elif roles[me] == REVOKE_SLOWLY:
        revoke_slowly(me, True)
    elif roles[me] == REVOKE_SLOWLY_ONCE:
        revoke_slowly(me, False)
    elif roles[me] == EVICT:
        evict(me)
    elif roles[me] == LAPSE:
        talos_before_access()
        now_mono = LAPSED


cdef int enabled(int me) noexcept nogil:
    """Slots change hands, and holds lapse, when the first actor is dead; or when it is slow."""
    if roles[me] == FILL_REBORN or (roles[me] == LAPSE and roles[0] == REVOKE):
        return killed & 1
    return True


cdef void died(int me) noexcept nogil:
    """The kernel takes its claim away."""
    talos_claimed[me] = 0


# ---- a run -------------------------------------------------------------------------------------

cdef void reset() noexcept nogil:
    global trouble, row, bound, now_mono
    cdef int i
    trouble = NULL
    row = bound = OLD
    now_mono = 1
    memcpy(views[0].sets, prepared, SET_BYTES)
    memset(views[0].epochs, 0, (views[0].stripe_mask + 1) * WORD)
    memset(&views[0].holds[key.line], 0, HOLDS * WORD)
    for i in range(MOST_ACTORS + 1):
        talos_claimed[i] = not all_seem_dead
        places[i].mark = signed(i, 1)
        places[i].incarnations[i] = 1


cdef const char* judge() noexcept nogil:
    """What is left behind must be right, and after the holds of the dead it must be of use."""
    global now_mono
    cdef uint64_t value[MAX_VALUE_WORDS]
    cdef uint64_t lease
    cdef int i
    if trouble == NULL:
        look(SURVIVOR)
    if trouble != NULL:
        return trouble
    now_mono = LAPSED
    lease = cache_lease(&views[SURVIVOR], &key, now_mono)
    for i in range(3):
        if put(SURVIVOR, &key, lease, row, NOW, LATER) == PUBLICATION_DONE:
            break
    if cache_read(&views[SURVIVOR], &key, NOW, value) == READ_MISS:
        return "a wedged key"
    return NULL


cdef void prepare(KeyCache cache, str scene) except *:
    """What lies in the set before any run."""
    cdef int i
    memset(cache.view.sets, 0, SET_BYTES)
    memset(cache.view.epochs, 0, (cache.view.stripe_mask + 1) * WORD)
    reset_places()
    if scene == "published":
        put(SURVIVOR, &key, 1, OLD, NOW, LATER)
    elif scene == "to be moved":
        # The first has expired: who comes next closes the gap, and moves what lies behind it.
        put(SURVIVOR, &neighbours[1], 1, STRANGER, 0, NOW // 2)
        put(SURVIVOR, &key, 1, OLD, 0, LATER)
        put(SURVIVOR, &neighbours[2], 1, STRANGER, 0, LATER)
    elif scene != "empty":
        raise ValueError(scene)
    memcpy(prepared, cache.view.sets, SET_BYTES)


cdef void reset_places() noexcept:
    cdef int i
    for i in range(MOST_ACTORS + 1):
        places[i].mark = signed(i, 1)
        places[i].incarnations[i] = 1
        talos_claimed[i] = 1


def interleave(
    actors, *, str scene="empty", int preemptions=2, int kills=0, mortal=(), bint seem_dead=False
):
    """Explore; the number of runs. Raises AssertionError with what went wrong."""
    global all_seem_dead
    cdef SharedMemory memory
    cdef KeyCache cache
    cdef scenario play
    cdef const char* why = NULL
    cdef long runs
    cdef int i
    size = 260_000
    while True:
        try:
            memory = SharedMemory(size)
            break
        except ValueError:
            size += 1024
    assert memory.layout.set_count == 1
    cache = KeyCache(memory)
    for i in range(MOST_ACTORS + 1):
        places[i].incarnations = memory.process.incarnations
        places[i].counters = &no_slot
        places[i].lock_file = -1
        views[i] = cache.view
        views[i].process = &places[i]
    all_seem_dead = False
    cache.name(&key, bytes(16), 1, f"{0:08x}-0000-4000-8000-000000000000")
    for i in range(3):
        cache.name(&neighbours[i], bytes(16), 1, f"{i + 1:08x}-0000-4000-8000-000000000000")
    prepare(cache, scene)
    all_seem_dead = seem_dead
    for i, name in enumerate(actors):
        roles[i] = ROLES[name]
    play.actors = len(actors)
    play.mortal = sum(1 << actor for actor in mortal)
    play.act = act
    play.reset = reset
    play.enabled = enabled
    play.died = died
    play.judge = judge
    with nogil:
        runs = explore(&play, preemptions, kills, &why)
    if runs < 0:
        raise AssertionError((<bytes>why).decode())
    return runs

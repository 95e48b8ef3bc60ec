/* Rate limits: GCRA in shared memory, exact across every process that maps it (contract 6.7).
 *
 * A key's whole state is one time, its TAT: the moment at which it has recovered fully. A call at t
 * is let through iff max(TAT, t) + interval - t <= interval * quota, and then moves the TAT there.
 * The table is an array of buckets; a bucket holds ENTRIES entries of {name, tat} beside each other
 * in 16 bytes. A key is a hash of 56 bits, its name, and may live in either of two buckets that
 * follow from the name. The low 8 bits of the word say under which window the TAT was made: the place
 * of that window in a list to which windows are only ever added. {0, 0} is an entry that nobody ever
 * had.
 *
 * A call under a longer window than that of the entry first stretches what is left of the TAT by the
 * ratio of the two, so that what was used of the old window stays used of the new one. That is written
 * down even where the call is refused, else the key would go on recovering at the old pace. Under a
 * shorter window the TAT stays, and with it, until a call is let through, the window.
 *
 * There are no locks, so there is nothing that a process could leave behind: every change of the
 * table is one compare-and-swap of an entry, both words at once, and between any two of them the
 * table is whole. Three facts carry the proof; tests/core/test_rate_limit_interleavings.py checks
 * what follows from them in every interleaving of a small world.
 *
 * 1. The TAT of an entry only grows. To admit adds an interval of at least 1 ns. To stretch adds at
 *    least 1 ns, too. To claim (give an entry that has recovered to another key) writes now + interval
 *    over a TAT that is not after now. So a compare-and-swap that finds the TAT it expects finds the entry unchanged since it was
 *    read: there is no ABA. It also makes two plain loads of the TAT around a load of the name a
 *    consistent reading of both.
 *
 * 2. A key has one entry at most. Who finds none claims the entry that is least by (TAT, place)
 *    among all the key's places. Say A and B both claim for one key, B last, A's entry a and B's b
 *    different ones. B read a before A's claim, or B would have seen the name; so by (1) B read a
 *    TAT of a that is at most the one that A replaced, and B preferred b: b(B) <= a(B) <= a(A). Now b
 *    did not change from B's reading to B's claim, which came after A's claim, so whenever A read b,
 *    it read b(B) or less; and A preferred a: a(A) <= b(A) <= b(B). All are equal then, and the
 *    place decides, in the same way for both: a contradiction.
 *
 * 3. The clock is read after the entry. So each change of a key's TAT uses a time that is not before
 *    the one that was used for the change before it, and the calls that are let through are, in the
 *    order of their swaps, exactly a run of the algorithm. To forget a key loses nothing: what its
 *    TAT was has passed on the clock of whoever claimed its entry, and any later reading of the clock
 *    is later still; a TAT in the past and none at all are the same. To refuse is right at the very
 *    moment of the reading of the clock: the key's TAT at that moment is at least the one read, since
 *    one that lies in the future is never forgotten. A TAT that is stretched lies in the future before
 *    and after, so nothing of this is touched by it.
 *
 * A loop turns again only if another process changed the entry in between, that is, got on.
 *
 * Time is CLOCK_MONOTONIC: steps of the wall clock move no limit.
 */
#ifndef TALOS_RATE_LIMITS_H
#define TALOS_RATE_LIMITS_H

#include <stdint.h>
#include <time.h>

#include "atomics.h"

enum {
    LIMIT_ENTRIES = 8, /* of a bucket: two cache lines, which processors fetch as a pair */
    LIMIT_ENTRY_WORDS = 2,
    LIMIT_BUCKET_WORDS = LIMIT_ENTRIES * LIMIT_ENTRY_WORDS,
    LIMIT_BUCKET_BYTES = 8 * LIMIT_BUCKET_WORDS,
    LIMIT_NAME = 0, /* words of an entry */
    LIMIT_TAT = 1,
    LIMIT_WINDOWS = 256, /* places in the list of windows; nobody has the first one */
    LIMIT_WINDOW_PROBES = 32,
};

#define LIMIT_WINDOW_MASK ((uint64_t)LIMIT_WINDOWS - 1)

enum limit_verdict {
    LIMIT_UNENFORCED = -1, /* all places of the key belong to keys that have not recovered */
    LIMIT_REFUSED = 0,
    LIMIT_ADMITTED = 1,
};

typedef struct {
    uint64_t *buckets;      /* aligned to LIMIT_BUCKET_BYTES */
    uint64_t bucket_count;  /* at least 2, less than 2**32 */
    uint64_t *windows;      /* LIMIT_WINDOWS words: windows in seconds, or 0 */
    uint64_t *unenforced;   /* how many calls were let through uncounted */
    const uint64_t *clock;  /* where tests keep a time of their own; else NULL */
} limit_table;

typedef struct {
    uint64_t remaining;      /* calls that would be let through if they came now */
    uint64_t reset_after_ns; /* until the key has recovered fully */
} limit_state;

typedef struct {
    uint64_t *words; /* where the entry is; NULL: nowhere */
    uint64_t name;   /* without the place of its window */
    uint64_t window; /* that place */
    uint64_t tat;
} limit_entry;

static inline uint64_t limit_now(const limit_table *table) {
    if (table->clock != NULL) {
        return load_seq_cst(table->clock);
    }
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The place of a window in the list, to which it is added if it is not there; 0 where there is no room,
 * and then a change from it stretches nothing. */
static inline uint64_t limit_window_place(const limit_table *table, uint64_t window_s) {
    uint64_t place = (window_s * 0x9E3779B97F4A7C15u) >> 56;
    for (int probe = 0; probe < LIMIT_WINDOW_PROBES; probe++) {
        place = (place + 1) & LIMIT_WINDOW_MASK;
        if (place == 0) {
            continue;
        }
        uint64_t found = load_acquire(&table->windows[place]);
        if (found == 0) {
            /* A place is filled once. Whoever else adds the same window comes by the same places. */
            if (compare_exchange_seq_cst(&table->windows[place], 0, window_s)) {
                return place;
            }
            found = load_acquire(&table->windows[place]);
        }
        if (found == window_s) {
            return place;
        }
    }
    return 0;
}

/* What a key has used, as time until it has recovered, under a window of `window_s`: longer than what
 * is left by the entry where its window was shorter, never less. */
static inline uint64_t limit_stretched(const limit_table *table, const limit_entry *entry,
                                       uint64_t spent, uint64_t window_s) {
    /* Places are filled before entries name them, and pairs of words are read with acquire. */
    uint64_t old_s = load_acquire(&table->windows[entry->window]);
    if (old_s == 0 || old_s >= window_s) {
        return spent;
    }
    uint64_t old_ns = old_s * 1000000000u;
    uint64_t used = spent < old_ns ? spent : old_ns;
    __extension__ typedef unsigned __int128 wide;
    /* The longer window has less than 2**63 ns, and the share of it is at most the whole. */
    uint64_t stretched = (uint64_t)((wide)used * window_s / old_s);
    return stretched > spent ? stretched : spent;
}

/* The two buckets of a name; they are never the same one. */
static inline void limit_places(const limit_table *table, uint64_t name, uint64_t *places[2]) {
    uint64_t count = table->bucket_count;
    uint64_t first = ((name >> 32) * count) >> 32;
    /* A second choice from the same hash: odd multiplier, high half (Fibonacci). */
    uint64_t step = (((name * 0x9E3779B97F4A7C15u) >> 32) * (count - 1)) >> 32;
    uint64_t second = first + 1 + step;
    places[0] = table->buckets + first * LIMIT_BUCKET_WORDS;
    places[1] = table->buckets + (second < count ? second : second - count) * LIMIT_BUCKET_WORDS;
}

/* Read an entry, the TAT first: if the name is the one looked for, then the TAT was as much or more
 * by then, which is what a refusal needs; and a swap succeeds only if nothing changed since. */
static inline limit_entry limit_read(uint64_t *words) {
    limit_entry entry = {words, 0, 0, 0};
    /* Each pairs with the swap in limit_admit(); acquire keeps the two in this order. */
    entry.tat = load_acquire(&words[LIMIT_TAT]);
    uint64_t name = load_acquire(&words[LIMIT_NAME]);
    entry.name = name & ~LIMIT_WINDOW_MASK;
    entry.window = name & LIMIT_WINDOW_MASK;
    return entry;
}

/* Look for the entry of a name. Entries are taken in the order of their places and never given
 * back, so the first one that nobody ever had ends a bucket. */
static inline uint64_t *limit_find(uint64_t *const places[2], uint64_t name) {
    for (int side = 0; side < 2; side++) {
        uint64_t *words = places[side];
        for (int index = 0; index < LIMIT_ENTRIES; index++, words += LIMIT_ENTRY_WORDS) {
            uint64_t found = load_acquire(&words[LIMIT_NAME]) & ~LIMIT_WINDOW_MASK;
            if (found == name) {
                return words;
            }
            if (found == 0) {
                break;
            }
        }
    }
    return NULL;
}

/* Read every place of a name: its entry, or else the one to claim for it, least by (TAT, place).
 *
 * Of entries that nobody ever had the one with the lower index counts as less, whichever its
 * bucket: so a new key goes to the emptier bucket of the two, and the table can be filled to four
 * fifths before any key finds no place. */
static inline limit_entry limit_choose(uint64_t *const places[2], uint64_t name) {
    limit_entry least = {NULL, 0, 0, 0};
    uint64_t least_order = 0;
    for (int side = 0; side < 2; side++) {
        for (int index = 0; index < LIMIT_ENTRIES; index++) {
            limit_entry entry = limit_read(places[side] + index * LIMIT_ENTRY_WORDS);
            uint64_t order = 2u * (uint64_t)index + (uint64_t)side;
            if (entry.name == name) {
                return entry;
            }
            if (least.words == NULL || entry.tat < least.tat ||
                (entry.tat == least.tat && order < least_order)) {
                least = entry;
                least_order = order;
            }
            if (entry.name == 0) {
                break;
            }
        }
    }
    return least;
}

/* A hash as a name: never 0, which is nobody. */
static inline uint64_t limit_name(uint64_t hash) {
    uint64_t name = hash & ~LIMIT_WINDOW_MASK;
    return name != 0 ? name : LIMIT_WINDOWS;
}

/* Put `tat` in the place of what was read. Pairs with the loads in limit_find() and limit_read(), here
 * and elsewhere. */
static inline int limit_swap(const limit_entry *entry, uint64_t name, uint64_t window,
                             uint64_t tat) {
    return compare_exchange_pair_seq_cst(entry->words, entry->name | entry->window, entry->tat,
                                         name | window, tat);
}

/* Count one call of the key of that hash under a policy (quota 1 to 2**63 - 1, window 1 to
 * 9223372036 s), if it is within the limit. `state` is set unless the answer is LIMIT_UNENFORCED. */
static inline enum limit_verdict limit_admit(const limit_table *table, uint64_t hash,
                                             uint64_t quota, uint64_t window_s,
                                             limit_state *state) {
    /* Rounded up, so that a whole window never holds room for more than the quota. The burst is
     * less than window + quota, which is less than 2**64. */
    uint64_t window_ns = window_s * 1000000000u;
    uint64_t interval = window_ns / quota + (window_ns % quota != 0);
    uint64_t burst = interval * quota;
    uint64_t name = limit_name(hash);
    uint64_t window = limit_window_place(table, window_s);
    uint64_t *places[2];
    limit_places(table, name, places);
    for (;;) {
        uint64_t *words = limit_find(places, name);
        limit_entry entry = words != NULL ? limit_read(words) : limit_choose(places, name);
        uint64_t now = limit_now(table);
        uint64_t left = entry.tat > now ? entry.tat - now : 0;
        uint64_t spent = left;
        if (entry.name != name) {
            if (words != NULL) {
                continue; /* the key was forgotten after it was found */
            }
            if (spent != 0) {
                fetch_add_seq_cst(table->unenforced, 1);
                return LIMIT_UNENFORCED;
            }
        } else if (entry.window != window && left != 0) {
            spent = limit_stretched(table, &entry, left, window_s);
        }
        /* max(TAT, now) + interval - now <= burst, without a sum that could overflow. */
        if (spent > burst - interval) {
            /* What is beyond 64 bits stays as it is, and is refused again. */
            if (spent != left && now + spent > now &&
                !limit_swap(&entry, name, window, now + spent)) {
                continue;
            }
            state->remaining = 0;
            state->reset_after_ns = spent;
            return LIMIT_REFUSED;
        }
        /* Only a policy of centuries and a clock of centuries could take this beyond 64 bits. */
        uint64_t tat = now + spent + interval;
        if (tat < now) {
            state->remaining = 0;
            state->reset_after_ns = spent;
            return LIMIT_REFUSED;
        }
        if (limit_swap(&entry, name, window, tat)) {
            state->remaining = (burst - spent) / interval - 1;
            state->reset_after_ns = spent + interval;
            return LIMIT_ADMITTED;
        }
    }
}

/* How many calls were let through uncounted. Pairs with nothing: a number is wanted, not an order. */
static inline uint64_t limit_unenforced(const limit_table *table) {
    return load_relaxed(table->unenforced);
}

#endif

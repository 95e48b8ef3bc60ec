/* The code of talos/native/rate_limits.h, driven by threads; test_rate_limits_threads.py runs it.
 *
 * Built with ThreadSanitizer it also tells of accesses that are not ordered. Threads stand in for
 * processes: the code knows no difference.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rate_limits.h"

enum { THREADS = 8, KEYS = 40, PLACES = 2 * LIMIT_ENTRIES, QUOTA = 50 };

static const uint64_t SECOND = 1000000000u;

static _Alignas(LIMIT_BUCKET_BYTES) uint64_t buckets[2 * LIMIT_BUCKET_WORDS];
static uint64_t windows[LIMIT_WINDOWS];
static uint64_t unenforced;
static uint64_t now;
static const limit_table table = {buckets, 2, windows, &unenforced, &now};
static pthread_barrier_t barrier;
static int rounds;
static uint64_t passed[THREADS][KEYS], refused[THREADS][KEYS], uncounted[THREADS][KEYS];

static void fail(const char *what, int round) {
    fprintf(stderr, "round %d: %s\n", round, what);
    exit(1);
}

static uint64_t name_of(int key) {
    return (uint64_t)(key + 1) * 0xD1342543DE82EF95u;
}

static uint64_t total(uint64_t (*counts)[KEYS], int key) {
    uint64_t sum = 0;
    for (int thread = 0; thread < THREADS; thread++) {
        sum += counts[thread][key];
    }
    return sum;
}

static void ask(int thread, int key, uint64_t window_s) {
    limit_state state;
    switch (limit_admit(&table, name_of(key), QUOTA, window_s, &state)) {
    case LIMIT_ADMITTED:
        passed[thread][key]++;
        break;
    case LIMIT_REFUSED:
        refused[thread][key]++;
        break;
    case LIMIT_UNENFORCED:
        uncounted[thread][key]++;
    }
}

/* At one time and with more keys than places: a key is counted at every call, or at none. */
static void judge_still_time(int round) {
    int counted = 0;
    for (int key = 0; key < KEYS; key++) {
        uint64_t through = total(passed, key), out = total(refused, key);
        uint64_t beside = total(uncounted, key);
        if (through != 0) {
            counted++;
            if (beside != 0) {
                fail("a key is counted and not counted", round);
            }
            if (through != (through + out < QUOTA ? through + out : QUOTA)) {
                fail("not exactly the quota", round);
            }
        } else if (out != 0) {
            fail("refused, and nothing was let through", round);
        }
    }
    if (counted != PLACES) {
        fail("not every place was had", round);
    }
}

/* At one time, while some have heard that the window is longer now and others have not: what was used
 * before counts for everybody, and to count twice is no fault. */
static void judge_changing_window(int round) {
    for (int key = 0; key < KEYS; key++) {
        if (total(passed, key) > QUOTA) {
            fail("a longer window forgot what was used", round);
        }
    }
}

static void judge_no_key_twice(int round) {
    for (int key = 0; key < KEYS; key++) {
        int entries = 0;
        for (int place = 0; place < PLACES; place++) {
            entries += buckets[place * LIMIT_ENTRY_WORDS + LIMIT_NAME] / LIMIT_WINDOWS ==
                       limit_name(name_of(key)) / LIMIT_WINDOWS;
        }
        if (entries > 1) {
            fail("a key has two entries", round);
        }
    }
}

/* While the clock runs the places change hands. No key may have two of them, and none may have let
 * through more than its quota and what the time permits, ends included. */
static void judge_running_time(int round, uint64_t began) {
    uint64_t interval = SECOND / QUOTA;
    for (int key = 0; key < KEYS; key++) {
        if (total(passed, key) > QUOTA + (now - began) / interval) {
            fail("more than is permitted", round);
        }
    }
}

static void *run(void *argument) {
    int thread = (int)(uintptr_t)argument;
    uint64_t random = 88172645463325252u + (uint64_t)thread;
    uint64_t began = 0;
    for (int round = 0; round < 3 * rounds; round++) {
        int running = round % 3 == 1, changing = round % 3 == 2;
        pthread_barrier_wait(&barrier);
        if (thread == 0) {
            memset(passed, 0, sizeof passed);
            memset(refused, 0, sizeof refused);
            memset(uncounted, 0, sizeof uncounted);
            /* Recovered, every key. */
            began = now + 100 * SECOND;
            store_release(&now, began);
        }
        pthread_barrier_wait(&barrier);
        for (int call = 0; call < 500; call++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            ask(thread, (int)(random % KEYS), changing && random >> 63 ? 30 : 1);
            if (running && thread == 0) {
                store_release(&now, now + random % (SECOND / 5));
            }
        }
        pthread_barrier_wait(&barrier);
        if (thread == 0) {
            judge_no_key_twice(round);
            if (running) {
                judge_running_time(round, began);
            } else if (changing) {
                judge_changing_window(round);
            } else {
                judge_still_time(round);
            }
        }
    }
    return NULL;
}

int main(int count, char **arguments) {
    pthread_t threads[THREADS];
    if (count != 2) {
        return 2;
    }
    rounds = atoi(arguments[1]);
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (uintptr_t thread = 0; thread < THREADS; thread++) {
        if (pthread_create(&threads[thread], NULL, run, (void *)thread) != 0) {
            return 2;
        }
    }
    for (int thread = 0; thread < THREADS; thread++) {
        pthread_join(threads[thread], NULL);
    }
    printf("%d rounds\n", 3 * rounds);
    return 0;
}

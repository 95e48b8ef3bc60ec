/* Atomic access to shared memory, the memory order in every name.
 *
 * Words of the shared mapping are touched through these functions only, plain data included: a
 * relaxed access compiles to the plain instruction on every machine we know, and is defined
 * behaviour where a plain one beside a concurrent writer is not.
 *
 * Each use names in a comment the access it pairs with; docs/shared-memory.md lists the pairs. The
 * mapping is shared by processes, not only by threads: C11 asks of lock-free atomics that they work
 * at any address, and so across processes, and below we refuse to compile where they are not.
 */

#ifndef TALOS_ATOMICS_H
#define TALOS_ATOMICS_H

#include <stdint.h>
#include <string.h>

#if !defined(__GNUC__)
#error "the named memory orders below need GCC or Clang"
#endif

_Static_assert(__atomic_always_lock_free(sizeof(uint64_t), 0),
               "shared memory needs 64-bit atomics without locks");

/* Called before every access. Empty but in the build of tests/core/interleave, which lets a
 * scheduler choose here who goes on. */
#ifndef TALOS_BEFORE_ACCESS
#define TALOS_BEFORE_ACCESS() ((void)0)
#endif

static inline uint64_t load_relaxed(const uint64_t *word) {
    TALOS_BEFORE_ACCESS();
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static inline uint64_t load_acquire(const uint64_t *word) {
    TALOS_BEFORE_ACCESS();
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline uint64_t load_seq_cst(const uint64_t *word) {
    TALOS_BEFORE_ACCESS();
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static inline void store_relaxed(uint64_t *word, uint64_t value) {
    TALOS_BEFORE_ACCESS();
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static inline void store_release(uint64_t *word, uint64_t value) {
    TALOS_BEFORE_ACCESS();
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static inline uint64_t fetch_add_seq_cst(uint64_t *word, uint64_t value) {
    TALOS_BEFORE_ACCESS();
    return __atomic_fetch_add(word, value, __ATOMIC_SEQ_CST);
}

static inline uint64_t fetch_or_relaxed(uint64_t *word, uint64_t bits) {
    TALOS_BEFORE_ACCESS();
    return __atomic_fetch_or(word, bits, __ATOMIC_RELAXED);
}

/* True when *word was `expected` and is now `desired`. A failure orders nothing. */
static inline int compare_exchange_acq_rel(uint64_t *word, uint64_t expected, uint64_t desired) {
    TALOS_BEFORE_ACCESS();
    return __atomic_compare_exchange_n(word, &expected, desired, 0, __ATOMIC_ACQ_REL,
                                       __ATOMIC_RELAXED);
}

/* The same in the one order of all seq_cst accesses, failed or not. */
static inline int compare_exchange_seq_cst(uint64_t *word, uint64_t expected, uint64_t desired) {
    TALOS_BEFORE_ACCESS();
    return __atomic_compare_exchange_n(word, &expected, desired, 0, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

/* Two neighbouring words as one, aligned to 16 bytes. Where a compiler makes no instruction of it, it
 * calls a library that may take a lock, which means nothing to other processes. So this compiles only
 * where there is an instruction. */
#if !defined(__x86_64__) && !defined(__aarch64__)
#error "shared memory needs a 16-byte compare-and-swap: x86-64 or AArch64"
#endif

__extension__ typedef unsigned __int128 word_pair __attribute__((may_alias));

/* True when words[0] and words[1] were the expected ones and are now the desired ones. */
#if defined(__x86_64__)
__attribute__((target("cx16")))
#endif
static inline int compare_exchange_pair_seq_cst(uint64_t *words, uint64_t expected_0,
                                                uint64_t expected_1, uint64_t desired_0,
                                                uint64_t desired_1) {
    const uint64_t expected_words[2] = {expected_0, expected_1};
    const uint64_t desired_words[2] = {desired_0, desired_1};
    word_pair expected, desired;
    memcpy(&expected, expected_words, sizeof expected);
    memcpy(&desired, desired_words, sizeof desired);
    TALOS_BEFORE_ACCESS();
    return __sync_bool_compare_and_swap((word_pair *)words, expected, desired);
}

/* ThreadSanitizer does not know fences. Under it the accesses are atomic all the same, so it misses
 * nothing but their order; that is left to the tests that interleave them one by one. */
static inline void fence_acquire(void) { __atomic_thread_fence(__ATOMIC_ACQUIRE); }
static inline void fence_release(void) { __atomic_thread_fence(__ATOMIC_RELEASE); }

/* Lets the other hardware thread of this core go first, while we wait for a word to change. */
static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif

/* Whether a process that left its mark in shared memory still lives.
 *
 * Every process that writes holds a POSIX record lock on one byte of a file without a name: the
 * byte at the number of its owner slot. The kernel takes the lock away when the last thread of the
 * process has left user space, however it ended; a fork does not inherit it; and a process id that
 * is used again does not bring it back. So a byte that nobody has locked is the slot of nobody who
 * could still write.
 */

#ifndef TALOS_PROCESS_H
#define TALOS_PROCESS_H

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

static inline struct flock slot_record(uint64_t slot) {
    struct flock record;
    memset(&record, 0, sizeof record);
    record.l_type = F_WRLCK;
    record.l_whence = SEEK_SET;
    record.l_start = (off_t)slot;
    record.l_len = 1;
    return record;
}

/* Takes the slot for this process; false where another one has it. */
static inline int claim_slot(int file, uint64_t slot) {
    struct flock record = slot_record(slot);
    return fcntl(file, F_SETLK, &record) == 0;
}

/* Whether another process has the slot. One's own claim is not seen: compare the slot first.
 *
 * Where the question cannot be answered it is yes: to think a dead process alive costs one set of
 * the cache, to think a living one dead would give its set to two. */
static inline int slot_is_claimed(int file, uint64_t slot) {
    struct flock record = slot_record(slot);
    return fcntl(file, F_GETLK, &record) != 0 || record.l_type != F_UNLCK;
}

#endif

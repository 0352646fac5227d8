/* One process at a time may change a directory. */
#ifndef CLOZE_DATA_DIRECTORY_LOCK_H
#define CLOZE_DATA_DIRECTORY_LOCK_H

#include "base/error.h"

#define DIRECTORY_LOCK_FILE ".lock"

struct directory_lock {
    int file; /* -1: not taken */
};

/* Locks DIRECTORY/.lock, which holds the process's number and is not removed. If another process
 * has it, the error names that process. The system releases the lock of a process that ends in any
 * way. */
bool directory_lock_take(struct directory_lock *lock, const char *directory, struct error *error);
void directory_lock_release(struct directory_lock *lock);

#endif

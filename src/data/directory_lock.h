/* A lock that lets only one process at a time change a directory. */
#ifndef CLOZE_DATA_DIRECTORY_LOCK_H
#define CLOZE_DATA_DIRECTORY_LOCK_H

#include "base/error.h"

#define DIRECTORY_LOCK_FILE ".lock"

struct directory_lock {
    int file; /* file descriptor; -1: the lock is not taken */
};

/* Locks DIRECTORY/.lock and writes the number of this process into it. The file stays when the lock
 * is released; only a process that has the lock may remove it. If another process has the lock, the
 * error has the number of that process. The system releases the lock of a process however it
 * ends. */
bool directory_lock_take(struct directory_lock *lock, const char *directory, struct error *error);
void directory_lock_release(struct directory_lock *lock);

#endif

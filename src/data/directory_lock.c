#include "data/directory_lock.h"

#include "base/file.h"
#include "base/partial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool fail_locked(int file, const char *directory, struct error *error)
{
    char number[24];
    ssize_t size = pread(file, number, sizeof number - 1, 0);
    number[size > 0 ? size : 0] = 0;
    return fail_work(
        error, "%s: is in use by another process (number %ld, from %s/" DIRECTORY_LOCK_FILE ")",
        directory, strtol(number, NULL, 10), directory);
}

static bool write_number(int file, const char *path, struct error *error)
{
    return (ftruncate(file, 0) == 0 && dprintf(file, "%ld\n", (long)getpid()) > 0) ||
           fail_path(error, errno, path, "write");
}

bool directory_lock_take(struct directory_lock *lock, const char *directory, struct error *error)
{
    char *path = path_join(directory, DIRECTORY_LOCK_FILE, error);
    if (!path)
        return false;
    bool taken = false;
    lock->file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (lock->file < 0)
        fail_path(error, errno, path, "open");
    else if (lock_again(lock->file) == 0)
        /* A lock on a removed file does not exclude other processes. */
        taken = partial_is_own(lock->file, path)
                    ? write_number(lock->file, path, error)
                    : fail_work(error, "%s: has just been left by another process; try again",
                                directory);
    else if (errno == EWOULDBLOCK)
        fail_locked(lock->file, directory, error);
    else
        fail_path(error, errno, path, "lock");
    free(path);
    if (!taken && lock->file >= 0) {
        close(lock->file);
        lock->file = -1;
    }
    return taken;
}

void directory_lock_release(struct directory_lock *lock)
{
    if (lock->file >= 0)
        close(lock->file);
    lock->file = -1;
}

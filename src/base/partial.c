#include "base/partial.h"

#include "base/directory.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/min.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- names ---- */

#define MARK   ".cloze-"
#define ENDING ".partial"

enum {
    HASH_DIGITS = 8,
    SUFFIX_SIZE = sizeof MARK - 1 + HASH_DIGITS + sizeof ENDING - 1,
    MAX_NAME = NAME_MAX - SUFFIX_SIZE,
};

struct suffix {
    char text[SUFFIX_SIZE + 1];
};

static struct suffix suffix_of(const char *name, size_t size)
{
    struct suffix suffix;
    snprintf(suffix.text, sizeof suffix.text, MARK "%08x" ENDING,
             (unsigned)(hash_bytes(name, size) & 0xffffffff));
    return suffix;
}

char *partial_path(const char *path, struct error *error)
{
    const char *name = path_name(path);
    size_t size = strlen(name);
    size_t kept = (size_t)(name - path) + min_size(size, MAX_NAME);
    struct buffer partial = {0};
    if (!buffer_append(&partial, path, kept, error) ||
        !buffer_print(&partial, error, "%s", suffix_of(name, size).text)) {
        buffer_free(&partial);
        return NULL;
    }
    return partial.data;
}

static bool has_suffix_form(const char *suffix)
{
    const char *digits = suffix + sizeof MARK - 1;
    return strncmp(suffix, MARK, sizeof MARK - 1) == 0 &&
           strspn(digits, "0123456789abcdef") == HASH_DIGITS &&
           strcmp(digits + HASH_DIGITS, ENDING) == 0;
}

size_t partial_origin(const char *name)
{
    size_t size = strlen(name);
    if (size <= SUFFIX_SIZE)
        return 0;
    size_t origin = size - SUFFIX_SIZE;
    bool partial = origin == MAX_NAME ? has_suffix_form(name + origin)
                                      : strcmp(name + origin, suffix_of(name, origin).text) == 0;
    return partial ? origin : 0;
}

/* ---- creating ---- */

enum kind { KIND_FILE, KIND_DIRECTORY };

bool partial_is_own(int descriptor, const char *partial)
{
    struct stat opened, found;
    return fstat(descriptor, &opened) == 0 && lstat(partial, &found) == 0 &&
           opened.st_dev == found.st_dev && opened.st_ino == found.st_ino;
}

static bool fail_in_the_way(const char *partial, struct error *error)
{
    return fail_input(error, "%s: is in the way of a file to be written; remove or rename it",
                      partial);
}

/* Without locks, a leftover looks like a file that a living process is writing. */
static bool fail_unknown(int number, const char *partial, struct error *error)
{
    return fail_work(error,
                     "%s: cannot lock, so another process may be writing it: %s; if none is, "
                     "remove it",
                     partial, strerror(number));
}

static bool remove_unlocked(enum kind kind, int descriptor, const char *partial, const char *path,
                            struct error *error)
{
    struct stat status;
    if (fstat(descriptor, &status) != 0)
        return fail_path(error, errno, partial, "examine");
    if (kind == KIND_FILE ? !S_ISREG(status.st_mode) : !S_ISDIR(status.st_mode))
        return fail_in_the_way(partial, error);
    bool locked = lock_again(descriptor) == 0;
    if (!locked && errno == EWOULDBLOCK)
        return fail_work(error, "%s: is being written by another process", path);
    if (!locked)
        return fail_unknown(errno, partial, error);
    if (!partial_is_own(descriptor, partial))
        return true;
    if (kind == KIND_DIRECTORY)
        return directory_remove(partial, error);
    return unlink(partial) == 0 || errno == ENOENT || fail_path(error, errno, partial, "remove");
}

static bool remove_leftover(enum kind kind, const char *partial, const char *path,
                            struct error *error)
{
    /* NFS locks a file only for those who may write it. */
    int access = kind == KIND_FILE ? O_RDWR : O_RDONLY;
    int descriptor = open_again(partial, access | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (descriptor < 0 && errno == ENOENT)
        return true;
    if (descriptor < 0)
        return errno == ELOOP || errno == EISDIR ? fail_in_the_way(partial, error)
                                                 : fail_path(error, errno, partial, "open");
    bool removed = remove_unlocked(kind, descriptor, partial, path, error);
    close(descriptor);
    return removed;
}

/* Returns a descriptor, or -1 and sets errno: to EEXIST also if the new directory is gone
 * already. */
static int create_new(enum kind kind, const char *partial)
{
    if (kind == KIND_FILE)
        return open_again(partial, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC);
    if (mkdir(partial, 0777) != 0)
        return -1;
    int descriptor = open_again(partial, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (descriptor < 0 && errno == ENOENT)
        errno = EEXIST;
    return descriptor;
}

static int create_locked(enum kind kind, const char *partial, const char *path, struct error *error)
{
    enum { ATTEMPTS = 100 };
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        int descriptor = create_new(kind, partial);
        /* Another process may take what is new for a leftover until the lock is on it. Where there
         * are no locks, nobody removes it. */
        if (descriptor >= 0 && (lock_again(descriptor) == 0 || errno != EWOULDBLOCK) &&
            partial_is_own(descriptor, partial))
            return descriptor;
        if (descriptor >= 0)
            close(descriptor);
        else if (errno != EEXIST) {
            fail_path(error, errno, path, "create");
            return -1;
        } else if (!remove_leftover(kind, partial, path, error))
            return -1;
    }
    fail_work(error, "%s: is being written by another process", path);
    return -1;
}

int partial_create_file(const char *partial, const char *path, struct error *error)
{
    return create_locked(KIND_FILE, partial, path, error);
}

int partial_create_directory(const char *partial, const char *path, struct error *error)
{
    return create_locked(KIND_DIRECTORY, partial, path, error);
}

#include "base/file.h"

#include "base/hash.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Large enough that the system call no longer matters, small enough for the second-level cache. */
enum { WRITER_BUFFER = 256 << 10 };

struct file_writer {
    int descriptor; /* of the partial file; -1 while there is none */
    char *path;     /* where the file goes, links resolved */
    char *partial;
    struct hash_stream *hash;
    char *pending; /* [WRITER_BUFFER] put but not yet written */
    size_t pending_size;
    uint64_t size; /* of all bytes put */
};

static void free_writer(struct file_writer *writer)
{
    hash_stream_free(writer->hash);
    free(writer->pending);
    free(writer->partial);
    free(writer->path);
    free(writer);
}

/* What will be replaced must be a regular file: renaming over /dev/stdout would remove it. */
static bool check_target(const char *path, struct error *error)
{
    struct stat status;
    if (stat(path, &status) != 0 || S_ISREG(status.st_mode))
        return true;
    return fail_input(error, "%s: is a %s; expected a regular file or nothing", path,
                      S_ISDIR(status.st_mode) ? "directory" : "device or a pipe");
}

/* The path, or that of the file which a link there points to. */
static char *resolve(const char *path, struct error *error)
{
    struct stat status;
    bool is_link = lstat(path, &status) == 0 && S_ISLNK(status.st_mode);
    char *target = is_link ? realpath(path, NULL) : strdup(path);
    if (!target)
        fail_path(error, errno, path, "write");
    return target;
}

/* Whether the path still names the file that is open: not if it was renamed in the meantime. */
static bool is_at(int descriptor, const char *path)
{
    struct stat opened, found;
    return fstat(descriptor, &opened) == 0 && lstat(path, &found) == 0 &&
           opened.st_dev == found.st_dev && opened.st_ino == found.st_ino;
}

/* Opens the partial file and locks it, so that two processes that write the same file do not mix
 * their bytes in it; -1 on failure. The lock goes with the descriptor, or the process. A file
 * system without locks has none. */
static int open_alone(const char *partial, struct error *error)
{
    enum { ATTEMPTS = 100 };
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        /* O_NOFOLLOW: a link that waits under this name must not decide what is overwritten. */
        int descriptor = open_again(partial, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW);
        if (descriptor < 0) {
            fail_path(error, errno, partial, "create");
            return -1;
        }
        if (flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
            attempt = ATTEMPTS;
        else if (is_at(descriptor, partial)) {
            if (ftruncate(descriptor, 0) == 0)
                return descriptor;
            fail_path(error, errno, partial, "empty");
            close(descriptor);
            return -1;
        }
        close(descriptor); /* the other process has just completed it */
    }
    fail_work(error, "%s: is being written by another process", partial);
    return -1;
}

static bool open_partial(struct file_writer *writer, const char *path, struct error *error)
{
    writer->path = resolve(path, error);
    writer->hash = hash_stream_begin(error);
    writer->pending = allocate(WRITER_BUFFER, 1, error);
    if (!writer->path || !writer->hash || !writer->pending)
        return false;
    struct buffer partial = {0};
    if (!buffer_print(&partial, error, "%s.partial", writer->path))
        return false;
    writer->partial = partial.data;
    writer->descriptor = open_alone(writer->partial, error);
    return writer->descriptor >= 0;
}

struct file_writer *file_writer_open(const char *path, struct error *error)
{
    if (!check_target(path, error))
        return NULL;
    struct file_writer *writer = allocate(1, sizeof *writer, error);
    if (!writer)
        return NULL;
    writer->descriptor = -1;
    if (!open_partial(writer, path, error)) {
        free_writer(writer);
        return NULL;
    }
    return writer;
}

static bool flush(struct file_writer *writer, struct error *error)
{
    size_t size = writer->pending_size;
    writer->pending_size = 0;
    return descriptor_write(writer->descriptor, writer->partial, writer->pending, size, error);
}

bool file_writer_put(struct file_writer *writer, const void *data, size_t size, struct error *error)
{
    if (size == 0)
        return true;
    hash_stream_put(writer->hash, data, size);
    writer->size += size;
    if (size > WRITER_BUFFER - writer->pending_size && !flush(writer, error))
        return false;
    if (size >= WRITER_BUFFER)
        return descriptor_write(writer->descriptor, writer->partial, data, size, error);
    memcpy(writer->pending + writer->pending_size, data, size);
    writer->pending_size += size;
    return true;
}

bool file_writer_patch(struct file_writer *writer, uint64_t offset, const void *data, size_t size,
                       struct error *error)
{
    CHECK(offset <= writer->size && size <= writer->size - offset);
    if (!flush(writer, error))
        return false;
    for (const char *bytes = data; size > 0;) {
        ssize_t written = pwrite(writer->descriptor, bytes, size, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return fail_path(error, errno, writer->partial, "write");
        bytes += written;
        offset += (uint64_t)written;
        size -= (size_t)written;
    }
    return true;
}

uint64_t file_writer_size(const struct file_writer *writer)
{
    return writer->size;
}

uint64_t file_writer_hash(const struct file_writer *writer)
{
    return hash_stream_end(writer->hash);
}

/* The file is closed, and with that unlocked, only when it has its name: until then nobody else may
 * find it as a partial one. The fsync has reported all that a close could. */
static bool complete(struct file_writer *writer, struct error *error)
{
    if (!flush(writer, error))
        return false;
    if (fsync_again(writer->descriptor) != 0)
        return fail_path(error, errno, writer->partial, "write to the disk");
    if (rename(writer->partial, writer->path) != 0)
        return fail_path(error, errno, writer->path, "replace");
    close(writer->descriptor);
    writer->descriptor = -1;
    return true;
}

bool file_writer_commit(struct file_writer *writer, struct error *error)
{
    if (!complete(writer, error)) {
        file_writer_abandon(writer);
        return false;
    }
    char *directory = path_directory(writer->path, error);
    bool done = directory && directory_sync(directory, error);
    free(directory);
    free_writer(writer);
    return done;
}

void file_writer_abandon(struct file_writer *writer)
{
    if (!writer)
        return;
    unlink(writer->partial);
    if (writer->descriptor >= 0)
        close(writer->descriptor);
    free_writer(writer);
}

bool file_write(const char *path, const void *data, size_t size, struct error *error)
{
    struct file_writer *writer = file_writer_open(path, error);
    if (!writer)
        return false;
    if (!file_writer_put(writer, data, size, error)) {
        file_writer_abandon(writer);
        return false;
    }
    return file_writer_commit(writer, error);
}

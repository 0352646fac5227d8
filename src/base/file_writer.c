#include "base/file_writer.h"

#include "base/directory.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/partial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Large enough that the system call no longer matters, small enough for the second-level cache. */
enum { WRITER_BUFFER = 256 << 10 };

struct file_writer {
    int descriptor; /* of the partial file; -1 while there is none */
    char *path;     /* as given, for messages */
    char *target;   /* where the file goes, links resolved */
    char *partial;
    char *pending; /* [WRITER_BUFFER] put but not yet written */
    size_t pending_size;
    uint64_t size; /* of all bytes put */
};

static void free_writer(struct file_writer *writer)
{
    free(writer->pending);
    free(writer->partial);
    free(writer->target);
    free(writer->path);
    free(writer);
}

/* Only a regular file may be replaced: renaming over /dev/stdout would remove it. */
static bool check_target(const char *path, struct error *error)
{
    struct stat status;
    if (!*path)
        return fail_input(error, "the name of the file to write is empty");
    if (stat(path, &status) != 0)
        return errno != ENAMETOOLONG ||
               fail_input(error, "%s: cannot write: %s", path, strerror(ENAMETOOLONG));
    if (S_ISREG(status.st_mode))
        return true;
    return fail_input(error, "%s: is a %s; expected a regular file or nothing", path,
                      S_ISDIR(status.st_mode) ? "directory" : "device or a pipe");
}

/* Returns a copy of the path, or the path of the file that a link there points to. */
static char *resolve(const char *path, struct error *error)
{
    struct stat status;
    bool is_link = lstat(path, &status) == 0 && S_ISLNK(status.st_mode);
    char *target = is_link ? realpath(path, NULL) : strdup(path);
    if (!target && is_link && errno == ENOENT)
        fail_input(error, "%s: is a link to a file that does not exist; remove it or name another",
                   path);
    else if (!target)
        fail_path(error, errno, path, "write");
    return target;
}

static bool open_partial(struct file_writer *writer, const char *path, struct error *error)
{
    writer->path = path_join("", path, error);
    writer->target = writer->path ? resolve(path, error) : NULL;
    writer->pending = allocate(WRITER_BUFFER, 1, error);
    if (!writer->target || !writer->pending)
        return false;
    writer->partial = partial_path(writer->target, error);
    writer->descriptor = writer->partial ? partial_create_file(writer->partial, path, error) : -1;
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
    return descriptor_write(writer->descriptor, writer->path, writer->pending, size, error);
}

bool file_writer_put(struct file_writer *writer, const void *data, size_t size, struct error *error)
{
    if (size == 0)
        return true;
    writer->size += size;
    if (size > WRITER_BUFFER - writer->pending_size && !flush(writer, error))
        return false;
    if (size >= WRITER_BUFFER)
        return descriptor_write(writer->descriptor, writer->path, data, size, error);
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
            return fail_path(error, errno, writer->path, "write");
        bytes += written;
        offset += (uint64_t)written;
        size -= (size_t)written;
    }
    return true;
}

/* Renames the file before closing and thereby unlocking it: until it has its name, no other process
 * may take it for a leftover. The fsync has reported every error that close could report. */
static bool complete(struct file_writer *writer, struct error *error)
{
    if (!flush(writer, error))
        return false;
    if (fsync_again(writer->descriptor) != 0)
        return fail_path(error, errno, writer->path, "write to the disk");
    if (!partial_is_own(writer->descriptor, writer->partial))
        return fail_work(error, "%s: cannot replace: %s was replaced by another process",
                         writer->path, writer->partial);
    if (rename(writer->partial, writer->target) != 0)
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
    char *directory = path_directory(writer->target, error);
    bool done = directory && directory_sync(directory, error);
    free(directory);
    free_writer(writer);
    return done;
}

void file_writer_abandon(struct file_writer *writer)
{
    if (!writer)
        return;
    if (writer->descriptor >= 0) {
        if (partial_is_own(writer->descriptor, writer->partial))
            unlink(writer->partial);
        close(writer->descriptor);
    }
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

bool file_check_writable(const char *path, struct error *error)
{
    struct file_writer *writer = file_writer_open(path, error);
    file_writer_abandon(writer);
    return writer;
}

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

bool fail_path(struct error *error, int number, const char *path, const char *action)
{
    fail_errno(error, number, "%s: cannot %s", path, action);
    switch (number) {
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case EACCES:
    case EPERM:
    case EROFS:
    case ELOOP:
    case ENAMETOOLONG:
        error->kind = ERROR_INPUT;
        break;
    default:
        break;
    }
    return false;
}

static const char *kind_of(mode_t mode)
{
    return S_ISREG(mode)    ? "a regular file"
           : S_ISDIR(mode)  ? "a directory"
           : S_ISFIFO(mode) ? "a FIFO"
           : S_ISSOCK(mode) ? "a socket"
           : S_ISLNK(mode)  ? "a symbolic link"
                            : "a device";
}

bool fail_irregular(struct error *error, const char *path, mode_t mode, const char *rest)
{
    return fail_input(error, "%s: is %s; expected a regular file%s", path, kind_of(mode), rest);
}

/* ---- paths ---- */

char *path_join(const char *a, const char *b, struct error *error)
{
    struct buffer path = {0};
    size_t length = strlen(a);
    if (b[0] == '/')
        length = 0;
    const char *separator = length && a[length - 1] != '/' ? "/" : "";
    if (!buffer_append(&path, a, length, error) ||
        !buffer_print(&path, error, "%s%s", separator, b)) {
        buffer_free(&path);
        return NULL;
    }
    return path.data;
}

char *path_without_slashes(const char *path, struct error *error)
{
    char *plain = path_join("", path, error);
    for (size_t size = plain ? strlen(plain) : 0; size > 1 && plain[size - 1] == '/'; size--)
        plain[size - 1] = 0;
    return plain;
}

char *path_directory(const char *path, struct error *error)
{
    const char *slash = strrchr(path, '/');
    struct buffer directory = {0};
    if (!slash)
        buffer_append(&directory, ".", 1, error);
    else if (slash == path)
        buffer_append(&directory, "/", 1, error);
    else
        buffer_append(&directory, path, (size_t)(slash - path), error);
    return directory.data;
}

const char *path_shown(const char *path)
{
    char here[4096];
    if (!getcwd(here, sizeof here))
        return path;
    size_t size = strlen(here);
    if (strncmp(path, here, size) != 0 || path[size] != '/' || !path[size + 1])
        return path;
    return path + size + 1;
}

const char *path_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool path_exists(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0;
}

bool path_same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

bool path_is_directory(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

bool path_is_taken(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

/* ---- system calls that a signal may interrupt ---- */

/* Whatever the manuals say, network and user-space file systems let signals interrupt each of
 * them. */
int open_again(const char *path, int flags)
{
    int descriptor;
    do
        descriptor = open(path, flags, 0666);
    while (descriptor < 0 && errno == EINTR);
    return descriptor;
}

int lock_again(int descriptor)
{
    int status;
    do
        status = flock(descriptor, LOCK_EX | LOCK_NB);
    while (status != 0 && errno == EINTR);
    return status;
}

int fsync_again(int descriptor)
{
    int status;
    do
        status = fsync(descriptor);
    while (status != 0 && errno == EINTR);
    return status;
}

/* ---- reading ---- */

/* Returns a descriptor of a regular file and sets its size; returns -1 on failure. */
static int open_regular(const char *path, uint64_t *size, struct error *error)
{
    /* Without O_NONBLOCK, opening a FIFO that nobody writes to would wait for ever. */
    int descriptor = open_again(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) {
        fail_path(error, errno, path, "open");
        return -1;
    }
    struct stat status;
    if (fstat(descriptor, &status) != 0)
        fail_path(error, errno, path, "examine");
    else if (!S_ISREG(status.st_mode))
        fail_irregular(error, path, status.st_mode, "");
    else {
        *size = (uint64_t)status.st_size;
        return descriptor;
    }
    close(descriptor);
    return -1;
}

static ssize_t read_some(int descriptor, void *data, size_t size)
{
    ssize_t got;
    do
        got = read(descriptor, data, size);
    while (got < 0 && errno == EINTR);
    return got;
}

static bool read_pieces(int descriptor, const char *path, file_piece *piece, void *context,
                        struct error *error)
{
    char chunk[1 << 16];
    for (;;) {
        ssize_t got = read_some(descriptor, chunk, sizeof chunk);
        if (got < 0)
            return fail_path(error, errno, path, "read");
        if (got == 0)
            return true;
        if (!piece(context, chunk, (size_t)got, error))
            return false;
    }
}

bool file_read_pieces(const char *path, file_piece *piece, void *context, struct error *error)
{
    uint64_t size;
    int descriptor = open_regular(path, &size, error);
    if (descriptor < 0)
        return false;
    bool done = read_pieces(descriptor, path, piece, context, error);
    close(descriptor);
    return done;
}

/* The buffer that file_read fills, and its limit. */
struct filling {
    const char *path;
    struct buffer *out;
    size_t total, limit;
};

static bool append_piece(void *context, const void *data, size_t size, struct error *error)
{
    struct filling *filling = context;
    filling->total += size;
    if (filling->total > filling->limit)
        return fail_input(error, "%s: holds more than %zu bytes; expected at most %zu",
                          filling->path, filling->limit, filling->limit);
    return buffer_append(filling->out, data, size, error) ||
           fail_context(error, "%s", filling->path);
}

bool file_read(const char *path, size_t limit, struct buffer *out, struct error *error)
{
    uint64_t size;
    int descriptor = open_regular(path, &size, error);
    if (descriptor < 0)
        return false;
    size_t before = out->size;
    struct filling filling = {.path = path, .out = out, .limit = limit};
    bool done;
    if (size > limit)
        done = fail_input(error, "%s: holds %llu bytes; expected at most %zu", path,
                          (unsigned long long)size, limit);
    else
        done = read_pieces(descriptor, path, append_piece, &filling, error);
    close(descriptor);
    if (!done && out->data) {
        out->size = before;
        out->data[before] = 0;
    }
    return done;
}

/* ---- writing ---- */

bool descriptor_write(int descriptor, const char *path, const void *data, size_t size,
                      struct error *error)
{
    for (const char *bytes = data; size > 0;) {
        ssize_t written = write(descriptor, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return fail_path(error, errno, path, "write");
        bytes += written;
        size -= (size_t)written;
    }
    return true;
}

/* ---- mapping ---- */

bool file_map(const char *path, struct mapping *mapping, struct error *error)
{
    uint64_t size;
    int descriptor = open_regular(path, &size, error);
    if (descriptor < 0)
        return false;
    *mapping = (struct mapping){0};
    bool done = true;
    if (size > 0) {
        void *block = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, descriptor, 0);
        if (block == MAP_FAILED)
            done = fail_path(error, errno, path, "map");
        else
            *mapping = (struct mapping){.data = block, .size = (size_t)size, .block = block};
    }
    close(descriptor);
    return done;
}

void file_unmap(struct mapping *mapping)
{
    if (mapping->block)
        munmap(mapping->block, mapping->size);
    *mapping = (struct mapping){0};
}

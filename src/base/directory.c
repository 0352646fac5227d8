#include "base/directory.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/partial.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool directory_holds(const char *directory, const char *name, bool *found, struct error *error)
{
    char *path = path_join(directory, name, error);
    *found = path && path_exists(path);
    free(path);
    return path != NULL;
}

/* ---- making ---- */

static bool make_one(const char *path, struct error *error)
{
    if (mkdir(path, 0777) == 0)
        return true;
    int number = errno;
    if (path_is_directory(path))
        return true;
    if (number == EEXIST)
        return fail_input(error, "%s: is not a directory; expected one, or nothing", path);
    return fail_path(error, number, path, "create the directory");
}

/* Makes all parents of the path, cutting it at each '/' in turn. */
static bool make_parents(char *path, struct error *error)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        bool made = make_one(path, error);
        *slash = '/';
        if (!made)
            return false;
    }
    return true;
}

static bool check_named(const char *path, struct error *error)
{
    return path[0] || fail_input(error, "an empty path; expected the name of a directory");
}

bool directory_make(const char *path, struct error *error)
{
    if (!check_named(path, error))
        return false;
    struct buffer copy = {0};
    bool made = buffer_append(&copy, path, strlen(path), error) && make_parents(copy.data, error) &&
                make_one(path, error);
    buffer_free(&copy);
    return made;
}

static bool check_existing(const char *path, struct error *error)
{
    if (!path_is_directory(path))
        return fail_input(error, "%s: is not a directory; expected one, or nothing", path);
    return access(path, W_OK | X_OK) == 0 ||
           fail_path(error, errno, path, "write into this directory");
}

char *directory_existing(const char *path, struct error *error)
{
    char *place = path_join("", path, error);
    while (place && !path_is_taken(place)) {
        char *parent = path_directory(place, error);
        free(place);
        place = parent;
    }
    return place;
}

bool directory_check_writable(const char *path, struct error *error)
{
    char *place = check_named(path, error) ? directory_existing(path, error) : NULL;
    bool writable = place && check_existing(place, error);
    free(place);
    return writable;
}

/* ---- removing ---- */

static bool empty(DIR *directory, const char *path, struct error *error);

/* Removes the directory `name` of the directory `parent`; `path` is for messages. It works on
 * descriptors, so that a link that somebody creates in the meantime cannot lead outside. */
static bool remove_tree(int parent, const char *name, const char *path, struct error *error)
{
    int descriptor = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (descriptor < 0)
        return fail_path(error, errno, path, "open the directory");
    DIR *directory = fdopendir(descriptor);
    if (!directory) {
        fail_path(error, errno, path, "read the directory");
        close(descriptor);
        return false;
    }
    bool done = empty(directory, path, error);
    closedir(directory);
    if (done && unlinkat(parent, name, AT_REMOVEDIR) != 0)
        done = fail_path(error, errno, path, "remove");
    return done;
}

static bool remove_entry(int parent, const char *name, const char *path, struct error *error)
{
    if (unlinkat(parent, name, 0) == 0)
        return true;
    /* Linux reports EISDIR, POSIX EPERM. */
    if (errno == EISDIR || errno == EPERM)
        return remove_tree(parent, name, path, error);
    return fail_path(error, errno, path, "remove");
}

static bool empty(DIR *directory, const char *path, struct error *error)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (!entry)
            return errno == 0 || fail_path(error, errno, path, "read the directory");
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        char *inner = path_join(path, entry->d_name, error);
        bool done = inner && remove_entry(dirfd(directory), entry->d_name, inner, error);
        free(inner);
        if (!done)
            return false;
    }
}

bool directory_remove(const char *path, struct error *error)
{
    struct stat status;
    if (lstat(path, &status) != 0)
        return errno == ENOENT || fail_path(error, errno, path, "examine");
    if (!S_ISDIR(status.st_mode))
        return fail_input(error, "%s: is not a directory; expected one to remove", path);
    return remove_tree(AT_FDCWD, path, path, error);
}

void directory_remove_empty(const char *path, const char *above)
{
    struct error ignored = {0};
    char *place = path_join("", path, &ignored);
    while (place && strcmp(place, above) != 0 && rmdir(place) == 0) {
        char *parent = path_directory(place, &ignored);
        free(place);
        place = parent;
    }
    free(place);
}

/* ---- syncing ---- */

bool directory_sync(const char *path, struct error *error)
{
    int descriptor = open_again(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return fail_path(error, errno, path, "open the directory");
    /* EINVAL means that the file system does not sync directories. */
    bool done = fsync_again(descriptor) == 0 || errno == EINVAL ||
                fail_path(error, errno, path, "write the directory to the disk");
    close(descriptor);
    return done;
}

bool directory_link(const char *path, const char *target, struct error *error)
{
    struct stat status;
    if (lstat(path, &status) == 0 && !S_ISLNK(status.st_mode))
        return fail_input(error, "%s: is not a link, and is left as it is", path);
    char *fresh = partial_path(path, error);
    if (!fresh)
        return false;
    unlink(fresh);
    bool done = (symlink(target, fresh) == 0 && rename(fresh, path) == 0) ||
                fail_path(error, errno, path, "link the directory");
    if (!done)
        unlink(fresh);
    free(fresh);
    return done;
}

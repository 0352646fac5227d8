#include "data/file_contents.h"

#include "base/file.h"
#include "base/format.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/memory.h"
#include "data/text_name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static const json_int_t nanoseconds = 1000000000;

static json_int_t in_nanoseconds(struct timespec time)
{
    return (json_int_t)time.tv_sec * nanoseconds + time.tv_nsec;
}

/* ---- stamps ---- */

/* Returns NULL if the file changed too recently: a further change might have the same time. The
 * coarsest times of a file system have a resolution of two seconds (FAT). */
static json_t *make_stamp(const struct stat *status)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    json_int_t age = in_nanoseconds(now) - in_nanoseconds(status->st_ctim);
    if (age < 3 * nanoseconds)
        return NULL;
    return json_pack("[I, I, I, I]", (json_int_t)status->st_dev, (json_int_t)status->st_ino,
                     in_nanoseconds(status->st_mtim), in_nanoseconds(status->st_ctim));
}

/* The files of an earlier description that have a stamp, by inode. */
struct known_files {
    const json_t **files;
    size_t count;
};

static json_int_t inode_of(const json_t *file)
{
    return json_integer_value(json_array_get(json_object_get(file, "stamp"), 1));
}

static int compare_inodes(const void *a, const void *b)
{
    json_int_t x = inode_of(*(const json_t *const *)a), y = inode_of(*(const json_t *const *)b);
    return x < y ? -1 : x > y;
}

static bool sort_known(struct known_files *known, const json_t *list, struct error *error)
{
    *known = (struct known_files){0};
    known->files = allocate(json_array_size(list), sizeof(json_t *), error);
    if (!known->files)
        return false;
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_object_get(json_array_get(list, i), "stamp"))
            known->files[known->count++] = json_array_get(list, i);
    if (known->count)
        qsort(known->files, known->count, sizeof(json_t *), compare_inodes);
    return true;
}

/* Returns the index of the first file with this inode or a greater one. */
static size_t find_inode(const struct known_files *known, json_int_t inode)
{
    size_t first = 0, end = known->count;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        if (inode_of(known->files[middle]) < inode)
            first = middle + 1;
        else
            end = middle;
    }
    return first;
}

/* Returns the hash in `known` of a file with this stamp and size; NULL if there is none. */
static const char *find_known(const struct known_files *known, const json_t *stamp,
                              const struct stat *status)
{
    json_int_t inode = (json_int_t)status->st_ino;
    if (!stamp)
        return NULL;
    for (size_t i = find_inode(known, inode);
         i < known->count && inode_of(known->files[i]) == inode; i++) {
        const json_t *file = known->files[i];
        if (json_integer_value(json_object_get(file, "bytes")) == (json_int_t)status->st_size &&
            json_equal(json_object_get(file, "stamp"), stamp))
            return json_string_value(json_object_get(file, "xxh3"));
    }
    return NULL;
}

/* ---- descriptions ---- */

/* Packs the description of a file. Takes over the stamp, which may be NULL. The path is resolved,
 * so that it does not depend on the working directory of a command. */
static json_t *pack(const char *path, uint64_t size, const char *hash, json_t *stamp,
                    struct error *error)
{
    char *resolved = realpath(path, NULL);
    json_t *file = json_pack("{s:s, s:I, s:s}", "path", resolved ? resolved : path, "bytes",
                             (json_int_t)size, "xxh3", hash);
    free(resolved);
    if (file && stamp && json_object_set(file, "stamp", stamp) != 0) {
        json_decref(file);
        file = NULL;
    }
    json_decref(stamp);
    if (!file)
        fail_work(error, "%s: cannot be named in a manifest: not UTF-8, or out of memory", path);
    return file;
}

/* Describes a file. The stamp is taken before the file is read, so that a change during the reading
 * makes it void. */
static json_t *describe_file(const char *path, const struct known_files *known, struct error *error)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        fail_path(error, errno, path, "read");
        return NULL;
    }
    json_t *stamp = make_stamp(&status);
    const char *same = find_known(known, stamp, &status);
    uint64_t size = (uint64_t)status.st_size, hash;
    if (same)
        return pack(path, size, same, stamp, error);
    if (!hash_file(path, &size, &hash, error)) {
        json_decref(stamp);
        return NULL;
    }
    return pack(path, size, format_hash(hash).text, stamp, error);
}

json_t *file_contents_describe(const struct corpus_files *files, const json_t *known,
                               struct error *error)
{
    struct known_files sorted;
    if (!sort_known(&sorted, known, error))
        return NULL;
    json_t *list = json_array();
    if (!list)
        fail_work(error, "out of memory: the list of input files");
    for (size_t i = 0; i < files->count && list; i++)
        if (!json_add(list, "input files", describe_file(files->paths[i], &sorted, error), error)) {
            json_decref(list);
            list = NULL;
        }
    free(sorted.files);
    return list;
}

/* ---- comparing ---- */

/* Returns whether files with these names and the same bytes are read in the same way. Compression
 * is recognized by the bytes, so it does not count. */
static bool read_alike(const char *a, const char *b)
{
    struct text_name x = text_name_read(a), y = text_name_read(b);
    return x.json == y.json && x.tar == y.tar;
}

static bool same_content(const json_t *a, const json_t *b)
{
    const char *a_name = json_string_value(json_object_get(a, "path"));
    const char *b_name = json_string_value(json_object_get(b, "path"));
    return a_name && b_name && read_alike(a_name, b_name) &&
           json_equal(json_object_get(a, "bytes"), json_object_get(b, "bytes")) &&
           json_equal(json_object_get(a, "xxh3"), json_object_get(b, "xxh3"));
}

int64_t file_contents_compare(const json_t *now, const json_t *then)
{
    size_t count = json_array_size(now), before = json_array_size(then);
    for (size_t i = 0; i < count || i < before; i++)
        if (i >= count || i >= before ||
            !same_content(json_array_get(now, i), json_array_get(then, i)))
            return (int64_t)i;
    return CONTENTS_SAME;
}

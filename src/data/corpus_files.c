#include "data/corpus.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool check_file(const char *path, struct error *error)
{
    struct stat status;
    if (stat(path, &status) != 0 || access(path, R_OK) != 0)
        return fail_path(error, errno, path, "read");
    if (S_ISDIR(status.st_mode))
        return fail_input(
            error, "%s: is a directory; expected a file, or %s/* for all of its files", path, path);
    return S_ISREG(status.st_mode) ||
           fail_irregular(error, path, status.st_mode, ", because it is read more than once");
}

static bool add_path(struct corpus_files *files, size_t *capacity, const char *path,
                     struct error *error)
{
    if (!check_file(path, error) ||
        !grow(&files->paths, capacity, files->count + 1, sizeof *files->paths, error))
        return false;
    char *copy = strdup(path);
    if (!copy)
        return fail_work(error, "out of memory: the list of input files");
    files->paths[files->count++] = copy;
    return true;
}

static bool add_matches(struct corpus_files *files, size_t *capacity, glob_t *matches,
                        struct error *error)
{
    qsort(matches->gl_pathv, matches->gl_pathc, sizeof *matches->gl_pathv, compare_paths);
    for (size_t i = 0; i < matches->gl_pathc; i++)
        if (!add_path(files, capacity, matches->gl_pathv[i], error))
            return false;
    return true;
}

/* The special characters of patterns, and the one that escapes them. */
static const char specials[] = "*?[]\\";

/* Returns the pattern without the escapes of special characters; the caller owns it. A directory
 * that is not part of the pattern is escaped, so this is the name that the user typed. */
static char *unescape(const char *pattern, struct error *error)
{
    char *name = strdup(pattern);
    if (!name) {
        fail_work(error, "%s: out of memory", pattern);
        return NULL;
    }
    char *out = name;
    for (const char *at = pattern; *at; at++) {
        if (*at == '\\' && at[1] && strchr(specials, at[1]))
            at++;
        *out++ = *at;
    }
    *out = 0;
    return name;
}

/* Returns whether there is a special character that is not escaped. */
static bool is_pattern(const char *pattern)
{
    for (; *pattern; pattern++)
        if (*pattern == '\\' && pattern[1])
            pattern++;
        else if (strchr("*?[", *pattern))
            return true;
    return false;
}

/* If the directory of `name` exists, returns the pattern with that directory escaped, so that only
 * its last component is a pattern; the caller owns it. Returns NULL if the directory does not
 * exist, or with *error set when memory is short. */
static char *with_literal_directory(const char *pattern, const char *name, struct error *error)
{
    const char *slash = strrchr(name, '/'), *last = strrchr(pattern, '/');
    char *directory = slash && slash > name ? strndup(name, (size_t)(slash - name)) : NULL;
    struct buffer escaped = {0};
    bool done = directory && last && path_is_directory(directory);
    for (const char *at = directory; done && *at; at++)
        done = buffer_print(&escaped, error, "%s%c", strchr(specials, *at) ? "\\" : "", *at);
    done = done && buffer_print(&escaped, error, "%s", last);
    free(directory);
    if (!done)
        buffer_free(&escaped);
    return escaped.data;
}

static bool add_pattern(struct corpus_files *files, size_t *capacity, const char *pattern,
                        const char *name, struct error *error)
{
    glob_t matches = {0};
    int status = glob(pattern, GLOB_ERR | GLOB_NOSORT, NULL, &matches);
    bool done = false;
    if (status == 0)
        done = add_matches(files, capacity, &matches, error);
    else if (status == GLOB_NOMATCH)
        fail_input(error, "%s: no file matches", name);
    else if (status == GLOB_NOSPACE)
        fail_work(error, "%s: out of memory", name);
    else
        fail_path(error, errno, name, "list the directory");
    globfree(&matches);
    return done;
}

/* Adds the file `name`, which is the pattern without escapes, if it exists, or the matches of the
 * pattern. */
static bool expand_name(struct corpus_files *files, size_t *capacity, const char *pattern,
                        const char *name, struct error *error)
{
    if (path_exists(name) || !is_pattern(pattern))
        return add_path(files, capacity, name, error);
    char *literal = with_literal_directory(pattern, name, error);
    bool done = error->kind == ERROR_NONE &&
                add_pattern(files, capacity, literal ? literal : pattern, name, error);
    free(literal);
    return done;
}

static bool expand_pattern(struct corpus_files *files, size_t *capacity, const char *pattern,
                           struct error *error)
{
    if (path_exists(pattern))
        return add_path(files, capacity, pattern, error);
    char *name = unescape(pattern, error);
    bool done = name && expand_name(files, capacity, pattern, name, error);
    free(name);
    return done;
}

/* The identity of a file, which does not depend on its name. */
struct identity {
    dev_t device;
    ino_t inode;
    const char *path;
};

/* Orders the paths of one file next to each other, by their bytes. */
static int compare_identities(const void *a, const void *b)
{
    const struct identity *first = a, *second = b;
    if (first->device != second->device)
        return first->device < second->device ? -1 : 1;
    if (first->inode != second->inode)
        return first->inode < second->inode ? -1 : 1;
    return strcmp(first->path, second->path);
}

static bool check_distinct(const struct identity *sorted, size_t count, struct error *error)
{
    for (size_t i = 1; i < count; i++) {
        const struct identity *a = &sorted[i - 1], *b = &sorted[i];
        if (a->device != b->device || a->inode != b->inode)
            continue;
        if (strcmp(a->path, b->path) == 0)
            return fail_input(error, "%s: is given twice", a->path);
        return fail_input(error, "%s: is given twice, also as %s; leave one out", a->path, b->path);
    }
    return true;
}

static bool refuse_repetition(const struct corpus_files *files, struct error *error)
{
    struct identity *sorted = allocate(files->count, sizeof *sorted, error);
    if (!sorted)
        return false;
    bool done = true;
    for (size_t i = 0; i < files->count && done; i++) {
        struct stat status;
        done =
            stat(files->paths[i], &status) == 0 || fail_path(error, errno, files->paths[i], "read");
        if (done)
            sorted[i] = (struct identity){status.st_dev, status.st_ino, files->paths[i]};
    }
    if (done)
        qsort(sorted, files->count, sizeof *sorted, compare_identities);
    done = done && check_distinct(sorted, files->count, error);
    free(sorted);
    return done;
}

bool corpus_files_expand(struct corpus_files *files, const char *const *patterns, size_t count,
                         struct error *error)
{
    *files = (struct corpus_files){0};
    size_t capacity = 0;
    bool done = true;
    for (size_t i = 0; i < count && done; i++)
        done = expand_pattern(files, &capacity, patterns[i], error);
    done = done && refuse_repetition(files, error);
    if (!done)
        corpus_files_free(files);
    return done;
}

void corpus_files_free(struct corpus_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        free(files->paths[i]);
    free(files->paths);
    *files = (struct corpus_files){0};
}

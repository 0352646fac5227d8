#include "data/corpus.h"

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
        return fail_input(error, "%s: is a directory; expected a file", path);
    if (!S_ISREG(status.st_mode))
        return fail_input(
            error,
            "%s: is a FIFO, a socket or a device; expected a regular file, which can be read again",
            path);
    return true;
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

static bool expand_pattern(struct corpus_files *files, size_t *capacity, const char *pattern,
                           struct error *error)
{
    if (path_exists(pattern) || !strpbrk(pattern, "*?["))
        return add_path(files, capacity, pattern, error);
    glob_t matches = {0};
    int status = glob(pattern, GLOB_ERR | GLOB_NOSORT, NULL, &matches);
    bool done = false;
    if (status == 0)
        done = add_matches(files, capacity, &matches, error);
    else if (status == GLOB_NOMATCH)
        fail_input(error, "%s: no file matches", pattern);
    else if (status == GLOB_NOSPACE)
        fail_work(error, "%s: out of memory", pattern);
    else
        fail_path(error, errno, pattern, "list the directory");
    globfree(&matches);
    return done;
}

static bool refuse_repetition(const struct corpus_files *files, struct error *error)
{
    char **sorted = allocate(files->count, sizeof *sorted, error);
    if (!sorted)
        return false;
    if (files->count)
        memcpy(sorted, files->paths, files->count * sizeof *sorted);
    qsort(sorted, files->count, sizeof *sorted, compare_paths);
    bool distinct = true;
    for (size_t i = 1; i < files->count && distinct; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            distinct = fail_input(error, "%s: is given twice", sorted[i]);
    free(sorted);
    return distinct;
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

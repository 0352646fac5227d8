#include "report/report.h"

#include "base/affix.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/memory.h"
#include "cloze/version.h"
#include "report/report_curves.h"
#include "report/report_run.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct run_place {
    char *directory; /* as it was given */
    char *resolved;  /* absolute */
};

struct run_places {
    struct run_place *items;
    size_t count, capacity;
};

static void places_free(struct run_places *places)
{
    for (size_t i = 0; i < places->count; i++) {
        free(places->items[i].directory);
        free(places->items[i].resolved);
    }
    free(places->items);
}

/* ---- directories ---- */

/* Takes over the directory. */
static bool add_place(struct run_places *places, char *directory, struct error *error)
{
    if (!directory ||
        !grow(&places->items, &places->capacity, places->count + 1, sizeof *places->items, error)) {
        free(directory);
        return false;
    }
    struct run_place *place = &places->items[places->count++];
    *place = (struct run_place){directory, realpath(directory, NULL)};
    return place->resolved || fail_path(error, errno, directory, "open");
}

static const char seed_start[] = "seed-";
static const char config_name[] = "config.yaml"; /* which every run has */

static int is_seed(const struct dirent *entry)
{
    return begins_with(entry->d_name, seed_start);
}

/* By the number of the seed. */
static int by_seed(const struct dirent **a, const struct dirent **b)
{
    const long long x = strtoll((*a)->d_name + sizeof seed_start - 1, NULL, 10);
    const long long y = strtoll((*b)->d_name + sizeof seed_start - 1, NULL, 10);
    return x == y ? strcmp((*a)->d_name, (*b)->d_name) : x < y ? -1 : 1;
}

static bool add_seed(struct run_places *places, const char *directory, const char *name,
                     struct error *error)
{
    bool run = false;
    char *path = path_join(directory, name, error);
    const bool done = path && directory_holds(path, config_name, &run, error);
    if (run)
        return add_place(places, path, error);
    free(path);
    return done;
}

/* Adds the runs of a directory of several seeds; none if it has none. */
static bool add_seeds(struct run_places *places, const char *directory, struct error *error)
{
    struct dirent **entries;
    const int count = scandir(directory, &entries, is_seed, by_seed);
    if (count < 0)
        return fail_path(error, errno, directory, "open the directory");
    bool done = true;
    for (int i = 0; i < count; i++) {
        done = done && add_seed(places, directory, entries[i]->d_name, error);
        free(entries[i]);
    }
    free(entries);
    return done;
}

static bool add_directory(struct run_places *places, const char *directory, struct error *error)
{
    bool run;
    const size_t before = places->count;
    if (!directory_holds(directory, config_name, &run, error))
        return false;
    if (run)
        return add_place(places, path_join("", directory, error), error);
    if (!path_exists(directory))
        return fail_path(error, errno, directory, "open");
    const bool file = !path_is_directory(directory);
    if (!file && !add_seeds(places, directory, error))
        return false;
    return places->count > before ||
           fail_input(error,
                      "%s: %s; expected the directory of a run, the output of 'cloze train' or "
                      "'cloze finetune'",
                      directory, file ? "is not a directory" : "has no config.yaml");
}

static bool check_twice(const struct run_places *places, struct error *error)
{
    for (size_t i = 0; i < places->count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(places->items[i].resolved, places->items[j].resolved) == 0)
                return fail_input(error, "%s and %s are the same run; give it once",
                                  places->items[j].directory, places->items[i].directory);
    return true;
}

/* ---- names ---- */

/* Returns the last `parts` parts of an absolute path, and of the run of a seed one more: its last
 * one does not say much. */
static const char *last_parts(const char *path, int parts)
{
    const char *at = path + strlen(path);
    parts += begins_with(path_name(path), seed_start);
    while (at > path + 1 && (at[-1] != '/' || --parts > 0))
        at--;
    return at;
}

static bool tells_apart(const struct run_places *places, int parts)
{
    for (size_t i = 0; i < places->count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(last_parts(places->items[i].resolved, parts),
                       last_parts(places->items[j].resolved, parts)) == 0)
                return false;
    return true;
}

/* ---- the document ---- */

static json_t *read_runs(const struct run_places *places, struct error *error)
{
    json_t *runs = json_array();
    int parts = 1;
    while (!tells_apart(places, parts)) /* no two paths are the same */
        parts++;
    for (size_t i = 0; i < places->count && runs; i++) {
        const struct run_place *place = &places->items[i];
        runs = json_append(
            runs, report_run_json(place->directory, last_parts(place->resolved, parts), error));
    }
    return runs;
}

json_t *report_document(const char *const *directories, size_t count, struct error *error)
{
    struct run_places places = {0};
    json_t *document = json_object();
    bool done = true;
    for (size_t i = 0; i < count && done; i++)
        done = add_directory(&places, directories[i], error);
    done = done && check_twice(&places, error) &&
           json_put(document, "version", json_string(CLOZE_VERSION), error) &&
           json_put(document, "runs", read_runs(&places, error), error) &&
           json_put(document, "curves", report_curves(error), error);
    places_free(&places);
    if (done)
        return document;
    json_decref(document);
    return NULL;
}

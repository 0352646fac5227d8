#include "train/checkpoint.h"

#include "base/file.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- names ---- */

#define PARTIAL_SUFFIX  ".partial"
#define REPLACED_SUFFIX ".replaced"

struct name {
    char text[48];
};

static struct name step_name(const char *prefix, int64_t step, const char *suffix)
{
    CHECK(step >= 0);
    struct name name;
    snprintf(name.text, sizeof name.text, "%sstep-%08" PRId64 "%s", prefix, step, suffix);
    return name;
}

/* The step in "PREFIXstep-NNNNNNNNSUFFIX", eight digits or more; -1 for any other name. */
static int64_t parse_step(const char *name, const char *prefix, const char *suffix)
{
    if (strncmp(name, prefix, strlen(prefix)) != 0)
        return -1;
    name += strlen(prefix);
    if (strncmp(name, "step-", 5) != 0)
        return -1;
    name += 5;
    size_t digits = strspn(name, "0123456789");
    if (digits < 8 || digits > 18 || strcmp(name + digits, suffix) != 0)
        return -1;
    return strtoll(name, NULL, 10);
}

static char *checkpoints_directory(const char *run_directory, struct error *error)
{
    return path_join(run_directory, "checkpoints", error);
}

char *checkpoint_path(const char *run_directory, int64_t step, struct error *error)
{
    char *parent = checkpoints_directory(run_directory, error);
    char *path = parent ? path_join(parent, step_name("", step, "").text, error) : NULL;
    free(parent);
    return path;
}

/* ---- lists ---- */

/* A directory that may hold a checkpoint. */
struct candidate {
    int64_t step;
    bool replaced; /* moved aside by a save that did not come to its end */
};

struct candidates {
    struct candidate *list;
    size_t count, capacity;
};

/* By step; of one step, what was replaced first. */
static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->step != y->step)
        return x->step < y->step ? -1 : 1;
    return (int)y->replaced - (int)x->replaced;
}

static bool add_candidate(struct candidates *candidates, const char *name, struct error *error)
{
    struct candidate candidate = {.step = parse_step(name, "", "")};
    if (candidate.step < 0) {
        candidate.replaced = true;
        candidate.step = parse_step(name, ".", REPLACED_SUFFIX);
    }
    if (candidate.step < 0)
        return true;
    if (!grow(&candidates->list, &candidates->capacity, candidates->count + 1,
              sizeof *candidates->list, error))
        return false;
    candidates->list[candidates->count++] = candidate;
    return true;
}

/* The candidates in RUN/checkpoints, ascending; none if there is no such directory. The caller
 * frees the list, also on failure. */
static bool find_candidates(const char *parent, struct candidates *candidates, struct error *error)
{
    *candidates = (struct candidates){0};
    DIR *directory = opendir(parent);
    if (!directory)
        return errno == ENOENT || fail_path(error, errno, parent, "read the directory");
    bool done = true;
    const struct dirent *entry;
    while (done && (errno = 0, entry = readdir(directory)))
        done = add_candidate(candidates, entry->d_name, error);
    if (done && errno)
        done = fail_path(error, errno, parent, "read the directory");
    closedir(directory);
    if (candidates->count)
        qsort(candidates->list, candidates->count, sizeof *candidates->list, compare_candidates);
    return done;
}

bool checkpoint_list(const char *run_directory, int64_t **steps, size_t *count, struct error *error)
{
    *steps = NULL;
    *count = 0;
    struct candidates candidates = {0};
    char *parent = checkpoints_directory(run_directory, error);
    if (parent && find_candidates(parent, &candidates, error))
        *steps = allocate(candidates.count, sizeof **steps, error);
    for (size_t i = 0; *steps && i < candidates.count; i++)
        if (!candidates.list[i].replaced)
            (*steps)[(*count)++] = candidates.list[i].step;
    free(candidates.list);
    free(parent);
    return *steps;
}

/* ---- saving ---- */

/* The paths of one save. */
struct save_paths {
    char *parent;  /* RUN/checkpoints */
    char *partial; /* where it is made */
    char *target;
    char *replaced; /* where an old checkpoint of the step waits, if it cannot be exchanged */
};

static void save_paths_free(struct save_paths *paths)
{
    free(paths->parent);
    free(paths->partial);
    free(paths->target);
    free(paths->replaced);
}

static bool save_paths_make(struct save_paths *paths, const char *run_directory, int64_t step,
                            struct error *error)
{
    *paths = (struct save_paths){.parent = checkpoints_directory(run_directory, error)};
    const char *parent = paths->parent;
    if (parent) {
        paths->partial = path_join(parent, step_name(".", step, PARTIAL_SUFFIX).text, error);
        paths->target = path_join(parent, step_name("", step, "").text, error);
        paths->replaced = path_join(parent, step_name(".", step, REPLACED_SUFFIX).text, error);
    }
    if (parent && paths->partial && paths->target && paths->replaced)
        return true;
    save_paths_free(paths);
    return false;
}

/* Puts the partial directory in the target's place. An old target ends as the partial directory, or
 * waits as the replaced one: whichever instant the machine stops in, one of the two is found. */
static bool publish(const struct save_paths *paths, struct error *error)
{
    if (!path_exists(paths->target)) {
        if (rename(paths->partial, paths->target) == 0)
            return true;
        return fail_path(error, errno, paths->target, "rename the finished checkpoint to this");
    }
    if (renameat2(AT_FDCWD, paths->partial, AT_FDCWD, paths->target, RENAME_EXCHANGE) == 0)
        return true;
    /* File systems without the exchange: NFS, some FUSE. */
    if (rename(paths->target, paths->replaced) != 0)
        return fail_path(error, errno, paths->target, "move the old checkpoint aside");
    if (rename(paths->partial, paths->target) == 0)
        return true;
    fail_path(error, errno, paths->target, "rename the finished checkpoint to this");
    rename(paths->replaced, paths->target);
    return false;
}

/* Flushes the renames, of the checkpoint and of the directory that it is the first in. */
static bool sync_parents(const char *run_directory, const char *parent, struct error *error)
{
    return directory_sync(parent, error) && directory_sync(run_directory, error);
}

static void warn_and_go_on(struct log *log, struct error *error)
{
    log_warning(log, "%s", error->message);
    *error = (struct error){0};
}

/* Removes a checkpoint so that a half removed one never stands under its name. */
static bool remove_checkpoint(const char *parent, int64_t step, struct error *error)
{
    char *from = path_join(parent, step_name("", step, "").text, error);
    char *to = path_join(parent, step_name(".", step, PARTIAL_SUFFIX).text, error);
    bool done = from && to;
    if (done && rename(from, to) != 0)
        done = fail_path(error, errno, from, "rename for removal");
    done = done && directory_remove(to, error);
    free(from);
    free(to);
    return done;
}

/* Removes what saves that did not come to their end have left, the one at hand included. */
static bool remove_leftover(const char *parent, const char *name, struct error *error)
{
    int64_t replaced = parse_step(name, ".", REPLACED_SUFFIX);
    if (replaced < 0 && parse_step(name, ".", PARTIAL_SUFFIX) < 0)
        return true;
    char *path = path_join(parent, name, error);
    char *target =
        path && replaced >= 0 ? path_join(parent, step_name("", replaced, "").text, error) : NULL;
    bool done = path && (target || replaced < 0);
    if (done && target && !path_exists(target))
        done = rename(path, target) == 0 || fail_path(error, errno, path, "rename back");
    else if (done)
        done = directory_remove(path, error);
    free(path);
    free(target);
    return done;
}

static void remove_leftovers(const char *parent, struct log *log)
{
    struct error error = {0};
    struct dirent **entries;
    int count = scandir(parent, &entries, NULL, alphasort);
    if (count < 0) {
        fail_path(&error, errno, parent, "read the directory");
        warn_and_go_on(log, &error);
        return;
    }
    for (int i = 0; i < count; i++) {
        if (!remove_leftover(parent, entries[i]->d_name, &error))
            warn_and_go_on(log, &error);
        free(entries[i]);
    }
    free(entries);
}

/* A warning is enough: the program never reads the link. */
static void point_latest(const char *parent, int64_t step, struct log *log)
{
    struct error error = {0};
    char *fresh = path_join(parent, ".latest" PARTIAL_SUFFIX, &error);
    char *latest = path_join(parent, "latest", &error);
    bool done = fresh && latest;
    if (done) {
        unlink(fresh);
        done = symlink(step_name("", step, "").text, fresh) == 0 && rename(fresh, latest) == 0;
        if (!done)
            fail_path(&error, errno, latest, "link the newest checkpoint");
    }
    if (!done)
        warn_and_go_on(log, &error);
    free(fresh);
    free(latest);
}

/* Later steps are left alone: the run has gone back before them and will write them again. */
static void prune(const char *parent, int64_t newest, int64_t keep, struct log *log)
{
    struct error error = {0};
    struct candidates candidates;
    int64_t seen = 0;
    if (!find_candidates(parent, &candidates, &error))
        warn_and_go_on(log, &error);
    for (size_t i = candidates.count; keep > 0 && i-- > 0;) {
        const struct candidate *candidate = &candidates.list[i];
        if (candidate->replaced || candidate->step == 0 || candidate->step > newest)
            continue;
        if (++seen > keep && !remove_checkpoint(parent, candidate->step, &error))
            warn_and_go_on(log, &error);
    }
    free(candidates.list);
}

static bool write_partial(const struct save_paths *paths, const struct checkpoint_model *model,
                          const struct tokenizer *tokenizer, const struct training_state *state,
                          struct error *error)
{
    /* It must be new: all that it holds goes into the list of files. */
    if (mkdir(paths->partial, 0777) != 0)
        return fail_path(error, errno, paths->partial, "create the directory");
    return checkpoint_content_write(paths->partial, model, tokenizer, state, error) &&
           directory_sync(paths->partial, error);
}

bool checkpoint_save(const char *run_directory, const struct checkpoint_model *model,
                     const struct tokenizer *tokenizer, const struct training_state *state,
                     int64_t keep, struct log *log, struct error *error)
{
    struct save_paths paths;
    if (!save_paths_make(&paths, run_directory, state->step, error))
        return false;
    bool done = directory_make(paths.parent, error);
    if (done) {
        remove_leftovers(paths.parent, log);
        done = write_partial(&paths, model, tokenizer, state, error) && publish(&paths, error) &&
               sync_parents(run_directory, paths.parent, error);
        if (done) {
            point_latest(paths.parent, state->step, log);
            prune(paths.parent, state->step, keep, log);
        }
        remove_leftovers(paths.parent, log);
    }
    save_paths_free(&paths);
    return done || fail_context(error, "checkpoint of step %" PRId64, state->step);
}

/* ---- finding ---- */

/* The path of the candidate if it is intact; otherwise NULL, after a warning. */
static char *intact_path(const char *parent, const struct candidate *candidate, struct log *log,
                         struct error *error)
{
    struct name name = candidate->replaced ? step_name(".", candidate->step, REPLACED_SUFFIX)
                                           : step_name("", candidate->step, "");
    char *path = path_join(parent, name.text, error);
    if (!path || checkpoint_verify(path, error))
        return path;
    log_warning(log, "%s is damaged and passed over: %s", path, error->message);
    free(path);
    return NULL;
}

bool checkpoint_find_latest(const char *run_directory, char **directory, struct log *log,
                            struct error *error)
{
    *directory = NULL;
    struct candidates candidates = {0};
    char *parent = checkpoints_directory(run_directory, error);
    bool done = parent && find_candidates(parent, &candidates, error);
    struct error damage = {0};
    for (size_t i = candidates.count; done && !*directory && i-- > 0;)
        *directory = intact_path(parent, &candidates.list[i], log, &damage);
    if (done && candidates.count && !*directory) {
        done = fail_input(error, "%s: none of %zu checkpoints is intact: %s", parent,
                          candidates.count, damage.message);
        error->kind = damage.kind; /* memory may have been short, or a disk dying */
    }
    free(candidates.list);
    free(parent);
    return done;
}

static bool holds(const char *directory, const char *name, bool *found, struct error *error)
{
    char *path = path_join(directory, name, error);
    *found = path && path_exists(path);
    free(path);
    return path;
}

char *model_directory_resolve(const char *path, struct log *log, struct error *error)
{
    bool model, run;
    if (!path_is_directory(path)) {
        fail_input(error, "%s: %s; expected a model directory, a checkpoint or a run directory",
                   path, path_exists(path) ? "is not a directory" : "no such directory");
        return NULL;
    }
    if (!holds(path, "config.json", &model, error) || !holds(path, "checkpoints", &run, error))
        return NULL;
    if (model)
        return path_join("", path, error);
    char *latest = NULL;
    if (!run)
        fail_input(error,
                   "%s: holds neither config.json (a model directory or checkpoint) nor "
                   "checkpoints/ (a run directory)",
                   path);
    else if (checkpoint_find_latest(path, &latest, log, error) && !latest)
        fail_input(error, "%s/checkpoints: holds no checkpoint yet", path);
    return latest;
}

bool model_directory_verify(const char *directory, struct error *error)
{
    bool checkpoint;
    return holds(directory, TRAINING_STATE_FILE, &checkpoint, error) &&
           (!checkpoint || checkpoint_verify(directory, error) ||
            fail_context(error, "the checkpoint is not as it was saved (if that is meant, remove "
                                "its " TRAINING_STATE_FILE ")"));
}

char *model_directory_open(const char *path, struct log *log, struct error *error)
{
    char *directory = model_directory_resolve(path, log, error);
    /* The latest checkpoint of a run is one that has been verified. */
    bool verified = directory && strcmp(directory, path) != 0;
    if (!directory || verified || model_directory_verify(directory, error))
        return directory;
    free(directory);
    return NULL;
}

#include "checkpoint/checkpoint.h"

#include "base/directory.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/partial.h"

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

/* Returns the step in "PREFIXstep-NNNNNNNNSUFFIX", with eight digits or more; -1 for any other
 * name. */
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
    bool replaced; /* whether an unfinished save has moved it aside */
};

struct candidates {
    struct candidate *list;
    size_t count, capacity;
};

/* Orders by step; of two candidates of one step, the replaced one comes first. */
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

/* Finds the candidates in RUN/checkpoints, in ascending order; none if the directory does not
 * exist. The caller frees the list, also on failure. */
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

static bool has_readable_state(const char *run_directory, int64_t step)
{
    struct error ignored = {0};
    struct training_state state;
    char *path = checkpoint_path(run_directory, step, &ignored);
    const bool readable = path && training_state_read(path, &state, &ignored);
    if (readable)
        training_state_free(&state);
    free(path);
    return readable;
}

/* Finds the newest of the listed checkpoints that has a readable state; if none has, the newest. */
static bool find_readable(const char *run_directory, char **directory, struct error *error)
{
    int64_t *steps;
    size_t count;
    if (!checkpoint_list(run_directory, &steps, &count, error))
        return false;
    size_t left = count;
    while (left && !has_readable_state(run_directory, steps[left - 1]))
        left--;
    if (count)
        *directory = checkpoint_path(run_directory, steps[(left ? left : count) - 1], error);
    free(steps);
    return !count || *directory;
}

bool checkpoint_find_last(const char *run_directory, char **directory, struct error *error)
{
    *directory = NULL;
    char *link = path_join(run_directory, "checkpoints/latest", error);
    if (!link)
        return false;
    if (path_is_directory(link)) {
        *directory = link;
        return true;
    }
    free(link);
    return find_readable(run_directory, directory, error);
}

bool checkpoint_exists(const char *run_directory)
{
    struct error ignored = {0};
    int64_t *steps;
    size_t count = 0;
    if (checkpoint_list(run_directory, &steps, &count, &ignored))
        free(steps);
    return count > 0;
}

/* ---- saving ---- */

/* The paths of one save. */
struct save_paths {
    char *parent;  /* RUN/checkpoints */
    char *partial; /* the directory in which the checkpoint is made */
    char *target;
    char *replaced; /* the place of an old checkpoint of the step, if it cannot be exchanged */
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

/* Puts the partial directory in the target's place. An old target becomes the partial directory, or
 * waits as the replaced one: at whatever instant the machine stops, one of the two can be found. */
static bool publish(const struct save_paths *paths, struct error *error)
{
    if (!path_exists(paths->target)) {
        if (rename(paths->partial, paths->target) == 0)
            return true;
        return fail_path(error, errno, paths->target, "rename the finished checkpoint to this");
    }
    if (renameat2(AT_FDCWD, paths->partial, AT_FDCWD, paths->target, RENAME_EXCHANGE) == 0)
        return true;
    /* File systems such as NFS and some of FUSE cannot exchange names. */
    if (rename(paths->target, paths->replaced) != 0)
        return fail_path(error, errno, paths->target, "move the old checkpoint aside");
    if (rename(paths->partial, paths->target) == 0)
        return true;
    fail_path(error, errno, paths->target, "rename the finished checkpoint to this");
    rename(paths->replaced, paths->target);
    return false;
}

/* Flushes the rename of the checkpoint, and the creation of the checkpoints directory in case it is
 * new. */
static bool sync_parents(const char *run_directory, const char *parent, struct error *error)
{
    return directory_sync(parent, error) && directory_sync(run_directory, error);
}

static void warn_and_go_on(struct log *log, struct error *error)
{
    log_warning(log, "%s", error->message);
    *error = (struct error){0};
}

/* ---- foreign files ---- */

/* For scandir: true for files that no version writes into a checkpoint. A file that somebody has
 * put there, such as notes, is never removed. */
static int is_foreign(const struct dirent *entry)
{
    static const char *const own[] = {".",
                                      "..",
                                      "config.json",
                                      "model.safetensors",
                                      "optimizer.safetensors",
                                      "special_tokens_map.json",
                                      "tokenizer.json",
                                      "tokenizer_config.json",
                                      "training_state.json",
                                      "vocab.txt"};
    size_t partial = partial_origin(entry->d_name);
    size_t size = partial ? partial : strlen(entry->d_name);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strlen(own[i]) == size && memcmp(entry->d_name, own[i], size) == 0)
            return 0;
    return 1;
}

static bool rename_into(const char *from, const char *to, const char *name, struct error *error)
{
    char *old = path_join(from, name, error), *new = path_join(to, name, error);
    bool done = old && new;
    if (done && renameat2(AT_FDCWD, old, AT_FDCWD, new, RENAME_NOREPLACE) != 0)
        done = fail_path(error, errno, old, "move to the checkpoint that replaces its own");
    free(old);
    free(new);
    return done;
}

/* Moves the foreign files to the directory `to`, or only counts them if that is NULL. */
static bool move_foreign(const char *from, const char *to, int *count, struct error *error)
{
    struct dirent **entries;
    bool done = true;
    *count = scandir(from, &entries, is_foreign, alphasort);
    if (*count < 0)
        return fail_path(error, errno, from, "read the directory");
    for (int i = 0; i < *count; i++) {
        done = done && (!to || rename_into(from, to, entries[i]->d_name, error));
        free(entries[i]);
    }
    free(entries);
    return done;
}

/* ---- removing ---- */

static bool is_link(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 && S_ISLNK(status.st_mode);
}

/* Removes a checkpoint such that its name never leads to a half removed one. A link and a
 * checkpoint with foreign files stay. */
static bool remove_checkpoint(const char *parent, int64_t step, struct error *error)
{
    char *from = path_join(parent, step_name("", step, "").text, error);
    char *to = path_join(parent, step_name(".", step, PARTIAL_SUFFIX).text, error);
    int foreign = 0;
    const bool link = from && is_link(from); /* to a checkpoint elsewhere: the user's */
    bool done = from && to && (link || move_foreign(from, NULL, &foreign, error));
    if (done && !foreign && !link) {
        done = rename(from, to) == 0 || fail_path(error, errno, from, "rename for removal");
        done = done && directory_remove(to, error);
    }
    free(from);
    free(to);
    return done;
}

/* Removes the partial directory of this step. It may be an earlier checkpoint of the step, which a
 * later one has replaced; then the later one gets its foreign files. */
static bool remove_partial(const char *parent, const char *path, int64_t step, struct error *error)
{
    char *target = path_join(parent, step_name("", step, "").text, error);
    int foreign;
    bool done =
        target && (!path_is_directory(target) || move_foreign(path, target, &foreign, error));
    free(target);
    return done && directory_remove(path, error);
}

/* Removes a leftover of an unfinished save, perhaps of the current one. */
static bool remove_leftover(const char *parent, const char *name, struct error *error)
{
    int64_t replaced = parse_step(name, ".", REPLACED_SUFFIX);
    int64_t partial = parse_step(name, ".", PARTIAL_SUFFIX);
    if (replaced < 0 && partial < 0)
        return true;
    char *path = path_join(parent, name, error);
    char *target =
        path && replaced >= 0 ? path_join(parent, step_name("", replaced, "").text, error) : NULL;
    bool done = path && (target || replaced < 0);
    if (done && target && !path_exists(target))
        done = rename(path, target) == 0 || fail_path(error, errno, path, "rename back");
    else if (done)
        done = remove_partial(parent, path, partial < 0 ? replaced : partial, error);
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

/* ---- links ---- */

static bool remove_link(const char *path, struct error *error)
{
    return !is_link(path) || unlink(path) == 0 || fail_path(error, errno, path, "remove");
}

/* Points the link to a step, or removes it for step -1. A failure is only a warning, because the
 * program finds checkpoints by their names. */
static void point_link(const char *parent, const char *name, int64_t step, struct log *log)
{
    struct error error = {0};
    char *path = path_join(parent, name, &error);
    bool done = path && (step < 0 ? remove_link(path, &error)
                                  : directory_link(path, step_name("", step, "").text, &error));
    if (!done)
        warn_and_go_on(log, &error);
    free(path);
}

static void point_best(const char *parent, const struct training_state *state, bool wanted,
                       struct log *log)
{
    struct error error = {0};
    int64_t step = wanted ? state->best_step : -1;
    char *path = step < 0 ? NULL : path_join(parent, step_name("", step, "").text, &error);
    point_link(parent, "best", path && path_is_directory(path) ? step : -1, log);
    free(path);
}

void checkpoint_link_best(const char *run_directory, const struct training_state *state,
                          bool wanted, struct log *log)
{
    struct error error = {0};
    char *parent = checkpoints_directory(run_directory, &error);
    if (parent)
        point_best(parent, state, wanted, log);
    free(parent);
}

/* ---- retention ---- */

/* Removes old checkpoints. Those of later steps stay, because the run has gone back before them and
 * will write them again. */
static void prune(const char *parent, const struct training_state *state,
                  struct checkpoint_retention retention, struct log *log)
{
    int64_t best = retention.best ? state->best_step : -1;
    struct error error = {0};
    struct candidates candidates;
    int64_t seen = 0;
    if (!find_candidates(parent, &candidates, &error))
        warn_and_go_on(log, &error);
    for (size_t i = candidates.count; retention.newest > 0 && i-- > 0;) {
        const struct candidate *candidate = &candidates.list[i];
        if (candidate->replaced || candidate->step == 0 || candidate->step > state->step)
            continue;
        if (++seen > retention.newest && candidate->step != best &&
            !remove_checkpoint(parent, candidate->step, &error))
            warn_and_go_on(log, &error);
    }
    free(candidates.list);
}

static bool write_partial(const struct save_paths *paths, const struct checkpoint_model *model,
                          const struct tokenizer *tokenizer, const struct training_state *state,
                          struct error *error)
{
    /* The directory must be new, because all its files are put on the list. */
    if (mkdir(paths->partial, 0777) != 0)
        return fail_path(error, errno, paths->partial, "create the directory");
    return checkpoint_content_write(paths->partial, model, tokenizer, state, error) &&
           directory_sync(paths->partial, error);
}

bool checkpoint_save(const char *run_directory, const struct checkpoint_model *model,
                     const struct tokenizer *tokenizer, const struct training_state *state,
                     struct checkpoint_retention retention, struct log *log, struct error *error)
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
            point_link(paths.parent, "latest", state->step, log);
            point_best(paths.parent, state, retention.best, log);
            prune(paths.parent, state, retention, log);
        }
        remove_leftovers(paths.parent, log);
    }
    save_paths_free(&paths);
    return done || fail_context(error, "checkpoint of step %" PRId64, state->step);
}

/* ---- finding ---- */

/* Returns the path of the candidate if it is intact; otherwise NULL, after a warning. */
static char *intact_path(const char *parent, const struct candidate *candidate, struct log *log,
                         struct error *error)
{
    struct name name = candidate->replaced ? step_name(".", candidate->step, REPLACED_SUFFIX)
                                           : step_name("", candidate->step, "");
    char *path = path_join(parent, name.text, error);
    if (!path || checkpoint_verify(path, error))
        return path;
    log_warning(log, "%s is damaged; skipping it: %s", path, error->message);
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
        error->kind = damage.kind; /* memory may have been short, or a disk may be failing */
    }
    free(candidates.list);
    free(parent);
    return done;
}

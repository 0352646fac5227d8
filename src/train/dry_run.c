#include "train/dry_run.h"

#include "base/directory.h"
#include "base/file.h"
#include "base/machine.h"
#include "base/temporary_directory.h"
#include "checkpoint/checkpoint.h"
#include "train/run_files.h"
#include "train/trainer.h"

#include <fts.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum { TRIED_STEPS = 3 };

struct trial {
    struct dry_run *result;
    double last;         /* the clock after the last step and its evaluation */
    int64_t last_tokens; /* before the last step */
};

/* ---- steps ---- */

/* The first step also makes the system provide the memory: it does not count. */
static void time_step(struct trial *trial, const struct train_metrics *step)
{
    struct dry_run *result = trial->result;
    double seconds = (double)(step->tokens - trial->last_tokens) / step->tokens_per_second;
    if (step->step > 2 && step->tokens_per_second <= result->tokens_per_second)
        return;
    result->step_seconds = seconds;
    result->tokens_per_second = step->tokens_per_second;
}

static bool watch(void *context, const struct train_report *report)
{
    struct trial *trial = context;
    const double now = machine_seconds();
    const struct train_metrics *step = report->metrics;
    trial->result->steps = report->steps;
    time_step(trial, step);
    if (report->evaluation)
        trial->result->evaluation_seconds =
            fmax(now - trial->last - trial->result->step_seconds, 0);
    trial->last = now;
    trial->last_tokens = step->tokens;
    return step->step < TRIED_STEPS;
}

/* ---- the disk ---- */

/* Returns the bytes of the files below a directory; 0 if there is none. */
static uint64_t size_of(char *path)
{
    char *const roots[] = {path, NULL};
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    uint64_t bytes = 0;
    for (const FTSENT *entry; walk && (entry = fts_read(walk));)
        if (entry->fts_info == FTS_F)
            bytes += (uint64_t)entry->fts_statp->st_size;
    if (walk)
        fts_close(walk);
    return bytes;
}

static bool measure_below(const char *directory, const char *name, uint64_t *bytes,
                          struct error *error)
{
    char *path = path_join(directory, name, error);
    if (path)
        *bytes = size_of(path);
    free(path);
    return path != NULL;
}

/* Checkpoints that exist at the same time: of step 0, the kept ones, the best one, and one that is
 * being written. */
static double checkpoints_at_once(const struct run_config *config, const struct dry_run *result)
{
    const double all = (double)result->checkpoints;
    const double kept =
        config->train.keep_checkpoints ? fmin((double)config->train.keep_checkpoints, all) : all;
    const bool best = config->train.keep_best && result->evaluations;
    return 1 + kept + best + 1;
}

/* Before the trial, whose files may be on the same disk. */
static bool measure_free(const char *output, struct dry_run *result, struct error *error)
{
    struct statvfs system;
    char *above = directory_existing(output, error);
    if (!above)
        return false;
    result->free_bytes = statvfs(above, &system) == 0
                             ? (uint64_t)system.f_bavail * (uint64_t)system.f_frsize
                             : UINT64_MAX;
    free(above);
    return true;
}

static bool measure_disk(const struct run_config *config, const char *run, struct dry_run *result,
                         struct error *error)
{
    char *checkpoint;
    if (!checkpoint_find_last(run, &checkpoint, error))
        return false;
    /* "checkpoints/latest/", because a link has no files below it. */
    const bool measured =
        !checkpoint || measure_below(checkpoint, "", &result->checkpoint_bytes, error);
    free(checkpoint);
    if (!measured || !measure_below(run, "data", &result->data_bytes, error))
        return false;
    result->disk_bytes = result->data_bytes + (uint64_t)(checkpoints_at_once(config, result) *
                                                         (double)result->checkpoint_bytes);
    return true;
}

/* ---- the whole run ---- */

/* How often something happens that happens every so many steps, and at the end. */
static int64_t times(int64_t steps, int64_t every)
{
    return every ? (steps + every - 1) / every : 1;
}

/* Steps of longer sequences take longer, in about the same proportion. */
static double seconds_of_steps(const struct run_config *config, const struct dry_run *result)
{
    double steps = config->train.phases.count ? 0 : (double)result->steps;
    for (size_t i = 0; i < config->train.phases.count; i++) {
        const struct phase *phase = &config->train.phases.items[i];
        steps += (double)phase->steps * phase->seq_len / config->train.phases.items[0].seq_len;
    }
    return steps * result->step_seconds;
}

/* Returns how many checkpoints are saved at most: by steps and at the end, by the clock between
 * these, and after evaluations that are better than all before them. */
static int64_t count_checkpoints(const struct run_config *config, const struct dry_run *result)
{
    const int64_t every = config->train.save_every, by_steps = times(result->steps, every);
    const double seconds = 60 * config->train.save_minutes;
    const bool apart = every == 0 || config->train.eval_every % every != 0;
    double count = (double)by_steps;
    if (seconds > 0)
        count += count * floor(result->seconds / (double)by_steps / seconds);
    if (config->train.keep_best && apart)
        count += (double)result->evaluations;
    return (int64_t)fmin(count, (double)result->steps);
}

static void extrapolate(const struct run_config *config, struct dry_run *result)
{
    result->evaluations =
        result->evaluation_seconds > 0 ? times(result->steps, config->train.eval_every) : 0;
    result->seconds =
        seconds_of_steps(config, result) + (double)result->evaluations * result->evaluation_seconds;
    result->checkpoints = count_checkpoints(config, result);
}

/* ---- the trial ---- */

/* Checks what the run itself checks first, and leaves nothing in the output. */
static bool check_output(const struct run_config *config, struct error *error)
{
    struct run_files files = {0};
    if (checkpoint_exists(config->output))
        return fail_input(error,
                          "%s already contains a run, and --dry-run tries one that has not "
                          "started; choose another output (--set output=DIR)",
                          config->output);
    const bool usable = run_files_lock(config, &files, error);
    if (usable)
        run_files_withdraw(&files, config);
    run_files_release(&files);
    return usable;
}

/* Trains with `config`, whose keys are set for the trial. */
static bool try_steps(const struct run_config *config, struct trial *trial, struct log *log,
                      struct error *error)
{
    const struct train_options options = {
        .eval_every = TRIED_STEPS, .watch = watch, .context = trial};
    trial->last = machine_seconds();
    if (train(config, &options, NULL, log, error))
        return true;
    if (error->kind != ERROR_INTERRUPTED)
        return false;
    *error = (struct error){0};
    return true;
}

/* Runs the trial in the directory `run`, which takes the place of the output. */
static bool try_in(char *run, struct run_config *config, struct dry_run *result, struct log *log,
                   struct error *error)
{
    const struct run_config wanted = *config;
    struct trial trial = {.result = result};
    config->output = run;
    config->train.log_every = 1;
    config->train.save_every = 0;
    config->train.save_minutes = 0;
    config->train.patience = 0;
    config->train.keep_best = false;
    config->train.sync_every = 1; /* the trial has one process */
    bool done = try_steps(config, &trial, log, error);
    *config = wanted;
    if (!done)
        return false;
    extrapolate(config, result);
    return measure_disk(config, run, result, error);
}

bool dry_run(struct run_config *config, struct dry_run *result, struct log *log,
             struct error *error)
{
    *result = (struct dry_run){0};
    struct temporary_directory *scratch =
        check_output(config, error) ? temporary_directory_open("cloze-dry-run", error) : NULL;
    if (!scratch)
        return false;
    char *run = path_join(temporary_directory_path(scratch), "run", error);
    bool done = run && measure_free(config->output, result, error) &&
                try_in(run, config, result, log, error);
    struct error failure = {0};
    if (!temporary_directory_close(scratch, &failure) && done) {
        *error = failure;
        done = false;
    }
    free(run);
    return done;
}

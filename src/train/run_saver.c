#include "train/run_saver.h"

#include "base/machine.h"

bool run_saver_open(struct run_saver *saver, struct run *run, struct progress *progress,
                    struct error *error)
{
    const struct checkpoint_model model = checkpoint_model_of(&run->trainee);
    const struct checkpoint_saver_options options = {
        .run_directory = run->config->output,
        .tokenizer = run->tokenizer,
        .retention = {run->config->train.keep_checkpoints, run->config->train.keep_best},
        .last_step = run->resumed ? run->state.step : -1,
        .log = run->log,
    };
    *saver = (struct run_saver){.run = run, .progress = progress};
    saver->writer = checkpoint_saver_open(&model, &options, error);
    return saver->writer != NULL;
}

void run_saver_share(struct run_saver *saver, struct run *run, struct progress *progress,
                     struct exchange *exchange)
{
    saver->run = run;
    saver->progress = progress;
    saver->exchange = exchange;
}

static void collect_moments(void *context, const struct checkpoint_model *snapshot)
{
    exchange_collect_moments(context, snapshot->first_moment, snapshot->second_moment);
}

/* Checks that the parameters that are saved are those of all ranks. */
static bool check_parameters(const struct run_saver *saver, struct error *error)
{
    return !saver->exchange ||
           process_group_agree(saver->run->group, exchange_check_parameters(saver->exchange, error),
                               error);
}

/* Starts a save on rank 0; the others send it what it lacks. */
static void start_save(struct run_saver *saver)
{
    struct run *run = saver->run;
    const bool sharded = saver->exchange && run->config->train.shard_optimizer;
    saver->progress->saved = machine_seconds();
    if (run->state.step > 0)
        run->state.seconds = progress_seconds(saver->progress);
    if (saver->writer)
        checkpoint_saver_start(saver->writer, &run->state, run_trained_length(run),
                               sharded ? collect_moments : NULL, saver->exchange);
    else if (sharded)
        exchange_collect_moments(saver->exchange, NULL, NULL);
}

bool run_saver_save(struct run_saver *saver, struct error *error)
{
    if (!check_parameters(saver, error))
        return false;
    start_save(saver);
    return true;
}

bool run_saver_save_and_wait(struct run_saver *saver, struct error *error)
{
    struct error failure = {0};
    if (!run_saver_save(saver, error))
        return false;
    const bool saved = run_saver_wait(saver, &failure);
    if (!saved)
        fail_work(error, "%s%s", failure.message, run_saver_kept(saver).text);
    return process_group_agree(saver->run->group, saved, error);
}

bool run_saver_wait(struct run_saver *saver, struct error *error)
{
    return !saver->writer || checkpoint_saver_wait(saver->writer, error);
}

bool run_saver_is_busy(struct run_saver *saver)
{
    return checkpoint_saver_busy(saver->writer);
}

struct text64 run_saver_kept(const struct run_saver *saver)
{
    struct text64 text = {""};
    if (!saver->writer)
        return text;
    int64_t step = checkpoint_saver_counts(saver->writer).last_step;
    if (step >= 0)
        snprintf(text.text, sizeof text.text, "; the checkpoint of step %lld is kept",
                 (long long)step);
    return text;
}

int64_t run_saver_failed(const struct run_saver *saver)
{
    return saver->writer ? checkpoint_saver_counts(saver->writer).failed : 0;
}

void run_saver_close(struct run_saver *saver)
{
    checkpoint_saver_close(saver->writer);
    *saver = (struct run_saver){0};
}

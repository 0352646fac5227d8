#include "train/finetune.h"

#include "base/directory.h"
#include "base/file.h"
#include "base/format.h"
#include "base/memory.h"
#include "checkpoint/checkpoint.h"
#include "train/interrupt.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- one seed ---- */

static struct text32 seed_name(int64_t seed)
{
    struct text32 name;
    snprintf(name.text, sizeof name.text, "seed-%lld", (long long)seed);
    return name;
}

/* Runs one of several seeds in its directory, as a run of its own. */
static bool train_in(const struct run_config *config, int64_t seed,
                     const struct train_options *options, struct run_result *result,
                     struct log *log, struct error *error)
{
    struct train_options own_options = *options;
    struct run_config own = *config;
    own.seed = seed;
    own.train.seeds = (struct integers){0};
    own.output = path_join(config->output, seed_name(seed).text, error);
    if (!own.output)
        return false;
    log_line(log, "seed        %lld", (long long)seed);
    own_options.resume = options->resume && checkpoint_exists(own.output);
    bool done = train(&own, &own_options, result, log, error);
    free(own.output);
    return done;
}

static bool train_alone(const struct run_config *config, const struct train_options *options,
                        struct seed_result *result, struct log *log, struct error *error)
{
    struct run_config own = *config;
    own.train.seeds = (struct integers){0};
    if (config->train.seeds.count)
        own.seed = config->train.seeds.items[0];
    result->seed = own.seed;
    return train(&own, options, &result->result, log, error);
}

/* ---- several seeds ---- */

static bool check_no_run(const char *path, struct error *error)
{
    return !checkpoint_exists(path) ||
           fail_input(error,
                      "%s already contains a run. Continue it with --resume, or choose another "
                      "output (--set output=DIR)",
                      path);
}

/* Refuses to begin in a directory that is a run or has some, before the first of them is found. */
static bool check_unused(const struct run_config *config, struct error *error)
{
    bool unused = check_no_run(config->output, error);
    for (size_t i = 0; i < config->train.seeds.count && unused; i++) {
        char *path = path_join(config->output, seed_name(config->train.seeds.items[i]).text, error);
        unused = path && check_no_run(path, error);
        free(path);
    }
    return unused;
}

/* Returns the index of the seed with the highest metric, the first one of equals; count if it is
 * defined for none. */
static size_t best_of(const struct finetune_results *results)
{
    size_t best = results->count;
    for (size_t i = 0; i < results->count; i++) {
        const struct task_score *score = &results->seeds[i].result.score;
        if (score->defined &&
            (best == results->count || score->value > results->seeds[best].result.score.value))
            best = i;
    }
    return best;
}

/* A failure is only a warning: the runs of the seeds are complete. */
static void link_best(const struct run_config *config, const struct finetune_results *results,
                      struct log *log)
{
    struct error error = {0};
    const size_t best = best_of(results);
    if (best == results->count)
        return;
    const struct text32 name = seed_name(results->seeds[best].seed);
    char *path = path_join(config->output, "best", &error);
    if (!path || !directory_link(path, name.text, &error))
        log_warning(log, "%s; without this link, %s stands for no model", error.message,
                    path_shown(config->output));
    else
        log_line(log, "best: %s (%s)", path_shown(path), name.text);
    free(path);
}

/* Ends, between two seeds, a training that was stopped at the last step of one. */
static bool end_between(int64_t seed, const char *command, struct log *log, struct error *error)
{
    char stopped[64];
    snprintf(stopped, sizeof stopped, "Stopped after seed %lld.", (long long)seed);
    return interrupt_end(stopped, command, log, error);
}

static bool train_all(const struct run_config *config, const struct train_options *options,
                      struct finetune_results *results, struct log *log, struct error *error)
{
    if (!options->resume && !check_unused(config, error))
        return false;
    bool stopped = false;
    struct train_options own = *options;
    own.stopped = &stopped;
    for (size_t i = 0; i < results->count; i++) {
        struct seed_result *seed = &results->seeds[i];
        seed->seed = config->train.seeds.items[i];
        if (stopped)
            return end_between(results->seeds[i - 1].seed, options->resume_command, log, error);
        if (!train_in(config, seed->seed, &own, &seed->result, log, error))
            return false;
    }
    link_best(config, results, log);
    return true;
}

bool finetune(const struct run_config *config, const struct train_options *options,
              struct finetune_results *results, struct log *log, struct error *error)
{
    const size_t seeds = config->train.seeds.count;
    results->count = seeds > 1 ? seeds : 1;
    results->seeds = allocate(results->count, sizeof *results->seeds, error);
    bool done =
        results->seeds && (seeds > 1 ? train_all(config, options, results, log, error)
                                     : train_alone(config, options, results->seeds, log, error));
    if (!done)
        finetune_results_free(results);
    return done;
}

void finetune_results_free(struct finetune_results *results)
{
    free(results->seeds);
    *results = (struct finetune_results){0};
}

/* ---- the results ---- */

struct finetune_summary finetune_summarize(const struct finetune_results *results)
{
    struct finetune_summary summary = {.mean = {.defined = true, .has_interval = true}};
    struct task_score *mean = &summary.mean;
    const double count = (double)results->count;
    double squares = 0;
    for (size_t i = 0; i < results->count; i++) {
        const struct task_score *score = &results->seeds[i].result.score;
        mean->defined = mean->defined && score->defined;
        mean->has_interval = mean->has_interval && score->has_interval;
        mean->value += score->value / count;
        mean->interval.low += score->interval.low / count;
        mean->interval.high += score->interval.high / count;
    }
    if (!mean->defined)
        return (struct finetune_summary){0};
    for (size_t i = 0; i < results->count; i++) {
        double difference = results->seeds[i].result.score.value - mean->value;
        squares += difference * difference;
    }
    summary.has_spread = results->count > 1;
    if (summary.has_spread)
        summary.spread = sqrt(squares / (count - 1));
    return summary;
}

static json_t *seeds_json(const struct finetune_results *results)
{
    json_t *list = json_array();
    for (size_t i = 0; i < results->count && list; i++) {
        const struct seed_result *seed = &results->seeds[i];
        json_t *entry = json_pack("{s:I, s:o, s:o, s:I}", "seed", (json_int_t)seed->seed, "value",
                                  task_score_json(&seed->result.score), "interval",
                                  task_score_interval_json(&seed->result.score), "step",
                                  (json_int_t)seed->result.step);
        if (json_array_append_new(list, entry) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

json_t *finetune_results_json(const struct finetune_results *results, const char *metric)
{
    const struct finetune_summary summary = finetune_summarize(results);
    json_t *spread = summary.has_spread ? json_real(summary.spread) : json_null();
    return json_pack("{s:s, s:o, s:o, s:o, s:o}", "metric", metric, "value",
                     task_score_json(&summary.mean), "interval",
                     task_score_interval_json(&summary.mean), "spread", spread, "seeds",
                     seeds_json(results));
}

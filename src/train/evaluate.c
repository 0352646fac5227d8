#include "train/evaluate.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct interval loss_interval(const struct loss_sums *sums)
{
    double count = (double)sums->count, center = loss_sums_mean(sums);
    if (sums->count < 2)
        return (struct interval){center, center};
    double variance = (sums->loss_squares - center * sums->loss) / (count - 1);
    double margin = INTERVAL_QUANTILE * sqrt(fmax(variance, 0) / count);
    return (struct interval){center - margin, center + margin};
}

struct evaluation evaluation_from_sums(const struct objective_sums *sums)
{
    const struct loss_sums *mlm = &sums->heads[HEAD_MLM], *nsp = &sums->heads[HEAD_NSP];
    struct evaluation result = {
        .loss = objective_loss(sums),
        .mlm_loss = loss_sums_mean(mlm),
        .nsp_loss = loss_sums_mean(nsp),
        .mlm_accuracy = loss_sums_accuracy(mlm),
        .nsp_accuracy = loss_sums_accuracy(nsp),
        .predictions = mlm->count,
        .pairs = nsp->count,
        .mlm_loss_interval = loss_interval(mlm),
        .nsp_loss_interval = loss_interval(nsp),
        .mlm_accuracy_interval = accuracy_interval((double)mlm->correct, mlm->count),
        .nsp_accuracy_interval = accuracy_interval((double)nsp->correct, nsp->count),
    };
    result.perplexity = exp(result.mlm_loss);
    result.perplexity_interval =
        (struct interval){exp(result.mlm_loss_interval.low), exp(result.mlm_loss_interval.high)};
    return result;
}

/* Opens a loader of this rank's examples: batch_size of each batch of all ranks. */
static struct loader *open_share(const struct dataset *dataset, const struct vocabulary *vocabulary,
                                 const struct evaluation_options *options, struct error *error)
{
    const int size = options->batch_size;
    struct loader_options loader_options = {
        .examples = options->examples,
        .masking = options->masking,
        .batch_size = size * process_group_size(options->group),
        .share = {size * process_group_rank(options->group), size},
        .first_step = 1,
        .one_epoch = true,
        .max_examples = (uint64_t)options->max_examples,
        .threads = options->threads,
    };
    loader_options.examples.seed = options->seed;
    return loader_open(dataset, vocabulary, &loader_options, error);
}

/* Adds up the sums of all ranks, in their order. */
static bool add_ranks(struct process_group *group, struct objective_sums *sums, struct error *error)
{
    const size_t ranks = (size_t)process_group_size(group);
    struct objective_sums *all = allocate(ranks, sizeof *all, error), own = *sums;
    if (!all)
        return false;
    process_group_gather(group, &own, sizeof own, all);
    *sums = (struct objective_sums){0};
    for (size_t rank = 0; rank < ranks; rank++)
        objective_sums_add(sums, &all[rank]);
    free(all);
    return true;
}

bool evaluate(const struct model *model, struct workspace *workspace, const struct dataset *dataset,
              const struct vocabulary *vocabulary, const struct evaluation_options *options,
              struct evaluation *result, struct log *log, struct error *error)
{
    struct loader *loader = open_share(dataset, vocabulary, options, error);
    if (!loader)
        return false;
    struct objective_sums sums = {0};
    uint64_t batches = loader_batches(loader);
    for (uint64_t i = 0; i < batches; i++) {
        const struct batch *batch = loader_next(loader, error);
        if (!batch) {
            loader_close(loader);
            return false;
        }
        objective_evaluate(model, workspace, batch, &sums);
        log_live(log, "evaluating: %llu of %llu batches", (unsigned long long)i + 1,
                 (unsigned long long)batches);
    }
    loader_close(loader);
    if (!add_ranks(options->group, &sums, error))
        return false;
    *result = evaluation_from_sums(&sums);
    return true;
}

void evaluation_log(const struct evaluation *evaluation, const char *title, struct log *log)
{
    log_line(log, "%s: MLM loss %.4f, accuracy %.1f %% (%.1f to %.1f)", title, evaluation->mlm_loss,
             100 * evaluation->mlm_accuracy, 100 * evaluation->mlm_accuracy_interval.low,
             100 * evaluation->mlm_accuracy_interval.high);
    if (evaluation->pairs)
        log_line(log, "%*s  NSP loss %.4f, accuracy %.1f %% (%.1f to %.1f)", (int)strlen(title), "",
                 evaluation->nsp_loss, 100 * evaluation->nsp_accuracy,
                 100 * evaluation->nsp_accuracy_interval.low,
                 100 * evaluation->nsp_accuracy_interval.high);
}

#include "train/evaluate.h"

#include <math.h>

/* The 97.5 % quantile of the standard normal distribution. */
static const double normal_quantile = 1.959963984540054;

static double mean(const struct cross_entropy *sums)
{
    return sums->count ? sums->loss / (double)sums->count : 0;
}

static struct interval loss_interval(const struct cross_entropy *sums)
{
    double count = (double)sums->count, center = mean(sums);
    if (sums->count < 2)
        return (struct interval){center, center};
    double variance = (sums->loss_squares - center * sums->loss) / (count - 1);
    double margin = normal_quantile * sqrt(fmax(variance, 0) / count);
    return (struct interval){center - margin, center + margin};
}

static double accuracy(const struct cross_entropy *sums)
{
    return sums->count ? (double)sums->correct / (double)sums->count : 0;
}

static struct interval accuracy_interval(const struct cross_entropy *sums)
{
    if (!sums->count)
        return (struct interval){0, 1};
    double count = (double)sums->count, share = accuracy(sums);
    double square = normal_quantile * normal_quantile;
    double center = (share + square / (2 * count)) / (1 + square / count);
    double margin = normal_quantile / (1 + square / count) *
                    sqrt(share * (1 - share) / count + square / (4 * count * count));
    return (struct interval){fmax(center - margin, 0), fmin(center + margin, 1)};
}

struct evaluation evaluation_from_sums(const struct pretraining_sums *sums)
{
    struct evaluation result = {
        .loss = pretraining_loss(sums),
        .mlm_loss = mean(&sums->mlm),
        .nsp_loss = mean(&sums->nsp),
        .mlm_accuracy = accuracy(&sums->mlm),
        .nsp_accuracy = accuracy(&sums->nsp),
        .predictions = sums->mlm.count,
        .pairs = sums->nsp.count,
        .mlm_loss_interval = loss_interval(&sums->mlm),
        .nsp_loss_interval = loss_interval(&sums->nsp),
        .mlm_accuracy_interval = accuracy_interval(&sums->mlm),
        .nsp_accuracy_interval = accuracy_interval(&sums->nsp),
    };
    result.perplexity = exp(result.mlm_loss);
    result.perplexity_interval =
        (struct interval){exp(result.mlm_loss_interval.low), exp(result.mlm_loss_interval.high)};
    return result;
}

bool evaluate(const struct model *model, struct workspace *workspace, const struct dataset *dataset,
              const struct vocabulary *vocabulary, const struct evaluation_options *options,
              struct evaluation *result, struct log *log, struct error *error)
{
    struct loader_options loader_options = {
        .examples = options->examples,
        .masking = options->masking,
        .batch_size = options->batch_size,
        .first_step = 1,
        .last_step = options->batches ? (uint64_t)options->batches : UINT64_MAX,
        .one_epoch = true,
        .threads = options->threads,
    };
    loader_options.examples.seed = options->seed;
    struct loader *loader = loader_open(dataset, vocabulary, &loader_options, error);
    if (!loader)
        return false;
    struct pretraining_sums sums = {0};
    uint64_t batches = loader_batches(loader);
    for (uint64_t i = 0; i < batches; i++) {
        const struct batch *batch = loader_next(loader, error);
        if (!batch) {
            loader_close(loader);
            return false;
        }
        pretraining_evaluate(model, workspace, batch, &sums);
        log_live(log, "evaluating: %llu of %llu batches", (unsigned long long)i + 1,
                 (unsigned long long)batches);
    }
    loader_close(loader);
    *result = evaluation_from_sums(&sums);
    return true;
}

void evaluation_log(const struct evaluation *evaluation, const char *title, struct log *log)
{
    char nsp[128] = "";
    if (evaluation->pairs)
        snprintf(nsp, sizeof nsp, " | NSP loss %.4f, accuracy %.1f %% [%.1f, %.1f]",
                 evaluation->nsp_loss, 100 * evaluation->nsp_accuracy,
                 100 * evaluation->nsp_accuracy_interval.low,
                 100 * evaluation->nsp_accuracy_interval.high);
    log_line(log, "%s: MLM loss %.4f, perplexity %.4g, accuracy %.1f %% [%.1f, %.1f]%s", title,
             evaluation->mlm_loss, evaluation->perplexity, 100 * evaluation->mlm_accuracy,
             100 * evaluation->mlm_accuracy_interval.low,
             100 * evaluation->mlm_accuracy_interval.high, nsp);
}

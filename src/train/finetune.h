/* Fine-tuning with one seed or several. */
#ifndef CLOZE_TRAIN_FINETUNE_H
#define CLOZE_TRAIN_FINETUNE_H

#include "train/trainer.h"

#include <jansson.h>

struct seed_result {
    int64_t seed;
    struct run_result result;
};

struct finetune_results {
    struct seed_result *seeds; /* [count] owned */
    size_t count;
};

/* Trains as the configuration says: with one seed in config->output, with several in
 * config->output/seed-N, one after the other; there `best` is a link to the best one. With
 * options->resume runs go on at their latest checkpoints, those that are finished are evaluated
 * again, and those that have not begun begin. Errors are those of train(). On success the caller
 * frees the results with finetune_results_free. */
bool finetune(const struct run_config *config, const struct train_options *options,
              struct finetune_results *results, struct log *log, struct error *error);
void finetune_results_free(struct finetune_results *results);

/* The mean of the metric over the seeds and its standard deviation among them (of a sample: divided
 * by one less than their number; not defined for a single seed). The interval is the mean of the
 * seeds' intervals: it tells how far the held-out examples determine the metric. Not defined unless
 * it is for every seed. */
struct finetune_summary {
    struct task_score mean;
    bool has_spread;
    double spread;
};

struct finetune_summary finetune_summarize(const struct finetune_results *results);

/* Returns {"metric": NAME, "value": mean, "interval": [low, high], "spread": deviation,
 * "seeds": [{"seed", "value", "interval", "step"}, ...]}; null stands for what is not defined. NULL
 * when memory is short. */
json_t *finetune_results_json(const struct finetune_results *results, const char *metric);

#endif

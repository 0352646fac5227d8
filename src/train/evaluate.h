/* Evaluation on held-out text: losses and accuracies of both heads with 95 % intervals. The pairs
 * and masks are those of epoch 0 under the evaluation's seed: the same text, vocabulary and options
 * give the same numbers every time. */
#ifndef CLOZE_TRAIN_EVALUATE_H
#define CLOZE_TRAIN_EVALUATE_H

#include "base/log.h"
#include "data/loader.h"
#include "model/pretraining.h"

struct interval {
    double low, high;
};

struct evaluation {
    double loss, mlm_loss, nsp_loss;
    double perplexity;                 /* exp(mlm_loss) */
    double mlm_accuracy, nsp_accuracy; /* 0 .. 1 */
    int64_t predictions, pairs;
    struct interval mlm_loss_interval, perplexity_interval, nsp_loss_interval;
    struct interval mlm_accuracy_interval, nsp_accuracy_interval;
};

struct evaluation_options {
    uint64_t seed;
    struct example_options examples; /* its seed is replaced by the one above */
    struct masking_options masking;
    int batch_size;  /* sequences; the numbers do not depend on it */
    int64_t batches; /* 0: the whole epoch, every example once */
    int threads;
};

/* The workspace must hold sequences of examples.seq_len. A live line shows the progress. */
bool evaluate(const struct model *model, struct workspace *workspace, const struct dataset *dataset,
              const struct vocabulary *vocabulary, const struct evaluation_options *options,
              struct evaluation *result, struct log *log, struct error *error);

/* The numbers from sums. Accuracies: Wilson's score interval (Wilson 1927). Losses: the mean
 * -+ 1.96 standard errors; perplexity: exp of that. Predictions are taken as independent. */
struct evaluation evaluation_from_sums(const struct pretraining_sums *sums);

/* One line: "MLM loss 6.79 ppl 885 accuracy 13.1 % | NSP loss 0.69 accuracy 51.8 % [49.9, 53.7]".
 * Without pairs, the first half. */
void evaluation_log(const struct evaluation *evaluation, const char *title, struct log *log);

#endif

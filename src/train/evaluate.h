/* Evaluation on held-out text: losses and accuracies of both heads with 95 % intervals. Pairs and
 * masks are those of epoch 0 with the evaluation's seed, so that the same text, vocabulary and
 * options always give the same numbers. */
#ifndef CLOZE_TRAIN_EVALUATE_H
#define CLOZE_TRAIN_EVALUATE_H

#include "base/log.h"
#include "data/loader.h"
#include "model/objective.h"
#include "report/interval.h"
#include "train/process_group.h"

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
    struct example_options examples; /* the seed above replaces its seed */
    struct masking_options masking;
    int batch_size;       /* sequences in a batch; the results do not depend on it */
    int64_t max_examples; /* the first so many of the epoch; 0: all of them once */
    int threads;
    struct process_group *group; /* all of whose ranks evaluate, each a share; NULL: alone */
};

/* Evaluates the model on the held-out text. In a group each rank evaluates its share, and all
 * ranks get the result of the whole. The workspace must hold sequences of examples.seq_len. A
 * live line shows the progress. */
bool evaluate(const struct model *model, struct workspace *workspace, const struct dataset *dataset,
              const struct vocabulary *vocabulary, const struct evaluation_options *options,
              struct evaluation *result, struct log *log, struct error *error);

/* Computes the evaluation from sums. The interval of an accuracy is accuracy_interval's, that of a
 * loss the mean -+ 1.96 standard errors, and that of the perplexity exp of the latter. Predictions
 * are taken as independent. */
struct evaluation evaluation_from_sums(const struct objective_sums *sums);

/* Logs a line for each head, the first one after "TITLE: ": "MLM loss 6.79, accuracy 13.1 % (12.8
 * to 13.4)". Without pairs there is only the line of the MLM head. */
void evaluation_log(const struct evaluation *evaluation, const char *title, struct log *log);

#endif

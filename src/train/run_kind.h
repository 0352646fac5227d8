/* What a run trains its model on: the functions in which pre-training and fine-tuning differ. The
 * rest of a run (its directory, model and optimizer, the loop, checkpoints and records) is common
 * to both.
 *
 *     pretraining.c   text: masked tokens and sentence pairs
 *     finetuning.c    labelled examples of a task */
#ifndef CLOZE_TRAIN_RUN_KIND_H
#define CLOZE_TRAIN_RUN_KIND_H

#include "data/batch.h"
#include "model/objective.h"
#include "report/fill_ins.h"
#include "report/metrics.h"
#include "train/evaluate.h"

struct huggingface_missing;
struct run;
struct progress;

/* The batches of consecutive steps. */
struct batch_source {
    void *state; /* NULL: it is not open */

    /* Returns the next step's batch, which is valid until the next call; NULL on failure. */
    const struct batch *(*next)(void *state, struct error *error);
    double (*waited)(const void *state); /* seconds spent waiting in `next` */
    void (*close)(void *state);
};

/* An evaluation on held-out examples. */
struct run_evaluation {
    double score;               /* what the best checkpoint is chosen by; NAN: not defined */
    struct eval_metrics record; /* without step and seconds */
    struct evaluation text;     /* of pre-training */
    struct fill_ins fills;      /* of pre-training */
};

/* The titles of a head's columns in the table on the terminal. */
struct head_titles {
    const char *loss;
    const char *accuracy; /* NULL: the head chooses among no classes */
};

struct run_kind {
    bool higher_is_better; /* whether a higher score is, not a lower one */

    /* Opens the tokenizer, and reads what else the sizes of the model depend on. `checkpoint` is
     * that of a resumed run, or NULL. */
    bool (*open_tokenizer)(struct run *run, const char *checkpoint, struct error *error);

    /* Sets what the training makes of an architecture: heads, labels. */
    void (*complete_architecture)(const struct run *run, struct model_config *architecture);

    /* Returns the largest share of a sequence's tokens that the heads predict. */
    double (*predicted_share)(const struct run *run);

    /* Opens the examples. Sets train_hash, valid_hash, held_out, phases, examples_per_epoch and
     * eval_every. */
    bool (*open_data)(struct run *run, const char *checkpoint, struct error *error);

    /* Checks that the held-out examples can be evaluated, before training. */
    bool (*check_held_out)(const struct run *run, struct error *error);
    void (*close_data)(struct run *run);

    /* Loads the parameters of a model directory, with which a new run begins. */
    bool (*load_parameters)(const struct run *run, const char *directory,
                            struct huggingface_missing *missing, struct error *error);

    /* Returns which of the groups that are not trained yet the run will not train either. */
    unsigned (*untrained_groups)(const struct run *run, unsigned groups);

    /* Opens the batches from a step (from 1) to the end of its phase. The caller closes them before
     * the run. */
    bool (*open_batches)(const struct run *run, int64_t first_step, struct batch_source *batches,
                         struct error *error);

    /* Evaluates the model on the held-out examples and logs a line. */
    bool (*evaluate)(const struct run *run, struct workspace *workspace,
                     struct run_evaluation *result, struct error *error);

    /* What the records have, and of the losses of a step. */
    enum metrics_layout (*layout)(const struct run *run);
    void (*measure)(const struct run *run, struct train_metrics *metrics,
                    const struct objective_sums *sums);

    /* Returns the titles of the heads, in their order, and sets how many are shown. */
    const struct head_titles *(*titles)(const struct run *run, int *count);

    /* Logs, before the first step, what the examples are; `epochs` is how often they are seen. */
    void (*log_data)(const struct run *run);
    void (*log_epochs)(const struct run *run, double epochs);

    /* Ends a run whose last step is done: `waited` is the seconds spent waiting for data. */
    bool (*finish)(struct run *run, const struct progress *progress, double waited,
                   struct error *error);
};

extern const struct run_kind pretraining, finetuning;

#endif

/* An open training run: tokenizer, data, model and optimizer, new or from a checkpoint. */
#ifndef CLOZE_TRAIN_RUN_H
#define CLOZE_TRAIN_RUN_H

#include "base/log.h"
#include "checkpoint/checkpoint.h"
#include "data/dataset.h"
#include "data/loader.h"
#include "data/prepare.h"
#include "optim/trainee.h"
#include "text/tokenizer.h"
#include "train/exchange.h"
#include "train/memory_plan.h"
#include "train/process_group.h"
#include "train/run_config.h"
#include "train/run_files.h"
#include "train/run_kind.h"
#include "train/task_data.h"
#include "train/trainer.h"

struct run {
    const struct run_config *config;
    const struct run_kind *kind;
    struct process_group
        *group;               /* of the ranks that train together; NULL: one process. Not owned */
    struct batch_share share; /* the sequences of each batch that this process has */
    struct log *log;
    int threads;
    struct run_files files; /* the run directory, which is locked */

    struct tokenizer *tokenizer;

    /* Of pre-training: */
    bool vocabulary_trained; /* by this process, which has read the text for it */
    struct prepare_summary prepared;
    struct dataset *train_data;
    struct dataset *valid_data; /* NULL: nothing is held out */

    /* Of fine-tuning: */
    struct task_data *task;
    struct run_result *result; /* not owned */

    bool held_out;                   /* whether there are examples to evaluate on */
    uint64_t train_hash, valid_hash; /* of the examples; 0: nothing is held out */
    int64_t eval_every;              /* steps; 0: only at the end */

    struct phase *phases; /* [phase_count], from the configuration, or one for all steps */
    size_t phase_count;
    int64_t steps; /* of all phases; 0: the hours of the run decide, and nothing is known yet */
    uint64_t examples_per_epoch; /* examples of the first phase's first epoch */
    int64_t steps_per_epoch;     /* of fine-tuning, whose last batch may be smaller; otherwise 0 */

    /* About the checkpoint or the model of model.init_from, if there is one: */
    int rows;                  /* rows of its word embeddings */
    unsigned untrained_groups; /* mask of 1 << enum parameter_group */
    int origin_length;         /* tokens of the longest sequences it was trained with; 0: none */

    struct trainee trainee;
    struct memory_request request; /* the request of the plan */
    struct memory_plan plan;
    bool resumed;                /* whether it began at a checkpoint, perhaps that of step 0 */
    struct training_state state; /* after state.step updates; its config is owned by the run */
};

/* Opens the first half of a run: the vocabulary (trained if there is none or the text or settings
 * it was made from have changed), the data (prepared likewise) and the phases. If the run directory
 * has a checkpoint, both are those of its run, and the configuration and the text must agree with
 * them. The log says what is done. NULL on failure; then a new run whose text was not read to its
 * end leaves nothing behind. Configuration and log must outlive the run. */
struct run *run_open_data(const struct run_config *config, struct log *log, struct error *error);

/* Opens all that is needed before the first step: the run directory, the first half, the memory
 * plan, the model (drawn, read from model.init_from or, with `resume`, from the latest complete
 * checkpoint) and the optimizer. Without `resume`, a run directory with checkpoints is refused.
 * With it, a configuration that differs in a key that may not change, and another text, are
 * refused, and then no file has been changed. A directory with foreign files that a new run would
 * replace is refused (train/run_files.h). On failure as above. Of a group, rank 0 calls it. */
struct run *run_open(const struct run_config *config, bool resume, struct process_group *group,
                     struct log *log, struct error *error);

/* Opens on another rank the run that rank 0 has opened, from its data and its checkpoint of a
 * step in config->output. Changes no file. NULL on failure. */
struct run *run_join(const struct run_config *config, int64_t step, struct process_group *group,
                     struct log *log, struct error *error);
void run_close(struct run *run); /* NULL is accepted */

/* True in the process that writes the files of the run. */
static inline bool run_leads(const struct run *run)
{
    return process_group_leads(run->group);
}

/* Returns the options of an exchange between the ranks of a run. */
struct exchange_options run_exchange_options(const struct run_config *config);

/* Returns the threads of a process for which train.threads does not say how many:
 * OMP_NUM_THREADS, or else the processors that it may use, which ranks that may use the same
 * ones divide. */
int run_default_threads(const struct process_group *group);

/* Returns the phase that a step (from 1) belongs to, and sets the steps of the phases before it. */
size_t run_phase_of(const struct run *run, int64_t step, int64_t *steps_before);

/* Returns the length of a sequence summed over the first `steps` steps. The time that steps take is
 * about proportional to it. */
int64_t run_length_sum(const struct run *run, int64_t steps);

/* Returns the tokens of the longest sequences that the model has been trained with up to
 * state.step, including training before this run; those of the first phase if it has not been
 * trained yet. A task's are those that its examples are cut to, so that others are cut alike. */
int run_trained_length(const struct run *run);

#endif

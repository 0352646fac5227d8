/* A training run, opened: vocabulary, data, model and optimizer, from nothing or from a checkpoint.
 */
#ifndef CLOZE_TRAIN_RUN_H
#define CLOZE_TRAIN_RUN_H

#include "base/log.h"
#include "data/dataset.h"
#include "data/directory_lock.h"
#include "data/loader.h"
#include "data/prepare.h"
#include "model/model.h"
#include "optim/adam.h"
#include "text/tokenizer.h"
#include "train/checkpoint.h"
#include "train/memory_plan.h"
#include "train/run_config.h"

struct run {
    const struct run_config *config;
    struct log *log;
    int threads;
    struct directory_lock lock; /* on the run directory */

    struct tokenizer *tokenizer;
    struct prepare_summary prepared;
    struct dataset *train_data;
    struct dataset *valid_data; /* NULL: nothing is held out */

    struct phase *phases; /* [phase_count], from the configuration or one for all */
    size_t phase_count;
    int64_t steps;               /* of all phases */
    uint64_t examples_per_epoch; /* of the first phase's first epoch */

    struct model *model;
    struct parameter_block gradients; /* zero between the steps */
    struct arena moments;             /* what adam's moments lie in */
    struct adam adam;
    struct memory_plan plan;
    bool resumed;                /* from a checkpoint, that of step 0 included */
    struct training_state state; /* after state.step updates; its config is owned by the run */
};

/* The first half: the vocabulary (trained if there is none or what it was made from has changed),
 * the data (prepared likewise) and the phases. Says on the log what it does. NULL on failure;
 * configuration and log must outlive the run. */
struct run *run_open_data(const struct run_config *config, struct log *log, struct error *error);

/* All that comes before the first step: the run directory, the above, the plan of memory, the model
 * (drawn, read from model.init_from or, with `resume`, from the latest complete checkpoint) and the
 * optimizer. A run directory with checkpoints is refused without `resume`; with it, a configuration
 * that differs in more than may change is. */
struct run *run_open(const struct run_config *config, bool resume, struct log *log,
                     struct error *error);
void run_close(struct run *run); /* NULL is accepted */

/* The phase that a step (from 1) belongs to, and the steps of the phases before it. */
size_t run_phase_of(const struct run *run, int64_t step, int64_t *steps_before);

/* How the configuration makes examples and masks them. */
struct example_options run_example_options(const struct run_config *config, int seq_len);
struct masking_options run_masking_options(const struct run_config *config);

/* The batches from a step (from 1) to the end of its phase. The caller closes the loader before the
 * run. */
struct loader *run_open_loader(const struct run *run, int64_t first_step, struct error *error);

#endif

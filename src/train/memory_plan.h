/* What a run needs of the machine's memory, and how many sequences go through the model at a time.
 */
#ifndef CLOZE_TRAIN_MEMORY_PLAN_H
#define CLOZE_TRAIN_MEMORY_PLAN_H

#include "model/workspace.h"
#include "train/run_config.h"

struct memory_plan {
    int micro_batch_size; /* sequences */
    uint64_t parameters;  /* values, gradients, both moments, and the snapshot for checkpoints,
                             bytes */
    uint64_t activations; /* the workspace of the phase that needs most, bytes */
    uint64_t batches;     /* batches made ahead, bytes */
    uint64_t total, available;
};

/* The limits of the workspace of a phase. */
struct workspace_limits memory_plan_limits(const struct run_config *config, int micro_batch_size,
                                           int seq_len, int threads);

/* Plans for the longest phase. The configured micro_batch_size is taken as it is; without one, the
 * whole batch as long as its activations are small, else as many sequences as keep the threads
 * busy, and fewer if memory is short. What does not fit in the memory available is ERROR_INPUT with
 * all the numbers. `architecture` has its vocab_size. */
bool memory_plan_make(struct memory_plan *plan, const struct run_config *config,
                      const struct model_config *architecture, uint64_t parameter_elements,
                      int threads, uint64_t available, struct error *error);

#endif

/* Makes the batches of a run in the order of its steps, ahead of time in a background thread:
 * chooses examples, masks them and packs them into batches. The batch of a step depends only on the
 * dataset, the vocabulary, the options and the step, not on first_step or the number of threads.
 *
 * Epochs follow one another without a gap: example j of step s is number
 *     (s - 1 - step_base) * batch_size + j
 * of the examples of epochs 0, 1, ... in turn. Epochs differ in their number of examples, so a
 * loader that starts at a late step first counts all earlier epochs; for each of them it reads the
 * lengths of all sentences once.
 *
 * A sequence is [CLS] A [SEP] B [SEP], of type 0 up to the first [SEP] and of type 1 after it; with
 * nsp off it is [CLS] A [SEP] of type 0. */
#ifndef CLOZE_DATA_LOADER_H
#define CLOZE_DATA_LOADER_H

#include "data/batch.h"
#include "data/examples.h"
#include "data/masking.h"

struct loader_options {
    struct example_options examples;
    struct masking_options masking;
    int batch_size;           /* number of sequences of a step */
    struct batch_share share; /* those of them that this loader makes; a count of 0: all */
    uint64_t first_step;      /* the step of the first batch from loader_next, at least 1 */
    uint64_t last_step;       /* the step of the last batch */
    uint64_t step_base;    /* number of steps before this phase: step step_base + 1 has example 0 of
                            epoch 0 */
    bool one_epoch;        /* whether to stop after epoch 0, so that each example is used once: the
                            last batch may have fewer sequences, that of a share none; last_step is
                            not used, and first_step must be step_base + 1 */
    uint64_t max_examples; /* with one_epoch: only the first max_examples; 0: all */
    int threads;           /* number of threads that count an epoch's examples */
};

/* A loader is used by one thread, and starts one of its own. */
struct loader;

/* Counts the epochs up to that of first_step and starts the background thread. Returns NULL with
 * the errors of epoch_open and masking_create. Dataset and vocabulary must outlive the loader. */
struct loader *loader_open(const struct dataset *dataset, const struct vocabulary *vocabulary,
                           const struct loader_options *options, struct error *error);

/* Stops the background thread after its current batch or count and frees the loader. NULL is
 * accepted. */
void loader_close(struct loader *loader);

/* Returns the next step's batch, and waits for it if it is not ready. The loader owns it and reuses
 * its memory after the next call. Returns NULL with the error of the background thread when
 * memory is short or an id is not in the vocabulary. */
const struct batch *loader_next(struct loader *loader, struct error *error);

/* Returns the number of batches: loader_next must not be called more often. */
uint64_t loader_batches(const struct loader *loader);

/* Returns the seconds that loader_next has waited so far. */
double loader_waited(const struct loader *loader);

#endif

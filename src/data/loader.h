/* The batches of a run, by step: examples, masking and packing, made ahead of time by a background
 * thread. The batch of a step is a pure function of the dataset, the vocabulary, the options and
 * the step: not of first_step, nor of the number of threads.
 *
 * Epochs follow one another without a gap: example j of step s is number
 *     (s - 1 - step_base) * batch_size + j
 * in the chain of epochs 0, 1, ..., each of which has a number of examples of its own. So starting
 * late counts all epochs before: the lengths of all sentences are read once for each.
 *
 * A sequence is [CLS] A [SEP] B [SEP], type 0 up to the first [SEP] and 1 behind it; with nsp off
 * [CLS] run [SEP], type 0. */
#ifndef CLOZE_DATA_LOADER_H
#define CLOZE_DATA_LOADER_H

#include "data/batch.h"
#include "data/examples.h"
#include "data/masking.h"

struct loader_options {
    struct example_options examples;
    struct masking_options masking;
    int batch_size;      /* sequences a step */
    uint64_t first_step; /* from 1: the first batch that loader_next returns */
    uint64_t last_step;  /* inclusive */
    uint64_t step_base; /* steps before this phase: example 0 of epoch 0 is in step step_base + 1 */
    bool one_epoch;     /* end with epoch 0 if that comes before last_step, each example once: the
                           last batch may have fewer sequences. From step_base + 1 only. */
    int threads;        /* for counting an epoch's examples */
};

/* Used by one thread, beside its own. */
struct loader;

/* Counts the epochs up to that of first_step and starts the thread. Errors are those of epoch_open
 * and masking_create. Dataset and vocabulary must outlive the loader. */
struct loader *loader_open(const struct dataset *dataset, const struct vocabulary *vocabulary,
                           const struct loader_options *options, struct error *error);

/* Stops the thread, which finishes no more than the batch or the count at hand, and frees
 * everything. NULL is accepted. */
void loader_close(struct loader *loader);

/* The next step's batch, waiting for it if need be. It belongs to the loader until the next call.
 * NULL and the error of the background thread on failure: memory, or an id that is not in the
 * vocabulary. */
const struct batch *loader_next(struct loader *loader, struct error *error);

/* How many batches there are: how often loader_next may be called. */
uint64_t loader_batches(const struct loader *loader);

/* Seconds that loader_next has waited so far. */
double loader_waited(const struct loader *loader);

#endif

/* The batches of a fine-tuning run. Epoch e (from 0) is all training examples in an order that
 * depends on the seed and e alone; its last batch may be smaller. So the batch of a step depends on
 * nothing but the examples, the seed and the batch size. */
#ifndef CLOZE_TRAIN_TASK_BATCHES_H
#define CLOZE_TRAIN_TASK_BATCHES_H

#include "data/labelled_set.h"
#include "train/run_kind.h"

/* Returns the number of batches of an epoch. */
int64_t task_batches_per_epoch(const struct labelled_set *set, int64_t batch_size);

/* Opens the batches from a step (from 1) on, without end. The set must outlive them. */
bool task_batches_open(const struct labelled_set *set, uint64_t seed, int64_t batch_size,
                       int64_t first_step, struct batch_source *batches, struct error *error);

/* Makes room in a batch for so many examples of the set. */
bool task_batch_reserve(struct batch *batch, const struct labelled_set *set, size_t count,
                        struct error *error);

#endif

/* Pre-training: text becomes examples, whose tokens are masked and whose sentences are paired. */
#ifndef CLOZE_TRAIN_PRETRAINING_H
#define CLOZE_TRAIN_PRETRAINING_H

#include "train/run.h"

/* The groups of parameters that only pairs train. */
enum { PAIR_GROUPS = 1 << GROUP_POOLER | 1 << GROUP_NSP_HEAD };

/* True if next-sentence prediction is trained: data.nsp, unless the text is a single document. */
bool pretraining_has_pairs(const struct run *run);

/* Opens a loader of the batches from a step (from 1) to the end of its phase. The caller closes it
 * before the run. */
struct loader *pretraining_open_loader(const struct run *run, int64_t first_step,
                                       struct error *error);

#endif

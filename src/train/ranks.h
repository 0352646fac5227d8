/* How the ranks of a group come to train the same run: rank 0 opens it as a single process does,
 * and the others load its checkpoint. Collective functions, as those of train/process_group.h. */
#ifndef CLOZE_TRAIN_RANKS_H
#define CLOZE_TRAIN_RANKS_H

#include "train/exchange.h"
#include "train/run.h"

/* Checks that all ranks have the same configuration, but for threads and paths. */
bool ranks_compare(const struct run_config *config, struct process_group *group,
                   struct error *error);

/* Opens on the other ranks the run that rank 0 has opened, and has a checkpoint of. *is_new becomes
 * that of rank 0. The caller closes *run, also on failure. */
bool ranks_join(struct run **run, bool *is_new, const struct run_config *config,
                struct process_group *group, struct log *log, struct error *error);

/* Checks that all ranks train the same, gives them the same micro-batch size, and opens their
 * exchange, which the caller closes, also on failure. */
bool ranks_meet(struct run *run, struct exchange **exchange, struct error *error);

#endif

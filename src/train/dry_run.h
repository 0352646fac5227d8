/* A run that is tried before it is begun: its data, three steps, an evaluation and a checkpoint, in
 * a scratch directory of which nothing is left. */
#ifndef CLOZE_TRAIN_DRY_RUN_H
#define CLOZE_TRAIN_DRY_RUN_H

#include "train/run_config.h"

struct dry_run {
    int64_t steps;                    /* of the whole run */
    double tokens_per_second;         /* of the faster one of the second and the third step */
    double step_seconds;              /* of a step of the first phase */
    double evaluation_seconds;        /* 0: nothing is held out */
    int64_t evaluations, checkpoints; /* of the whole run; checkpoints: at most */
    double seconds;                   /* of the whole run, without preparing its data */
    uint64_t checkpoint_bytes;        /* of one checkpoint */
    uint64_t data_bytes;              /* of the prepared data */
    uint64_t disk_bytes;              /* of the run directory when it is largest */
    uint64_t free_bytes;              /* where the run directory will be; UINT64_MAX: unknown */
};

/* Tries the run. Everything is written in a new directory of $TMPDIR or /tmp, which is removed; a
 * signal ends the process and leaves nothing either. Fails where the run would fail up to the first
 * checkpoint, also if its output cannot be used. The configuration is afterwards what it was. */
bool dry_run(struct run_config *config, struct dry_run *result, struct log *log,
             struct error *error);

#endif

/* The checkpoints that a run saves while it trains. Rank 0 writes them
 * (checkpoint/checkpoint_saver.h); the other ranks send it the moments that it lacks when the
 * optimizer is sharded. A saver is used by the thread that trains. */
#ifndef CLOZE_TRAIN_RUN_SAVER_H
#define CLOZE_TRAIN_RUN_SAVER_H

#include "base/format.h"
#include "checkpoint/checkpoint_saver.h"
#include "train/progress.h"
#include "train/run.h"

/* All zeros: neither open nor shared. */
struct run_saver {
    struct run *run;                 /* not owned */
    struct progress *progress;       /* not owned */
    struct exchange *exchange;       /* with other ranks; NULL: there are none. Not owned */
    struct checkpoint_saver *writer; /* on rank 0; NULL on the others */
};

/* Opens the saver of rank 0, which saves alone until run_saver_share. Allocates the memory of a
 * snapshot. Run and progress must outlive the saver. */
bool run_saver_open(struct run_saver *saver, struct run *run, struct progress *progress,
                    struct error *error);

/* Makes the saves from now on those of all ranks, which call it once they can exchange. The saver
 * of rank 0 is open, the others' are zeros. Run, progress and exchange must outlive the saver. */
void run_saver_share(struct run_saver *saver, struct run *run, struct progress *progress,
                     struct exchange *exchange);

/* Starts a save of the run after state.step, on all ranks at once; waits first for the one under
 * way. Sets progress->saved and, after a step, state.seconds. Fails, on all ranks, if the ranks do
 * not all have the same parameters. A save that fails later is a warning and loses its
 * checkpoint. */
bool run_saver_save(struct run_saver *saver, struct error *error);

/* The same, and waits for the end of the save: for the initialization and the end of training.
 * Fails, on all ranks, if the save does; the message says which checkpoint is kept. */
bool run_saver_save_and_wait(struct run_saver *saver, struct error *error);

/* Waits for the save under way on this rank. Fails if it does; succeeds if there is none, and on
 * the other ranks. */
bool run_saver_wait(struct run_saver *saver, struct error *error);

/* True if a save is under way. Rank 0 calls it. */
bool run_saver_is_busy(struct run_saver *saver);

/* Returns "; the checkpoint of step N is kept", or "" if there is none, and on the other ranks. */
struct text64 run_saver_kept(const struct run_saver *saver);

/* Returns how many saves have failed; 0 on the other ranks. */
int64_t run_saver_failed(const struct run_saver *saver);

/* Waits for the save under way and frees what is owned. */
void run_saver_close(struct run_saver *saver);

#endif

/* Checkpoints that are written while training goes on: parameters and moments are copied into a
 * snapshot, whose memory was allocated before the first step, and a background thread writes it to
 * the disk. Training waits only for the copy.
 *
 * One save at a time is under way; the next one waits for it. A save that fails loses its
 * checkpoint but does not end the run: a warning names the file, earlier checkpoints are kept, and
 * the next save starts from the beginning.
 *
 * A saver is used by one thread, which is also the only one that writes to the log. */
#ifndef CLOZE_CHECKPOINT_CHECKPOINT_SAVER_H
#define CLOZE_CHECKPOINT_CHECKPOINT_SAVER_H

#include "checkpoint/checkpoint.h"

struct checkpoint_saver;

struct checkpoint_saver_options {
    const char *run_directory;
    const struct tokenizer *tokenizer;
    struct checkpoint_retention retention;
    int64_t last_step; /* the checkpoint that the run was resumed from; -1: none */
    struct log *log;
};

/* The blocks of parameters that a snapshot holds: values and both moments; with an outer
 * momentum one more. */
enum { SNAPSHOT_BLOCKS = 3 };

/* Allocates the snapshot and starts the thread. Every save copies `model`; it, the log and the
 * options' pointers must outlive the saver. NULL on failure. */
struct checkpoint_saver *checkpoint_saver_open(const struct checkpoint_model *model,
                                               const struct checkpoint_saver_options *options,
                                               struct error *error);

/* Waits for the save under way, copies model and state, and lets the thread write them with the
 * trained length (checkpoint/checkpoint_content.h). The state's config is not copied and must live
 * as long. The copy is parallel. Where other processes have moments, `fill` brings all of them into
 * the snapshot; NULL: they are copied too. */
void checkpoint_saver_start(struct checkpoint_saver *saver, const struct training_state *state,
                            int trained_length,
                            void (*fill)(void *context, const struct checkpoint_model *snapshot),
                            void *context);

/* True if a save is under way. If one has finished, logs its messages. */
bool checkpoint_saver_busy(struct checkpoint_saver *saver);

/* Waits for the save under way. Fails with its error, without a warning, if it fails; succeeds if
 * there is none. */
bool checkpoint_saver_wait(struct checkpoint_saver *saver, struct error *error);

struct save_counts {
    int64_t last_step; /* step of the newest checkpoint that is complete; -1: none */
    int64_t failed;
};

/* Returns the counts of the saves that have finished. */
struct save_counts checkpoint_saver_counts(const struct checkpoint_saver *saver);

/* Waits for the save under way, ends the thread and frees everything. NULL is accepted. */
void checkpoint_saver_close(struct checkpoint_saver *saver);

#endif

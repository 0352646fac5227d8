/* Checkpoints written beside the training: a snapshot of parameters and moments is copied into
 * memory that was set aside before the first step, and a thread of its own takes it to the disk.
 * Training stands still for the copy alone.
 *
 * One save at a time is under way: the next one waits for it first. A save that fails costs its
 * checkpoint, not the run: it is a warning that names the file, the checkpoints before it stay, and
 * the next save begins anew.
 *
 * Used by one thread, which alone talks to the log. */
#ifndef CLOZE_TRAIN_CHECKPOINT_SAVER_H
#define CLOZE_TRAIN_CHECKPOINT_SAVER_H

#include "train/checkpoint.h"

struct checkpoint_saver;

struct checkpoint_saver_options {
    const char *run_directory;
    const struct tokenizer *tokenizer;
    int64_t keep;      /* as checkpoint_save takes it */
    int64_t last_step; /* the checkpoint that the run was resumed from; -1: none */
    struct log *log;
};

/* Blocks of parameters that the snapshot takes: values and both moments. */
enum { SNAPSHOT_BLOCKS = 3 };

/* Allocates the snapshot and starts the thread. `model` is what every save copies; it, the log and
 * the options' pointers must outlive the saver. NULL on failure. */
struct checkpoint_saver *checkpoint_saver_open(const struct checkpoint_model *model,
                                               const struct checkpoint_saver_options *options,
                                               struct error *error);

/* Waits for the save under way, copies model and state, and has the thread write them. The state's
 * config must stay. The copy is parallel. */
void checkpoint_saver_start(struct checkpoint_saver *saver, const struct training_state *state);

/* Whether a save is under way. If one has come to its end, says on the log what it had to say. */
bool checkpoint_saver_busy(struct checkpoint_saver *saver);

/* Waits for the save under way. False with its error (and no warning) if it fails; true also if
 * there is none. */
bool checkpoint_saver_wait(struct checkpoint_saver *saver, struct error *error);

struct save_counts {
    int64_t last_step; /* of the newest checkpoint that is complete; -1: none */
    int64_t saved, failed;
    double seconds; /* that the thread spent on them */
};

/* Of the saves that have come to their end. */
struct save_counts checkpoint_saver_counts(const struct checkpoint_saver *saver);

/* Waits for the save under way, ends the thread and frees everything. NULL is accepted. */
void checkpoint_saver_close(struct checkpoint_saver *saver);

#endif

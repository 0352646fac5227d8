/* Checkpoints of a run: directories that Hugging Face loads as models and cloze resumes from.
 *
 *     RUN/checkpoints/step-00000000/    the initialization, kept for ever
 *                     step-00001000/    a checkpoint (checkpoint/checkpoint_content.h)
 *                     latest            a link to the checkpoint that was written last
 *                     best              a link to the one with the lowest held-out MLM loss or,
 *                                       of a task, with the highest metric
 *
 * A checkpoint is made in checkpoints/.step-NNNNNNNN.partial; every file and the directory are
 * flushed to the disk, and then it is renamed. So a directory with a checkpoint's name is complete,
 * whenever the process or the machine stops; the checksums in training_state.json reveal later
 * damage. One process at a time may save in a run directory; any number may read. */
#ifndef CLOZE_CHECKPOINT_CHECKPOINT_H
#define CLOZE_CHECKPOINT_CHECKPOINT_H

#include "base/log.h"
#include "checkpoint/checkpoint_content.h"

/* The checkpoints that are kept besides step 0, which always is. */
struct checkpoint_retention {
    int64_t newest; /* how many of the newest ones; 0: all */
    bool best;      /* whether that of state->best_step is kept too, with the link `best` */
};

/* Saves a checkpoint of step state->step. An earlier checkpoint of that step is replaced; at every
 * moment one of the two can be found. Then `latest` and `best` are moved, and older checkpoints
 * that are not to be kept are removed, as are partial directories that a crash has left; later
 * steps are neither counted nor removed. Only a failure to save is an error; a directory that
 * cannot be removed is a warning. Reads the blocks once and makes no copy of them. */
bool checkpoint_save(const char *run_directory, const struct checkpoint_model *model,
                     const struct tokenizer *tokenizer, const struct training_state *state,
                     struct checkpoint_retention retention, struct log *log, struct error *error);

/* Points `best` to the checkpoint of state->best_step. A save does so; a resumed run does so in
 * case of a crash between a save and its links. Without such a checkpoint, or with `wanted` false,
 * the link is removed. A failure is a warning. */
void checkpoint_link_best(const char *run_directory, const struct training_state *state,
                          bool wanted, struct log *log);

/* Lists the steps of the checkpoints of a run directory, intact or not, in ascending order; the
 * caller frees *steps. Without a checkpoints directory there are none. */
bool checkpoint_list(const char *run_directory, int64_t **steps, size_t *count,
                     struct error *error);

/* Sets *directory to the checkpoint that was saved last, intact or not, owned by the caller; NULL:
 * there is none. That is where `latest` leads: a run that has gone back leaves checkpoints of later
 * steps. Without the link it is the newest one whose state can be read or, if none can, the
 * newest. */
bool checkpoint_find_last(const char *run_directory, char **directory, struct error *error);

/* True if a run directory has any checkpoints; false also if they cannot be listed. */
bool checkpoint_exists(const char *run_directory);

/* Returns RUN/checkpoints/step-NNNNNNNN; owned by the caller. */
char *checkpoint_path(const char *run_directory, int64_t step, struct error *error);

/* Finds the newest checkpoint that checkpoint_verify accepts; a warning names each newer one that
 * it refuses. *directory is owned by the caller; it is NULL if there are no checkpoints. If all are
 * damaged, that is an error. */
bool checkpoint_find_latest(const char *run_directory, char **directory, struct log *log,
                            struct error *error);

#endif

/* Checkpoints of a run: directories that Hugging Face loads as models and cloze resumes from.
 *
 *     RUN/checkpoints/step-00000000/    the initialization, kept for ever
 *                     step-00001000/    a checkpoint (train/checkpoint_content.h)
 *                     latest            a link to the one last written
 *
 * A checkpoint is made in checkpoints/.step-NNNNNNNN.partial, every file and the directory flushed
 * to the disk, and then renamed. So a directory with a checkpoint's name is complete, whenever the
 * process or the machine stops; the checksums in training_state.json guard against what happens to
 * it later. One process at a time may save in a run directory; any number may read. */
#ifndef CLOZE_TRAIN_CHECKPOINT_H
#define CLOZE_TRAIN_CHECKPOINT_H

#include "base/log.h"
#include "train/checkpoint_content.h"

/* Saves as step state->step. A checkpoint of that step is replaced, without a moment in which none
 * can be found. Then `latest` is moved, and older checkpoints are removed until `keep` are left (0:
 * all stay), step 0 and later steps neither counted nor removed; so are partial directories that a
 * crash has left. Only failing to save is an error: a directory that cannot be removed is a
 * warning. Reads the blocks once, allocates no copy of them. */
bool checkpoint_save(const char *run_directory, const struct checkpoint_model *model,
                     const struct tokenizer *tokenizer, const struct training_state *state,
                     int64_t keep, struct log *log, struct error *error);

/* The steps that a run directory has checkpoints of, ascending, whatever their condition; the
 * caller frees *steps. No checkpoints directory counts as none. */
bool checkpoint_list(const char *run_directory, int64_t **steps, size_t *count,
                     struct error *error);

/* RUN/checkpoints/step-NNNNNNNN; owned by the caller. */
char *checkpoint_path(const char *run_directory, int64_t step, struct error *error);

/* The newest checkpoint that checkpoint_verify accepts; newer ones that it refuses are named by a
 * warning. *directory is owned by the caller, NULL when there are no checkpoints at all; if all are
 * damaged, that is an error. */
bool checkpoint_find_latest(const char *run_directory, char **directory, struct log *log,
                            struct error *error);

/* The MODEL of the commands: a directory with a config.json (a model directory, a checkpoint)
 * stands for itself, a run directory for its latest checkpoint. Owned by the caller; NULL and an
 * error that says what was looked for otherwise. */
char *model_directory_resolve(const char *path, struct log *log, struct error *error);

/* Whether a directory to load a model from is as it was saved. One without training_state.json has
 * no checksums: it is taken as it is. */
bool model_directory_verify(const char *directory, struct error *error);

/* Both: the MODEL of a command that computes with it. */
char *model_directory_open(const char *path, struct log *log, struct error *error);

#endif

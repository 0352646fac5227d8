/* Which directory the operand MODEL of a command stands for. */
#ifndef CLOZE_CHECKPOINT_MODEL_DIRECTORY_H
#define CLOZE_CHECKPOINT_MODEL_DIRECTORY_H

#include "base/error.h"
#include "base/log.h"

#include <stdbool.h>

/* Returns the model directory that the operand MODEL of a command stands for: a directory with a
 * config.json (a model directory or a checkpoint) stands for itself; a run directory for its latest
 * checkpoint or, of fine-tuning, for its best one, whose results the run has printed; a directory
 * of several seeds (train/finetune.h) for that of its best run; and a directory of
 * sentence-transformers for the model in it. *run gets the run directory where that is a checkpoint
 * which was found in one, otherwise NULL; `run` itself may be NULL. Both are owned by the caller.
 * On failure both are NULL, and the error says what was expected. */
char *model_directory_resolve(const char *path, char **run, struct log *log, struct error *error);

/* Checks that a model directory is as it was saved. One without training_state.json has no
 * checksums and is accepted. */
bool model_directory_verify(const char *directory, struct error *error);

/* Resolves and verifies the operand MODEL, for a command that computes with it. */
char *model_directory_open(const char *path, struct log *log, struct error *error);

#endif

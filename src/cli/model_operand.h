/* The operand MODEL of a command line, opened through the public interface. */
#ifndef CLOZE_CLI_MODEL_OPERAND_H
#define CLOZE_CLI_MODEL_OPERAND_H

#include "base/error.h"
#include "base/log.h"
#include "cloze/cloze.h"

#include <stdint.h>

/* Opens a model directory, a checkpoint, or a run directory's latest checkpoint, of a fine-tuning
 * run its best one; NULL on failure. */
struct cloze_model *open_model_operand(const char *path, struct error *error);

/* Warns on stderr if the last input was longer than the sequences of the model's training, or had
 * unknown words. */
void warn_of_input(const struct cloze_model *model);

/* Warns if more than 1 % of the tokens of an input are [UNK]. */
void warn_of_unknown_tokens(struct log *log, uint64_t unknown, uint64_t tokens);

/* Sets the error to that of a model that gives infinity or NaN for a line of a file. Returns
 * false. */
bool fail_not_finite(const char *name, uint64_t line, struct error *error);

/* Sets the error to an error of the public interface. Returns false. */
bool fail_published(struct error *error, const struct cloze_error *published);

#endif

/* MODEL on the command line, through the public interface. */
#ifndef CLOZE_CLI_MODEL_OPERAND_H
#define CLOZE_CLI_MODEL_OPERAND_H

#include "base/error.h"
#include "cloze/cloze.h"

/* Opens a model directory, a checkpoint, or a run directory's latest checkpoint; NULL on failure.
 */
struct cloze_model *open_model_operand(const char *path, struct error *error);

/* Takes over an error of the public interface. Returns false. */
bool fail_published(struct error *error, const struct cloze_error *published);

#endif

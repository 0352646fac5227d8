/* A directory of sentence-transformers: modules.json lists what a text goes through, of which the
 * first is a model directory, in a directory of its own (0_Transformer/) or in the same. */
#ifndef CLOZE_MODEL_SENTENCE_TRANSFORMERS_H
#define CLOZE_MODEL_SENTENCE_TRANSFORMERS_H

#include "base/error.h"
#include "base/log.h"

/* Sets *model to the model directory within `directory`, owned by the caller, or to NULL where
 * there is no modules.json. Fails, with *model NULL, if the list has no transformer or a place
 * outside the directory. The log, which may be NULL, gets what was taken and what is not used. */
bool sentence_transformers_find(const char *directory, char **model, struct log *log,
                                struct error *error);

#endif

/* A model whose parameters are finite, but whose results are not. */
#ifndef CLOZE_TESTS_SUPPORT_HOT_MODEL_H
#define CLOZE_TESTS_SUPPORT_HOT_MODEL_H

#include "support/scratch.h"

/* Writes the model directory `name` from a checkpoint, both below the scratch directory. Every
 * failure fails the test. */
void write_hot_model(struct scratch *scratch, const char *checkpoint, const char *name);

#endif

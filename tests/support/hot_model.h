/* Model directories made from a checkpoint with one tensor replaced. */
#ifndef CLOZE_TESTS_SUPPORT_HOT_MODEL_H
#define CLOZE_TESTS_SUPPORT_HOT_MODEL_H

#include "math/real.h"
#include "support/scratch.h"

/* Writes the model directory `name` from a checkpoint, both below the scratch directory, with all
 * elements of the tensor set to the value. Every failure fails the test. */
void write_model_with(struct scratch *scratch, const char *checkpoint, const char *name,
                      const char *tensor, real value);

/* The same, of a model whose parameters are finite, but whose results are not. */
void write_hot_model(struct scratch *scratch, const char *checkpoint, const char *name);

#endif

/* The numbers of regression in files. */
#ifndef CLOZE_DATA_LABELLED_VALUE_H
#define CLOZE_DATA_LABELLED_VALUE_H

#include "data/cells.h"

/* Reads a finite decimal number: "3", "-0.5", ".5", "1e-3". White space is not allowed. The error
 * says what was found and, of "3,5", to write "3.5"; it has no place, which the caller knows. */
bool labelled_value_read(struct cell text, float *value, struct error *error);

#endif

/* The environment variables that cloze reads. */
#ifndef CLOZE_CLI_ENVIRONMENT_H
#define CLOZE_CLI_ENVIRONMENT_H

#include "base/error.h"

struct environment_variable {
    const char *name;
    const char *help; /* one line */
};

enum { ENVIRONMENT_VARIABLES = 7 };
extern const struct environment_variable environment_variables[ENVIRONMENT_VARIABLES];

/* Checks that every variable that determines how cloze computes (CLOZE_FP32_KERNELS,
 * CLOZE_BF16_KERNELS, CLOZE_BLAS_KERNELS, OMP_NUM_THREADS, OMP_THREAD_LIMIT) has a usable value; if
 * not, the error is ERROR_INPUT and names the variable. Warns on stderr of a variable whose name is
 * similar to one of cloze's. */
bool environment_check(struct error *error);

#endif

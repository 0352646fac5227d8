/* A run that the tests of a file share: a small model, trained for four steps on sample text, as
 * `run` in a directory that is the working directory. Every failure here fails the test. */
#ifndef CLOZE_TESTS_SUPPORT_TRAINED_RUN_H
#define CLOZE_TESTS_SUPPORT_TRAINED_RUN_H

#include "support/scratch.h"

/* For cmocka's fixtures: *state is the struct scratch. The model has hidden size 32, 32 positions
 * and was trained with seq_len tokens; config.yaml and text.txt are what it was trained with. */
int trained_run_set_up(void **state, int seq_len);
int trained_run_tear_down(void **state);

#endif

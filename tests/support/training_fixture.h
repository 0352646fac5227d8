/* A small model in training, and the run directory to which it is saved. Every failure here fails
 * the test. */
#ifndef CLOZE_TESTS_SUPPORT_TRAINING_FIXTURE_H
#define CLOZE_TESTS_SUPPORT_TRAINING_FIXTURE_H

#include "checkpoint/checkpoint.h"
#include "model/model.h"
#include "support/scratch.h"

struct training {
    struct scratch *scratch; /* the run directory */
    struct model *model;     /* hidden size 12, vocabulary 40 */
    struct tokenizer *tokenizer;
    real *first_moment, *second_moment;
    struct checkpoint_model numbers; /* points to the members above */
    struct log log;                  /* the log of the functions under test */
    char *warnings;                  /* the text of the log */
    size_t warnings_size;
};

/* cmocka fixtures: *state is a struct training with random numbers and an empty run directory. */
int training_set_up(void **state);
int training_tear_down(void **state);

/* Returns a model of the fixture's architecture with another hidden size. */
struct model *training_model(int hidden_size);

/* Returns a block of random numbers for every tensor, with zeros between them. The caller frees
 * it. */
real *training_block(const struct parameter_table *table, uint64_t index);

/* training_state_at returns the state after a step, with the configuration training_config. */
extern char training_config[];
struct training_state training_state_at(int64_t step);

void training_save(struct training *training, int64_t step, int64_t keep);

/* Returns RUN/checkpoints/NAME, valid until the next call. */
const char *training_path(struct training *training, const char *name);

/* Asserts that the newest intact checkpoint is checkpoints/NAME; NULL: that there is none. */
void assert_latest(struct training *training, const char *name);

/* Asserts that the log has this text, or no text. */
void assert_warned(struct training *training, const char *text);
void assert_not_warned(struct training *training);

#endif

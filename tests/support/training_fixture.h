/* A small model in training, and the run directory that it saves into. Every failure here fails the
 * test. */
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
    struct checkpoint_model numbers; /* points to the above */
    struct log log;                  /* what the functions under test talk to */
    char *warnings;                  /* what they said */
    size_t warnings_size;
};

/* cmocka fixtures: *state is a struct training with random numbers and an empty run directory. */
int training_set_up(void **state);
int training_tear_down(void **state);

/* A model of the fixture's architecture but for the hidden size. */
struct model *training_model(int hidden_size);

/* Random numbers for every tensor, zeros between; freed by the caller. */
real *training_block(const struct parameter_table *table, uint64_t index);

/* The state after a step; its configuration is training_config. */
extern char training_config[];
struct training_state training_state_at(int64_t step);

void training_save(struct training *training, int64_t step, int64_t keep);

/* RUN/checkpoints/NAME, valid until the next call. */
const char *training_path(struct training *training, const char *name);

/* The newest intact checkpoint is checkpoints/NAME; NULL: there is none. */
void assert_latest(struct training *training, const char *name);

/* The log has been told this text, or nothing. */
void assert_warned(struct training *training, const char *text);
void assert_not_warned(struct training *training);

#endif

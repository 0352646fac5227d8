/* A micro-batch: the sequences of a batch that go through the model at a time, how they are divided
 * into parts, and which of their tokens the heads use.
 *
 * Shapes: T tokens, B sequences and M predictions of the micro-batch, each at most its limit;
 * R <= T head tokens. */
#ifndef CLOZE_MODEL_MICRO_BATCH_H
#define CLOZE_MODEL_MICRO_BATCH_H

#include "base/memory.h"
#include "data/batch.h"
#include "model/workspace_limits.h"

/* Whole sequences that one thread takes through a layer. */
struct micro_batch_part {
    int first_sequence, sequences;
    int first_row, rows;
    int first_head_token, head_token_count;
};

/* The head tokens in ascending order: the tokens whose encoder output the heads use. The first
 * token of each sequence is always one of them. */
struct head_tokens {
    int count;          /* R */
    int32_t *rows;      /* [R] index among the T tokens */
    int32_t *starts;    /* [B + 1] first head token of each sequence, then R */
    int32_t *positions; /* [R] position in the sequence */
    int32_t *examples;  /* [R] index of the example in the step, as token_examples */
    int32_t *predicted; /* [M] index of each predicted token among the R head tokens */
};

struct micro_batch {
    struct batch batch;         /* with indices from its own first token and prediction */
    int32_t *sequence_examples; /* [B] index of the example in the step */
    int32_t *token_examples;    /* [T] the same for each token */
    struct head_tokens head_tokens;
    struct micro_batch_part *parts; /* at most micro_batch_max_parts() */
    int part_count;
};

/* Return the largest number of parts and of head tokens that micro-batches within the limits
 * have. */
int micro_batch_max_parts(struct workspace_limits limits);
size_t micro_batch_max_head_tokens(struct workspace_limits limits);

/* Takes the memory of micro-batches within the limits from the arena, which owns it. */
struct micro_batch micro_batch_plan(struct workspace_limits limits, struct arena *arena);

/* Copies the sequences [first, last) of a batch into the micro-batch; they must be within the
 * limits, those of its plan. first_example is the index of sequence `first` in the step, a key of
 * dropout's random numbers. The head tokens become the first token of each sequence and the
 * predicted tokens. */
void micro_batch_load(struct micro_batch *micro_batch, struct workspace_limits limits,
                      const struct batch *batch, int first, int last, int first_example);

/* Makes every token of the loaded micro-batch a head token. The limits must allow as many predicted
 * tokens. */
void micro_batch_choose_all_tokens(struct micro_batch *micro_batch, struct workspace_limits limits);

#endif

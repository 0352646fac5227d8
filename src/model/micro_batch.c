#include "model/micro_batch.h"

#include "base/min.h"

#include <string.h>

enum {
    /* Target rows of a part. For each part the weights move through the caches once, and OpenBLAS
     * packs them once. Fewer rows were no faster. */
    PART_ROWS = 1024,
};

/* ---- memory ---- */

int micro_batch_max_parts(struct workspace_limits limits)
{
    int rows_per_round = PART_ROWS * limits.threads;
    return limits.threads * ((limits.tokens + rows_per_round - 1) / rows_per_round);
}

size_t micro_batch_max_head_tokens(struct workspace_limits limits)
{
    const size_t tokens = (size_t)limits.tokens;
    const size_t chosen = (size_t)limits.sequences + (size_t)limits.predicted;
    return min_size(chosen, tokens);
}

struct micro_batch micro_batch_plan(struct workspace_limits limits, struct arena *arena)
{
    const size_t sequences = (size_t)limits.sequences, tokens = (size_t)limits.tokens;
    const size_t predicted = (size_t)limits.predicted, each = sizeof(int32_t);
    const size_t head_tokens = micro_batch_max_head_tokens(limits);
    const size_t parts = (size_t)micro_batch_max_parts(limits);
    struct micro_batch planned = {0};
    struct batch *batch = &planned.batch;
    batch->starts = arena_take(arena, sequences + 1, each);
    batch->predicted_starts = arena_take(arena, sequences + 1, each);
    batch->sequence_labels = arena_take(arena, sequences, each);
    batch->sequence_values = arena_take(arena, sequences, sizeof *batch->sequence_values);
    batch->input_ids = arena_take(arena, tokens, each);
    batch->position_ids = arena_take(arena, tokens, each);
    batch->token_type_ids = arena_take(arena, tokens, each);
    batch->predicted_tokens = arena_take(arena, predicted, each);
    batch->predicted_labels = arena_take(arena, predicted, each);
    planned.sequence_examples = arena_take(arena, sequences, each);
    planned.token_examples = arena_take(arena, tokens, each);
    planned.head_tokens = (struct head_tokens){
        .rows = arena_take(arena, head_tokens, each),
        .starts = arena_take(arena, sequences + 1, each),
        .positions = arena_take(arena, head_tokens, each),
        .examples = arena_take(arena, head_tokens, each),
        .predicted = arena_take(arena, predicted, each),
    };
    planned.parts = arena_take(arena, parts, sizeof *planned.parts);
    return planned;
}

/* ---- parts and head tokens ---- */

/* Copies values[first .. last) to out and subtracts `base` from each. */
static void copy_from(int32_t *out, const int32_t *values, int first, int last, int32_t base)
{
    for (int i = first; i < last; i++)
        out[i - first] = values[i] - base;
}

/* Cuts the micro-batch into parts of about equally many rows: one part a thread, or several where
 * one part a thread would have more than PART_ROWS rows. */
static void cut_into_parts(struct micro_batch *micro_batch, int threads)
{
    const struct batch *batch = &micro_batch->batch;
    int parts = threads * ((batch->tokens + PART_ROWS * threads - 1) / (PART_ROWS * threads));
    micro_batch->part_count = 0;
    for (int sequence = 0; sequence < batch->sequences;) {
        int64_t goal = (int64_t)batch->tokens * (micro_batch->part_count + 1) / parts;
        int first = sequence;
        do
            sequence++;
        while (sequence < batch->sequences && batch->starts[sequence] < goal);
        micro_batch->parts[micro_batch->part_count++] = (struct micro_batch_part){
            .first_sequence = first,
            .sequences = sequence - first,
            .first_row = batch->starts[first],
            .rows = batch->starts[sequence] - batch->starts[first],
        };
    }
}

static void name_examples(struct micro_batch *micro_batch, int first_example)
{
    const struct batch *batch = &micro_batch->batch;
    for (int i = 0; i < batch->sequences; i++) {
        micro_batch->sequence_examples[i] = first_example + i;
        for (int32_t token = batch->starts[i]; token < batch->starts[i + 1]; token++)
            micro_batch->token_examples[token] = first_example + i;
    }
}

/* Gives each part the head tokens of its sequences. */
static void divide_head_tokens(struct micro_batch *micro_batch)
{
    const int32_t *starts = micro_batch->head_tokens.starts;
    for (int i = 0; i < micro_batch->part_count; i++) {
        struct micro_batch_part *part = &micro_batch->parts[i];
        part->first_head_token = starts[part->first_sequence];
        part->head_token_count =
            starts[part->first_sequence + part->sequences] - part->first_head_token;
    }
}

static void choose_token(struct micro_batch *micro_batch, int32_t row)
{
    struct head_tokens *head_tokens = &micro_batch->head_tokens;
    head_tokens->rows[head_tokens->count] = row;
    head_tokens->positions[head_tokens->count] = micro_batch->batch.position_ids[row];
    head_tokens->examples[head_tokens->count] = micro_batch->token_examples[row];
    head_tokens->count++;
}

static void choose_head_tokens(struct micro_batch *micro_batch)
{
    const struct batch *batch = &micro_batch->batch;
    struct head_tokens *head_tokens = &micro_batch->head_tokens;
    head_tokens->count = 0;
    for (int i = 0; i < batch->sequences; i++) {
        head_tokens->starts[i] = head_tokens->count;
        choose_token(micro_batch, batch->starts[i]);
        for (int32_t j = batch->predicted_starts[i]; j < batch->predicted_starts[i + 1]; j++) {
            if (batch->predicted_tokens[j] > head_tokens->rows[head_tokens->count - 1])
                choose_token(micro_batch, batch->predicted_tokens[j]);
            CHECK(batch->predicted_tokens[j] ==
                  head_tokens->rows[head_tokens->count - 1]); /* ascending */
            head_tokens->predicted[j] = head_tokens->count - 1;
        }
    }
    head_tokens->starts[batch->sequences] = head_tokens->count;
    divide_head_tokens(micro_batch);
}

void micro_batch_choose_all_tokens(struct micro_batch *micro_batch, struct workspace_limits limits)
{
    const struct batch *batch = &micro_batch->batch;
    struct head_tokens *head_tokens = &micro_batch->head_tokens;
    CHECK((size_t)batch->tokens <= micro_batch_max_head_tokens(limits));
    head_tokens->count = 0;
    for (int32_t row = 0; row < batch->tokens; row++)
        choose_token(micro_batch, row);
    copy_from(head_tokens->starts, batch->starts, 0, batch->sequences + 1, 0);
    copy_from(head_tokens->predicted, batch->predicted_tokens, 0, batch->predicted, 0);
    divide_head_tokens(micro_batch);
}

void micro_batch_load(struct micro_batch *micro_batch, struct workspace_limits limits,
                      const struct batch *batch, int first, int last, int first_example)
{
    struct batch *own = &micro_batch->batch;
    int32_t token = batch->starts[first], end = batch->starts[last];
    int32_t prediction = batch->predicted_starts[first],
            prediction_end = batch->predicted_starts[last];
    own->sequences = last - first;
    own->tokens = end - token;
    own->predicted = prediction_end - prediction;
    own->max_length = batch->max_length;
    CHECK(own->sequences <= limits.sequences && own->tokens <= limits.tokens);
    CHECK(own->predicted <= limits.predicted);
    CHECK(own->max_length <= limits.max_length);
    copy_from(own->starts, batch->starts, first, last + 1, token);
    copy_from(own->predicted_starts, batch->predicted_starts, first, last + 1, prediction);
    copy_from(own->sequence_labels, batch->sequence_labels, first, last, 0);
    memcpy(own->sequence_values, batch->sequence_values + first,
           (size_t)own->sequences * sizeof *own->sequence_values);
    copy_from(own->input_ids, batch->input_ids, token, end, 0);
    copy_from(own->position_ids, batch->position_ids, token, end, 0);
    copy_from(own->token_type_ids, batch->token_type_ids, token, end, 0);
    copy_from(own->predicted_tokens, batch->predicted_tokens, prediction, prediction_end, token);
    copy_from(own->predicted_labels, batch->predicted_labels, prediction, prediction_end, 0);
    cut_into_parts(micro_batch, limits.threads);
    name_examples(micro_batch, first_example);
    choose_head_tokens(micro_batch);
}

#include "data/batch.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Returns an array of `room` elements that begins with the first `used` of the old one, which is
 * freed; NULL when memory is short, and the old one is kept. */
static void *enlarged(void *array, size_t used, size_t room, size_t element, struct error *error)
{
    void *larger = allocate(room, element, error);
    if (!larger)
        return NULL;
    if (used)
        memcpy(larger, array, used * element);
    free(array);
    return larger;
}

static bool enlarge(int32_t **array, size_t used, size_t room, struct error *error)
{
    int32_t *larger = enlarged(*array, used, room, sizeof *larger, error);
    if (larger)
        *array = larger;
    return larger;
}

static bool enlarge_values(float **array, size_t used, size_t room, struct error *error)
{
    float *larger = enlarged(*array, used, room, sizeof *larger, error);
    if (larger)
        *array = larger;
    return larger;
}

/* The three reserve_ functions record the capacity last: after a failure some arrays may be larger
 * than the recorded capacity, which is harmless. */
static bool reserve_sequences(struct batch *batch, size_t room, struct error *error)
{
    if (room <= batch->sequence_capacity)
        return true;
    size_t used = (size_t)batch->sequences;
    size_t starts = batch->starts ? used + 1 : 0;
    if (!enlarge(&batch->starts, starts, room + 1, error) ||
        !enlarge(&batch->predicted_starts, batch->predicted_starts ? starts : 0, room + 1, error) ||
        !enlarge(&batch->sequence_labels, used, room, error) ||
        !enlarge_values(&batch->sequence_values, used, room, error))
        return false;
    batch->sequence_capacity = room;
    return true;
}

static bool reserve_tokens(struct batch *batch, size_t room, struct error *error)
{
    if (room <= batch->token_capacity)
        return true;
    size_t used = (size_t)batch->tokens;
    if (!enlarge(&batch->input_ids, used, room, error) ||
        !enlarge(&batch->position_ids, used, room, error) ||
        !enlarge(&batch->token_type_ids, used, room, error))
        return false;
    batch->token_capacity = room;
    return true;
}

static bool reserve_predicted(struct batch *batch, size_t room, struct error *error)
{
    if (room <= batch->predicted_capacity)
        return true;
    size_t used = (size_t)batch->predicted;
    if (!enlarge(&batch->predicted_tokens, used, room, error) ||
        !enlarge(&batch->predicted_labels, used, room, error))
        return false;
    batch->predicted_capacity = room;
    return true;
}

bool batch_reserve(struct batch *batch, size_t sequences, size_t tokens, size_t predicted,
                   struct error *error)
{
    if (sequences >= INT32_MAX || tokens > INT32_MAX || predicted > INT32_MAX)
        return fail_input(error,
                          "a batch of %zu sequences, %zu tokens and %zu predictions; "
                          "expected less than 2^31 of each",
                          sequences, tokens, predicted);
    return reserve_sequences(batch, sequences, error) && reserve_tokens(batch, tokens, error) &&
           reserve_predicted(batch, predicted, error);
}

void batch_free(struct batch *batch)
{
    free(batch->starts);
    free(batch->input_ids);
    free(batch->position_ids);
    free(batch->token_type_ids);
    free(batch->predicted_starts);
    free(batch->predicted_tokens);
    free(batch->predicted_labels);
    free(batch->sequence_labels);
    free(batch->sequence_values);
    *batch = (struct batch){0};
}

void batch_clear(struct batch *batch)
{
    batch->sequences = batch->tokens = batch->predicted = batch->max_length = 0;
    if (batch->starts)
        batch->starts[0] = batch->predicted_starts[0] = 0;
}

void batch_append(struct batch *batch, int length, int first_segment, int predicted,
                  int32_t sequence_label)
{
    const int first = batch->tokens;
    CHECK((size_t)batch->sequences < batch->sequence_capacity);
    CHECK(length > 0 && (size_t)length <= batch->token_capacity - (size_t)first);
    CHECK(predicted >= 0 &&
          (size_t)predicted <= batch->predicted_capacity - (size_t)batch->predicted);
    for (int i = 0; i < length; i++) {
        batch->position_ids[first + i] = i;
        batch->token_type_ids[first + i] = i >= first_segment;
    }
    for (int i = 0; i < predicted; i++)
        batch->predicted_tokens[batch->predicted + i] += first;
    batch->sequence_labels[batch->sequences] = sequence_label;
    batch->sequence_values[batch->sequences] = 0;
    batch->tokens += length;
    batch->predicted += predicted;
    batch->sequences++;
    batch->starts[batch->sequences] = batch->tokens;
    batch->predicted_starts[batch->sequences] = batch->predicted;
    if (length > batch->max_length)
        batch->max_length = length;
}

void batch_set_value(struct batch *batch, float value)
{
    CHECK(batch->sequences > 0 && isfinite(value));
    batch->sequence_labels[batch->sequences - 1] = 0;
    batch->sequence_values[batch->sequences - 1] = value;
}

int batch_labelled_sequences(const struct batch *batch)
{
    int labelled = 0;
    for (int i = 0; i < batch->sequences; i++)
        labelled += batch->sequence_labels[i] != NO_LABEL;
    return labelled;
}

void batch_rates_add(struct batch_rates *total, const struct batch_rates *rates)
{
    total->sequences += rates->sequences;
    total->tokens += rates->tokens;
    total->selected += rates->selected;
    total->shown_mask += rates->shown_mask;
    total->shown_random += rates->shown_random;
    total->shown_same += rates->shown_same;
    total->pairs += rates->pairs;
    total->is_next += rates->is_next;
}

void batch_rates_count(struct batch_rates *rates, const struct batch *batch, int32_t mask_id)
{
    rates->sequences += (uint64_t)batch->sequences;
    rates->tokens += (uint64_t)batch->tokens;
    rates->selected += (uint64_t)batch->predicted;
    for (int i = 0; i < batch->predicted; i++) {
        int32_t shown = batch->input_ids[batch->predicted_tokens[i]];
        if (shown == mask_id)
            rates->shown_mask++;
        else if (shown == batch->predicted_labels[i])
            rates->shown_same++;
        else
            rates->shown_random++;
    }
    rates->pairs += (uint64_t)batch_labelled_sequences(batch);
    for (int i = 0; i < batch->sequences; i++)
        rates->is_next += batch->sequence_labels[i] == IS_NEXT;
}

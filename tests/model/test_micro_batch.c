/* Tests the parts of a micro-batch and the choice of its head tokens. */

#include "model/micro_batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { THREADS = 2 };

/* A micro-batch with its memory. */
struct subject {
    struct arena memory;
    struct workspace_limits limits;
    struct micro_batch micro_batch;
};

static struct subject subject_for(const struct batch *batch)
{
    struct error error = {0};
    struct subject subject = {.limits = workspace_limits_of(batch->sequences, batch->max_length,
                                                            batch->max_length, THREADS)};
    micro_batch_plan(subject.limits, &subject.memory);
    assert_true(arena_bind(&subject.memory, &error));
    subject.micro_batch = micro_batch_plan(subject.limits, &subject.memory);
    return subject;
}

static void load(struct subject *subject, const struct batch *batch, int first, int last)
{
    micro_batch_load(&subject->micro_batch, subject->limits, batch, first, last, first);
}

/* Asserts that the parts follow one another and have the rows and head tokens of their
 * sequences. */
static void assert_parts_divide(const struct micro_batch *micro_batch)
{
    const struct batch *batch = &micro_batch->batch;
    int sequence = 0, row = 0, head_token = 0;
    for (int i = 0; i < micro_batch->part_count; i++) {
        const struct micro_batch_part *part = &micro_batch->parts[i];
        assert_int_equal(part->first_sequence, sequence);
        assert_int_equal(part->first_row, row);
        assert_int_equal(part->first_row, batch->starts[sequence]);
        assert_int_equal(part->first_head_token, head_token);
        assert_int_equal(part->first_head_token, micro_batch->head_tokens.starts[sequence]);
        sequence += part->sequences;
        row += part->rows;
        head_token += part->head_token_count;
    }
    assert_int_equal(sequence, batch->sequences);
    assert_int_equal(row, batch->tokens);
    assert_int_equal(head_token, micro_batch->head_tokens.count);
}

/* ---- parts ---- */

/* Forty sequences of 64 tokens are more than the 1,024 rows of a part for each of two threads. */
static void large_micro_batches_have_several_parts_a_thread(void **state)
{
    (void)state;
    enum { SEQUENCES = 40, LENGTH = 64 };
    struct batch batch = {0};
    struct error error = {0};
    assert_true(batch_reserve(&batch, SEQUENCES, (size_t)SEQUENCES * LENGTH, 0, &error));
    for (int i = 0; i < SEQUENCES; i++)
        batch_append(&batch, LENGTH, LENGTH, 0, NO_LABEL);
    struct subject subject = subject_for(&batch);
    assert_int_equal(micro_batch_max_parts(subject.limits), 2 * THREADS);

    load(&subject, &batch, 0, SEQUENCES);
    assert_int_equal(subject.micro_batch.part_count, 2 * THREADS);
    assert_parts_divide(&subject.micro_batch);

    load(&subject, &batch, 8, 24);
    assert_int_equal(subject.micro_batch.part_count, THREADS);
    assert_parts_divide(&subject.micro_batch);

    load(&subject, &batch, 8, 9);
    assert_int_equal(subject.micro_batch.part_count, 1);
    assert_parts_divide(&subject.micro_batch);
    arena_free(&subject.memory);
    batch_free(&batch);
}

/* ---- head tokens ---- */

/* Appends a sequence with these masked positions to the batch. */
static void append(struct batch *batch, int length, const int32_t *masked, int count)
{
    for (int i = 0; i < length; i++)
        batch->input_ids[batch->tokens + i] = 5 + i;
    for (int i = 0; i < count; i++) {
        batch->predicted_tokens[batch->predicted + i] = masked[i];
        batch->predicted_labels[batch->predicted + i] = 7;
    }
    batch_append(batch, length, length, count, 0);
}

/* Four sequences: the first token masked, no token, the last token, all tokens. */
static struct batch marked_batch(void)
{
    struct batch batch = {0};
    struct error error = {0};
    assert_true(batch_reserve(&batch, 4, 16, 16, &error));
    append(&batch, 5, (const int32_t[]){0, 3}, 2);
    append(&batch, 1, NULL, 0);
    append(&batch, 7, (const int32_t[]){2, 6}, 2);
    append(&batch, 3, (const int32_t[]){0, 1, 2}, 3);
    return batch;
}

static void assert_numbers(const int32_t *actual, const int32_t *expected, int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(actual[i], expected[i]);
}

static void first_and_masked_tokens_are_head_tokens(void **state)
{
    (void)state;
    struct batch batch = marked_batch();
    struct subject subject = subject_for(&batch);
    const struct micro_batch *micro_batch = &subject.micro_batch;
    const struct head_tokens *head_tokens = &micro_batch->head_tokens;

    load(&subject, &batch, 0, 4);
    assert_int_equal(head_tokens->count, 9);
    assert_numbers(head_tokens->rows, (const int32_t[]){0, 3, 5, 6, 8, 12, 13, 14, 15}, 9);
    assert_numbers(head_tokens->starts, (const int32_t[]){0, 2, 3, 6, 9}, 5);
    assert_numbers(head_tokens->positions, (const int32_t[]){0, 3, 0, 0, 2, 6, 0, 1, 2}, 9);
    assert_numbers(head_tokens->examples, (const int32_t[]){0, 0, 1, 2, 2, 2, 3, 3, 3}, 9);
    assert_numbers(head_tokens->predicted, (const int32_t[]){0, 1, 4, 5, 6, 7, 8}, 7);
    assert_true(micro_batch->part_count > 1);
    assert_parts_divide(micro_batch);

    load(&subject, &batch, 1, 3);
    assert_int_equal(head_tokens->count, 4);
    assert_numbers(head_tokens->rows, (const int32_t[]){0, 1, 3, 7}, 4);
    assert_numbers(head_tokens->starts, (const int32_t[]){0, 1, 4}, 3);
    assert_numbers(head_tokens->examples, (const int32_t[]){1, 2, 2, 2}, 4);
    assert_numbers(head_tokens->predicted, (const int32_t[]){2, 3}, 2);
    assert_parts_divide(micro_batch);

    micro_batch_choose_all_tokens(&subject.micro_batch, subject.limits);
    assert_int_equal(head_tokens->count, 8);
    assert_numbers(head_tokens->rows, (const int32_t[]){0, 1, 2, 3, 4, 5, 6, 7}, 8);
    assert_numbers(head_tokens->starts, (const int32_t[]){0, 1, 8}, 3);
    assert_numbers(head_tokens->predicted, (const int32_t[]){3, 7}, 2);
    assert_parts_divide(micro_batch);
    arena_free(&subject.memory);
    batch_free(&batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_micro_batches_have_several_parts_a_thread),
        cmocka_unit_test(first_and_masked_tokens_are_head_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

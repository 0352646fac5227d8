#include "data/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MASK_ID = 4 };

/* Appends a sequence of `length` ids, from `id` on, with one prediction, at index `predicted`. */
static void append(struct batch *batch, int length, int first_segment, int32_t id, int predicted,
                   int32_t shown, int32_t next_sentence_label)
{
    for (int i = 0; i < length; i++)
        batch->input_ids[batch->tokens + i] = id + i;
    batch->predicted_tokens[batch->predicted] = predicted;
    batch->predicted_labels[batch->predicted] = id + predicted;
    batch->input_ids[batch->tokens + predicted] = shown;
    batch_append(batch, length, first_segment, 1, next_sentence_label);
}

static void reserve(struct batch *batch, size_t sequences, size_t tokens, size_t masked)
{
    struct error error = {0};
    assert_true(batch_reserve(batch, sequences, tokens, masked, &error));
}

static void sequences_are_stored_one_after_another(void **state)
{
    (void)state;
    struct batch batch = {0};
    reserve(&batch, 2, 7, 2);
    append(&batch, 3, 2, 10, 1, MASK_ID, IS_NEXT);
    append(&batch, 4, 3, 20, 2, MASK_ID, NOT_NEXT);

    assert_int_equal(batch.sequences, 2);
    assert_int_equal(batch.tokens, 7);
    assert_int_equal(batch.predicted, 2);
    assert_int_equal(batch.max_length, 4);
    assert_memory_equal(batch.starts, ((int32_t[]){0, 3, 7}), 12);
    assert_memory_equal(batch.input_ids, ((int32_t[]){10, MASK_ID, 12, 20, 21, MASK_ID, 23}), 28);
    assert_memory_equal(batch.position_ids, ((int32_t[]){0, 1, 2, 0, 1, 2, 3}), 28);
    assert_memory_equal(batch.token_type_ids, ((int32_t[]){0, 0, 1, 0, 0, 0, 1}), 28);
    assert_memory_equal(batch.predicted_starts, ((int32_t[]){0, 1, 2}), 12);
    assert_memory_equal(batch.predicted_tokens, ((int32_t[]){1, 5}), 8);
    assert_memory_equal(batch.predicted_labels, ((int32_t[]){11, 22}), 8);
    assert_memory_equal(batch.sequence_labels, ((int32_t[]){IS_NEXT, NOT_NEXT}), 8);
    batch_free(&batch);
    assert_null(batch.input_ids);
}

static void reserving_keeps_the_contents(void **state)
{
    (void)state;
    struct batch batch = {0};
    reserve(&batch, 1, 3, 1);
    append(&batch, 3, 3, 10, 2, MASK_ID, NO_LABEL);
    reserve(&batch, 50, 1000, 300);
    append(&batch, 3, 3, 20, 0, MASK_ID, NO_LABEL);
    assert_memory_equal(batch.starts, ((int32_t[]){0, 3, 6}), 12);
    assert_memory_equal(batch.input_ids, ((int32_t[]){10, 11, MASK_ID, MASK_ID, 21, 22}), 24);
    assert_memory_equal(batch.predicted_starts, ((int32_t[]){0, 1, 2}), 12);
    assert_memory_equal(batch.predicted_tokens, ((int32_t[]){2, 3}), 8);
    assert_memory_equal(batch.predicted_labels, ((int32_t[]){12, 20}), 8);

    const int32_t *ids = batch.input_ids;
    reserve(&batch, 2, 10, 10);
    assert_ptr_equal(batch.input_ids, ids);
    assert_int_equal(batch.token_capacity, 1000);
    batch_free(&batch);
}

static void a_cleared_batch_is_empty(void **state)
{
    (void)state;
    struct batch batch = {0};
    batch_clear(&batch);
    reserve(&batch, 2, 10, 10);
    append(&batch, 9, 3, 10, 2, MASK_ID, IS_NEXT);
    batch_clear(&batch);
    assert_int_equal(batch.tokens + batch.predicted + batch.sequences + batch.max_length, 0);
    append(&batch, 2, 2, 30, 1, MASK_ID, NO_LABEL);
    assert_memory_equal(batch.starts, ((int32_t[]){0, 2}), 8);
    assert_int_equal(batch.predicted_tokens[0], 1);
    assert_int_equal(batch_labelled_sequences(&batch), 0);
    batch_free(&batch);
}

static void too_large_a_batch_is_refused(void **state)
{
    (void)state;
    struct batch batch = {0};
    struct error error = {0};
    assert_false(batch_reserve(&batch, 1, (size_t)1 << 31, 1, &error));
    assert_string_equal(error.message, "a batch of 1 sequences, 2147483648 tokens and 1 "
                                       "predictions; expected less than 2^31 of each");
    assert_int_equal(error.kind, ERROR_INPUT);
    batch_free(&batch);
}

static void rates_add_up_over_batches(void **state)
{
    (void)state;
    struct batch batch = {0};
    struct batch_rates rates = {0};
    reserve(&batch, 5, 50, 5);
    append(&batch, 10, 5, 100, 3, MASK_ID, IS_NEXT);
    append(&batch, 10, 5, 200, 3, MASK_ID, NOT_NEXT);
    append(&batch, 10, 5, 300, 3, 303, IS_NEXT);
    append(&batch, 10, 5, 400, 3, 999, IS_NEXT);
    append(&batch, 10, 10, 500, 3, MASK_ID, NO_LABEL);
    batch_rates_count(&rates, &batch, MASK_ID);
    batch_rates_count(&rates, &batch, MASK_ID);
    assert_int_equal(rates.sequences, 10);
    assert_int_equal(rates.tokens, 100);
    assert_int_equal(rates.selected, 10);
    assert_int_equal(rates.shown_mask, 6);
    assert_int_equal(rates.shown_same, 2);
    assert_int_equal(rates.shown_random, 2);
    assert_int_equal(rates.pairs, 8);
    assert_int_equal(rates.is_next, 6);
    batch_free(&batch);
}

static void rates_of_ranks_add_up(void **state)
{
    (void)state;
    struct batch_rates total = {1, 2, 3, 4, 5, 6, 7, 8};
    const struct batch_rates rates = {10, 20, 30, 40, 50, 60, 70, 80},
                             sums = {11, 22, 33, 44, 55, 66, 77, 88};
    batch_rates_add(&total, &rates);
    assert_memory_equal(&total, &sums, sizeof total);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequences_are_stored_one_after_another),
        cmocka_unit_test(reserving_keeps_the_contents),
        cmocka_unit_test(a_cleared_batch_is_empty),
        cmocka_unit_test(too_large_a_batch_is_refused),
        cmocka_unit_test(rates_add_up_over_batches),
        cmocka_unit_test(rates_of_ranks_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "nn/rows.h"

#include "support/bf16_arrays.h"
#include "support/real_arrays.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ROWS = 5, WIDTH = 37, COUNT = ROWS * WIDTH };

/* Spans in the middle of a row, at its ends, of a whole row, of one column, and empty. */
static const struct row_span spans[] = {
    {2, 3, 20}, {0, 0, 1}, {4, WIDTH - 1, 1}, {3, 0, WIDTH}, {1, 30, 7}, {2, 5, 0},
};

enum { SPANS = sizeof spans / sizeof *spans };

static size_t place_of(struct row_span span)
{
    return (size_t)span.row * WIDTH + (size_t)span.column;
}

static struct rows rows_of_bf16(bf16 *narrow)
{
    return (struct rows){.bf16 = narrow, .width = WIDTH};
}

static void reals_are_read_where_they_are(void **state)
{
    (void)state;
    real *values = random_reals(COUNT, 1, 1), *buffer = random_reals(WIDTH, 2, 1);
    real *before = copy_reals(buffer, WIDTH);
    const struct rows rows = rows_of_reals(values, WIDTH);
    assert_int_equal(rows.width, WIDTH);
    for (int i = 0; i < SPANS; i++)
        assert_ptr_equal(rows_read(&rows, spans[i], buffer), values + place_of(spans[i]));
    assert_reals_identical(buffer, before, WIDTH);
    free(values), free(buffer), free(before);
}

static void bf16_is_widened_into_the_buffer(void **state)
{
    (void)state;
    bf16 *values = random_bf16(COUNT, 1, 1);
    const struct rows rows = rows_of_bf16(values);
    for (int i = 0; i < SPANS; i++) {
        const size_t count = (size_t)spans[i].count;
        real *buffer = random_reals(WIDTH + 1, 2, 1), *before = copy_reals(buffer, WIDTH + 1);
        assert_ptr_equal(rows_read(&rows, spans[i], buffer), buffer);
        for (size_t k = 0; k < count; k++)
            assert_true((float)buffer[k] == bf16_to_float(values[place_of(spans[i]) + k]));
        assert_reals_identical(buffer + count, before + count, WIDTH + 1 - count);
        free(buffer), free(before);
    }
    free(values);
}

static void results_are_computed_in_place_or_in_the_buffer(void **state)
{
    (void)state;
    real reals[COUNT], buffer[WIDTH];
    bf16 narrow[COUNT];
    const struct rows real_rows = rows_of_reals(reals, WIDTH), bf16_rows = rows_of_bf16(narrow);
    for (int i = 0; i < SPANS; i++) {
        assert_ptr_equal(rows_place(&real_rows, spans[i], buffer), reals + place_of(spans[i]));
        assert_ptr_equal(rows_place(&bf16_rows, spans[i], buffer), buffer);
    }
}

/* Elements outside the span are not changed. */
static void reals_are_copied_unless_they_are_in_place(void **state)
{
    (void)state;
    real *source = random_reals(WIDTH, 2, 1);
    for (int i = 0; i < SPANS; i++) {
        real *values = random_reals(COUNT, 1, 1), *expected = copy_reals(values, COUNT);
        const struct rows rows = rows_of_reals(values, WIDTH);
        rows_write(&rows, spans[i], rows_place(&rows, spans[i], NULL));
        assert_reals_identical(values, expected, COUNT);
        rows_write(&rows, spans[i], source);
        memcpy(expected + place_of(spans[i]), source, (size_t)spans[i].count * sizeof(real));
        assert_reals_identical(values, expected, COUNT);
        free(values), free(expected);
    }
    free(source);
}

static void bf16_is_rounded_where_it_is_written(void **state)
{
    (void)state;
    real *source = random_reals(WIDTH, 2, 1);
    for (int i = 0; i < SPANS; i++) {
        bf16 *values = random_bf16(COUNT, 1, 1), *expected = random_bf16(COUNT, 1, 1);
        const struct rows rows = rows_of_bf16(values);
        rows_write(&rows, spans[i], source);
        for (size_t k = 0; k < (size_t)spans[i].count; k++)
            expected[place_of(spans[i]) + k] = bf16_from_float((float)source[k]);
        assert_bf16_identical(values, expected, COUNT);
        free(values), free(expected);
    }
    free(source);
}

static void later_rows_are_a_view_of_the_same_matrix(void **state)
{
    (void)state;
    real reals[COUNT];
    bf16 narrow[COUNT];
    const size_t at = (size_t)3 * WIDTH;
    const struct rows later_reals = rows_from(rows_of_reals(reals, WIDTH), 3);
    const struct rows later_bf16 = rows_from(rows_of_bf16(narrow), 3);
    assert_ptr_equal(later_reals.reals, reals + at);
    assert_null(later_reals.bf16);
    assert_ptr_equal(later_bf16.bf16, narrow + at);
    assert_null(later_bf16.reals);
    assert_int_equal(later_reals.width, WIDTH);
    assert_int_equal(later_bf16.width, WIDTH);
    const struct row_span span = {1, 4, 2};
    assert_ptr_equal(rows_read(&later_reals, span, NULL), reals + at + place_of(span));
}

static void rows_are_gathered_and_scattered(void **state)
{
    (void)state;
    const int32_t chosen[] = {3, 0, 3};
    real *values = random_reals(COUNT, 1, 1), *sum = copy_reals(values, COUNT);
    bf16 *narrow = random_bf16(COUNT, 2, 1), *bf16_rows = nan_bf16(3 * WIDTH);
    real *rows = zero_reals(3 * WIDTH);
    rows_gather(rows_of_reals(rows, WIDTH), rows_of_reals(values, WIDTH), chosen, 3);
    rows_gather(rows_of_bf16(bf16_rows), rows_of_bf16(narrow), chosen, 3);
    rows_scatter_add(sum, rows, chosen, 3, WIDTH);
    for (size_t i = 0; i < 3; i++) {
        const size_t at = (size_t)chosen[i] * WIDTH;
        assert_reals_identical(rows + i * WIDTH, values + at, WIDTH);
        assert_bf16_identical(bf16_rows + i * WIDTH, narrow + at, WIDTH);
    }
    for (size_t i = 0; i < COUNT; i++) {
        const real times = i / WIDTH == 3 ? 3 : i / WIDTH == 0 ? 2 : 1;
        assert_true(fabs((double)(sum[i] - times * values[i])) < 1e-6);
    }
    free(values), free(sum), free(rows), free(narrow), free(bf16_rows);
}

static void views_begin_at_a_row_and_a_column(void **state)
{
    (void)state;
    real *values = random_reals(COUNT, 1, 1);
    bf16 *narrow = random_bf16(COUNT, 2, 1);
    const struct rows view = rows_columns_from(rows_from(rows_of_reals(values, WIDTH), 2), 30);
    const struct rows bf16_view = rows_columns_from(rows_from(rows_of_bf16(narrow), 2), 30);
    assert_ptr_equal(rows_address(&view, 1), values + 3 * WIDTH + 30);
    assert_ptr_equal(rows_address(&bf16_view, 1), narrow + 3 * WIDTH + 30);
    assert_true(view.width == WIDTH && !view.bf16 && bf16_view.width == WIDTH && !bf16_view.reals);
    free(values), free(narrow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reals_are_read_where_they_are),
        cmocka_unit_test(bf16_is_widened_into_the_buffer),
        cmocka_unit_test(results_are_computed_in_place_or_in_the_buffer),
        cmocka_unit_test(reals_are_copied_unless_they_are_in_place),
        cmocka_unit_test(bf16_is_rounded_where_it_is_written),
        cmocka_unit_test(later_rows_are_a_view_of_the_same_matrix),
        cmocka_unit_test(rows_are_gathered_and_scattered),
        cmocka_unit_test(views_begin_at_a_row_and_a_column),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "nn/dropout.h"

#include "base/random.h"
#include "support/real_arrays.h"

#include <math.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Returns the 16 bits of philox() for a place, as the header describes them. */
static uint32_t bits_at(const struct dropout *dropout, uint32_t site, uint32_t example,
                        uint32_t row, uint32_t column)
{
    uint32_t block[4];
    philox(block, (const uint32_t[4]){column / 8, row, example, site}, dropout->key);
    return block[column % 8 / 2] >> (column % 2 * 16) & 0xFFFF;
}

static void check_row(const struct dropout *dropout, int width, uint32_t site, uint32_t example,
                      uint32_t row)
{
    const size_t count = (size_t)width;
    real *x = random_reals(count, 1, 1), *expected = copy_reals(x, count);
    for (uint32_t i = 0; i < (uint32_t)width; i++) {
        bool dropped = bits_at(dropout, site, example, row, i) < dropout->threshold;
        expected[i] = dropped ? 0 : expected[i] * dropout->scale;
    }
    dropout_row(x, width, dropout, site, example, row);
    assert_reals_identical(x, expected, count);
    free(x);
    free(expected);
}

static void masks_are_philox_bits_of_the_place(void **state)
{
    (void)state;
    struct dropout dropout = dropout_begin(42, 7, 0.5);
    const int widths[] = {1, 2, 7, 8, 9, 17, 127, 128, 129, 768, 1000};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        check_row(&dropout, widths[i], 0, 0, 0);
    check_row(&dropout, 300, 51, 255, 11 << 16 | 511);
    check_row(&dropout, 300, UINT32_MAX, UINT32_MAX, UINT32_MAX);
}

static void element_is_dropped_only_below_the_threshold(void **state)
{
    (void)state;
    struct dropout dropout = dropout_begin(42, 7, 0.5);
    real x[1] = {1};
    dropout.threshold = bits_at(&dropout, 0, 0, 0, 0);
    dropout_row(x, 1, &dropout, 0, 0, 0);
    assert_true(x[0] == 2);
    dropout.threshold++;
    dropout_row(x, 1, &dropout, 0, 0, 0);
    assert_true(x[0] == 0);
}

static void key_depends_on_seed_and_step(void **state)
{
    (void)state;
    struct dropout dropout = dropout_begin(42, 7, 0.1);
    struct dropout seed = dropout_begin(43, 7, 0.1), step = dropout_begin(42, 8, 0.1);
    struct random random = random_begin(42, RANDOM_DROPOUT, 7, 0);
    assert_int_equal(dropout.key[0], random_bits(&random));
    assert_int_equal(dropout.key[1], random_bits(&random));
    assert_memory_not_equal(dropout.key, seed.key, sizeof dropout.key);
    assert_memory_not_equal(dropout.key, step.key, sizeof dropout.key);
}

static void rate_zero_changes_nothing(void **state)
{
    (void)state;
    struct dropout dropout = dropout_begin(1, 1, 0);
    real *x = random_reals(100, 1, 1), *before = copy_reals(x, 100);
    dropout_row(x, 100, &dropout, 0, 0, 0);
    assert_reals_identical(x, before, 100);
    free(x);
    free(before);
}

static void rates_are_multiples_of_two_to_minus_16(void **state)
{
    (void)state;
    assert_int_equal(dropout_begin(1, 1, 0.1).threshold, 6554);
    assert_int_equal(dropout_begin(1, 1, 0.5).threshold, 32768);
    assert_true(dropout_begin(1, 1, 0.5).scale == 2);
    assert_int_equal(dropout_begin(1, 1, 0.9999999).threshold, 65535);
    assert_true(dropout_begin(1, 1, 0.9999999).scale == 65536);
}

/* The dropped share of 2^20 elements at rate 0.1, and the mean of ones after dropout, are within
 * five standard deviations. */
static void dropped_share_is_the_rate(void **state)
{
    (void)state;
    enum { ROWS = 1024, WIDTH = 1024 };
    struct dropout dropout = dropout_begin(5, 1, 0.1);
    double dropped = 0, sum = 0;
    real *x = zero_reals(WIDTH);
    for (uint32_t row = 0; row < ROWS; row++) {
        for (int i = 0; i < WIDTH; i++)
            x[i] = 1;
        dropout_row(x, WIDTH, &dropout, 1, 2, row);
        for (int i = 0; i < WIDTH; i++) {
            dropped += x[i] == 0;
            sum += (double)x[i];
        }
    }
    const double count = ROWS * WIDTH, deviation = sqrt(0.1 * 0.9 / count);
    assert_true(fabs(dropped / count - 0.1) < 5 * deviation);
    assert_true(fabs(sum / count - 1) < 5 * deviation / 0.9);
    free(x);
}

static void rows_are_their_places_not_their_order(void **state)
{
    (void)state;
    enum { ROWS = 3, WIDTH = 50 };
    const uint32_t examples[ROWS] = {9, 4, 9}, positions[ROWS] = {1, 0, 3};
    struct dropout dropout = dropout_begin(3, 2, 0.4);
    real *x = random_reals(ROWS * WIDTH, 1, 1), *expected = copy_reals(x, ROWS * WIDTH);
    for (int row = 0; row < ROWS; row++)
        dropout_row(expected + row * WIDTH, WIDTH, &dropout, 6, examples[row], positions[row]);
    for (int row = ROWS - 1; row >= 0; row--)
        dropout_row(x + row * WIDTH, WIDTH, &dropout, 6, examples[row], positions[row]);
    assert_reals_identical(x, expected, ROWS * WIDTH);
    free(x);
    free(expected);
}

static void dropped_elements_are_zero_whatever_they_were(void **state)
{
    (void)state;
    struct dropout dropout = dropout_begin(3, 2, 0.5);
    real x[64];
    for (int i = 0; i < 64; i++)
        x[i] = (real)INFINITY;
    dropout_row(x, 64, &dropout, 0, 0, 0);
    for (uint32_t i = 0; i < 64; i++)
        assert_true(bits_at(&dropout, 0, 0, 0, i) < 32768 ? x[i] == 0 : isinf(x[i]));
}

enum { MANY_ROWS = 150, MANY_WIDTH = 200 };

static void rows_work(void *context)
{
    real *x = context;
    struct dropout dropout = dropout_begin(3, 2, 0.4);
    for (int i = 0; i < MANY_ROWS * MANY_WIDTH; i++)
        x[i] = 1;
#pragma omp parallel for schedule(dynamic)
    for (int row = 0; row < MANY_ROWS; row++)
        dropout_row(x + (size_t)row * MANY_WIDTH, MANY_WIDTH, &dropout, 6, (uint32_t)row,
                    (uint32_t)row);
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    real *x = zero_reals(MANY_ROWS * MANY_WIDTH);
    assert_threads_do_not_matter(rows_work, x, x, MANY_ROWS * MANY_WIDTH);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_are_philox_bits_of_the_place),
        cmocka_unit_test(element_is_dropped_only_below_the_threshold),
        cmocka_unit_test(key_depends_on_seed_and_step),
        cmocka_unit_test(rate_zero_changes_nothing),
        cmocka_unit_test(rates_are_multiples_of_two_to_minus_16),
        cmocka_unit_test(dropped_share_is_the_rate),
        cmocka_unit_test(rows_are_their_places_not_their_order),
        cmocka_unit_test(dropped_elements_are_zero_whatever_they_were),
        cmocka_unit_test(threads_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

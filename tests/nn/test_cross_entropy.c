#include "nn/cross_entropy.h"

#include "nn/softmax.h"
#include "support/bf16_arrays.h"
#include "support/real_arrays.h"

#include <math.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Computes log sum exp(x) in double precision. */
static double reference_log_sum(const real *x, int classes)
{
    double max = -INFINITY, sum = 0;
    for (int i = 0; i < classes; i++)
        max = (double)x[i] > max ? (double)x[i] : max;
    for (int i = 0; i < classes; i++)
        sum += exp((double)x[i] - max);
    return max + log(sum);
}

static void check(int rows, int classes, const int32_t *labels)
{
    const size_t count = (size_t)rows * (size_t)classes;
    const real scale = (real)0.125;
    real *logits = random_reals(count, 1, 8), *dlogits = copy_reals(logits, count);
    real *loss = random_reals((size_t)rows, 2, 1), *same_loss = zero_reals((size_t)rows);
    struct loss_sums sums = {.loss = 5, .loss_squares = 7, .count = 3, .correct = 2},
                     same_sums = sums;
    const struct rows gradient_rows = rows_of_reals(dlogits, classes);
    cross_entropy_forward(&sums, loss, rows_of_reals(logits, classes), labels, rows, classes);
    cross_entropy_backward(&same_sums, same_loss, gradient_rows, gradient_rows, labels, rows,
                           classes, scale);
    double total = 5, squares = 7;
    int64_t labelled = 0;
    for (int row = 0; row < rows; row++) {
        const size_t at = (size_t)row * (size_t)classes;
        const double log_sum = reference_log_sum(logits + at, classes);
        const bool counts = labels[row] >= 0;
        double expected = counts ? log_sum - (double)logits[at + (size_t)labels[row]] : 0;
        assert_reals_near(&loss[row], &expected, 1, 1e-6);
        total += expected;
        squares += expected * expected;
        labelled += counts;
        for (int i = 0; i < classes; i++) {
            double p = exp((double)logits[at + (size_t)i] - log_sum) - (i == labels[row]);
            double gradient = counts ? p * (double)scale : 0;
            assert_reals_near(&dlogits[at + (size_t)i], &gradient, 1, 1e-7);
        }
    }
    assert_reals_identical(same_loss, loss, (size_t)rows);
    assert_true(fabs(sums.loss - total) < 1e-6 * total);
    assert_true(fabs(sums.loss_squares - squares) < 2e-6 * squares);
    assert_int_equal(sums.count, 3 + labelled);
    assert_memory_equal(&sums, &same_sums, sizeof sums);
    free(logits);
    free(dlogits);
    free(loss);
    free(same_loss);
}

static void losses_and_gradients_match_their_formulas(void **state)
{
    (void)state;
    check(1, 1, (const int32_t[]){0});
    check(5, 2, (const int32_t[]){0, 1, -100, 1, 0});
    check(3, 17, (const int32_t[]){16, -1, 0});
    check(3, 30522, (const int32_t[]){30521, 0, 1234});
}

static int64_t correct_of(real *logits, int32_t label, int classes)
{
    real loss;
    struct loss_sums sums = {0};
    cross_entropy_forward(&sums, &loss, rows_of_reals(logits, classes), &label, 1, classes);
    return sums.correct;
}

static void first_of_equal_logits_is_the_answer(void **state)
{
    (void)state;
    real logits[5] = {1, 4, -2, 4, 3};
    assert_int_equal(correct_of(logits, 1, 5), 1);
    assert_int_equal(correct_of(logits, 3, 5), 0);
    assert_int_equal(correct_of(logits, 0, 5), 0);
    assert_int_equal(correct_of(logits, 4, 5), 0);
    assert_int_equal(correct_of(logits + 2, 1, 3), 1);
    real next_to_it[2] = {1, nextafterf(1, 2)};
    assert_int_equal(correct_of(next_to_it, 0, 2), 0);
    assert_int_equal(correct_of(next_to_it, 1, 2), 1);
    real nan[3] = {1, 2, (real)NAN};
    assert_int_equal(correct_of(nan, 1, 3), 0);
    assert_int_equal(correct_of(nan, 2, 3), 0);
}

static void huge_logits_stay_finite(void **state)
{
    (void)state;
    const double scales[] = {1e4, 1e18};
    for (size_t k = 0; k < sizeof scales / sizeof *scales; k++) {
        real logits[4] = {0, (real)scales[k], (real)-scales[k], (real)(scales[k] / 2)};
        real loss[1];
        const int32_t label = 2;
        const double expected_loss = (double)logits[1] - (double)logits[2];
        const double expected[4] = {0, 1, -1, 0};
        struct loss_sums sums = {0};
        cross_entropy_backward(&sums, loss, rows_of_reals(logits, 4), rows_of_reals(logits, 4),
                               &label, 1, 4, 1);
        assert_reals_near(loss, &expected_loss, 1, 1e-6);
        assert_reals_near(logits, expected, 4, 1e-7);
    }
}

static void nan_in_a_row_is_its_loss(void **state)
{
    (void)state;
    for (int place = 0; place < 40; place++) {
        real *logits = random_reals(80, 1, 1), loss[2];
        logits[place] = (real)NAN;
        struct loss_sums sums = {0};
        cross_entropy_forward(&sums, loss, rows_of_reals(logits, 40), (const int32_t[]){3, 3}, 2,
                              40);
        assert_true(isnan(loss[0]) && isfinite(loss[1]) && isnan(sums.loss));
        free(logits);
    }
}

/* Returns logits [rows, width] whose columns after the classes are NaN. */
static real *padded_logits(const real *logits, int rows, int classes, int width)
{
    real *padded = zero_reals((size_t)rows * (size_t)width);
    for (int row = 0; row < rows; row++)
        for (int i = 0; i < width; i++)
            padded[(size_t)row * (size_t)width + (size_t)i] =
                i < classes ? logits[(size_t)row * (size_t)classes + (size_t)i] : (real)NAN;
    return padded;
}

static const int32_t some_labels[6] = {5, -1, 0, 1002, -100, 77};

enum { SOME_ROWS = sizeof some_labels / sizeof *some_labels };

/* Columns after the classes do not count, and their gradient is zero. */
static void rows_may_be_wider_than_the_classes(void **state)
{
    (void)state;
    enum { CLASSES = 1003, WIDTH = 1024 };
    real *logits = random_reals(SOME_ROWS * CLASSES, 1, 5);
    real *wide = padded_logits(logits, SOME_ROWS, CLASSES, WIDTH);
    real loss[SOME_ROWS], wide_loss[SOME_ROWS], forward_loss[SOME_ROWS];
    struct loss_sums sums = {0}, wide_sums = {0}, forward_sums = {0};
    const struct rows narrow_rows = rows_of_reals(logits, CLASSES);
    const struct rows wide_rows = rows_of_reals(wide, WIDTH);
    cross_entropy_forward(&forward_sums, forward_loss, wide_rows, some_labels, SOME_ROWS, CLASSES);
    cross_entropy_backward(&sums, loss, narrow_rows, narrow_rows, some_labels, SOME_ROWS, CLASSES,
                           (real)0.25);
    cross_entropy_backward(&wide_sums, wide_loss, wide_rows, wide_rows, some_labels, SOME_ROWS,
                           CLASSES, (real)0.25);
    assert_reals_identical(wide_loss, loss, SOME_ROWS);
    assert_reals_identical(forward_loss, loss, SOME_ROWS);
    assert_memory_equal(&wide_sums, &sums, sizeof sums);
    assert_memory_equal(&forward_sums, &sums, sizeof sums);
    for (int row = 0; row < SOME_ROWS; row++) {
        assert_reals_identical(wide + row * WIDTH, logits + row * CLASSES, CLASSES);
        for (int i = CLASSES; i < WIDTH; i++)
            assert_true(wide[row * WIDTH + i] == 0);
    }
    free(logits);
    free(wide);
}

/* The gradients have rows of their own and are computed some rows at a time, as in the head. */
static void bf16_gradients_are_the_real_ones_rounded(void **state)
{
    (void)state;
    enum { CLASSES = 1003, WIDTH = 1024, COUNT = SOME_ROWS * WIDTH };
    const real scale = (real)0.125;
    real *logits = random_reals(SOME_ROWS * CLASSES, 1, 5);
    real *wide = padded_logits(logits, SOME_ROWS, CLASSES, WIDTH);
    real *expected = copy_reals(wide, COUNT), loss[SOME_ROWS], expected_loss[SOME_ROWS];
    bf16 *gradients = nan_bf16(COUNT);
    const struct rows rows = {.bf16 = gradients, .width = WIDTH};
    const struct rows expected_rows = rows_of_reals(expected, WIDTH);
    struct loss_sums sums = {0}, expected_sums = {0};
    cross_entropy_backward(&expected_sums, expected_loss, expected_rows, expected_rows, some_labels,
                           SOME_ROWS, CLASSES, scale);
    for (int first = 0; first < SOME_ROWS; first += 4) {
        const int count = SOME_ROWS - first < 4 ? SOME_ROWS - first : 4;
        cross_entropy_backward(&sums, loss + first, rows_from(rows, first),
                               rows_from(rows_of_reals(wide, WIDTH), first), some_labels + first,
                               count, CLASSES, scale);
    }
    bf16 *rounded = rounded_copy(expected, COUNT);
    assert_bf16_identical(gradients, rounded, COUNT);
    assert_reals_identical(loss, expected_loss, SOME_ROWS);
    assert_memory_equal(&sums, &expected_sums, sizeof sums);
    free(logits), free(wide), free(expected), free(gradients), free(rounded);
}

static void no_rows_add_nothing(void **state)
{
    (void)state;
    struct loss_sums sums = {.loss = 5, .loss_squares = 7, .count = 3, .correct = 2};
    const struct loss_sums before = sums;
    cross_entropy_forward(&sums, NULL, (struct rows){.width = 4}, NULL, 0, 3);
    assert_memory_equal(&sums, &before, sizeof sums);
}

static void softmax_is_exponentials_over_their_sum(void **state)
{
    (void)state;
    enum { ROWS = 3, CLASSES = 131 };
    real *logits = random_reals(ROWS * CLASSES, 1, 9), *p = zero_reals(ROWS * CLASSES);
    softmax(p, logits, ROWS, CLASSES);
    for (int row = 0; row < ROWS; row++) {
        const double log_sum = reference_log_sum(logits + row * CLASSES, CLASSES);
        for (int i = 0; i < CLASSES; i++) {
            double expected = exp((double)logits[row * CLASSES + i] - log_sum);
            assert_reals_near(&p[row * CLASSES + i], &expected, 1, 1e-7);
        }
    }
    softmax(logits, logits, ROWS, CLASSES);
    assert_reals_identical(logits, p, ROWS * CLASSES);
    free(logits);
    free(p);
}

/* A logit of minus infinity is an impossible class. */
static void softmax_row_gives_its_log_sum_and_excludes_minus_infinity(void **state)
{
    (void)state;
    real x[4] = {1, (real)-INFINITY, 3, 2}, y[4];
    const double e = exp(-1) + exp(-2) + 1,
                 expected[4] = {2 * exp(-2) / e, 0, 2 / e, 2 * exp(-1) / e};
    struct softmax_sum only = softmax_sum(x, 4), sum = softmax_row(y, x, 4, 2);
    assert_reals_near(y, expected, 4, 3e-7);
    assert_true(y[1] == 0);
    assert_reals_near(&sum.sum, &e, 1, 1e-6);
    assert_true(sum.max == 3 && only.max == 3 && only.sum == sum.sum);
}

enum { MANY_ROWS = 101, MANY_CLASSES = 257 };

/* Operands and results of one pass. */
struct pass {
    int32_t labels[MANY_ROWS];
    real *input, *logits, *row_loss;
    real total[1];
};

static void work(void *context)
{
    struct pass *pass = context;
    struct loss_sums sums = {0};
    memcpy(pass->logits, pass->input, MANY_ROWS * MANY_CLASSES * sizeof(real));
    const struct rows logits = rows_of_reals(pass->logits, MANY_CLASSES);
    cross_entropy_backward(&sums, pass->row_loss, logits, logits, pass->labels, MANY_ROWS,
                           MANY_CLASSES, 1);
    assert_int_equal(sums.count, MANY_ROWS);
    pass->total[0] = (real)sums.loss;
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    const size_t count = MANY_ROWS * MANY_CLASSES;
    struct pass pass = {.input = random_reals(count, 1, 5),
                        .logits = zero_reals(count),
                        .row_loss = zero_reals(MANY_ROWS)};
    for (int32_t row = 0; row < MANY_ROWS; row++)
        pass.labels[row] = row * 2;
    assert_threads_do_not_matter(work, &pass, pass.logits, count);
    assert_threads_do_not_matter(work, &pass, pass.row_loss, MANY_ROWS);
    assert_threads_do_not_matter(work, &pass, pass.total, 1);
    free(pass.input);
    free(pass.logits);
    free(pass.row_loss);
}

static void sums_add_up_to_means(void **state)
{
    (void)state;
    struct loss_sums total = {0};
    assert_true(loss_sums_mean(&total) == 0 && loss_sums_accuracy(&total) == 0);
    loss_sums_add(&total, &(struct loss_sums){1.5, 2.25, 1, 0});
    loss_sums_add(&total, &(struct loss_sums){2.5, 3.25, 3, 3});
    assert_true(total.loss == 4 && total.loss_squares == 5.5);
    assert_true(loss_sums_mean(&total) == 1 && loss_sums_accuracy(&total) == 0.75);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_and_gradients_match_their_formulas),
        cmocka_unit_test(first_of_equal_logits_is_the_answer),
        cmocka_unit_test(huge_logits_stay_finite),
        cmocka_unit_test(nan_in_a_row_is_its_loss),
        cmocka_unit_test(rows_may_be_wider_than_the_classes),
        cmocka_unit_test(bf16_gradients_are_the_real_ones_rounded),
        cmocka_unit_test(no_rows_add_nothing),
        cmocka_unit_test(sums_add_up_to_means),
        cmocka_unit_test(softmax_is_exponentials_over_their_sum),
        cmocka_unit_test(softmax_row_gives_its_log_sum_and_excludes_minus_infinity),
        cmocka_unit_test(threads_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

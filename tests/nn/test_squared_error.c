#include "nn/squared_error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const real y[] = {1, -2, 5, 0};
static const float targets[] = {3, -2, 0, 0.5F};
static const int32_t labels[] = {0, 0, -100, 0};

static void it_sums_the_squares_of_rows_with_a_target(void **state)
{
    (void)state;
    struct loss_sums sums = {.loss = 1, .loss_squares = 2, .count = 3};
    squared_error_forward(&sums, y, targets, labels, 4);
    assert_true(sums.loss == 1 + 4 + 0 + 0.25);
    assert_true(sums.loss_squares == 2 + 16 + 0 + 0.0625);
    assert_int_equal(sums.count, 3 + 3);
    assert_int_equal(sums.correct, 0);
}

static void its_gradient_is_zero_without_a_target(void **state)
{
    (void)state;
    struct loss_sums forward = {0}, backward = {0};
    real dy[4];
    memcpy(dy, y, sizeof y);
    squared_error_forward(&forward, y, targets, labels, 4);
    squared_error_backward(&backward, dy, dy, targets, labels, 4, (real)0.5);
    assert_memory_equal(&forward, &backward, sizeof forward);
    assert_true(dy[0] == -2 && dy[1] == 0 && dy[2] == 0 && dy[3] == -0.5);
}

static void no_rows_have_no_loss(void **state)
{
    (void)state;
    struct loss_sums sums = {0};
    squared_error_backward(&sums, NULL, NULL, NULL, NULL, 0, 1);
    assert_true(sums.count == 0 && sums.loss == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_sums_the_squares_of_rows_with_a_target),
        cmocka_unit_test(its_gradient_is_zero_without_a_target),
        cmocka_unit_test(no_rows_have_no_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

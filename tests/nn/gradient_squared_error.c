#include "nn/squared_error.h"
#include "support/gradient_check.h"
#include "support/real_arrays.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const real scale = (real)0.25;

struct layer {
    int rows;
    real *y;
    const float *targets;
    const int32_t *labels;
};

static double scaled_loss(void *context)
{
    const struct layer *layer = context;
    struct loss_sums sums = {0};
    squared_error_forward(&sums, layer->y, layer->targets, layer->labels, layer->rows);
    return (double)scale * sums.loss;
}

static void check(int rows, const float *targets, const int32_t *labels)
{
    struct layer layer = {rows, random_reals((size_t)rows, 1, 3), targets, labels};
    struct loss_sums sums = {0};
    real *dy = copy_reals(layer.y, (size_t)rows);
    squared_error_backward(&sums, dy, dy, targets, labels, rows, scale);
    assert_true(gradient_error(dy, layer.y, (size_t)rows, scaled_loss, &layer) < 1e-6);
    free(layer.y);
    free(dy);
}

static void squared_error_gradients_match_differences(void **state)
{
    (void)state;
    check(1, (const float[]){2.5F}, (const int32_t[]){0});
    check(4, (const float[]){-1, 0, 100, 3}, (const int32_t[]){0, -100, 0, 0});
    check(2, (const float[]){1, 2}, (const int32_t[]){-100, -100});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(squared_error_gradients_match_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

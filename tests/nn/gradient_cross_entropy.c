#include "nn/cross_entropy.h"
#include "support/gradient_check.h"
#include "support/real_arrays.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const real scale = (real)0.25;

struct layer {
    int rows, classes;
    real *logits, *row_loss;
    const int32_t *labels;
};

static double scaled_loss(void *context)
{
    const struct layer *layer = context;
    struct loss_sums sums = {0};
    cross_entropy_forward(&sums, layer->row_loss, rows_of_reals(layer->logits, layer->classes),
                          layer->labels, layer->rows, layer->classes);
    return (double)scale * sums.loss;
}

static void check(int rows, int classes, const int32_t *labels)
{
    const size_t count = (size_t)rows * (size_t)classes;
    struct layer layer = {rows, classes, random_reals(count, 1, 3), zero_reals((size_t)rows),
                          labels};
    struct loss_sums sums = {0};
    real *dlogits = copy_reals(layer.logits, count);
    cross_entropy_backward(&sums, layer.row_loss, rows_of_reals(dlogits, classes),
                           rows_of_reals(dlogits, classes), labels, rows, classes, scale);
    assert_true(gradient_error(dlogits, layer.logits, count, scaled_loss, &layer) < 1e-6);
    free(layer.logits);
    free(layer.row_loss);
    free(dlogits);
}

static void cross_entropy_gradients_match_differences(void **state)
{
    (void)state;
    check(1, 1, (const int32_t[]){0});
    check(1, 2, (const int32_t[]){1});
    check(4, 7, (const int32_t[]){6, -100, 0, 3});
    check(3, 67, (const int32_t[]){66, 33, -1});
    check(2, 5, (const int32_t[]){-100, -100});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cross_entropy_gradients_match_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

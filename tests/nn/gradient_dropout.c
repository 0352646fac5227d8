#include "nn/dropout.h"
#include "support/gradient_check.h"
#include "support/real_arrays.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>

enum { ROWS = 3, WIDTH = 45, COUNT = ROWS * WIDTH };

static const uint32_t examples[ROWS] = {0, 0, 7}, positions[ROWS] = {0, 1, 0};

/* f = sum of dropout(x) * dy, so that dy is the gradient with respect to dropout(x). */
struct layer {
    struct dropout dropout;
    real *x, *dy, *y;
};

static void drop_rows(real *x, const struct dropout *dropout)
{
    for (int row = 0; row < ROWS; row++)
        dropout_row(x + (size_t)row * WIDTH, WIDTH, dropout, 5, examples[row], positions[row]);
}

static double weighted_output(void *context)
{
    const struct layer *layer = context;
    double sum = 0;
    memcpy(layer->y, layer->x, COUNT * sizeof(real));
    drop_rows(layer->y, &layer->dropout);
    for (size_t i = 0; i < COUNT; i++)
        sum += (double)layer->y[i] * (double)layer->dy[i];
    return sum;
}

static void dropping_a_gradient_is_the_backward_pass(void **state)
{
    (void)state;
    struct layer layer = {dropout_begin(42, 3, 0.3), random_reals(COUNT, 1, 1),
                          random_reals(COUNT, 2, 1), zero_reals(COUNT)};
    real *dx = copy_reals(layer.dy, COUNT);
    drop_rows(dx, &layer.dropout);
    assert_true(gradient_error(dx, layer.x, COUNT, weighted_output, &layer) < 1e-6);
    free(layer.x);
    free(layer.dy);
    free(layer.y);
    free(dx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dropping_a_gradient_is_the_backward_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "nn/activation.h"
#include "support/gradient_check.h"
#include "support/real_arrays.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { COUNT = 301 };

/* f = sum of y * dy, so that dy is the gradient with respect to y. */
struct layer {
    enum activation activation;
    real *x, *dy, *y;
};

static double weighted_sum(const struct layer *layer)
{
    double sum = 0;
    for (size_t i = 0; i < COUNT; i++)
        sum += (double)layer->y[i] * (double)layer->dy[i];
    return sum;
}

static double activation_output(void *context)
{
    const struct layer *layer = context;
    activation_forward(layer->y, layer->x, COUNT, layer->activation);
    return weighted_sum(layer);
}

static double tanh_output(void *context)
{
    const struct layer *layer = context;
    tanh_forward(layer->y, layer->x, COUNT);
    return weighted_sum(layer);
}

static struct layer layer_create(enum activation activation)
{
    return (struct layer){activation, random_reals(COUNT, 1, 5), random_reals(COUNT, 2, 1),
                          zero_reals(COUNT)};
}

static void layer_free(struct layer *layer)
{
    free(layer->x);
    free(layer->dy);
    free(layer->y);
}

static void activation_gradients_match_differences(void **state)
{
    (void)state;
    const enum activation all[] = {ACTIVATION_GELU, ACTIVATION_GELU_TANH, ACTIVATION_RELU};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct layer layer = layer_create(all[i]);
        real *dx = zero_reals(COUNT);
        activation_backward(dx, layer.y, layer.dy, layer.x, COUNT, all[i]);
        assert_true(gradient_error(dx, layer.x, COUNT, activation_output, &layer) < 1e-6);
        layer_free(&layer);
        free(dx);
    }
}

static void tanh_gradient_matches_differences(void **state)
{
    (void)state;
    struct layer layer = layer_create(ACTIVATION_GELU);
    real *dx = zero_reals(COUNT);
    tanh_output(&layer);
    tanh_backward(dx, layer.dy, layer.y, COUNT);
    assert_true(gradient_error(dx, layer.x, COUNT, tanh_output, &layer) < 1e-6);
    layer_free(&layer);
    free(dx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activation_gradients_match_differences),
        cmocka_unit_test(tanh_gradient_matches_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

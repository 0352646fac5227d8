#include "nn/layernorm.h"
#include "support/real_arrays.h"

#include <math.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const double epsilon = 1e-12;

/* Operands of one layer, and its gradients. */
struct layer {
    int rows, width;
    size_t count;
    real *x, *weight, *bias, *dy;                 /* in */
    real *y, *mean, *rstd, *dx, *dweight, *dbias; /* out or accumulated */
};

static struct layer layer_create(int rows, int width)
{
    const size_t count = (size_t)rows * (size_t)width, columns = (size_t)width;
    return (struct layer){
        .rows = rows,
        .width = width,
        .count = count,
        .x = random_reals(count, 1, 3),
        .weight = random_reals(columns, 2, 1),
        .bias = random_reals(columns, 3, 1),
        .dy = random_reals(count, 4, 1),
        .y = zero_reals(count),
        .mean = zero_reals((size_t)rows),
        .rstd = zero_reals((size_t)rows),
        .dx = zero_reals(count),
        .dweight = zero_reals(columns),
        .dbias = zero_reals(columns),
    };
}

static void layer_free(struct layer *layer)
{
    real *all[] = {layer->x,    layer->weight, layer->bias, layer->dy,      layer->y,
                   layer->mean, layer->rstd,   layer->dx,   layer->dweight, layer->dbias};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void forward(void *context)
{
    const struct layer *layer = context;
    for (int row = 0; row < layer->rows; row++) {
        const size_t at = (size_t)row * (size_t)layer->width;
        layernorm_forward(layer->y + at, layer->mean + row, layer->rstd + row, layer->x + at,
                          layer->weight, layer->bias, layer->width, (real)epsilon);
    }
}

static void add_gradients(const struct layer *layer)
{
    for (int row = 0; row < layer->rows; row++) {
        const size_t at = (size_t)row * (size_t)layer->width;
        layernorm_backward(layer->dx + at, layer->dweight, layer->dbias, layer->dy + at,
                           layer->x + at, layer->mean[row], layer->rstd[row], layer->weight,
                           layer->width);
    }
}

static void backward(void *context)
{
    const struct layer *layer = context;
    memset(layer->dweight, 0, (size_t)layer->width * sizeof(real));
    memset(layer->dbias, 0, (size_t)layer->width * sizeof(real));
    add_gradients(layer);
}

static void reference_moments(const real *x, int width, double *mean, double *rstd)
{
    double variance = 0;
    *mean = 0;
    for (int i = 0; i < width; i++)
        *mean += (double)x[i] / width;
    for (int i = 0; i < width; i++)
        variance += ((double)x[i] - *mean) * ((double)x[i] - *mean) / width;
    *rstd = 1 / sqrt(variance + epsilon);
}

/* Checks the forward pass. The mean is stored as a float, whose rounding matters if the deviations
 * are small compared with it. */
static void check_forward(const struct layer *layer)
{
    for (int row = 0; row < layer->rows; row++) {
        const size_t at = (size_t)row * (size_t)layer->width;
        double mean, rstd;
        reference_moments(layer->x + at, layer->width, &mean, &rstd);
        const double tolerance = 2e-6 + 0x1p-24 * fabs(mean) * rstd;
        assert_true(fabs((double)layer->rstd[row] / rstd - 1) < 2e-6);
        for (int i = 0; i < layer->width; i++) {
            double n = ((double)layer->x[at + (size_t)i] - mean) * rstd;
            double expected = n * (double)layer->weight[i] + (double)layer->bias[i];
            assert_reals_near(&layer->y[at + (size_t)i], &expected, 1, tolerance);
        }
    }
}

static void forward_is_accurate(void **state)
{
    (void)state;
    const int widths[] = {2, 3, 17, 128, 768, 1024};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        struct layer layer = layer_create(5, widths[i]);
        forward(&layer);
        check_forward(&layer);
        layer_free(&layer);
    }
}

static void forward_is_accurate_at_any_scale(void **state)
{
    (void)state;
    const double scales[] = {1e-3, 1e4, 1e10, 1e18};
    for (size_t i = 0; i < sizeof scales / sizeof *scales; i++) {
        struct layer layer = layer_create(3, 768);
        for (size_t k = 0; k < layer.count; k++)
            layer.x[k] *= (real)scales[i];
        forward(&layer);
        check_forward(&layer);
        backward(&layer);
        assert_reals_finite(layer.dx, layer.count);
        layer_free(&layer);
    }
}

/* The naive formula mean(x^2) - mean(x)^2 would lose all digits. */
static void large_mean_does_not_spoil_the_variance(void **state)
{
    (void)state;
    struct layer layer = layer_create(3, 768);
    for (size_t k = 0; k < layer.count; k++)
        layer.x[k] += 3000;
    forward(&layer);
    check_forward(&layer);
    layer_free(&layer);
}

static void equal_values_give_the_bias(void **state)
{
    (void)state;
    const double values[] = {0, 0.1, -7.7, 12345.678, 1e18};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct layer layer = layer_create(1, 768);
        for (size_t k = 0; k < layer.count; k++)
            layer.x[k] = (real)values[i];
        forward(&layer);
        assert_reals_identical(layer.y, layer.bias, layer.count);
        assert_reals_near(layer.rstd, (const double[]){1e6}, 1, 1e-6);
        backward(&layer);
        assert_reals_finite(layer.dx, layer.count);
        layer_free(&layer);
    }
}

static void width_one_gives_the_bias_and_no_gradient(void **state)
{
    (void)state;
    struct layer layer = layer_create(4, 1);
    const double nothing[4] = {0}, bias[4] = {(double)layer.bias[0], (double)layer.bias[0],
                                              (double)layer.bias[0], (double)layer.bias[0]};
    forward(&layer);
    backward(&layer);
    assert_reals_near(layer.y, bias, 4, 0);
    assert_reals_near(layer.dx, nothing, 4, 0);
    assert_reals_near(layer.dweight, nothing, 1, 0);
    layer_free(&layer);
}

static void check_backward_row(const struct layer *layer, int row)
{
    const size_t at = (size_t)row * (size_t)layer->width;
    double mean, rstd, mean_g = 0, mean_gn = 0;
    reference_moments(layer->x + at, layer->width, &mean, &rstd);
    for (int i = 0; i < layer->width; i++) {
        double g = (double)layer->dy[at + (size_t)i] * (double)layer->weight[i];
        mean_g += g / layer->width;
        mean_gn += g * ((double)layer->x[at + (size_t)i] - mean) * rstd / layer->width;
    }
    for (int i = 0; i < layer->width; i++) {
        double g = (double)layer->dy[at + (size_t)i] * (double)layer->weight[i];
        double n = ((double)layer->x[at + (size_t)i] - mean) * rstd;
        double expected = rstd * (g - mean_g - n * mean_gn);
        assert_reals_near(&layer->dx[at + (size_t)i], &expected, 1, 1e-6);
    }
}

static void backward_is_accurate(void **state)
{
    (void)state;
    struct layer layer = layer_create(40, 150);
    forward(&layer);
    backward(&layer);
    for (int row = 0; row < layer.rows; row++)
        check_backward_row(&layer, row);
    for (int i = 0; i < layer.width; i++) {
        double dweight = 0, dbias = 0;
        for (int row = 0; row < layer.rows; row++) {
            const size_t at = (size_t)row * (size_t)layer.width;
            double mean, rstd, dy = (double)layer.dy[at + (size_t)i];
            reference_moments(layer.x + at, layer.width, &mean, &rstd);
            dweight += dy * ((double)layer.x[at + (size_t)i] - mean) * rstd;
            dbias += dy;
        }
        assert_reals_near(&layer.dweight[i], &dweight, 1, 1e-5);
        assert_reals_near(&layer.dbias[i], &dbias, 1, 1e-5);
    }
    layer_free(&layer);
}

static void parameter_gradients_accumulate(void **state)
{
    (void)state;
    struct layer layer = layer_create(1, 5);
    forward(&layer);
    backward(&layer);
    double dweight[5], dbias[5];
    for (int i = 0; i < 5; i++) {
        dweight[i] = 2 * (double)layer.dweight[i];
        dbias[i] = 2 * (double)layer.dbias[i];
    }
    add_gradients(&layer);
    assert_reals_near(layer.dweight, dweight, 5, 0);
    assert_reals_near(layer.dbias, dbias, 5, 0);
    layer_free(&layer);
}

static void results_may_overwrite_operands(void **state)
{
    (void)state;
    struct layer layer = layer_create(300, 100);
    forward(&layer);
    backward(&layer);
    struct layer in_place = layer;
    in_place.dx = in_place.dy = copy_reals(layer.dy, layer.count);
    in_place.dweight = zero_reals(100);
    in_place.dbias = zero_reals(100);
    backward(&in_place);
    assert_reals_identical(in_place.dx, layer.dx, layer.count);
    assert_reals_identical(in_place.dweight, layer.dweight, 100);
    assert_reals_identical(in_place.dbias, layer.dbias, 100);
    in_place.y = in_place.x = copy_reals(layer.x, layer.count);
    forward(&in_place);
    assert_reals_identical(in_place.y, layer.y, layer.count);
    free(in_place.dx);
    free(in_place.y);
    free(in_place.dweight);
    free(in_place.dbias);
    layer_free(&layer);
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    struct layer layer = layer_create(201, 150);
    assert_threads_do_not_matter(forward, &layer, layer.y, layer.count);
    assert_threads_do_not_matter(backward, &layer, layer.dx, layer.count);
    assert_threads_do_not_matter(backward, &layer, layer.dweight, 150);
    assert_threads_do_not_matter(backward, &layer, layer.dbias, 150);
    layer_free(&layer);
}

static void nan_stays_in_its_row(void **state)
{
    (void)state;
    struct layer layer = layer_create(3, 20);
    layer.x[25] = (real)NAN;
    forward(&layer);
    assert_reals_finite(layer.y, 20);
    assert_reals_finite(layer.y + 40, 20);
    for (size_t i = 20; i < 40; i++)
        assert_true(isnan(layer.y[i]));
    layer_free(&layer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_is_accurate),
        cmocka_unit_test(forward_is_accurate_at_any_scale),
        cmocka_unit_test(large_mean_does_not_spoil_the_variance),
        cmocka_unit_test(equal_values_give_the_bias),
        cmocka_unit_test(width_one_gives_the_bias_and_no_gradient),
        cmocka_unit_test(backward_is_accurate),
        cmocka_unit_test(parameter_gradients_accumulate),
        cmocka_unit_test(results_may_overwrite_operands),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(nan_stays_in_its_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

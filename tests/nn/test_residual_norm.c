/* Tests dropout, residual and normalization in one pass, in reals and in bf16. */
#include "nn/layernorm.h"

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

enum { SITE = 6, MAX_ROWS = 40 };

static const double epsilon = 1e-12;

/* The memory of a product that linear_forward passes to an epilogue: that of a real sum, or working
 * memory, for sums of both types. */
enum storage { REALS_IN_PLACE, REALS_APART, IN_BF16, STORAGES };

/* Operands and results of one layer. */
struct layer {
    int rows, width;
    size_t count;
    bool in_bf16, apart;
    struct dropout dropout;
    int32_t examples[MAX_ROWS], positions[MAX_ROWS];
    real *dense, *weight, *bias;       /* in */
    struct rows residual, sum, output; /* in, out, out */
    struct rows ddense;                /* out */
    real *mean, *rstd;                 /* out */
    real *gradient, *dweight, *dbias;  /* in and out, accumulated */
    struct residual_norm norm;
};

static struct rows random_rows(size_t count, uint32_t item, int width, bool in_bf16)
{
    struct rows rows = {.width = width};
    if (in_bf16)
        rows.bf16 = random_bf16(count, item, 1);
    else
        rows.reals = random_reals(count, item, 1);
    return rows;
}

static struct layer *layer_create(int rows, int width, double rate, enum storage storage)
{
    const bool in_bf16 = storage == IN_BF16;
    const size_t count = (size_t)rows * (size_t)width, columns = (size_t)width;
    struct layer *layer = calloc(1, sizeof *layer);
    assert_true(layer && rows <= MAX_ROWS);
    layer->rows = rows;
    layer->width = width;
    layer->count = count;
    layer->in_bf16 = in_bf16;
    layer->apart = storage != REALS_IN_PLACE;
    layer->dropout = dropout_begin(7, 1, rate);
    for (int32_t row = 0; row < rows; row++) {
        layer->examples[row] = 3 + row / 4;
        layer->positions[row] = row % 4;
    }
    layer->dense = random_reals(count, 1, 2);
    layer->weight = random_reals(columns, 2, 1);
    layer->bias = random_reals(columns, 3, 1);
    layer->residual = random_rows(count, 4, width, in_bf16);
    layer->sum = random_rows(count, 5, width, in_bf16);
    layer->output = random_rows(count, 6, width, in_bf16);
    layer->ddense = random_rows(count, 7, width, in_bf16);
    layer->mean = random_reals((size_t)rows, 8, 1);
    layer->rstd = random_reals((size_t)rows, 9, 1);
    layer->gradient = random_reals(count, 10, 1);
    layer->dweight = random_reals(columns, 11, 1);
    layer->dbias = random_reals(columns, 12, 1);
    layer->norm = (struct residual_norm){
        .weight = layer->weight,
        .bias = layer->bias,
        .epsilon = (real)epsilon,
        .residual = layer->residual,
        .sum = layer->sum,
        .output = layer->output,
        .mean = layer->mean,
        .rstd = layer->rstd,
        .dropout = &layer->dropout,
        .site = SITE,
        .examples = layer->examples,
        .positions = layer->positions,
    };
    return layer;
}

static void rows_free(struct rows rows)
{
    free(rows.reals);
    free(rows.bf16);
}

static void layer_free(struct layer *layer)
{
    real *all[] = {layer->dense, layer->weight,   layer->bias,    layer->mean,
                   layer->rstd,  layer->gradient, layer->dweight, layer->dbias};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    rows_free(layer->residual);
    rows_free(layer->sum);
    rows_free(layer->output);
    rows_free(layer->ddense);
    free(layer);
}

/* Runs the epilogue on a block. In working memory rows have a larger distance. */
static void forward_block(const struct layer *layer, int first, int rows)
{
    const size_t width = (size_t)layer->width, ld = layer->apart ? width + 32 : width;
    real *values =
        layer->apart ? zero_reals((size_t)rows * ld) : layer->sum.reals + (size_t)first * width;
    for (int row = 0; row < rows; row++)
        memcpy(values + (size_t)row * ld, layer->dense + (size_t)(first + row) * width,
               width * sizeof(real));
    residual_norm_forward(
        &layer->norm,
        &(struct linear_block){
            .values = values, .ld = ld, .first_row = first, .rows = rows, .columns = layer->width});
    if (layer->apart)
        free(values);
}

/* Runs the forward pass in three blocks, some of them empty if there are fewer rows, not in the
 * order of the rows. */
static void forward(void *context)
{
    const struct layer *layer = context;
    const int last = layer->rows * 2 / 3, middle = layer->rows / 3;
    forward_block(layer, last, layer->rows - last);
    forward_block(layer, 0, middle);
    forward_block(layer, middle, last - middle);
}

static void backward(const struct layer *layer)
{
    real *buffer = layer->in_bf16 ? zero_reals((size_t)layer->width) : NULL;
    residual_norm_backward(layer->gradient, layer->ddense, layer->dweight, layer->dbias,
                           &layer->norm, layer->rows, buffer);
    free(buffer);
}

static double element(const struct rows *rows, int row, int column)
{
    real buffer;
    return (double)*rows_read(rows, (struct row_span){row, column, 1}, &buffer);
}

/* Asserts that an element is right, within a float's error and the rounding of bf16. */
static void assert_stored(const struct layer *layer, const struct rows *rows, int row, int column,
                          double expected, double tolerance)
{
    const double actual = element(rows, row, column);
    const double rounding = layer->in_bf16 ? BF16_ROUNDING * (fabs(expected) + tolerance) : 0;
    if (!(fabs(actual - expected) <= tolerance * fmax(1, fabs(expected)) + rounding))
        fail_msg("row %d, column %d is %.9g; expected %.9g", row, column, actual, expected);
}

/* Computes the sum [width] in floats. */
static void reference_sum(real *sum, const struct layer *layer, int row)
{
    const size_t width = (size_t)layer->width;
    memcpy(sum, layer->dense + (size_t)row * width, width * sizeof *sum);
    dropout_row(sum, layer->width, &layer->dropout, SITE, (uint32_t)layer->examples[row],
                (uint32_t)layer->positions[row]);
    for (int i = 0; i < layer->width; i++)
        sum[i] += (real)element(&layer->residual, row, i);
}

static void check_forward_row(const struct layer *layer, int row)
{
    real *sum = zero_reals((size_t)layer->width);
    double mean = 0, variance = 0;
    reference_sum(sum, layer, row);
    for (int i = 0; i < layer->width; i++) {
        mean += (double)sum[i] / layer->width;
        assert_stored(layer, &layer->sum, row, i, (double)sum[i], 0);
    }
    for (int i = 0; i < layer->width; i++)
        variance += ((double)sum[i] - mean) * ((double)sum[i] - mean) / layer->width;
    const double rstd = 1 / sqrt(variance + epsilon);
    /* Sums are floats, with a single partial sum if nothing is vectorized; and the mean is a
     * float. */
    const double tolerance = 3e-5 + 0x1p-24 * fabs(mean) * rstd;
    assert_reals_near(&layer->mean[row], &mean, 1, 3e-5);
    assert_true(fabs((double)layer->rstd[row] / rstd - 1) < 1e-5);
    for (int i = 0; i < layer->width; i++) {
        double n = ((double)sum[i] - mean) * rstd;
        double expected = n * (double)layer->weight[i] + (double)layer->bias[i];
        assert_stored(layer, &layer->output, row, i, expected, tolerance);
    }
    free(sum);
}

/* Computes the gradient with respect to the sum of one row, from the values that the forward pass
 * stored. */
static void reference_gradient(double *dsum, const struct layer *layer, const real *gradient,
                               int row)
{
    const double mean = (double)layer->mean[row], rstd = (double)layer->rstd[row];
    double mean_g = 0, mean_gn = 0;
    for (int i = 0; i < layer->width; i++) {
        double g = (double)gradient[i] * (double)layer->weight[i];
        mean_g += g / layer->width;
        mean_gn += g * (element(&layer->sum, row, i) - mean) * rstd / layer->width;
    }
    for (int i = 0; i < layer->width; i++) {
        double g = (double)gradient[i] * (double)layer->weight[i];
        double n = (element(&layer->sum, row, i) - mean) * rstd;
        dsum[i] = rstd * (g - mean_g - n * mean_gn);
    }
}

/* Checks a row of the backward pass; `gradient` is the gradient before it. */
static void check_backward_row(const struct layer *layer, const real *gradient, int row)
{
    const size_t at = (size_t)row * (size_t)layer->width;
    double *dsum = calloc((size_t)layer->width, sizeof *dsum);
    real *dropped = copy_reals(layer->gradient + at, (size_t)layer->width);
    assert_non_null(dsum);
    reference_gradient(dsum, layer, gradient + at, row);
    assert_reals_near(layer->gradient + at, dsum, (size_t)layer->width, 2e-6);
    dropout_row(dropped, layer->width, &layer->dropout, SITE, (uint32_t)layer->examples[row],
                (uint32_t)layer->positions[row]);
    if (layer->in_bf16) {
        bf16 *rounded = rounded_copy(dropped, (size_t)layer->width);
        assert_bf16_identical(layer->ddense.bf16 + at, rounded, (size_t)layer->width);
        free(rounded);
    } else {
        assert_reals_identical(layer->ddense.reals + at, dropped, (size_t)layer->width);
    }
    free(dsum);
    free(dropped);
}

static void check_parameter_gradients(const struct layer *layer, const real *gradient,
                                      const real *dweight, const real *dbias)
{
    for (int i = 0; i < layer->width; i++) {
        double expected_weight = (double)dweight[i], expected_bias = (double)dbias[i];
        for (int row = 0; row < layer->rows; row++) {
            const double dy = (double)gradient[(size_t)row * (size_t)layer->width + (size_t)i];
            expected_weight += dy * (element(&layer->sum, row, i) - (double)layer->mean[row]) *
                               (double)layer->rstd[row];
            expected_bias += dy;
        }
        assert_reals_near(&layer->dweight[i], &expected_weight, 1, 1e-5);
        assert_reals_near(&layer->dbias[i], &expected_bias, 1, 1e-5);
    }
}

static void check(int rows, int width, double rate, enum storage storage)
{
    struct layer *layer = layer_create(rows, width, rate, storage);
    real *gradient = copy_reals(layer->gradient, layer->count);
    real *dweight = copy_reals(layer->dweight, (size_t)width);
    real *dbias = copy_reals(layer->dbias, (size_t)width);
    forward(layer);
    for (int row = 0; row < rows; row++)
        check_forward_row(layer, row);
    backward(layer);
    for (int row = 0; row < rows; row++)
        check_backward_row(layer, gradient, row);
    check_parameter_gradients(layer, gradient, dweight, dbias);
    free(gradient);
    free(dweight);
    free(dbias);
    layer_free(layer);
}

static void both_passes_match_their_formulas(void **state)
{
    (void)state;
    const int widths[] = {2, 17, 128, 768, 1024}, rows[] = {1, 2, 10, 37};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        for (size_t j = 0; j < sizeof rows / sizeof *rows; j++)
            for (enum storage storage = 0; storage < STORAGES; storage++) {
                check(rows[j], widths[i], 0, storage);
                check(rows[j], widths[i], 0.3, storage);
            }
}

static void check_restored(int width, enum storage storage, bool restored)
{
    struct layer *layer = layer_create(7, width, 0.3, storage);
    layer->norm.restored = restored;
    forward(layer);
    real *expected = copy_reals(layer->output.reals, layer->count);
    for (size_t i = 0; i < layer->count; i++)
        layer->output.reals[i] = expected[i] + 1;
    backward(layer);
    for (size_t i = 0; i < layer->count; i++)
        assert_true(layer->output.reals[i] == expected[i] + (restored ? 0 : 1));
    free(expected);
    layer_free(layer);
}

static void the_output_is_restored_if_asked_for(void **state)
{
    (void)state;
    const int widths[] = {1, 2, 17, 128, 770};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        check_restored(widths[i], REALS_IN_PLACE, true);
        check_restored(widths[i], REALS_APART, true);
        check_restored(widths[i], REALS_APART, false);
    }
}

/* A sum of one column is its own mean. A bf16 sum is not tested: if the deviations of a row are
 * less than the step of bf16, its gradient is only rounding error. */
static void width_one_gives_the_bias_and_no_gradient(void **state)
{
    (void)state;
    for (enum storage storage = 0; storage < STORAGES; storage++) {
        struct layer *layer = layer_create(4, 1, 0, storage);
        forward(layer);
        for (int row = 0; row < 4; row++)
            assert_stored(layer, &layer->output, row, 0, (double)layer->bias[0], 0);
        if (!layer->in_bf16)
            backward(layer);
        for (int row = 0; !layer->in_bf16 && row < 4; row++)
            assert_true(layer->gradient[row] == 0 && element(&layer->ddense, row, 0) == 0);
        layer_free(layer);
    }
}

/* All sums of a row are equal, though their terms are not. */
static void equal_sums_give_the_bias(void **state)
{
    (void)state;
    for (enum storage storage = 0; storage < STORAGES; storage++) {
        struct layer *layer = layer_create(3, 150, 0, storage);
        for (int row = 0; row < 3; row++)
            for (int i = 0; i < 150; i++) {
                const struct row_span place = {row, i, 1};
                const real residual = (real)(i % 20 - 10); /* exact in bf16, as is the sum */
                rows_write(&layer->residual, place, &residual);
                layer->dense[row * 150 + i] = (real)(row + 1) / 8 - residual;
            }
        forward(layer);
        for (int row = 0; row < 3; row++)
            for (int i = 0; i < 150; i++) {
                assert_true(element(&layer->sum, row, i) == (row + 1) / 8.0);
                assert_stored(layer, &layer->output, row, i, (double)layer->bias[i], 0);
            }
        assert_reals_near(layer->rstd, (const double[]){1e6, 1e6, 1e6}, 3, 1e-6);
        backward(layer);
        assert_reals_finite(layer->gradient, layer->count);
        layer_free(layer);
    }
}

static void huge_values_stay_finite(void **state)
{
    (void)state;
    for (enum storage storage = 0; storage < STORAGES; storage++) {
        struct layer *layer = layer_create(3, 768, 0.1, storage);
        for (size_t i = 0; i < layer->count; i++)
            layer->dense[i] *= (real)1e17;
        forward(layer);
        backward(layer);
        for (int row = 0; row < 3; row++)
            for (int i = 0; i < 768; i++)
                assert_true(isfinite(element(&layer->output, row, i)) &&
                            isfinite(element(&layer->ddense, row, i)));
        assert_reals_finite(layer->gradient, layer->count);
        layer_free(layer);
    }
}

static void nan_stays_in_its_row(void **state)
{
    (void)state;
    for (enum storage storage = 0; storage < STORAGES; storage++) {
        struct layer *layer = layer_create(3, 20, 0, storage);
        layer->dense[25] = (real)NAN;
        forward(layer);
        for (int row = 0; row < 3; row++)
            for (int i = 0; i < 20; i++)
                assert_true(isnan(element(&layer->output, row, i)) == (row == 1));
        layer_free(layer);
    }
}

static void assert_rows_identical(const struct rows *actual, const struct rows *expected, int from,
                                  int to)
{
    const size_t at = (size_t)from * (size_t)actual->width;
    const size_t count = (size_t)(to - from) * (size_t)actual->width;
    if (actual->bf16)
        assert_bf16_identical(actual->bf16 + at, expected->bf16 + at, count);
    else
        assert_reals_identical(actual->reals + at, expected->reals + at, count);
}

/* A block in the middle writes only its own rows, which do not depend on the division into
 * blocks. */
static void blocks_are_their_rows_alone(void **state)
{
    (void)state;
    for (enum storage storage = 0; storage < STORAGES; storage++) {
        struct layer *whole = layer_create(12, 50, 0.3, storage);
        struct layer *part = layer_create(12, 50, 0.3, storage);
        struct layer *untouched = layer_create(12, 50, 0.3, storage);
        forward_block(whole, 0, 12);
        forward_block(part, 5, 4);
        const struct {
            const struct rows *whole, *part, *untouched;
        } all[] = {{&whole->sum, &part->sum, &untouched->sum},
                   {&whole->output, &part->output, &untouched->output}};
        for (size_t i = 0; i < 2; i++) {
            assert_rows_identical(all[i].part, all[i].untouched, 0, 5);
            assert_rows_identical(all[i].part, all[i].whole, 5, 9);
            assert_rows_identical(all[i].part, all[i].untouched, 9, 12);
        }
        assert_reals_identical(part->mean, untouched->mean, 5);
        assert_reals_identical(part->mean + 5, whole->mean + 5, 4);
        assert_reals_identical(part->rstd + 9, untouched->rstd + 9, 3);
        layer_free(whole);
        layer_free(part);
        layer_free(untouched);
    }
}

/* The two types differ only by the rounding of stored values. */
static void bf16_agrees_with_reals_on_rounded_operands(void **state)
{
    (void)state;
    struct layer *in_bf16 = layer_create(20, 200, 0.3, IN_BF16);
    struct layer *reals = layer_create(20, 200, 0.3, REALS_APART);
    bf16_widen(reals->residual.reals, in_bf16->residual.bf16, in_bf16->count);
    forward(in_bf16);
    forward(reals);
    assert_reals_identical(in_bf16->mean, reals->mean, 20);
    assert_reals_identical(in_bf16->rstd, reals->rstd, 20);
    bf16 *sum = rounded_copy(reals->sum.reals, reals->count);
    bf16 *output = rounded_copy(reals->output.reals, reals->count);
    assert_bf16_identical(in_bf16->sum.bf16, sum, reals->count);
    assert_bf16_identical(in_bf16->output.bf16, output, reals->count);
    bf16_widen(reals->sum.reals, in_bf16->sum.bf16, in_bf16->count);
    backward(in_bf16);
    backward(reals);
    assert_reals_identical(in_bf16->gradient, reals->gradient, reals->count);
    assert_reals_identical(in_bf16->dweight, reals->dweight, 200);
    assert_reals_identical(in_bf16->dbias, reals->dbias, 200);
    bf16 *ddense = rounded_copy(reals->ddense.reals, reals->count);
    assert_bf16_identical(in_bf16->ddense.bf16, ddense, reals->count);
    free(sum), free(output), free(ddense);
    layer_free(in_bf16);
    layer_free(reals);
}

static void the_sum_is_not_stored_without_a_backward_pass(void **state)
{
    (void)state;
    struct layer *kept = layer_create(5, 37, 0.1, REALS_APART);
    struct layer *passed = layer_create(5, 37, 0.1, REALS_APART);
    const struct rows before = random_rows(passed->count, 5, passed->width, false);
    passed->norm.forward_only = true;
    forward(kept);
    forward(passed);
    assert_memory_equal(passed->output.reals, kept->output.reals, kept->count * sizeof(real));
    assert_memory_equal(passed->sum.reals, before.reals, kept->count * sizeof(real));
    assert_memory_not_equal(kept->sum.reals, before.reals, kept->count * sizeof(real));
    rows_free(before);
    layer_free(kept);
    layer_free(passed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_passes_match_their_formulas),
        cmocka_unit_test(the_output_is_restored_if_asked_for),
        cmocka_unit_test(width_one_gives_the_bias_and_no_gradient),
        cmocka_unit_test(equal_sums_give_the_bias),
        cmocka_unit_test(huge_values_stay_finite),
        cmocka_unit_test(nan_stays_in_its_row),
        cmocka_unit_test(blocks_are_their_rows_alone),
        cmocka_unit_test(bf16_agrees_with_reals_on_rounded_operands),
        cmocka_unit_test(the_sum_is_not_stored_without_a_backward_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

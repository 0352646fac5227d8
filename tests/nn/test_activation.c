#include "nn/activation.h"
#include "support/bf16_arrays.h"
#include "support/real_arrays.h"

#include <math.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static double gelu(double x)
{
    return x * 0.5 * erfc(-x / sqrt(2));
}

static double gelu_derivative(double x)
{
    return 0.5 * erfc(-x / sqrt(2)) + x * exp(-x * x / 2) / sqrt(2 * M_PI);
}

static double gelu_tanh(double x)
{
    return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

static double gelu_tanh_derivative(double x)
{
    double t = tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x));
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * sqrt(2 / M_PI) * (1 + 3 * 0.044715 * x * x);
}

static double relu(double x)
{
    return x > 0 ? x : 0;
}

static double relu_derivative(double x)
{
    return x > 0 ? 1 : 0;
}

static const struct reference {
    enum activation activation;
    double (*value)(double), (*derivative)(double);
} references[] = {
    {ACTIVATION_GELU, gelu, gelu_derivative},
    {ACTIVATION_GELU_TANH, gelu_tanh, gelu_tanh_derivative},
    {ACTIVATION_RELU, relu, relu_derivative},
};

enum { KINDS = sizeof references / sizeof *references };

/* -12 .. 12 in steps of 1/1024: every regime of every formula, and zero. */
enum { COUNT = 24 * 1024 + 1 };

static real *grid(void)
{
    real *x = zero_reals(COUNT);
    for (int i = 0; i < COUNT; i++)
        x[i] = (real)(i - COUNT / 2) / 1024;
    return x;
}

static void activations_match_their_formulas(void **state)
{
    (void)state;
    real *x = grid(), *y = zero_reals(COUNT);
    for (int kind = 0; kind < KINDS; kind++) {
        activation_forward(y, x, COUNT, references[kind].activation);
        for (size_t i = 0; i < COUNT; i++) {
            double expected = references[kind].value((double)x[i]);
            assert_reals_near(&y[i], &expected, 1, 5e-7);
        }
    }
    free(x);
    free(y);
}

static void derivatives_match_their_formulas(void **state)
{
    (void)state;
    real *x = grid(), *dx = zero_reals(COUNT), *dy = random_reals(COUNT, 1, 1);
    real *y = zero_reals(COUNT);
    for (int kind = 0; kind < KINDS; kind++) {
        activation_backward(dx, y, dy, x, COUNT, references[kind].activation);
        for (size_t i = 0; i < COUNT; i++) {
            double expected = (double)dy[i] * references[kind].derivative((double)x[i]);
            assert_reals_near(&dx[i], &expected, 1, 1e-6);
        }
    }
    free(x);
    free(dx);
    free(dy);
    free(y);
}

/* The backward pass recomputes the output of the forward pass. */
static void backward_gives_the_output_again(void **state)
{
    (void)state;
    real *x = grid(), *dx = zero_reals(COUNT), *dy = random_reals(COUNT, 1, 1);
    real *y = zero_reals(COUNT);
    for (int kind = 0; kind < KINDS; kind++) {
        activation_backward(dx, y, dy, x, COUNT, references[kind].activation);
        for (size_t i = 0; i < COUNT; i++) {
            double expected = references[kind].value((double)x[i]);
            assert_reals_near(&y[i], &expected, 1, 5e-7);
        }
    }
    free(x);
    free(dx);
    free(dy);
    free(y);
}

static void huge_values_pass_or_vanish(void **state)
{
    (void)state;
    const real dy[6] = {1, 1, 1, 1, 1, 1};
    const real x[6] = {(real)-1e18, (real)-1e9, (real)-1e4, (real)1e4, (real)1e9, (real)1e18};
    const double values[6] = {0, 0, 0, 1e4, 1e9, 1e18}, slopes[6] = {0, 0, 0, 1, 1, 1};
    for (int kind = 0; kind < KINDS; kind++) {
        real y[6], dx[6], same_y[6];
        activation_forward(y, x, 6, references[kind].activation);
        activation_backward(dx, same_y, dy, x, 6, references[kind].activation);
        assert_reals_near(y, values, 6, 1e-6);
        assert_reals_near(same_y, values, 6, 1e-6);
        assert_reals_near(dx, slopes, 6, 1e-6);
    }
}

/* The squares of the numbers are not finite. */
static void gelu_of_the_largest_numbers(void **state)
{
    (void)state;
    const real x[2] = {(real)-3e38, (real)3e38}, dy[2] = {1, 1};
    real y[2], dx[2], same_y[2];
    activation_forward(y, x, 2, ACTIVATION_GELU);
    activation_backward(dx, same_y, dy, x, 2, ACTIVATION_GELU);
    assert_true(y[0] == 0 && y[1] == x[1] && dx[0] == 0 && dx[1] == 1);
    assert_reals_identical(same_y, y, 2);
}

static void nan_stays(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        real x[3] = {1, (real)NAN, 2}, dx[3] = {1, 1, 1}, y[3];
        activation_backward(dx, y, dx, x, 3, references[kind].activation);
        assert_true(isnan(y[1]) && isfinite(y[0]) && isfinite(y[2]));
        assert_true(isfinite(dx[0]) && isfinite(dx[2]));
        activation_forward(x, x, 3, references[kind].activation);
        assert_true(isnan(x[1]));
        assert_true(isfinite(x[0]) && isfinite(x[2]));
    }
}

static void results_may_overwrite_operands(void **state)
{
    (void)state;
    real *x = grid(), *dy = random_reals(COUNT, 1, 1);
    for (int kind = 0; kind < KINDS; kind++) {
        const enum activation activation = references[kind].activation;
        real *y = zero_reals(COUNT), *dx = zero_reals(COUNT);
        real *in_place = copy_reals(x, COUNT), *gradient_in_place = copy_reals(dy, COUNT);
        real *output = zero_reals(COUNT), *same_output = zero_reals(COUNT);
        activation_forward(y, x, COUNT, activation);
        activation_forward(in_place, in_place, COUNT, activation);
        activation_backward(dx, output, dy, x, COUNT, activation);
        activation_backward(gradient_in_place, same_output, gradient_in_place, x, COUNT,
                            activation);
        assert_reals_identical(in_place, y, COUNT);
        assert_reals_identical(same_output, output, COUNT);
        assert_reals_identical(gradient_in_place, dx, COUNT);
        free(y);
        free(dx);
        free(in_place);
        free(gradient_in_place);
        free(output);
        free(same_output);
    }
    free(x);
    free(dy);
}

static void tanh_and_its_gradient_match_their_formulas(void **state)
{
    (void)state;
    real *x = grid(), *y = zero_reals(COUNT), *dx = zero_reals(COUNT);
    real *dy = random_reals(COUNT, 1, 1);
    tanh_forward(y, x, COUNT);
    tanh_backward(dx, dy, y, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        double value = tanh((double)x[i]), slope = (double)dy[i] * (1 - value * value);
        assert_reals_near(&y[i], &value, 1, 3e-7);
        assert_reals_near(&dx[i], &slope, 1, 1e-6);
    }
    free(x);
    free(y);
    free(dx);
    free(dy);
}

/* Operands and result of one pass. */
struct pass {
    enum activation activation;
    real *x, *dy, *out, *output;
};

static void forward_work(void *context)
{
    const struct pass *pass = context;
    activation_forward(pass->out, pass->x, COUNT, pass->activation);
}

static void backward_work(void *context)
{
    const struct pass *pass = context;
    activation_backward(pass->out, pass->output, pass->dy, pass->x, COUNT, pass->activation);
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    struct pass pass = {ACTIVATION_GELU, grid(), random_reals(COUNT, 1, 1), zero_reals(COUNT),
                        zero_reals(COUNT)};
    for (int kind = 0; kind < KINDS; kind++) {
        pass.activation = references[kind].activation;
        assert_threads_do_not_matter(forward_work, &pass, pass.out, COUNT);
        assert_threads_do_not_matter(backward_work, &pass, pass.out, COUNT);
        assert_threads_do_not_matter(backward_work, &pass, pass.output, COUNT);
    }
    free(pass.x);
    free(pass.dy);
    free(pass.out);
    free(pass.output);
}

/* ---- fused with a linear layer ---- */

enum { ROWS = 9, WIDTH = 1300 }; /* more columns than the kernels widen at a time */

/* Blocks in the middle of the matrix, in its first rows, in its last columns, and of one
 * element. */
static const struct linear_block blocks[] = {
    {.first_row = 2, .rows = 4, .first_column = 70, .columns = 1100},
    {.first_row = 0, .rows = 1, .first_column = 0, .columns = WIDTH},
    {.first_row = 7, .rows = 2, .first_column = WIDTH - 33, .columns = 33},
    {.first_row = 8, .rows = 1, .first_column = 600, .columns = 1},
    {.first_row = 0, .rows = ROWS, .first_column = 512, .columns = 512},
};

enum { BLOCKS = sizeof blocks / sizeof *blocks };

/* The memory of a product that a linear layer passes to an epilogue: that of a real result, or
 * working memory. */
enum storage { REALS_IN_PLACE, REALS_APART, IN_BF16, STORAGES };

static struct rows random_rows(uint32_t item, enum storage storage)
{
    struct rows rows = {.width = WIDTH};
    if (storage == IN_BF16)
        rows.bf16 = random_bf16(ROWS * WIDTH, item, 4);
    else
        rows.reals = random_reals(ROWS * WIDTH, item, 4);
    return rows;
}

static void rows_free(struct rows rows)
{
    free(rows.reals);
    free(rows.bf16);
}

static double element(struct rows rows, int row, int column)
{
    real buffer;
    return (double)*rows_read(&rows, (struct row_span){row, column, 1}, &buffer);
}

static bool in_block(const struct linear_block *block, int row, int column)
{
    return row >= block->first_row && row < block->first_row + block->rows &&
           column >= block->first_column && column < block->first_column + block->columns;
}

/* Returns the block with its values of product [ROWS, WIDTH], for a product into `target`. */
static struct linear_block hand_over(const struct linear_block *shape, const real *product,
                                     struct rows target, enum storage storage)
{
    struct linear_block block = *shape;
    const size_t at = (size_t)block.first_row * WIDTH + (size_t)block.first_column;
    block.ld = storage == REALS_IN_PLACE ? WIDTH : (size_t)block.columns + 7;
    block.values =
        storage == REALS_IN_PLACE ? target.reals + at : zero_reals((size_t)block.rows * block.ld);
    for (int row = 0; row < block.rows; row++)
        memcpy(block.values + (size_t)row * block.ld, product + at + (size_t)row * WIDTH,
               (size_t)block.columns * sizeof(real));
    return block;
}

/* Asserts that an element is the expected one inside the block, within a float's error and the
 * rounding of bf16, and that it is unchanged outside. */
static void assert_stored(struct rows rows, int row, int column, bool inside, double before,
                          double expected)
{
    const double actual = element(rows, row, column), size = fmax(1, fabs(expected));
    const double rounding = rows.bf16 ? BF16_ROUNDING * fabs(expected) + 1e-8 : 0;
    if (inside ? !(fabs(actual - expected) <= 1e-6 * size + rounding) : actual != before)
        fail_msg("[%d, %d] is %.9g; expected %.9g", row, column, actual,
                 inside ? expected : before);
}

static void check_layer_forward(const struct reference *reference, const struct linear_block *shape,
                                enum storage storage)
{
    const struct activation_layer layer = {.activation = reference->activation,
                                           .input = random_rows(1, storage),
                                           .output = random_rows(2, storage)};
    const struct rows input = random_rows(1, storage), output = random_rows(2, storage);
    real *product = random_reals(ROWS * WIDTH, 3, 4);
    const struct linear_block block = hand_over(shape, product, layer.input, storage);
    activation_layer_forward(&layer, &block);
    for (int row = 0; row < ROWS; row++)
        for (int column = 0; column < WIDTH; column++) {
            const bool inside = in_block(shape, row, column);
            const double value = (double)product[row * WIDTH + column];
            assert_stored(layer.input, row, column, inside, element(input, row, column), value);
            assert_stored(layer.output, row, column, inside, element(output, row, column),
                          reference->value(value));
        }
    if (storage != REALS_IN_PLACE)
        free(block.values);
    rows_free(layer.input), rows_free(layer.output), rows_free(input), rows_free(output);
    free(product);
}

/* Checks the backward pass from the input that the forward pass has stored. */
static void check_layer_backward(const struct reference *reference,
                                 const struct linear_block *shape, enum storage storage)
{
    const struct activation_gradient backward = {.layer = {.activation = reference->activation,
                                                           .input = random_rows(1, storage),
                                                           .output = random_rows(2, storage)},
                                                 .gradient = random_rows(3, storage)};
    const struct activation_layer *layer = &backward.layer;
    const struct rows output = random_rows(2, storage), gradient = random_rows(3, storage);
    real *product = random_reals(ROWS * WIDTH, 4, 1);
    const struct linear_block block = hand_over(shape, product, backward.gradient, storage);
    activation_layer_backward(&backward, &block);
    for (int row = 0; row < ROWS; row++)
        for (int column = 0; column < WIDTH; column++) {
            const bool inside = in_block(shape, row, column);
            const double x = element(layer->input, row, column);
            const double dy = (double)product[row * WIDTH + column];
            assert_stored(layer->output, row, column, inside, element(output, row, column),
                          reference->value(x));
            assert_stored(backward.gradient, row, column, inside, element(gradient, row, column),
                          dy * reference->derivative(x));
        }
    if (storage != REALS_IN_PLACE)
        free(block.values);
    rows_free(layer->input), rows_free(layer->output), rows_free(backward.gradient);
    rows_free(output), rows_free(gradient);
    free(product);
}

static void layers_are_their_formulas_block_by_block(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++)
        for (int block = 0; block < BLOCKS; block++)
            for (enum storage storage = 0; storage < STORAGES; storage++) {
                check_layer_forward(&references[kind], &blocks[block], storage);
                check_layer_backward(&references[kind], &blocks[block], storage);
            }
}

static void names_of_config_json_are_known(void **state)
{
    (void)state;
    enum activation activation = ACTIVATION_RELU;
    assert_true(activation_find("gelu", &activation));
    assert_int_equal(activation, ACTIVATION_GELU);
    assert_true(activation_find("gelu_new", &activation));
    assert_int_equal(activation, ACTIVATION_GELU_TANH);
    assert_true(activation_find("relu", &activation));
    assert_int_equal(activation, ACTIVATION_RELU);
    assert_true(activation_find("gelu_pytorch_tanh", &activation));
    assert_int_equal(activation, ACTIVATION_GELU_TANH);
    assert_false(activation_find("gelu_", &activation));
    assert_false(activation_find("GELU", &activation));
    assert_false(activation_find("", &activation));
    assert_int_equal(activation, ACTIVATION_GELU_TANH);
}

static void the_input_is_not_stored_without_a_backward_pass(void **state)
{
    (void)state;
    const struct linear_block shape = {.rows = ROWS, .columns = WIDTH};
    struct activation_layer layer = {.activation = ACTIVATION_GELU,
                                     .input = random_rows(1, REALS_APART),
                                     .output = random_rows(2, REALS_APART)};
    const struct rows input = random_rows(1, REALS_APART), output = random_rows(2, REALS_APART);
    real *product = random_reals(ROWS * WIDTH, 3, 4);
    const struct linear_block block = hand_over(&shape, product, layer.input, REALS_APART);
    layer.forward_only = true;
    activation_layer_forward(&layer, &block);
    for (int row = 0; row < ROWS; row++)
        for (int column = 0; column < WIDTH; column++) {
            assert_true(element(layer.input, row, column) == element(input, row, column));
            assert_stored(layer.output, row, column, true, element(output, row, column),
                          gelu((double)product[row * WIDTH + column]));
        }
    free(block.values);
    rows_free(layer.input), rows_free(layer.output), rows_free(input), rows_free(output);
    free(product);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activations_match_their_formulas),
        cmocka_unit_test(derivatives_match_their_formulas),
        cmocka_unit_test(backward_gives_the_output_again),
        cmocka_unit_test(huge_values_pass_or_vanish),
        cmocka_unit_test(gelu_of_the_largest_numbers),
        cmocka_unit_test(nan_stays),
        cmocka_unit_test(results_may_overwrite_operands),
        cmocka_unit_test(tanh_and_its_gradient_match_their_formulas),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(layers_are_their_formulas_block_by_block),
        cmocka_unit_test(the_input_is_not_stored_without_a_backward_pass),
        cmocka_unit_test(names_of_config_json_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

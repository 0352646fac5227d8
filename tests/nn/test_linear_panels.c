/* Tests linear layers on weights that have been laid out, in fp32 and in bf16: compares them with
 * double precision on the same operands, and checks what must not change the results. */
#include "nn/linear.h"

#include "math/openblas.h"
#include "support/bf16_arrays.h"
#include "support/float_sums.h"
#include "support/panels_check.h"
#include "support/real_arrays.h"
#include "support/reference_product.h"

#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_THREADS = 3 };

/* Operands of one layer; rows of x and dy are wider than their columns. */
struct layer {
    int rows, in, out;
    bool in_bf16;
    struct rows x, dy;
    real *weights, *bias;
    void *forward_panels, *backward_panels;
    struct linear_weight forward, backward;
    real *scratch;
    void *parameter_scratch;
    double *double_x, *double_dy, *double_weights; /* the same numbers; dy [rows, out] */
};

static size_t product(int a, int b)
{
    return (size_t)a * (size_t)b;
}

/* Returns random rows. After the columns there are zeros up to a whole depth, then NaN, which must
 * not be read. */
static struct rows random_rows(int rows, int columns, int width, bool in_bf16, uint32_t item)
{
    const int depth = in_bf16 ? padded(columns) : columns;
    struct rows made = {.width = width};
    real *values = random_reals(product(rows, width), item, 1);
    for (int row = 0; row < rows; row++)
        for (int i = columns; i < width; i++)
            values[product(row, width) + (size_t)i] = i < depth ? 0 : NAN;
    if (!in_bf16) {
        made.reals = values;
        return made;
    }
    made.bf16 = rounded_copy(values, product(rows, width));
    free(values);
    return made;
}

static struct layer *layer_create(int rows, int in, int out, bool in_bf16)
{
    struct layer *layer = calloc(1, sizeof *layer);
    assert_non_null(layer);
    *layer = (struct layer){
        .rows = rows,
        .in = in,
        .out = out,
        .in_bf16 = in_bf16,
        .x = random_rows(rows, in, left_width(in + 1), in_bf16, 1),
        .dy = random_rows(rows, out, left_width(out + 1), in_bf16, 2),
        .weights = random_reals(product(out, in), 3, 1),
        .bias = random_reals((size_t)out, 4, 1),
        .forward_panels = unwritten(linear_panel_bytes(out, in, in_bf16)),
        .backward_panels = unwritten(linear_panel_bytes(out, in, in_bf16)),
        .scratch = unwritten(MAX_THREADS * linear_scratch(in > out ? in : out) * sizeof(real)),
        .parameter_scratch = unwritten(linear_parameter_scratch(rows, in, MAX_THREADS, in_bf16)),
    };
    layer->forward = layer->backward = (struct linear_weight){layer->weights, NULL, in, out};
    linear_lay_out(&layer->forward, layer->forward_panels, LINEAR_FORWARD, in_bf16);
    linear_lay_out(&layer->backward, layer->backward_panels, LINEAR_BACKWARD, in_bf16);
    assert_non_null(layer->forward.panels);
    struct rows weights = rows_of_reals(layer->weights, in);
    if (in_bf16)
        weights =
            (struct rows){.bf16 = rounded_copy(layer->weights, product(out, in)), .width = in};
    layer->double_x = widened_rows(&layer->x, rows, in);
    layer->double_dy = widened_rows(&layer->dy, rows, out);
    layer->double_weights = widened_rows(&weights, out, in);
    free(weights.bf16);
    return layer;
}

static void layer_free(struct layer *layer)
{
    void *all[] = {layer->x.reals,          layer->x.bf16,          layer->dy.reals,
                   layer->dy.bf16,          layer->weights,         layer->bias,
                   layer->forward_panels,   layer->backward_panels, layer->scratch,
                   layer->double_x,         layer->double_dy,       layer->double_weights,
                   layer->parameter_scratch};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    free(layer);
}

/* Asserts that a result is the product of this layer, which the message names. */
static void assert_product(const struct layer *layer, const char *what, struct rows actual,
                           const struct reference_product *expected, const real *added, bool bias)
{
    char name[100];
    snprintf(name, sizeof name, "%s, %s, %d rows, %d in, %d out", what,
             layer->in_bf16 ? "bf16" : "fp32", layer->rows, layer->in, layer->out);
    assert_near_product(name, actual, expected, added, bias);
}

/* ---- epilogues ---- */

/* An epilogue that records the values of its blocks, and how often it gets each element. The
 * assertions come afterwards, because it runs on many threads. */
struct recorder {
    struct rows kept; /* [rows, kept.width] */
    int rows, columns;
    bool whole_rows;
    unsigned char *seen; /* [rows, columns] */
    int misfits;         /* number of invalid blocks */
};

static void record(const void *context, const struct linear_block *block)
{
    struct recorder *recorder = *(struct recorder *const *)context;
    const bool fits = block->first_row >= 0 && block->rows > 0 && block->columns > 0 &&
                      block->first_row + block->rows <= recorder->rows &&
                      block->first_column + block->columns <= recorder->columns &&
                      block->ld >= (size_t)block->columns &&
                      (!recorder->whole_rows || block->columns == recorder->columns);
    if (!fits) {
#pragma omp atomic
        recorder->misfits++;
        return;
    }
    for (int row = block->first_row; row < block->first_row + block->rows; row++) {
        real *values = block->values + (size_t)(row - block->first_row) * block->ld;
        rows_write(&recorder->kept, (struct row_span){row, block->first_column, block->columns},
                   values);
        for (int i = 0; i < block->columns; i++) {
            recorder->seen[product(row, recorder->columns) + (size_t)(block->first_column + i)]++;
            values[i] = (real)NAN; /* an epilogue may change the values */
        }
    }
}

static struct recorder recorder_create(int rows, int columns, bool in_bf16, bool whole_rows)
{
    struct recorder recorder = {.rows = rows, .columns = columns, .whole_rows = whole_rows};
    recorder.kept.width = columns;
    if (in_bf16)
        recorder.kept.bf16 = nan_bf16(product(rows, columns));
    else
        recorder.kept.reals = random_reals(product(rows, columns), 9, 1);
    recorder.seen = calloc(product(rows, columns) + 1, 1);
    assert_non_null(recorder.seen);
    return recorder;
}

static void recorder_free(struct recorder *recorder)
{
    free(recorder->kept.reals);
    free(recorder->kept.bf16);
    free(recorder->seen);
}

static void assert_each_seen_once(const struct recorder *recorder)
{
    assert_int_equal(recorder->misfits, 0);
    for (size_t i = 0; i < product(recorder->rows, recorder->columns); i++)
        assert_int_equal(recorder->seen[i], 1);
}

/* Returns rows without memory, for results that only the epilogue stores. */
static struct rows nowhere(int width, bool in_bf16)
{
    static real real_nowhere;
    static bf16 bf16_nowhere;
    return in_bf16 ? (struct rows){.bf16 = &bf16_nowhere, .width = width}
                   : rows_of_reals(&real_nowhere, width);
}

/* ---- one shape ---- */

static struct rows result_rows(int rows, int width, bool in_bf16)
{
    struct rows made = {.width = width};
    if (in_bf16)
        made.bf16 = nan_bf16(product(rows, width));
    else
        made.reals = unwritten(product(rows, width) * sizeof(real));
    return made;
}

static void rows_free(struct rows rows)
{
    free(rows.reals);
    free(rows.bf16);
}

/* Returns the width of real results: those of bf16 products have room for whole panels, and all may
 * be wider. */
static int real_width(const struct layer *layer, int columns)
{
    return layer->in_bf16 ? padded(columns) : columns + 5;
}

static void check_forward(const struct layer *layer)
{
    struct reference_product expected =
        multiply_doubles(layer->double_x, NO_TRANSPOSE, layer->double_weights, TRANSPOSE,
                         layer->rows, layer->out, layer->in);
    const struct rows reals = result_rows(layer->rows, real_width(layer, layer->out), false);
    linear_forward(reals, layer->x, layer->rows, &layer->forward, layer->bias, NULL,
                   layer->scratch);
    assert_product(layer, "forward", reals, &expected, layer->bias, true);
    linear_forward(reals, layer->x, layer->rows, &layer->forward, NULL, NULL, layer->scratch);
    assert_product(layer, "forward without bias", reals, &expected, NULL, false);
    rows_free(reals);
    if (layer->in_bf16) {
        const struct rows in_bf16 = result_rows(layer->rows, layer->out, true);
        linear_forward(in_bf16, layer->x, layer->rows, &layer->forward, layer->bias, NULL,
                       layer->scratch);
        assert_product(layer, "forward to bf16", in_bf16, &expected, layer->bias, true);
        rows_free(in_bf16);
    }
    for (int whole_rows = 0; whole_rows <= 1; whole_rows++) {
        struct recorder recorder =
            recorder_create(layer->rows, layer->out, layer->in_bf16, whole_rows);
        const struct linear_epilogue epilogue = {
            .run = record, .context = &(struct recorder *){&recorder}, .whole_rows = whole_rows};
        linear_forward(nowhere(layer->out, layer->in_bf16), layer->x, layer->rows, &layer->forward,
                       layer->bias, &epilogue, layer->scratch);
        assert_each_seen_once(&recorder);
        assert_product(layer, "forward epilogue", recorder.kept, &expected, layer->bias, true);
        recorder_free(&recorder);
    }
    reference_product_free(&expected);
}

static void check_backward_input(const struct layer *layer)
{
    struct reference_product expected =
        multiply_doubles(layer->double_dy, NO_TRANSPOSE, layer->double_weights, NO_TRANSPOSE,
                         layer->rows, layer->in, layer->out);
    const struct rows reals = result_rows(layer->rows, layer->in, false);
    linear_backward_input(reals, layer->dy, layer->rows, &layer->backward, NULL, layer->scratch);
    assert_product(layer, "backward_input", reals, &expected, NULL, false);
    rows_free(reals);
    real *before = random_reals(product(layer->rows, layer->in), 5, 1);
    real *dx = copy_reals(before, product(layer->rows, layer->in));
    linear_backward_input_add(dx, layer->dy, layer->rows, &layer->backward);
    assert_product(layer, "backward_input_add", rows_of_reals(dx, layer->in), &expected, before,
                   false);
    free(before);
    free(dx);
    for (int whole_rows = 0; whole_rows <= 1; whole_rows++) {
        struct recorder recorder =
            recorder_create(layer->rows, layer->in, layer->in_bf16, whole_rows);
        const struct linear_epilogue epilogue = {
            .run = record, .context = &(struct recorder *){&recorder}, .whole_rows = whole_rows};
        linear_backward_input(nowhere(layer->in, layer->in_bf16), layer->dy, layer->rows,
                              &layer->backward, &epilogue, layer->scratch);
        assert_each_seen_once(&recorder);
        assert_product(layer, "backward_input epilogue", recorder.kept, &expected, NULL, false);
        recorder_free(&recorder);
    }
    reference_product_free(&expected);
}

static void check_backward_parameters(const struct layer *layer)
{
    struct reference_product expected =
        multiply_doubles(layer->double_dy, TRANSPOSE, layer->double_x, NO_TRANSPOSE, layer->out,
                         layer->in, layer->rows);
    real *before = random_reals(product(layer->out, layer->in), 6, 1);
    real *dweight = copy_reals(before, product(layer->out, layer->in));
    real *same = copy_reals(before, product(layer->out, layer->in));
    real *dbias = random_reals((size_t)layer->out, 7, 1);
    real *bias_before = copy_reals(dbias, (size_t)layer->out);
    linear_backward_parameters(dweight, dbias, layer->dy, layer->x, layer->rows, layer->out,
                               layer->in, layer->parameter_scratch);
    assert_product(layer, "backward_parameters", rows_of_reals(dweight, layer->in), &expected,
                   before, false);
    for (int i = 0; i < layer->out; i++) {
        double sum = (double)bias_before[i], size = fabs(sum);
        for (int row = 0; row < layer->rows; row++) {
            const double dy = layer->double_dy[product(row, layer->out) + (size_t)i];
            sum += dy;
            size += fabs(dy);
        }
        assert_true(fabs((double)dbias[i] - sum) <= float_sum_bound(size, layer->rows));
    }
    linear_backward_parameters(same, NULL, layer->dy, layer->x, layer->rows, layer->out, layer->in,
                               layer->parameter_scratch);
    assert_reals_identical(same, dweight, product(layer->out, layer->in));
    free(before), free(dweight), free(same), free(dbias), free(bias_before);
    reference_product_free(&expected);
}

static void check(int rows, int in, int out, bool in_bf16)
{
    struct layer *layer = layer_create(rows, in, out, in_bf16);
    check_forward(layer);
    check_backward_input(layer);
    check_backward_parameters(layer);
    layer_free(layer);
}

/* ---- tests ---- */

static void require_panels(bool in_bf16)
{
    if (in_bf16)
        require_bf16();
    else
        require_instructions(gemm_fp32() != &gemm_openblas, "AVX-512 and no AVX2");
}

/* Checks shapes of fewer and more rows, columns and depths than a block has, and of multiples of a
 * tile and others. */
static void check_shapes(bool in_bf16)
{
    const int rows[] = {1, 3, 16, 17, 128, 129, 300}, sizes[] = {32, 64, 96, 384, 512, 544, 1056};
    enum { ROWS = sizeof rows / sizeof *rows, SIZES = sizeof sizes / sizeof *sizes };
    require_panels(in_bf16);
    for (int in = 0; in < SIZES; in++)
        for (int out = 0; out < SIZES; out++)
            check(rows[(in + 3 * out) % ROWS], sizes[in], sizes[out], in_bf16);
    for (int i = 0; i < ROWS; i++) {
        check(rows[i], 32, 1056, in_bf16);
        check(rows[i], 544, 96, in_bf16);
        check(rows[i], 64, 1003, in_bf16); /* like the decoder of the MLM head */
    }
    check(PANELS_GRADIENT_ROWS + 70, 96, 64, in_bf16); /* the weight gradient has many parts */
    check(2100, 64, 96, in_bf16); /* more rows than a gradient sums at a time */
}

static void fp32_shapes_match_double_precision(void **state)
{
    (void)state;
    check_shapes(false);
    const int sizes[] = {1, 2, 15, 17, 50, 521};
    for (size_t in = 0; in < sizeof sizes / sizeof *sizes; in++)
        for (size_t out = 0; out < sizeof sizes / sizeof *sizes; out++)
            check(in % 2 ? 130 : 5, sizes[in], sizes[out], false);
}

static void bf16_shapes_match_double_precision(void **state)
{
    (void)state;
    check_shapes(true);
}

/* All results of a layer in one block, for comparisons of bits. */
struct results {
    struct layer *layer;
    bool parameters; /* whether to compute the gradients that only serial code may compute */
    real *all;
    size_t count;
};

static void compute_all(void *context)
{
    const struct results *results = context;
    const struct layer *layer = results->layer;
    const size_t outputs = product(layer->rows, real_width(layer, layer->out));
    const size_t inputs = product(layer->rows, layer->in);
    const size_t weights = product(layer->out, layer->in);
    real *at = results->all;
    memset(at, 0, results->count * sizeof *at);
    linear_forward(rows_of_reals(at, real_width(layer, layer->out)), layer->x, layer->rows,
                   &layer->forward, layer->bias, NULL, layer->scratch);
    at += outputs;
    linear_backward_input(rows_of_reals(at, layer->in), layer->dy, layer->rows, &layer->backward,
                          NULL, layer->scratch);
    at += inputs;
    linear_backward_input_add(at, layer->dy, layer->rows, &layer->backward);
    at += inputs;
    struct recorder recorder = recorder_create(layer->rows, layer->out, false, false);
    free(recorder.kept.reals);
    recorder.kept = rows_of_reals(at, layer->out);
    for (int whole_rows = 0; whole_rows <= 1; whole_rows++) {
        const struct linear_epilogue epilogue = {
            .run = record, .context = &(struct recorder *){&recorder}, .whole_rows = whole_rows};
        linear_forward(nowhere(layer->out, layer->in_bf16), layer->x, layer->rows, &layer->forward,
                       layer->bias, &epilogue, layer->scratch);
        recorder.kept = rows_from(recorder.kept, layer->rows);
    }
    free(recorder.seen);
    at += 2 * product(layer->rows, layer->out);
    if (results->parameters)
        linear_backward_parameters(at, at + weights, layer->dy, layer->x, layer->rows, layer->out,
                                   layer->in, layer->parameter_scratch);
}

static void check_threads(int rows, int in, int out, bool in_bf16)
{
    struct results results = {.layer = layer_create(rows, in, out, in_bf16), .parameters = true};
    results.count = product(rows, real_width(results.layer, out)) + 2 * product(rows, in) +
                    2 * product(rows, out) + product(out, in) + (size_t)out;
    results.all = zero_reals(results.count);
    assert_thread_counts_do_not_matter(compute_all, &results, results.all, results.count);
    results.parameters = false;
    assert_threads_do_not_matter(compute_all, &results, results.all, results.count);
    free(results.all);
    layer_free(results.layer);
}

/* Checks that rows do not depend on the rows that are computed with them. */
static void check_rows_alone(bool in_bf16)
{
    enum { ROWS = 150, IN = 96, OUT = 544 };
    struct layer *layer = layer_create(ROWS, IN, OUT, in_bf16);
    real *all = zero_reals(ROWS * OUT), *some = zero_reals(ROWS * OUT);
    linear_forward(rows_of_reals(all, OUT), layer->x, ROWS, &layer->forward, layer->bias, NULL,
                   layer->scratch);
    for (int row = 0, count = 1; row < ROWS; row += count, count = count * 2 + 1)
        linear_forward(rows_of_reals(some + (size_t)row * OUT, OUT), rows_from(layer->x, row),
                       count < ROWS - row ? count : ROWS - row, &layer->forward, layer->bias, NULL,
                       layer->scratch);
    assert_reals_identical(some, all, ROWS * OUT);
    free(all);
    free(some);
    layer_free(layer);
}

static void check_threads_in(bool in_bf16)
{
    require_panels(in_bf16);
    check_threads(1, 64, 1056, in_bf16);
    check_threads(37, 544, 96, in_bf16);
    check_threads(300, 96, 544, in_bf16);
    check_threads(130, 64, 1003, in_bf16);
    check_threads(2100, 32, 96, in_bf16);
    check_rows_alone(in_bf16);
}

static void threads_do_not_matter_in_fp32(void **state)
{
    (void)state;
    check_threads_in(false);
}

static void threads_do_not_matter_in_bf16(void **state)
{
    (void)state;
    check_threads_in(true);
}

/* A batch may have no predictions. */
static void no_rows_do_nothing(void **state)
{
    (void)state;
    require_panels(false);
    for (int in_bf16 = 0; in_bf16 <= (gemm_bf16() != NULL); in_bf16++) {
        struct layer *layer = layer_create(1, 64, 96, in_bf16);
        struct recorder recorder = recorder_create(0, 96, in_bf16, true);
        const struct linear_epilogue epilogue = {
            .run = record, .context = &(struct recorder *){&recorder}, .whole_rows = true};
        linear_forward(nowhere(96, in_bf16), layer->x, 0, &layer->forward, layer->bias, &epilogue,
                       layer->scratch);
        linear_forward(nowhere(96, false), layer->x, 0, &layer->forward, layer->bias, NULL,
                       layer->scratch);
        linear_backward_input(nowhere(64, in_bf16), layer->dy, 0, &layer->backward, NULL,
                              layer->scratch);
        linear_backward_input_add(NULL, layer->dy, 0, &layer->backward);
        linear_backward_parameters(NULL, NULL, layer->dy, layer->x, 0, 96, 64,
                                   layer->parameter_scratch);
        assert_int_equal(recorder.misfits, 0);
        recorder_free(&recorder);
        layer_free(layer);
    }
}

/* The panels have the old values of a changed weight until it is laid out again. */
static void panels_are_of_the_values_when_they_were_laid_out(void **state)
{
    (void)state;
    require_panels(false);
    struct layer *layer = layer_create(2, 64, 96, false);
    real *before = zero_reals(2 * 96), *after = zero_reals(2 * 96);
    linear_forward(rows_of_reals(before, 96), layer->x, 2, &layer->forward, NULL, NULL, NULL);
    for (size_t i = 0; i < 96 * 64; i++)
        layer->weights[i] *= -2;
    linear_forward(rows_of_reals(after, 96), layer->x, 2, &layer->forward, NULL, NULL, NULL);
    assert_reals_identical(after, before, 2 * 96);
    linear_lay_out(&layer->forward, layer->forward_panels, LINEAR_FORWARD, false);
    linear_forward(rows_of_reals(after, 96), layer->x, 2, &layer->forward, NULL, NULL, NULL);
    for (size_t i = 0; i < 2 * 96; i++)
        assert_true(after[i] == -2 * before[i]);
    free(before);
    free(after);
    layer_free(layer);
}

/* The linker replaces gemm_fp32 by this function. */
const struct gemm_kernels *__wrap_gemm_fp32(void);
const struct gemm_kernels *__real_gemm_fp32(void);

static const struct gemm_kernels *replacement; /* NULL: none */

const struct gemm_kernels *__wrap_gemm_fp32(void)
{
    return replacement ? replacement : __real_gemm_fp32();
}

static void one_block_of_scratch_serves_inside_a_parallel_region(void **state)
{
    enum { ROWS = 300, IN = 96, OUT = 544 };
    (void)state;
    require_panels(false);
    struct layer *layer = layer_create(ROWS, IN, OUT, false);
    struct recorder recorder = recorder_create(ROWS, OUT, false, true);
    const struct linear_epilogue epilogue = {
        .run = record, .context = &(struct recorder *){&recorder}, .whole_rows = true};
    const size_t block = linear_scratch(OUT), others = (MAX_THREADS - 1) * block;
    real *untouched = copy_reals(layer->scratch + block, others);
    omp_set_max_active_levels(2);
#pragma omp parallel num_threads(2)
#pragma omp single
    linear_forward(nowhere(OUT, false), layer->x, ROWS, &layer->forward, layer->bias, &epilogue,
                   layer->scratch);
    omp_set_max_active_levels(1);
    assert_memory_equal(layer->scratch + block, untouched, others * sizeof *untouched);
    free(untouched);
    recorder_free(&recorder);
    layer_free(layer);
}

/* How often the functions below were called, and from a team of threads within another one. */
static int calls, nested_calls;

static void count_call(void)
{
#pragma omp atomic
    calls++;
    if (omp_get_active_level() > 1) {
#pragma omp atomic
        nested_calls++;
    }
}

static void counted_multiply(real *c, size_t ldc, struct addend addend, struct operand left,
                             struct operand right, int rows, int columns, int depth)
{
    count_call();
    __real_gemm_fp32()->multiply(c, ldc, addend, left, right, rows, columns, depth);
}

static void counted_layout(void *right, const real *w, int depth, int columns, int first, int last)
{
    count_call();
    __real_gemm_fp32()->lay_out_reals_transposed(right, w, depth, columns, first, last);
}

static void counted_epilogue(const void *context, const struct linear_block *block)
{
    (void)context, (void)block;
    count_call();
}

/* Each must be enough work for several threads. */
static void work_in_a_region(struct layer *layer, real *y, real *dweight)
{
    const struct linear_epilogue epilogue = {.run = counted_epilogue};
    struct linear_weight laid_out = layer->forward, plain = {layer->weights, NULL, 96, 544};
    const struct rows out = rows_of_reals(y, 544);
    linear_lay_out(&laid_out, layer->forward_panels, LINEAR_FORWARD, false);
    linear_forward(out, layer->x, 300, &laid_out, NULL, NULL, NULL);
    linear_forward(out, layer->x, 300, &laid_out, NULL, &epilogue, layer->scratch);
    linear_forward(out, layer->x, 300, &plain, NULL, &epilogue, NULL);
    linear_backward_parameters(dweight, NULL, layer->dy, layer->x, 300, 544, 96,
                               layer->parameter_scratch);
}

static void threads_of_a_region_start_no_others(void **state)
{
    (void)state;
    require_panels(false);
    struct layer *layer = layer_create(300, 96, 544, false);
    struct gemm_kernels counting = *gemm_fp32();
    real *y = random_reals(300 * 544, 5, 1), *dweight = random_reals(544 * 96, 6, 1);
    counting.multiply = counted_multiply;
    counting.lay_out_reals_transposed = counted_layout;
    replacement = &counting;
    omp_set_max_active_levels(2);
    calls = nested_calls = 0;
#pragma omp parallel num_threads(2)
#pragma omp single
    work_in_a_region(layer, y, dweight);
    omp_set_max_active_levels(1);
    replacement = NULL;
    assert_true(calls > 0);
    assert_int_equal(nested_calls, 0);
    free(y);
    free(dweight);
    layer_free(layer);
}

static void nothing_is_laid_out_for_openblas(void **state)
{
    (void)state;
    real weights[6] = {1, 2, 3, 4, 5, 6}, x[2] = {10, 1}, y[3];
    struct linear_weight weight = {weights, NULL, 2, 3};
    replacement = &gemm_openblas;
    assert_int_equal(linear_panel_bytes(3, 2, false), 0);
    assert_int_equal(linear_parameter_scratch(10, 10, 2, false), 0);
    linear_lay_out(&weight, NULL, LINEAR_FORWARD, false);
    assert_null(weight.panels);
    linear_forward(rows_of_reals(y, 3), rows_of_reals(x, 2), 1, &weight, NULL, NULL, NULL);
    replacement = NULL;
    assert_reals_near(y, (const double[]){12, 34, 56}, 3, 0);
}

int main(void)
{
    omp_set_num_threads(MAX_THREADS);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fp32_shapes_match_double_precision),
        cmocka_unit_test(bf16_shapes_match_double_precision),
        cmocka_unit_test(threads_do_not_matter_in_fp32),
        cmocka_unit_test(threads_do_not_matter_in_bf16),
        cmocka_unit_test(no_rows_do_nothing),
        cmocka_unit_test(panels_are_of_the_values_when_they_were_laid_out),
        cmocka_unit_test(one_block_of_scratch_serves_inside_a_parallel_region),
        cmocka_unit_test(threads_of_a_region_start_no_others),
        cmocka_unit_test(nothing_is_laid_out_for_openblas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

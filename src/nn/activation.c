#include "nn/activation.h"

#include "base/min.h"
#include "math/elementary.h"
#include "math/panels.h"
#include "math/prefetch.h"
#include "math/vectorized.h"

#include <string.h>

bool activation_find(const char *name, enum activation *activation)
{
    static const struct {
        const char *name;
        enum activation activation;
    } known[] = {
        {"gelu", ACTIVATION_GELU},
        {"gelu_new", ACTIVATION_GELU_TANH},
        {"gelu_pytorch_tanh", ACTIVATION_GELU_TANH},
        {"relu", ACTIVATION_RELU},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(name, known[i].name) == 0) {
            *activation = known[i].activation;
            return true;
        }
    }
    return false;
}

typedef void forward_kernel(real *y, const real *x, size_t count);
typedef void backward_kernel(real *dx, real *y, const real *dy, const real *x, size_t count);

static const real inverse_sqrt_two_pi = (real)0.39894228040143267794;

VECTORIZED static void gelu_forward(real *y, const real *x, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++) {
        real value = x[i], decay = real_exp_decay((real)-0.5 * value * value);
        y[i] = value * real_normal_cdf(value, decay);
    }
}

/* f'(x) = Phi(x) + x phi(x) */
VECTORIZED static void gelu_backward(real *dx, real *y, const real *dy, const real *x, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++) {
        real value = x[i], decay = real_exp_decay((real)-0.5 * value * value);
        real cumulative = real_normal_cdf(value, decay);
        real density = inverse_sqrt_two_pi * decay;
        dx[i] = dy[i] * (cumulative + value * density);
        y[i] = value * cumulative;
    }
}

static const real sqrt_two_over_pi = (real)0.79788456080286535588;
static const real gelu_cubic = (real)0.044715;

VECTORIZED static void gelu_tanh_forward(real *y, const real *x, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++) {
        real inner = sqrt_two_over_pi * x[i] * (1 + gelu_cubic * x[i] * x[i]);
        y[i] = (real)0.5 * x[i] * (1 + real_tanh(inner));
    }
}

/* With t = tanh(u):  f'(x) = (1 + t) / 2 + x/2 (1 - t^2) u'(x). The factor that vanishes for large
 * x comes before the one that grows. */
VECTORIZED static void gelu_tanh_backward(real *dx, real *y, const real *dy, const real *x,
                                          size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++) {
        real value = x[i], square = gelu_cubic * value * value;
        real t = real_tanh(sqrt_two_over_pi * value * (1 + square));
        real slope = sqrt_two_over_pi * (1 + 3 * square);
        dx[i] = dy[i] * (real)0.5 * (1 + t + (1 - t * t) * value * slope);
        y[i] = (real)0.5 * value * (1 + t);
    }
}

VECTORIZED static void relu_forward(real *y, const real *x, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        y[i] = x[i] < 0 ? 0 : x[i]; /* compared this way, NaN stays NaN */
}

VECTORIZED static void relu_backward(real *dx, real *y, const real *dy, const real *x, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++) {
        real value = x[i];
        dx[i] = value > 0 ? dy[i] : 0;
        y[i] = value < 0 ? 0 : value;
    }
}

VECTORIZED static void tanh_forward_all(real *y, const real *x, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        y[i] = real_tanh(x[i]);
}

VECTORIZED static void tanh_backward_all(real *dx, const real *dy, const real *y, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        dx[i] = dy[i] * (1 - y[i] * y[i]);
}

static forward_kernel *const forward_kernels[] = {
    [ACTIVATION_GELU] = gelu_forward,
    [ACTIVATION_GELU_TANH] = gelu_tanh_forward,
    [ACTIVATION_RELU] = relu_forward,
};

static backward_kernel *const backward_kernels[] = {
    [ACTIVATION_GELU] = gelu_backward,
    [ACTIVATION_GELU_TANH] = gelu_tanh_backward,
    [ACTIVATION_RELU] = relu_backward,
};

void activation_forward(real *y, const real *x, size_t count, enum activation activation)
{
    forward_kernels[activation](y, x, count);
}

void activation_backward(real *dx, real *y, const real *dy, const real *x, size_t count,
                         enum activation activation)
{
    backward_kernels[activation](dx, y, dy, x, count);
}

void tanh_forward(real *y, const real *x, size_t count)
{
    tanh_forward_all(y, x, count);
}

void tanh_backward(real *dx, const real *dy, const real *y, size_t count)
{
    tanh_backward_all(dx, dy, y, count);
}

/* ---- epilogues ---- */

/* Returns kernels that compute and round this activation in one pass, so that the numbers are read
 * and written once; NULL if it must be done in several passes. */
static const struct gemm_kernels *fused(const struct activation_layer *layer, struct rows to,
                                        int columns)
{
    const bool fits = layer->activation == ACTIVATION_GELU && layer->input.bf16 &&
                      layer->output.bf16 && to.bf16 && columns % BF16_DEPTH == 0;
    const struct gemm_kernels *kernels = fits ? gemm_bf16() : NULL;
    return kernels && kernels->gelu ? kernels : NULL;
}

static void fused_forward(const struct activation_layer *layer, const struct linear_block *block,
                          const struct gemm_kernels *kernels)
{
    for (int i = 0; i < block->rows; i++) {
        const struct row_span span = {block->first_row + i, block->first_column, block->columns};
        kernels->gelu(layer->input.bf16 + rows_offset(&layer->input, span),
                      layer->output.bf16 + rows_offset(&layer->output, span),
                      block->values + (size_t)i * block->ld, (size_t)span.count);
    }
    gemm_finish_stores(kernels);
}

void activation_layer_forward(const void *context, const struct linear_block *block)
{
    const struct activation_layer *layer = context;
    const struct gemm_kernels *kernels = fused(layer, layer->output, block->columns);
    if (kernels) {
        fused_forward(layer, block, kernels);
        return;
    }
    for (int i = 0; i < block->rows; i++) {
        const struct row_span span = {block->first_row + i, block->first_column, block->columns};
        real *input = block->values + (size_t)i * block->ld;
        real *output = rows_place(&layer->output, span, input);
        if (!layer->forward_only)
            rows_write(&layer->input, span, input);
        activation_forward(output, input, (size_t)span.count, layer->activation);
        rows_write(&layer->output, span, output);
    }
}

enum { BUFFER = 512 }; /* the columns of a row that are widened at a time, on the stack */

/* Prefetches the saved input of a row that comes a few rows later. It was stored long ago and comes
 * from memory, in pieces of rows that no prefetcher recognizes. In bf16, with less arithmetic for
 * each line of it, waiting would take a third of the time (Granite Rapids). With reals the prefetch
 * gains nothing (Zen 3). */
static inline void fetch_input(const struct activation_layer *layer,
                               const struct linear_block *block, int row)
{
    enum { AHEAD = 4, LINE = 64 / sizeof(bf16) };
    if (!layer->input.bf16 || row + AHEAD >= block->rows)
        return;
    const struct row_span span = {block->first_row + row + AHEAD, block->first_column, 0};
    const bf16 *input = layer->input.bf16 + rows_offset(&layer->input, span);
    for (int column = 0; column < block->columns; column += LINE)
        fetch_soon((uintptr_t)(input + column));
}

static void fused_backward(const struct activation_gradient *backward,
                           const struct linear_block *block, const struct gemm_kernels *kernels)
{
    const struct activation_layer *layer = &backward->layer;
    for (int i = 0; i < block->rows; i++) {
        const struct row_span span = {block->first_row + i, block->first_column, block->columns};
        fetch_input(layer, block, i);
        kernels->gelu_gradient(backward->gradient.bf16 + rows_offset(&backward->gradient, span),
                               layer->output.bf16 + rows_offset(&layer->output, span),
                               block->values + (size_t)i * block->ld,
                               layer->input.bf16 + rows_offset(&layer->input, span),
                               (size_t)span.count);
    }
    gemm_finish_stores(kernels);
}

void activation_layer_backward(const void *context, const struct linear_block *block)
{
    const struct activation_gradient *backward = context;
    const struct activation_layer *layer = &backward->layer;
    const struct gemm_kernels *kernels = fused(layer, backward->gradient, block->columns);
    if (kernels) {
        fused_backward(backward, block, kernels);
        return;
    }
    real input_buffer[BUFFER], output_buffer[BUFFER];
    for (int i = 0; i < block->rows; i++) {
        fetch_input(layer, block, i);
        for (int column = 0; column < block->columns; column += BUFFER) {
            const int left = block->columns - column, count = min_int(left, BUFFER);
            const struct row_span span = {block->first_row + i, block->first_column + column,
                                          count};
            real *gradient = block->values + (size_t)i * block->ld + column;
            const real *input = rows_read(&layer->input, span, input_buffer);
            real *output = rows_place(&layer->output, span, output_buffer);
            activation_backward(gradient, output, gradient, input, (size_t)count,
                                layer->activation);
            rows_write(&layer->output, span, output);
            rows_write(&backward->gradient, span, gradient);
        }
    }
}

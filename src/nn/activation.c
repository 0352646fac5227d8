#include "nn/activation.h"

#include "math/elementary.h"
#include "math/vectorized.h"
#include "nn/parallel.h"

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

/* ---- one block of elements on one thread ---- */

typedef void forward_kernel(real *y, const real *x, size_t count);
typedef void backward_kernel(real *dx, const real *dy, const real *x, size_t count);

static const real sqrt_half = (real)0.70710678118654752440;
static const real inverse_sqrt_two_pi = (real)0.39894228040143267794;

VECTORIZED static void gelu_forward(real *y, const real *x, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        y[i] = (real)0.5 * x[i] * (1 + real_erf(x[i] * sqrt_half));
}

/* f'(x) = Phi(x) + x phi(x) */
VECTORIZED static void gelu_backward(real *dx, const real *dy, const real *x, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++) {
        real cumulative = (real)0.5 * (1 + real_erf(x[i] * sqrt_half));
        real density = inverse_sqrt_two_pi * real_exp((real)-0.5 * x[i] * x[i]);
        dx[i] = dy[i] * (cumulative + x[i] * density);
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
VECTORIZED static void gelu_tanh_backward(real *dx, const real *dy, const real *x, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++) {
        real square = gelu_cubic * x[i] * x[i];
        real t = real_tanh(sqrt_two_over_pi * x[i] * (1 + square));
        real slope = sqrt_two_over_pi * (1 + 3 * square);
        dx[i] = dy[i] * (real)0.5 * (1 + t + (1 - t * t) * x[i] * slope);
    }
}

VECTORIZED static void relu_forward(real *y, const real *x, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        y[i] = x[i] < 0 ? 0 : x[i]; /* this way around, NaN stays NaN */
}

VECTORIZED static void relu_backward(real *dx, const real *dy, const real *x, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        dx[i] = x[i] > 0 ? dy[i] : 0;
}

VECTORIZED static void tanh_forward_block(real *y, const real *x, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        y[i] = real_tanh(x[i]);
}

VECTORIZED static void tanh_backward_block(real *dx, const real *dy, const real *y, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        dx[i] = dy[i] * (1 - y[i] * y[i]);
}

/* ---- all elements ---- */

enum { BLOCK = 4096 }; /* elements: a block of each operand stays in the first-level cache */

static size_t block_size(size_t first, size_t count)
{
    return count - first < BLOCK ? count - first : BLOCK;
}

static void forward_blocks(forward_kernel *kernel, real *y, const real *x, size_t count)
{
#pragma omp parallel for schedule(static) if (count > PARALLEL_ELEMENTS)
    for (size_t first = 0; first < count; first += BLOCK)
        kernel(y + first, x + first, block_size(first, count));
}

static void backward_blocks(backward_kernel *kernel, real *dx, const real *dy, const real *x,
                            size_t count)
{
#pragma omp parallel for schedule(static) if (count > PARALLEL_ELEMENTS)
    for (size_t first = 0; first < count; first += BLOCK)
        kernel(dx + first, dy + first, x + first, block_size(first, count));
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
    forward_blocks(forward_kernels[activation], y, x, count);
}

void activation_backward(real *dx, const real *dy, const real *x, size_t count,
                         enum activation activation)
{
    backward_blocks(backward_kernels[activation], dx, dy, x, count);
}

void tanh_forward(real *y, const real *x, size_t count)
{
    forward_blocks(tanh_forward_block, y, x, count);
}

void tanh_backward(real *dx, const real *dy, const real *y, size_t count)
{
    backward_blocks(tanh_backward_block, dx, dy, y, count);
}

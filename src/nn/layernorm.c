#include "nn/layernorm.h"

#include "base/error.h"
#include "math/vectorized.h"

#include <math.h>
#include <stddef.h>

/* y = (x - mean) * rstd * weight + bias. Always inlined into the vectorized function that calls it,
 * so that normalizing a row again gives the same bits. */
static inline __attribute__((always_inline)) void normalize(real *y, const real *x, real mean,
                                                            real rstd, const real *weight,
                                                            const real *bias, int width)
{
#pragma omp simd
    for (int i = 0; i < width; i++)
        y[i] = (x[i] - mean) * rstd * weight[i] + bias[i];
}

VECTORIZED static void normalize_row(real *y, const real *x, real mean, real rstd,
                                     const real *weight, const real *bias, int width)
{
    normalize(y, x, mean, rstd, weight, bias, width);
}

/* Computes the mean and then the variance, in two passes: with a large mean, one pass over squares
 * would lose all digits. The mean is that of the distances from the first value, which makes it
 * exact in a row of equal values, whose variance must vanish compared with epsilon. Squares are
 * divided by the width before they are summed, because the sum of 1024 squares of 1e18 overflows a
 * float. Sums are floats, in as many partial sums as a vector has elements; they are within 2e-6 of
 * double precision up to a width of 1024. */
VECTORIZED static void forward_row(real *y, real *mean_out, real *rstd_out, const real *x,
                                   const real *weight, const real *bias, int width, real epsilon)
{
    const real share = 1 / (real)width, first = x[0];
    real distance = 0, variance = 0;
#pragma omp simd reduction(+ : distance)
    for (int i = 0; i < width; i++)
        distance += x[i] - first;
    const real mean = first + distance * share;
#pragma omp simd reduction(+ : variance)
    for (int i = 0; i < width; i++)
        variance += (x[i] - mean) * share * (x[i] - mean);
    const real rstd = (real)(1 / sqrt((double)variance + (double)epsilon));
    normalize(y, x, mean, rstd, weight, bias, width);
    *mean_out = mean;
    *rstd_out = rstd;
}

void layernorm_forward(real *y, real *mean, real *rstd, const real *x, const real *weight,
                       const real *bias, int width, real epsilon)
{
    forward_row(y, mean, rstd, x, weight, bias, width, epsilon);
}

VECTORIZED static void backward_row(real *dx, real *dweight, real *dbias, const real *dy,
                                    const real *x, real mean, real rstd, const real *weight,
                                    int width)
{
    real mean_g = 0, mean_gn = 0;
    /* g is rounded by storing it in dx. Fused into the difference below, it would keep digits that
     * mean_g has lost, and rstd, up to 1e6, would magnify them. */
#pragma omp simd reduction(+ : mean_g, mean_gn)
    for (int i = 0; i < width; i++) {
        real n = (x[i] - mean) * rstd, g = dy[i] * weight[i];
        dweight[i] += dy[i] * n;
        dbias[i] += dy[i];
        mean_g += g;
        mean_gn += g * n;
        dx[i] = g;
    }
    mean_g /= (real)width;
    mean_gn /= (real)width;
#pragma omp simd
    for (int i = 0; i < width; i++) {
        real n = (x[i] - mean) * rstd;
        dx[i] = rstd * (dx[i] - mean_g - n * mean_gn);
    }
}

void layernorm_backward(real *dx, real *dweight, real *dbias, const real *dy, const real *x,
                        real mean, real rstd, const real *weight, int width)
{
    backward_row(dx, dweight, dbias, dy, x, mean, rstd, weight, width);
}

/* ---- dropout, residual and normalization ---- */

VECTORIZED static void add_reals(real *y, const real *x, int count)
{
#pragma omp simd
    for (int i = 0; i < count; i++)
        y[i] += x[i];
}

VECTORIZED static void add_bf16(real *y, const bf16 *x, int count)
{
#pragma omp simd
    for (int i = 0; i < count; i++)
        y[i] += (real)bf16_to_float(x[i]);
}

static void add_row(real *y, const struct rows *x, struct row_span span)
{
    const size_t at = rows_offset(x, span);
    if (x->reals)
        add_reals(y, x->reals + at, span.count);
    else
        add_bf16(y, x->bf16 + at, span.count);
}

static void drop(real *x, const struct residual_norm *norm, int row)
{
    dropout_row(x, norm->sum.width, norm->dropout, norm->site, (uint32_t)norm->examples[row],
                (uint32_t)norm->positions[row]);
}

void residual_norm_forward(const void *context, const struct linear_block *block)
{
    const struct residual_norm *norm = context;
    for (int i = 0; i < block->rows; i++) {
        const int row = block->first_row + i;
        const struct row_span span = {row, 0, norm->sum.width};
        real *sum = block->values + (size_t)i * block->ld;
        drop(sum, norm, row);
        add_row(sum, &norm->residual, span);
        if (!norm->forward_only)
            rows_write(&norm->sum, span, sum);
        real *output = rows_place(&norm->output, span, sum);
        forward_row(output, norm->mean + row, norm->rstd + row, sum, norm->weight, norm->bias,
                    span.count, norm->epsilon);
        rows_write(&norm->output, span, output);
    }
}

void residual_norm_backward(real *gradient, struct rows ddense, real *dweight, real *dbias,
                            const struct residual_norm *norm, int rows, real *buffer)
{
    const size_t width = (size_t)norm->sum.width;
    CHECK(!norm->restored || norm->output.reals);
    for (int row = 0; row < rows; row++, gradient += width) {
        const struct row_span span = {row, 0, norm->sum.width};
        const real *sum = rows_read(&norm->sum, span, buffer);
        backward_row(gradient, dweight, dbias, gradient, sum, norm->mean[row], norm->rstd[row],
                     norm->weight, span.count);
        if (norm->restored)
            normalize_row(norm->output.reals + rows_offset(&norm->output, span), sum,
                          norm->mean[row], norm->rstd[row], norm->weight, norm->bias, span.count);
        real *dropped = rows_place(&ddense, span, buffer); /* the sum is no longer needed */
        memcpy(dropped, gradient, width * sizeof(real));
        drop(dropped, norm, row);
        rows_write(&ddense, span, dropped);
    }
}

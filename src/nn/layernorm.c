#include "nn/layernorm.h"

#include "math/vectorized.h"
#include "nn/parallel.h"

#include <math.h>
#include <stddef.h>

/* Two passes, the mean and then the variance; one pass over squares would lose all digits beside a
 * large mean. The mean is taken of the distances from the first value: so it is exact in a row of
 * equal values, whose variance must vanish beside epsilon. Squares are divided by the width before
 * they are summed, since the sum of 1024 squares of 1e18 is no float. Sums are floats, of as many
 * partial sums as a vector has elements: within 2e-6 of double precision up to a width of 1024. */
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
#pragma omp simd
    for (int i = 0; i < width; i++)
        y[i] = (x[i] - mean) * rstd * weight[i] + bias[i];
    *mean_out = mean;
    *rstd_out = rstd;
}

void layernorm_forward(real *y, real *mean, real *rstd, const real *x, const real *weight,
                       const real *bias, int rows, int width, real epsilon)
{
    const size_t elements = (size_t)rows * (size_t)width;
#pragma omp parallel for schedule(static) if (elements > PARALLEL_ELEMENTS)
    for (int row = 0; row < rows; row++) {
        size_t at = (size_t)row * (size_t)width;
        forward_row(y + at, mean + row, rstd + row, x + at, weight, bias, width, epsilon);
    }
}

VECTORIZED static void backward_row(real *dx, const real *dy, const real *x, real mean, real rstd,
                                    const real *weight, int width)
{
    real mean_g = 0, mean_gn = 0;
    /* g goes through dx, rounded: fused into the difference below it would keep digits that its
     * mean has lost, and rstd, up to 1e6, would show them. */
#pragma omp simd reduction(+ : mean_g, mean_gn)
    for (int i = 0; i < width; i++) {
        real g = dy[i] * weight[i];
        mean_g += g;
        mean_gn += g * ((x[i] - mean) * rstd);
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

/* The parameters' gradients of `columns` columns; the rows of dy and x are `width` apart. */
VECTORIZED static void backward_columns(real *dweight, real *dbias, const real *dy, const real *x,
                                        const real *mean, const real *rstd, int rows, int width,
                                        int columns)
{
    for (int row = 0; row < rows; row++, dy += width, x += width) {
        const real row_mean = mean[row], row_rstd = rstd[row];
#pragma omp simd
        for (int i = 0; i < columns; i++) {
            dweight[i] += dy[i] * ((x[i] - row_mean) * row_rstd);
            dbias[i] += dy[i];
        }
    }
}

void layernorm_backward(real *dx, real *dweight, real *dbias, const real *dy, const real *x,
                        const real *mean, const real *rstd, const real *weight, int rows, int width)
{
    const size_t elements = (size_t)rows * (size_t)width;
    /* The parameters first: dx may overwrite dy. */
#pragma omp parallel for schedule(static) if (elements > PARALLEL_ELEMENTS)
    for (int first = 0; first < width; first += COLUMN_BLOCK) {
        int columns = width - first < COLUMN_BLOCK ? width - first : COLUMN_BLOCK;
        backward_columns(dweight + first, dbias + first, dy + first, x + first, mean, rstd, rows,
                         width, columns);
    }
#pragma omp parallel for schedule(static) if (elements > PARALLEL_ELEMENTS)
    for (int row = 0; row < rows; row++) {
        size_t at = (size_t)row * (size_t)width;
        backward_row(dx + at, dy + at, x + at, mean[row], rstd[row], weight, width);
    }
}

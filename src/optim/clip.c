#include "optim/clip.h"

#include "base/min.h"
#include "math/vectorized.h"

#include <math.h>

/* The number of slices, each with a partial sum. A fixed number keeps the sums on the stack and the
 * result independent of the threads, and is enough for any processor. */
enum { SLICES = 1024 };

VECTORIZED
static double sum_of_squares(const real *x, size_t count)
{
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < count; i++)
        sum += (double)x[i] * (double)x[i];
    return sum;
}

double gradient_norm(const real *gradients, size_t total)
{
    double partial[SLICES];
    size_t length =
        total / SLICES + 1; /* SLICES * length > total, so every element is in a slice */
#pragma omp parallel for schedule(static)
    for (int slice = 0; slice < SLICES; slice++) {
        size_t begin = (size_t)slice * length;
        size_t left = begin < total ? total - begin : 0;
        partial[slice] = sum_of_squares(gradients + (left ? begin : 0), min_size(left, length));
    }
    double sum = 0;
    for (int slice = 0; slice < SLICES; slice++)
        sum += partial[slice];
    return sqrt(sum);
}

double clip_scale(double norm, double max_norm)
{
    if (max_norm == 0)
        return 1;
    double scale = max_norm / (norm + 1e-6);
    return scale > 1 ? 1 : scale;
}

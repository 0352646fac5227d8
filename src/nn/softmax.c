#include "nn/softmax.h"

#include "base/min.h"
#include "math/elementary.h"
#include "math/vectorized.h"

/* So many exponentials are added up as floats, and these sums as doubles, so that the rounding
 * error does not grow with the vocabulary. */
enum { CHUNK = 512 };

static inline real largest(const real *x, int width)
{
    /* Starts at 0, not 1, so that the trip count stays a multiple of the vector length. */
    real max = x[0];
#pragma omp simd reduction(max : max)
    for (int i = 0; i < width; i++)
        max = x[i] > max ? x[i] : max;
    return max;
}

VECTORIZED static struct softmax_sum sum_row(const real *x, int width)
{
    const real max = largest(x, width);
    double total = 0;
    for (int first = 0; first < width; first += CHUNK) {
        const int end = first + min_int(CHUNK, width - first);
        real sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int i = first; i < end; i++)
            sum += real_exp_decay(x[i] - max);
        total += (double)sum;
    }
    return (struct softmax_sum){max, (real)total};
}

VECTORIZED static struct softmax_sum scale_row(real *y, const real *x, int width, real scale)
{
    const real max = largest(x, width);
    double total = 0;
    for (int first = 0; first < width; first += CHUNK) {
        const int end = first + min_int(CHUNK, width - first);
        real sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int i = first; i < end; i++) {
            real exponential = real_exp_decay(x[i] - max);
            y[i] = exponential;
            sum += exponential;
        }
        total += (double)sum;
    }
    const real factor = (real)((double)scale / total);
#pragma omp simd
    for (int i = 0; i < width; i++)
        y[i] *= factor;
    return (struct softmax_sum){max, (real)total};
}

struct softmax_sum softmax_sum(const real *x, int width)
{
    return sum_row(x, width);
}

struct softmax_sum softmax_row(real *y, const real *x, int width, real scale)
{
    return scale_row(y, x, width, scale);
}

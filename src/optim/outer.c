#include "optim/outer.h"

#include "base/min.h"
#include "math/vectorized.h"

/* Elements that a thread updates at a time. */
enum { BLOCK = 16384 };

VECTORIZED
static void step_outward(real *restrict values, real *restrict anchor, real *restrict momentum,
                         size_t count, real learning_rate, real factor)
{
    for (size_t i = 0; i < count; i++) {
        real difference = anchor[i] - values[i];
        real m = factor * momentum[i] + difference;
        /* p - learning_rate * (d + momentum * m), written so that a rate of 1 without momentum
         * gives exactly a. */
        real value = values[i] + (1 - learning_rate) * difference - learning_rate * factor * m;
        momentum[i] = m;
        values[i] = value;
        anchor[i] = value;
    }
}

void outer_step(real *values, real *anchor, real *momentum, size_t count,
                const struct outer_options *options)
{
    const real learning_rate = (real)options->learning_rate, factor = (real)options->momentum;
#pragma omp parallel for schedule(static)
    for (size_t begin = 0; begin < count; begin += BLOCK)
        step_outward(values + begin, anchor + begin, momentum + begin,
                     min_size(count - begin, BLOCK), learning_rate, factor);
}

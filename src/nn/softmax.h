/* Softmax of one row, on the calling thread. The largest value is subtracted first, so that no
 * finite input overflows. A NaN in a row makes all of its results NaN. */
#ifndef CLOZE_NN_SOFTMAX_H
#define CLOZE_NN_SOFTMAX_H

#include "math/real.h"

/* The sum of a row's exponentials, scaled: log sum exp(x) = max + log(sum). */
struct softmax_sum {
    real max;
    real sum; /* sum of exp(x - max) */
};

/* x [width], width > 0 */
struct softmax_sum softmax_sum(const real *x, int width);

/* y [width] out, may be x itself:  y = exp(x - max) / sum * scale */
struct softmax_sum softmax_row(real *y, const real *x, int width, real scale);

#endif

#ifndef CLOZE_NN_LAYERNORM_H
#define CLOZE_NN_LAYERNORM_H

#include "math/real.h"

/* Layer normalization (Ba, Kiros & Hinton 2016), over the last axis:
 *   y = n * weight + bias,   n = (x - mean) * rstd,   rstd = 1 / sqrt(var + epsilon), biased var
 *
 * y            [rows, width]  out, may be x itself
 * mean, rstd   [rows]         out, what the backward pass needs
 * x            [rows, width]
 * weight, bias [width]
 * epsilon      > 0; in a row of equal values y is the bias
 * Rows run in parallel; the result does not depend on the number of threads. Values up to 1e18 do
 * not overflow. Cannot fail. */
void layernorm_forward(real *y, real *mean, real *rstd, const real *x, const real *weight,
                       const real *bias, int rows, int width, real epsilon);

/* dx       [rows, width]  out, may be dy itself
 * dweight,
 * dbias    [width]        accumulated (+=), rows in their order
 * x        [rows, width]  the input of the forward pass
 * With g = dy * weight:  dx = rstd * (g - mean(g) - n * mean(g * n)) */
void layernorm_backward(real *dx, real *dweight, real *dbias, const real *dy, const real *x,
                        const real *mean, const real *rstd, const real *weight, int rows,
                        int width);

#endif

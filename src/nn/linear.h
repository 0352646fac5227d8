/* Fully connected layer: y = x W^T + b. W is stored [out, in], as PyTorch's Linear. */
#ifndef CLOZE_NN_LINEAR_H
#define CLOZE_NN_LINEAR_H

#include "math/real.h"

#include <stdbool.h>

struct linear_shape {
    int rows, in, out;
};

/* y       [rows, out]  out, must not overlap x
 * x       [rows, in]
 * weight  [out, in]
 * bias    [out]        NULL: none
 * Parallel when called from serial code (math/gemm.h). Cannot fail; nor can the others. */
void linear_forward(real *y, const real *x, const real *weight, const real *bias,
                    struct linear_shape shape);

/* dx      [rows, in]   out, or accumulated (+=) when `accumulate`:  dx = dy W */
void linear_backward_input(real *dx, const real *dy, const real *weight, struct linear_shape shape,
                           bool accumulate);

/* dweight [out, in]    accumulated:  dW += dy^T x
 * dbias   [out]        accumulated:  db += sum of dy over rows, in their order; NULL: none */
void linear_backward_parameters(real *dweight, real *dbias, const real *dy, const real *x,
                                struct linear_shape shape);

#endif

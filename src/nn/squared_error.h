/* Squared error: loss = (y - t)^2, as PyTorch's MSELoss before its mean. */
#ifndef CLOZE_NN_SQUARED_ERROR_H
#define CLOZE_NN_SQUARED_ERROR_H

#include "math/real.h"
#include "nn/loss_sums.h"

#include <stdint.h>

/* y       [rows]
 * targets [rows]  t
 * labels  [rows]  a row with a negative label has no target and is not counted
 * Adds to *sums, which counts nothing as correct: a number is no choice. Rows are summed in their
 * order on the calling thread. Cannot fail. */
void squared_error_forward(struct loss_sums *sums, const real *y, const float *targets,
                           const int32_t *labels, int rows);

/* As squared_error_forward, and computes the gradient with respect to y; it is 0 in rows without a
 * target:
 *   dy = 2 (y - t) * scale
 * dy      [rows]  out, may be y itself */
void squared_error_backward(struct loss_sums *sums, real *dy, const real *y, const float *targets,
                            const int32_t *labels, int rows, real scale);

#endif

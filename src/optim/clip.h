/* Clipping of the gradient to a global norm (Pascanu, Mikolov & Bengio 2013), as
 * torch.nn.utils.clip_grad_norm_, except that the gradient itself is not changed: Adam multiplies
 * it by the scale in its own pass. */
#ifndef CLOZE_OPTIM_CLIP_H
#define CLOZE_OPTIM_CLIP_H

#include "math/real.h"

#include <stddef.h>

/* Returns the Euclidean norm of all `total` elements, including the gaps of the parameter block,
 * which are zero. Squares are summed in double over fixed slices, and the slices' sums in order, so
 * the result does not depend on the number of threads. If an element is infinite or NaN the result
 * is too; finite floats do not overflow. */
double gradient_norm(const real *gradients, size_t total);

/* Returns the factor for every element of the gradient: min(1, max_norm / (norm + 1e-6)), or 1 if
 * max_norm is 0. A NaN norm gives NaN and an infinite one 0, so the caller must check the norm
 * first. */
double clip_scale(double norm, double max_norm);

#endif

/* Clipping of the gradient to a global norm (Pascanu, Mikolov & Bengio 2013), as
 * torch.nn.utils.clip_grad_norm_. The gradient is not touched: Adam applies the scale in its own
 * pass. */
#ifndef CLOZE_OPTIM_CLIP_H
#define CLOZE_OPTIM_CLIP_H

#include "math/real.h"

#include <stddef.h>

/* The Euclidean norm of all `total` elements, gaps of the parameter block included (they are zero).
 * Squares are summed in double over fixed slices, the slices in their order: the result does not
 * depend on the number of threads. A gradient that holds an infinity or a NaN gives one; no finite
 * float overflows. */
double gradient_norm(const real *gradients, size_t total);

/* What every element is to be multiplied by: min(1, max_norm / (norm + 1e-6)); always 1 when
 * max_norm is 0. A NaN norm gives NaN, an infinite one 0: the caller looks at the norm first. */
double clip_scale(double norm, double max_norm);

#endif

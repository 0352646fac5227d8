/* The outer step of training with few synchronizations (DiLoCo: Douillard et al. 2023, algorithm
 * 1): each of several workers takes H steps of its own from the same parameters p, and from the
 * mean a of their parameters comes a gradient for SGD with Nesterov momentum, as in
 * torch.optim.SGD:
 *
 *   d <- p - a
 *   m <- momentum * m + d
 *   p <- p - learning_rate * (d + momentum * m) */
#ifndef CLOZE_OPTIM_OUTER_H
#define CLOZE_OPTIM_OUTER_H

#include "math/real.h"

#include <stddef.h>

struct outer_options {
    double learning_rate; /* 1 with a momentum of 0: p becomes a */
    double momentum;
};

/* values   [count]  in: a; out: p
 * anchor   [count]  in: p of the last synchronization; out: p
 * momentum [count]  in and out: m, 0 at first
 * Runs in parallel; the result does not depend on the number of threads. Cannot fail. */
void outer_step(real *values, real *anchor, real *momentum, size_t count,
                const struct outer_options *options);

#endif

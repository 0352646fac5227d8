/* Adam with decoupled weight decay (Kingma & Ba 2015; Loshchilov & Hutter 2019), as
 * torch.optim.AdamW.
 *
 * Update k (from 1) of a value p with gradient g, learning rate lr and gradient scale s:
 *
 *   p <- p * (1 - lr * weight_decay)              matrices and embeddings only (PARAMETER_MATRIX)
 *   m <- m + (1 - beta1) * (s g - m)
 *   v <- beta2 * v + (1 - beta2) * (s g)^2
 *   p <- p - lr / c1 * m / (sqrt(v) / sqrt(c2) + epsilon)
 *
 * with c1 = 1 - beta1^k and c2 = 1 - beta2^k, or c1 = c2 = 1 without bias correction (Google's
 * original BERT). The learning rate of a tensor is lr * layer_decay^a, with a layers of the encoder
 * above it (Howard & Ruder 2018). A frozen tensor and its moments stay as they are. The constants
 * are computed in double and rounded once to `real`; the elements are computed in `real`. */
#ifndef CLOZE_OPTIM_ADAM_H
#define CLOZE_OPTIM_ADAM_H

#include "math/real.h"
#include "model/parameters.h"

#include <stdbool.h>
#include <stdint.h>

struct adam {
    /* Blocks with the table's layout, 0 before step 1. */
    real *first_moment;  /* m */
    real *second_moment; /* v */
    double beta1, beta2, epsilon, weight_decay;
    bool bias_correction;
    double layer_decay; /* 1: the same learning rate everywhere */
    int frozen_layers;  /* model/parameters.h; 0: nothing is frozen */
};

struct adam_update {
    int64_t step; /* k, from 1 */
    double learning_rate;
    double gradient_scale; /* s: 1, or the result of clip_scale */
    bool clear_gradients;  /* set the gradients to 0, ready for the next step's sums */
};

/* Elements [begin, end) of a block with the table's layout. */
struct element_range {
    size_t begin, end;
};

/* Updates the values of a range, usually the whole table, in one pass over values, gradients and
 * moments, all with the table's layout. The gaps between tensors and their spare elements are not
 * updated. Runs in parallel; the result does not depend on the number of threads, nor on the ranges
 * that a table is updated in. Cannot fail. */
void adam_step(const struct adam *adam, real *values, real *gradients,
               const struct parameter_table *table, struct element_range range,
               struct adam_update update);

#endif

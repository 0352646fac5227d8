/* Layer normalization (Ba, Kiros & Hinton 2016), over the last axis:
 *   y = n * weight + bias,   n = (x - mean) * rstd,   rstd = 1 / sqrt(var + epsilon), biased var
 *
 * All functions work on the calling thread and cannot fail. Values up to 1e18 do not overflow. */
#ifndef CLOZE_NN_LAYERNORM_H
#define CLOZE_NN_LAYERNORM_H

#include "nn/dropout.h"
#include "nn/linear.h"
#include "nn/rows.h"

/* y            [width]  out, may be x itself
 * mean, rstd            out, for the backward pass
 * x            [width]
 * weight, bias [width]
 * epsilon      > 0; in a row of equal values y is the bias */
void layernorm_forward(real *y, real *mean, real *rstd, const real *x, const real *weight,
                       const real *bias, int width, real epsilon);

/* dx       [width]  out, may be dy itself
 * dweight,
 * dbias    [width]  accumulated (+=)
 * x        [width]  the input of the forward pass
 * With g = dy * weight:  dx = rstd * (g - mean(g) - n * mean(g * n)) */
void layernorm_backward(real *dx, real *dweight, real *dbias, const real *dy, const real *x,
                        real mean, real rstd, const real *weight, int width);

/* ---- fused with what BERT does before it ----
 *
 *     sum = residual + dropout(dense),  output = LN(sum)
 *
 * where `dense` is the product of a linear layer. */
struct residual_norm {
    const real *weight, *bias;
    real epsilon;
    struct rows residual, output; /* [rows, width], each with its own distance between rows */
    struct rows sum;              /* [rows, width] without gaps; sum.width is the width */
    real *mean, *rstd;            /* [rows] */
    const struct dropout *dropout;
    uint32_t site;
    const int32_t *examples, *positions; /* [rows] example number and position, for dropout */
    bool forward_only; /* no backward pass follows: `sum` is undefined afterwards */
    bool restored; /* whether the backward pass recomputes `output`, with the same bits; only with
                    * reals, because a bf16 sum has lost digits that were normalized */
};

/* An epilogue of linear_forward into `sum`, with whole rows; context is a struct residual_norm. */
void residual_norm_forward(const void *context, const struct linear_block *block);

/* Reads weight, bias, sum, mean and rstd, which must be as after the forward pass; writes `output`
 * if it is to be restored.
 * gradient [rows, width]  in: with respect to output; out: with respect to the residual
 * ddense   [rows, width]  out: the gradient with respect to the product
 * dweight,
 * dbias    [width]        accumulated (+=), rows in their order
 * buffer   [width]        working memory; only for bf16 */
void residual_norm_backward(real *gradient, struct rows ddense, real *dweight, real *dbias,
                            const struct residual_norm *norm, int rows, real *buffer);

#endif

/* Fully connected layer: y = x W^T + b. W is stored [out, in], as PyTorch's Linear.
 *
 * Operands are real, then the products are sgemm's (math/gemm.h); or bf16, then they are those of
 * math/bf16.h, with float sums. Functions called from serial code divide their rows among the
 * threads; called from inside a parallel region they work on the calling thread. The result does
 * not depend on that division in bf16, and as math/gemm.h says in fp32. Nothing here can fail. */
#ifndef CLOZE_NN_LINEAR_H
#define CLOZE_NN_LINEAR_H

#include "nn/profile.h"
#include "nn/rows.h"

#include <stdbool.h>

struct linear_weight {
    const real *values;     /* [out, in] */
    const bf16 *panels;     /* its transpose, depth `in`:  the right operand of x W^T */
    const bf16 *transposed; /* itself, depth `out`:        the right operand of dy W */
    int in, out;
};

/* A block of a product while it is in the cache; rows and columns are counted in the product. */
struct linear_block {
    real *values; /* [rows, columns], `ld` apart; to be changed at will */
    size_t ld;
    int first_row, rows, first_column, columns;
};

/* What becomes of a product: `run` is called once for each block, from several threads, and stores
 * what shall be kept. A real product is computed in its place, and the block's values are there. */
struct linear_epilogue {
    void (*run)(const void *context, const struct linear_block *block);
    const void *context;
    bool whole_rows;                   /* a block must have all columns */
    struct profile *profile;           /* NULL: none */
    enum profile_phase phase, product; /* of `run`, and of the product around it */
};

/* Working memory of one thread, in reals, for epilogues with whole rows of up to `widest` columns,
 * and all others. */
size_t linear_scratch(int widest);

/* y        [rows, out]     out, must not overlap x; bf16 if x is, or real
 * x        [rows, in]
 * bias     [out]           NULL: none
 * epilogue                 NULL: y is stored as it is
 * scratch  [threads, linear_scratch]
 *                          one block a thread: omp_get_max_threads() of them from serial code, one
 *                          inside a parallel region; for bf16 only */
void linear_forward(struct rows y, struct rows x, int rows, const struct linear_weight *weight,
                    const real *bias, const struct linear_epilogue *epilogue, real *scratch);

/* dx       [rows, in]      out:  dx = dy W
 * dy       [rows, out] */
void linear_backward_input(struct rows dx, struct rows dy, int rows,
                           const struct linear_weight *weight,
                           const struct linear_epilogue *epilogue, real *scratch);

/* dx       [rows, in]      accumulated (+=), real */
void linear_backward_input_add(real *dx, struct rows dy, int rows,
                               const struct linear_weight *weight);

/* Working memory of linear_backward_parameters, in bf16 elements: for up to `rows` rows, layers up
 * to `widest` inputs and `threads` threads. */
size_t linear_parameter_scratch(int rows, int widest, int threads);

/* dweight  [out, in]       accumulated:  dW += dy^T x
 * dbias    [out]           accumulated:  db += sum of dy over rows, in a fixed order; NULL: none
 * dy       [rows, dy.width]  whose first `out` columns count
 * x        [rows, in]
 * scratch  [linear_parameter_scratch]  for bf16 only
 * Only from serial code. */
void linear_backward_parameters(real *dweight, real *dbias, struct rows dy, struct rows x, int rows,
                                int out, bf16 *scratch);

#endif

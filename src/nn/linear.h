/* Fully connected layer: y = x W^T + b. W is stored [out, in], as PyTorch's Linear.
 *
 * Operands are real or bf16. Products with a weight that linear_pack has laid out are those of
 * math/panels.h; others, of reals only, are sgemm's (math/gemm.h). Functions called from serial
 * code divide their rows among the threads; called from inside a parallel region they work on the
 * calling thread. The result does not depend on that division with panels, and as math/gemm.h says
 * without. Rows of operands and results may be further apart than their columns take. Nothing here
 * can fail. */
#ifndef CLOZE_NN_LINEAR_H
#define CLOZE_NN_LINEAR_H

#include "nn/profile.h"
#include "nn/rows.h"

#include <stdbool.h>

enum linear_pass {
    LINEAR_FORWARD,  /* x W^T */
    LINEAR_BACKWARD, /* dy W */
};

struct linear_weight {
    const real *values; /* [out, in] */
    const void *panels; /* the right operand of one of the passes; NULL: none, reals only */
    int in, out;
};

/* Bytes for the panels of a weight, bf16 if `halves`; 0 where there is no use for them. */
size_t linear_panel_bytes(int out, int in, bool halves);

/* Lays the weight out for one of the passes, in memory of linear_panel_bytes() that must last as
 * long; it serves until the values change. From serial code, on all threads. */
void linear_pack(struct linear_weight *weight, void *panels, enum linear_pass pass, bool halves);

/* A block of a product while it is in the cache; rows and columns are counted in the product. */
struct linear_block {
    real *values; /* [rows, columns], `ld` apart; to be changed at will */
    size_t ld;
    int first_row, rows, first_column, columns;
};

/* What becomes of a product: `run` is called once for each block, from several threads, and stores
 * what shall be kept. Without panels a product is computed in its place, and the block's values are
 * there. */
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
 *                          inside a parallel region; NULL: without panels, or without epilogue into
 *                          reals */
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

/* Working memory of linear_backward_parameters, in bytes: for up to `rows` rows, layers up to
 * `widest` inputs and `threads` threads. 0 where there is no use for it. */
size_t linear_parameter_scratch(int rows, int widest, int threads, bool halves);

/* dweight  [out, in]       accumulated:  dW += dy^T x
 * dbias    [out]           accumulated:  db += sum of dy over rows, in a fixed order; NULL: none
 * dy       [rows, dy.width]  whose first `out` columns count
 * x        [rows, x.width]   whose first `in` columns count
 * scratch  [linear_parameter_scratch]  NULL: none, reals only
 * Only from serial code. */
void linear_backward_parameters(real *dweight, real *dbias, struct rows dy, struct rows x, int rows,
                                int out, int in, void *scratch);

#endif

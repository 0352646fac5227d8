/* Fully connected layer: y = x W^T + b. W is stored [out, in], as in PyTorch's Linear.
 *
 * Operands are real or bf16. Products with a weight that linear_lay_out has laid out use the
 * operands' kernels (math/panels.h); other products, of reals only, use OpenBLAS. Functions
 * called from serial code divide their rows or columns among the threads; called from inside a
 * parallel region they work on the calling thread. With cloze's own kernels the result does not
 * depend on that division; with OpenBLAS its last bits do (math/openblas.h). Rows of operands and
 * results may have gaps between them. Nothing here can fail. */
#ifndef CLOZE_NN_LINEAR_H
#define CLOZE_NN_LINEAR_H

#include "nn/profile.h"
#include "nn/rows.h"

#include <stdbool.h>

enum linear_pass {
    LINEAR_FORWARD,  /* x W^T */
    LINEAR_BACKWARD, /* dy W */
    LINEAR_PASSES
};

struct linear_weight {
    const real *values; /* [out, in] */
    const void *panels; /* the weight laid out for one of the passes; NULL: OpenBLAS reads the
                         * values, for reals only */
    int in, out;
};

/* Returns the bytes of a weight's panels, in bf16 if `in_bf16`; 0 if the kernels are OpenBLAS. */
size_t linear_panel_bytes(int out, int in, bool in_bf16);

/* Lays the weight out for one of the passes in `panels`, which has linear_panel_bytes() and must
 * live as long as `weight` is used; valid until the values change. OpenBLAS needs none. */
void linear_lay_out(struct linear_weight *weight, void *panels, enum linear_pass pass,
                    bool in_bf16);

/* Gives the weight panels in which linear_lay_out has laid it out. */
void linear_use_panels(struct linear_weight *weight, const void *panels, bool in_bf16);

/* A block of a product while it is in the cache. first_row and first_column are counted in the
 * whole product. */
struct linear_block {
    real *values; /* [rows, columns], rows `ld` apart; may be overwritten */
    size_t ld;
    int first_row, rows, first_column, columns;
};

/* The function that finishes a product: `run` is called once for each block, from several threads,
 * and stores the results. OpenBLAS computes the product in its place, and the block's values are
 * those of y. */
struct linear_epilogue {
    void (*run)(const void *context, const struct linear_block *block);
    const void *context;
    bool whole_rows;                   /* each block must have all columns */
    struct profile *profile;           /* NULL: none */
    enum profile_phase phase, product; /* the phases of `run` and of the product around it */
};

/* Returns the working memory of one thread, in reals: enough for epilogues with whole rows of up to
 * `max_width` columns and for all other epilogues. */
size_t linear_scratch(int max_width);

/* y        [rows, out]     out, must not overlap x; may be bf16 only if x is
 * x        [rows, in]
 * bias     [out]           NULL: none
 * epilogue                 NULL: y is stored as it is
 * scratch  [threads, linear_scratch]
 *                          one block a thread: omp_get_max_threads() of them from serial code, one
 *                          inside a parallel region; may be NULL with OpenBLAS, and if there is no
 *                          epilogue and y is real */
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

/* Returns the working memory of linear_backward_parameters, in bytes: for up to `rows` rows, layers
 * with up to `max_width` inputs, and `threads` threads. 0 where it is not used. */
size_t linear_parameter_scratch(int rows, int max_width, int threads, bool in_bf16);

/* dweight  [out, in]       accumulated:  dW += dy^T x
 * dbias    [out]           accumulated:  db += sum of dy over rows, in a fixed order; NULL: none
 * dy       [rows, dy.width]            only the first `out` columns are used
 * x        [rows, x.width]             only the first `in` columns are used
 * scratch  [linear_parameter_scratch]  NULL: OpenBLAS computes them, for reals only
 * Call it from a region of threads only if they share neither the scratch nor the gradients. */
void linear_backward_parameters(real *dweight, real *dbias, struct rows dy, struct rows x, int rows,
                                int out, int in, void *scratch);

#endif

/* The speed at which this machine multiplies matrices, with which that of training is compared. */
#ifndef CLOZE_BENCH_GEMM_PEAK_H
#define CLOZE_BENCH_GEMM_PEAK_H

#include "model/config.h"

/* Measures the best rate, in multiplications and additions a second, of the type's matrix products
 * (math/panels.h) at any of the model's shapes, for `tokens` tokens and `predicted` predictions at
 * a time, whose rows are divided among all threads of OpenMP. It is the best of several runs and
 * takes a second or two. */
bool gemm_peak(bool use_bf16, const struct model_config *config, int tokens, int predicted,
               double *flops_per_second, struct error *error);

#endif

/* How fast this machine multiplies matrices: what the speed of training is measured against. */
#ifndef CLOZE_TRAIN_GEMM_PEAK_H
#define CLOZE_TRAIN_GEMM_PEAK_H

#include "model/config.h"
#include "train/run_config.h"

/* The best rate, in multiplications and additions a second, of the precision's matrix products
 * (math/panels.h, or sgemm) at any of the model's shapes, for `tokens` tokens
 * and `masked` predictions at a time, on all threads of OpenMP: forward and weight gradients,
 * divided among the threads by rows, as the encoder does, and by gemm itself. The best of several
 * runs. Takes a second or two. */
bool gemm_peak(enum precision precision, const struct model_config *config, int tokens, int masked,
               double *flops_per_second, struct error *error);

#endif

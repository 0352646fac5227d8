/* What the memory of a workspace is planned for: the limits of a micro-batch, threads, the type of
 * activations and the choice of kernels. */
#ifndef CLOZE_MODEL_WORKSPACE_LIMITS_H
#define CLOZE_MODEL_WORKSPACE_LIMITS_H

#include <stdbool.h>

struct workspace_limits {
    int sequences, tokens, predicted; /* max numbers in a micro-batch */
    int max_length;                   /* max tokens in a sequence */
    int threads;
    bool bf16; /* store activations and round the operands of products in bf16 */

    /* Keep the panels of every layer, so that a weight is laid out once for all micro-batches of a
     * step (objective_gradients); only in bf16. The results are the same. */
    bool keep_panels;

    /* Multiply few rows by the kernels for many rows too, so that the results of a sequence do not
     * depend on the others. Otherwise OpenBLAS multiplies them, which is faster. */
    bool same_kernels;
};

/* Returns the limits, in fp32, of micro-batches of at most `sequences` sequences, each of at most
 * seq_len tokens and `predicted` predictions. */
struct workspace_limits workspace_limits_of(int sequences, int seq_len, int predicted, int threads);

/* Returns how many sequences of at most `max_length` tokens a micro-batch should have where nothing
 * but memory depends on it: at least 1. */
int workspace_sequences(int max_length);

#endif

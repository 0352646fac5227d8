/* The memory of a forward and backward pass: planned from the shapes, bound once, used for every
 * micro-batch.
 *
 * Shapes: T tokens, B sequences, M predictions and R head tokens of the current micro-batch
 * (model/micro_batch.h); H hidden_size.
 *
 * A gradient is named `d` and the value that it is taken with respect to. */
#ifndef CLOZE_MODEL_WORKSPACE_H
#define CLOZE_MODEL_WORKSPACE_H

#include "base/memory.h"
#include "math/real.h"
#include "model/config.h"
#include "model/encoder_memory.h"
#include "model/heads.h"
#include "model/micro_batch.h"
#include "model/workspace_limits.h"
#include "nn/linear.h"
#include "nn/profile.h"

struct workspace {
    struct arena memory;
    struct workspace_limits limits;
    bool training;
    struct profile *profile; /* counts the time of the passes; may be NULL; not owned */

    struct micro_batch micro_batch; /* the current one */
    struct encoder_memory encoder_memory;

    /* Each head's own structure, in the order of the configuration's list; the heads use the memory
     * that it points to, and row_loss, until the encoder runs again in the same memory. */
    void *head_memory[MAX_HEADS];
    real *row_loss; /* [max(M, B)] of the head whose forward pass ran last */

    /* Used by the encoder and the heads. */
    real *linear_scratch;    /* [threads, linear_scratch(H)] */
    real *dencoder_output;   /* [R, H] in training only */
    void *parameter_scratch; /* linear_parameter_scratch(), in training only */
};

/* True if bf16 products can compute this architecture on this machine; otherwise the error names
 * the obstacle. */
bool workspace_check_bf16(const struct model_config *config, struct error *error);

/* Returns the number of bytes that workspace_create would allocate; SIZE_MAX if it overflows. */
size_t workspace_bytes(const struct model_config *config, struct workspace_limits limits,
                       bool training);

/* Returns NULL on failure. The caller owns the workspace. */
struct workspace *workspace_create(const struct model_config *config,
                                   struct workspace_limits limits, bool training,
                                   struct error *error);
void workspace_free(struct workspace *workspace);

/* Lays a weight out for a pass of `rows` rows (linear_lay_out). With few rows in fp32 it leaves the
 * weight as it is, unless limits.same_kernels: OpenBLAS then packs it as fast itself. Call it from
 * serial code. */
void workspace_lay_out_weight(const struct workspace *workspace, struct linear_weight *weight,
                              void *panels, enum linear_pass pass, int rows);

#endif

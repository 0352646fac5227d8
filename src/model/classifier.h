/* The last layer of the heads that other tasks than pre-training have, with a row for each sequence
 * or predicted token:
 *
 *     logits = W dropout(x) + b
 *
 * C is the number of the model's labels; all is in reals. The weight is laid out only if results
 * must not depend on the micro-batch. */
#ifndef CLOZE_MODEL_CLASSIFIER_H
#define CLOZE_MODEL_CLASSIFIER_H

#include "model/head.h"
#include "model/parameters.h"

struct classifier_weights {
    real *weight, *bias; /* [C, H] [C] */
};

enum { CLASSIFIER_TENSORS = 2 };
extern const struct tensor_rule classifier_tensors[CLASSIFIER_TENSORS];

struct classifier_memory {
    void *panels; /* of the weight; NULL: it is not laid out */
    real *input;  /* [rows, H] x, then dropout(x) */
    real *logits; /* [rows, C] */
};

/* `rows` is the max number of rows in a micro-batch. */
struct classifier_memory classifier_plan(const struct workspace *workspace,
                                         const struct model_config *config, size_t rows,
                                         struct arena *arena);

/* The places of rows for dropout (nn/dropout.h). */
struct classifier_rows {
    int count;
    const int32_t *tokens;    /* [count] index in the next two of each row; NULL: its own number */
    const int32_t *examples;  /* index of the example in the step */
    const int32_t *positions; /* position in the sequence; NULL: all 0 */
};

/* memory->input   in: x; overwritten
 * Returns memory->logits: [rows, C]. */
struct rows classifier_forward(const struct head_pass *pass, const struct classifier_memory *memory,
                               struct classifier_rows rows);

/* memory->logits  in: the gradient with respect to them
 * dx [rows, H]    out
 * pass->dweights  accumulated (+=) */
void classifier_backward(const struct head_pass *pass, const struct classifier_memory *memory,
                         struct classifier_rows rows, real *dx);

#endif

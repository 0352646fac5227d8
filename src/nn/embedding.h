/* BERT's input: e = word[id] + position[p] + token_type[t]. */
#ifndef CLOZE_NN_EMBEDDING_H
#define CLOZE_NN_EMBEDDING_H

#include "math/real.h"

#include <stdint.h>

/* What each row is. All [rows], checked against the tables by whoever made them. */
struct embedding_ids {
    const int32_t *words, *positions, *token_types;
    int rows;
};

/* y [width] out: the sum of row number `row`, on the calling thread. Cannot fail. */
void embedding_forward(real *y, const struct embedding_ids *ids, int row, const real *word,
                       const real *position, const real *token_type, int width);

/* dword       [vocab, width]      accumulated (+=), rows in their order, as the next two
 * dposition   [positions, width]
 * dtoken_type [types, width]
 * Columns run in parallel; the result does not depend on the number of threads. */
void embedding_backward(real *dword, real *dposition, real *dtoken_type, const real *dy,
                        const struct embedding_ids *ids, int width);

#endif

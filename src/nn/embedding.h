/* BERT's input: e = word[id] + position[p] + token_type[t]. */
#ifndef CLOZE_NN_EMBEDDING_H
#define CLOZE_NN_EMBEDDING_H

#include "math/real.h"

#include <stdint.h>

/* The ids of each row, all [rows]. The caller has checked them against the sizes of the tables. */
struct embedding_ids {
    const int32_t *words, *positions, *token_types;
    int rows;
};

/* y [width] = the sum of embeddings of row number `row`, on the calling thread. Cannot fail. */
void embedding_forward(real *y, const struct embedding_ids *ids, int row, const real *word,
                       const real *position, const real *token_type, int width);

/* dword       [vocab, width]      accumulated (+=)
 * dposition   [positions, width]  accumulated (+=)
 * dtoken_type [types, width]      accumulated (+=)
 * dy          [rows, width]
 * Rows are added in their order. Columns run in parallel; the result does not depend on the number
 * of threads. */
void embedding_backward(real *dword, real *dposition, real *dtoken_type, const real *dy,
                        const struct embedding_ids *ids, int width);

#endif

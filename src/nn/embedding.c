#include "nn/embedding.h"

#include "base/min.h"
#include "math/vectorized.h"
#include "nn/parallel.h"

#include <stddef.h>

static size_t row_start(int32_t index, int width)
{
    return (size_t)index * (size_t)width;
}

VECTORIZED static void add_three(real *y, const real *a, const real *b, const real *c, int width)
{
#pragma omp simd
    for (int i = 0; i < width; i++)
        y[i] = a[i] + b[i] + c[i];
}

void embedding_forward(real *y, const struct embedding_ids *ids, int row, const real *word,
                       const real *position, const real *token_type, int width)
{
    add_three(y, word + row_start(ids->words[row], width),
              position + row_start(ids->positions[row], width),
              token_type + row_start(ids->token_types[row], width), width);
}

VECTORIZED static void add_to_three(real *a, real *b, real *c, const real *dy, int width)
{
#pragma omp simd
    for (int i = 0; i < width; i++) {
        a[i] += dy[i];
        b[i] += dy[i];
        c[i] += dy[i];
    }
}

void embedding_backward(real *dword, real *dposition, real *dtoken_type, const real *dy,
                        const struct embedding_ids *ids, int width)
{
    const size_t elements = (size_t)ids->rows * (size_t)width;
    /* Many rows may share a word. A thread takes some columns of all rows, so that no two threads
     * write the same sum. */
#pragma omp parallel for schedule(static) if (elements > PARALLEL_ELEMENTS)
    for (int first = 0; first < width; first += COLUMN_BLOCK) {
        int columns = min_int(width - first, COLUMN_BLOCK);
        for (int row = 0; row < ids->rows; row++)
            add_to_three(dword + row_start(ids->words[row], width) + first,
                         dposition + row_start(ids->positions[row], width) + first,
                         dtoken_type + row_start(ids->token_types[row], width) + first,
                         dy + row_start(row, width) + first, columns);
    }
}

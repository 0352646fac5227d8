#include "nn/dropout.h"

#include "base/error.h"
#include "base/min.h"
#include "base/philox_batch.h"
#include "base/random.h"
#include "math/vectorized.h"

#include <math.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the low half of a word comes first");

enum {
    BLOCK_COLUMNS = 8, /* the columns that one Philox block decides: 128 bits, 16 for each */
    BATCH_COLUMNS = BLOCK_COLUMNS * PHILOX_BATCH,
};

struct dropout dropout_begin(uint64_t seed, uint64_t step, double rate)
{
    CHECK(rate >= 0 && rate < 1);
    struct random random = random_begin(seed, RANDOM_DROPOUT, step, 0);
    struct dropout dropout = {.key = {0}};
    dropout.key[0] = random_bits(&random);
    dropout.key[1] = random_bits(&random);
    dropout.threshold = (uint32_t)lround(rate * 0x1p16);
    if (dropout.threshold > UINT16_MAX)
        dropout.threshold = UINT16_MAX;
    dropout.scale = (real)(0x1p16 / (0x1p16 - dropout.threshold));
    return dropout;
}

/* Drops elements of x [columns] in place; columns <= BATCH_COLUMNS. */
static inline void drop(real *x, int columns, const uint32_t *words, const struct dropout *dropout)
{
    const uint32_t threshold = dropout->threshold;
    const real scale = dropout->scale;
    uint16_t bits[BATCH_COLUMNS];
    memcpy(bits, words, sizeof bits);
#pragma omp simd
    for (int i = 0; i < columns; i++) {
        real kept = x[i] * scale;
        x[i] = bits[i] < threshold ? 0 : kept;
    }
}

VECTORIZED static void drop_row(real *x, int width, const struct dropout *dropout, uint32_t site,
                                uint32_t example, uint32_t row)
{
    uint32_t words[PHILOX_BATCH_WORDS];
    for (int first = 0; first < width; first += BATCH_COLUMNS) {
        const uint32_t counter[4] = {(uint32_t)first / BLOCK_COLUMNS, row, example, site};
        int columns = min_int(width - first, BATCH_COLUMNS);
        philox_batch(words, counter, dropout->key);
        drop(x + first, columns, words, dropout);
    }
}

void dropout_row(real *x, int width, const struct dropout *dropout, uint32_t site, uint32_t example,
                 uint32_t row)
{
    if (dropout->threshold > 0)
        drop_row(x, width, dropout, site, example, row);
}

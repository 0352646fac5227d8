#include "math/panels_bf16.h"
#include "math/vector512.h"

#include <string.h>

typedef bf16 element;
typedef __m512bh vector;
enum { STEP = 2 };

static inline vector load(const element *panel)
{
    return (vector)_mm512_loadu_si512(panel);
}

static inline vector broadcast(const element *a)
{
    int pair;
    memcpy(&pair, a, sizeof pair);
    return (vector)_mm512_set1_epi32(pair);
}

static inline floats multiply_add(floats sum, vector a, vector b)
{
    return _mm512_dpbf16_ps(sum, a, b);
}

#include "math/panels_product.h"

const struct panels panels_bf16_avx512 = {
    .name = "AVX512-BF16",
    .element = sizeof(bf16),
    .depth_multiple = BF16_DEPTH,
    .rows = BLOCK_ROWS,
    .multiply = multiply,
    .pack = panels_bf16_pack,
    .pack_transposed = panels_bf16_pack_transposed,
    .pack_reals = panels_bf16_pack_reals,
    .pack_reals_transposed = panels_bf16_pack_reals_transposed,
    .transpose = panels_bf16_transpose,
};

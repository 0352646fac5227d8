#include "math/panels_bf16.h"
#include "math/panels_tile_4x4.h"
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

#include "math/panels_product_template.h"

const struct gemm_kernels panels_bf16_avx512 = {
    .name = "AVX512-BF16",
    .element = sizeof(bf16),
    .depth_multiple = BF16_DEPTH,
    .rows = BLOCK_ROWS,
    .columns = PANELS_MAX_COLUMNS,
    .weight_panels = PANELS_OF_WEIGHT,
    .gradient_rows = PANELS_GRADIENT_ROWS,
    .multiply = multiply,
    .lay_out = panels_bf16_lay_out,
    .lay_out_transposed = panels_bf16_lay_out_transposed,
    .lay_out_reals = panels_bf16_lay_out_reals,
    .lay_out_reals_transposed = panels_bf16_lay_out_reals_transposed,
    .transpose = panels_bf16_transpose,
    .gelu = panels_bf16_gelu,
    .gelu_gradient = panels_bf16_gelu_gradient,
};

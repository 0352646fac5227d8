#include "math/vector256.h"

#include "math/panels_fp32_kernels.h"

const struct panels panels_fp32_avx2 = {
    .name = "AVX2",
    .element = sizeof(float),
    .depth_multiple = 1,
    .rows = BLOCK_ROWS,
    .multiply = multiply,
    .pack = pack,
    .pack_transposed = pack_transposed,
    .pack_reals = pack_reals,
    .pack_reals_transposed = pack_reals_transposed,
    .transpose = transpose,
};

#include "math/vector256.h"

#include "math/panels_fp32_kernels.h"

const struct panels panels_fp32_avx2 = FP32_KERNELS("AVX2");

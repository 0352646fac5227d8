#include "math/vector512.h"

#include "math/panels_fp32_kernels.h"

const struct panels panels_fp32_avx512 = FP32_KERNELS("AVX-512");

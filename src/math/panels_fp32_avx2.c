#include "math/vector256.h"

#include "math/panels_fp32_template.h"

const struct gemm_kernels panels_fp32_avx2 = FP32_KERNELS("AVX2");

#include "math/panels_tile_4x4.h"
#include "math/vector512.h"

#include "math/panels_fp32_template.h"

const struct gemm_kernels panels_fp32_avx512 = FP32_KERNELS("AVX-512");

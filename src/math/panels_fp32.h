/* The tables of kernels that gemm_fp32() chooses from. Each is a file compiled for one
 * instruction set; its functions may run only if its _usable() is true. */
#ifndef CLOZE_MATH_PANELS_FP32_H
#define CLOZE_MATH_PANELS_FP32_H

#include "math/panels.h"

extern const struct gemm_kernels panels_fp32_avx512_8x3, panels_fp32_avx512, panels_fp32_avx2;

/* True if processor and system have AVX512F, BW and VL, or AVX2 and FMA. */
bool panels_fp32_avx512_usable(void);
bool panels_fp32_avx2_usable(void);

/* True if the processor has AMX tiles and multiplies bf16 in them. The float kernels with 8 x 3
 * tiles are for such processors. */
bool panels_processor_has_tiles(void);

/* Returns what gemm_fp32() returns with this value of CLOZE_FP32_KERNELS; NULL means unset. */
const struct gemm_kernels *panels_fp32_choose(const char *wanted);

#endif

/* What panels_fp32() chooses from: whole files compiled for one instruction set each, of which
 * nothing may run before the _usable() of it says so. */
#ifndef CLOZE_MATH_PANELS_FP32_H
#define CLOZE_MATH_PANELS_FP32_H

#include "math/panels.h"

extern const struct panels panels_fp32_avx512, panels_fp32_avx2;

/* Whether processor and system have AVX512F, BW and VL; AVX2 and FMA. */
bool panels_fp32_avx512_usable(void);
bool panels_fp32_avx2_usable(void);

#endif

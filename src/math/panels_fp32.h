/* What panels_fp32() chooses: compiled for AVX-512, not to be entered elsewhere. */
#ifndef CLOZE_MATH_PANELS_FP32_H
#define CLOZE_MATH_PANELS_FP32_H

#include "math/panels.h"

extern const struct panels panels_fp32_avx512;

#endif

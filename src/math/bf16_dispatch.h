/* What there is to choose from: whole files compiled for one instruction set each, of which nothing
 * may run before its _usable() says so. */
#ifndef CLOZE_MATH_BF16_DISPATCH_H
#define CLOZE_MATH_BF16_DISPATCH_H

#include "math/bf16.h"

extern const struct bf16_kernels bf16_avx512, bf16_amx;

/* Whether processor and system have AVX512F, BW, VL and BF16. */
bool bf16_avx512_usable(void);

/* Whether they have all that and AMX tiles with bf16, and the system grants this process their use.
 */
bool bf16_amx_usable(void);

#endif

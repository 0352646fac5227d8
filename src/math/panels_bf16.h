/* What panels_bf16() chooses from: whole files compiled for one instruction set each, of which
 * nothing may run before the _usable() of it says so. */
#ifndef CLOZE_MATH_PANELS_BF16_H
#define CLOZE_MATH_PANELS_BF16_H

#include "math/bf16.h"
#include "math/panels.h"

extern const struct panels panels_bf16_avx512, panels_bf16_amx;

/* Whether processor and system have AVX512F, BW, VL and BF16. */
bool panels_bf16_avx512_usable(void);

/* Whether they have all that and AMX tiles with bf16, and the system grants this process their use.
 */
bool panels_bf16_amx_usable(void);

/* The layouts are the same for both (math/panels_bf16_layout.c); see struct panels. */
void panels_bf16_pack(void *right, const void *x, size_t ld, int depth, int columns);
void panels_bf16_pack_transposed(void *right, const void *x, size_t ld, int depth, int columns);
void panels_bf16_pack_reals(void *right, const real *w, int depth, int columns, int first,
                            int last);
void panels_bf16_pack_reals_transposed(void *right, const real *w, int depth, int columns,
                                       int first, int last);
void panels_bf16_transpose(void *y, const void *x, size_t ld, int rows, int columns);

#endif

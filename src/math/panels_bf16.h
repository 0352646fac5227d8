/* The tables of kernels that gemm_bf16() chooses from. Each is a file compiled for one
 * instruction set; its functions may run only if its _usable() is true. */
#ifndef CLOZE_MATH_PANELS_BF16_H
#define CLOZE_MATH_PANELS_BF16_H

#include "math/bf16.h"
#include "math/panels.h"

extern const struct gemm_kernels panels_bf16_avx512, panels_bf16_amx;

/* True if processor and system have AVX512F, BW, VL and BF16. */
bool panels_bf16_avx512_usable(void);

/* True if they also have AMX tiles with bf16 and the system grants this process their use. */
bool panels_bf16_amx_usable(void);

/* The members of struct gemm_kernels that the tables share (math/panels_bf16_layout.c and
 * panels_bf16_gelu.c). Those that stream store past the caches. */
void panels_bf16_lay_out(void *right, const void *x, size_t ld, int depth, int columns);
void panels_bf16_lay_out_transposed(void *right, const void *x, size_t ld, int depth, int columns);
void panels_bf16_lay_out_reals(void *right, const real *w, int depth, int columns, int first,
                               int last);
void panels_bf16_lay_out_reals_transposed(void *right, const real *w, int depth, int columns,
                                          int first, int last);
void panels_bf16_transpose(void *y, const void *x, size_t ld, int rows, int columns);
void panels_bf16_stream_rounded(bf16 *y, size_t ldy, const real *x, size_t ldx, int rows,
                                int columns);
void panels_bf16_finish_stores(void);
void panels_bf16_gelu(bf16 *input, bf16 *output, const real *x, size_t count);
void panels_bf16_gelu_gradient(bf16 *gradient, bf16 *output, const real *dy, const bf16 *input,
                               size_t count);
void panels_bf16_gelu_streamed(bf16 *input, bf16 *output, const real *x, size_t count);
void panels_bf16_gelu_gradient_streamed(bf16 *gradient, bf16 *output, const real *dy,
                                        const bf16 *input, size_t count);

#endif

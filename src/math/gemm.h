/* Matrix products on OpenBLAS. All matrices are row-major; `ld` is the distance between rows, in
 * elements.
 *
 * Called from serial code, C is divided into as many blocks as there are OpenMP threads; called
 * from inside a parallel region, the calling thread does all of it at once. So the last bits of a
 * result depend on the number of threads, and on nothing else. OpenBLAS itself always runs
 * single-threaded. */
#ifndef CLOZE_MATH_GEMM_H
#define CLOZE_MATH_GEMM_H

#include "math/real.h"

#include <stdbool.h>
#include <stddef.h>

enum transpose { NO_TRANSPOSE, TRANSPOSE };

/* A matrix operand as stored: values and row distance. */
struct matrix {
    const real *values;
    int ld;
    enum transpose transpose;
};

/* C [m, n] = alpha * op(A) [m, k] * op(B) [k, n] + beta * C. With beta 0, C may hold anything. C
 * must not overlap A or B. Any of m, n, k may be 0. Cannot fail. */
void gemm(real *c, int ldc, struct matrix a, struct matrix b, int m, int n, int k, real alpha,
          real beta);

/* OpenBLAS picks its kernels when it is loaded: as OPENBLAS_CORETYPE says, which some systems set
 * for all programs alike, or by the processor, of which releases older than it know nothing. The
 * value of OPENBLAS_CORETYPE that serves this machine better than what was picked, or NULL if the
 * pick is right. The program starts itself again with it (src/cli/main.c). Who wants other kernels
 * says so in CLOZE_BLAS_KERNELS. */
const char *gemm_better_core_type(void);

/* The name of the kernels in use, for reports; static storage. */
const char *gemm_core_type(void);

/* The rule behind gemm_better_core_type, for tests: what suits an x86-64 processor with these
 * instructions better than the kernels named `picked`. */
const char *gemm_core_type_for(const char *picked, bool avx2, bool avx512);

#endif

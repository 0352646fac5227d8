/* Matrix products on OpenBLAS. All matrices are row-major; `ld` is the distance between rows, in
 * elements.
 *
 * A call from serial code divides C into as many blocks as there are OpenMP threads; a call from
 * inside a parallel region computes all of C on the calling thread. So the last bits of a result
 * depend on the number of threads and on nothing else. OpenBLAS itself always runs
 * single-threaded. */
#ifndef CLOZE_MATH_GEMM_H
#define CLOZE_MATH_GEMM_H

#include "base/error.h"
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

/* OpenBLAS picks its kernels when it is loaded: by OPENBLAS_CORETYPE, which some systems set for
 * all programs, or by the processor, which releases older than the processor do not recognize. This
 * function returns a value of OPENBLAS_CORETYPE that suits this machine better than the kernels
 * that were picked, or NULL if they are right; the program restarts itself with that value
 * (src/cli/main.c). A user chooses other kernels with CLOZE_BLAS_KERNELS. */
const char *gemm_better_core_type(void);

/* Checks that OpenBLAS uses the kernels that CLOZE_BLAS_KERNELS asks for, if it is set; if not, the
 * error is ERROR_INPUT and names the variable. Call it after the program has restarted itself. */
bool gemm_check_core_type(struct error *error);

/* Returns the name of the kernels in use, for reports; static storage. */
const char *gemm_core_type(void);

/* The rule of gemm_better_core_type, for tests: returns the kernels that suit an x86-64 processor
 * with these instructions better than those named `picked`, or NULL. */
const char *gemm_core_type_for(const char *picked, bool avx2, bool avx512);

#endif

/* Matrix products by OpenBLAS, in the table that math/panels.h describes, and the kernels that
 * OpenBLAS itself chooses. OpenBLAS always runs single-threaded: its callers divide products among
 * threads. Where C is divided changes the last bits of a result, because its kernels treat edges
 * differently, so they depend on the number of threads. */
#ifndef CLOZE_MATH_OPENBLAS_H
#define CLOZE_MATH_OPENBLAS_H

#include "base/error.h"
#include "math/panels.h"

#include <stdbool.h>

/* sgemm, or dgemm in double precision. It reads operands where they are and packs them itself, at
 * every call. */
extern const struct gemm_kernels gemm_openblas;

/* OpenBLAS picks its kernels when it is loaded: by OPENBLAS_CORETYPE, which some systems set for
 * all programs, or by the processor, which releases older than the processor do not recognize. This
 * function returns a value of OPENBLAS_CORETYPE that suits this machine better than the kernels
 * that were picked, or NULL if they are right; the program restarts itself with that value
 * (src/cli/main.c). A user chooses other kernels with CLOZE_BLAS_KERNELS. */
const char *blas_better_core_type(void);

/* Checks that OpenBLAS uses the kernels that CLOZE_BLAS_KERNELS asks for, if it is set; if not, the
 * error is ERROR_INPUT and names the variable. Call it after the program has restarted itself. */
bool blas_check_core_type(struct error *error);

/* Returns the name of the kernels in use, for reports; static storage. */
const char *blas_core_type(void);

/* The rule of blas_better_core_type, for tests: returns the kernels that suit an x86-64 processor
 * with these instructions better than those named `picked`, or NULL. */
const char *blas_core_type_for(const char *picked, bool avx2, bool avx512);

#endif

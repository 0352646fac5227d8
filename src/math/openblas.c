#include "math/openblas.h"

#include <cblas.h>
#include <omp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- products ---- */

/* The pthreads build of OpenBLAS has a number of threads of its own. The OpenMP build must not be
 * told, because it would set the number for all of OpenMP, not only for itself. */
static void keep_openblas_single(void)
{
    if (openblas_get_parallel() == OPENBLAS_THREAD)
        openblas_set_num_threads(1);
}

/* Puts the addend into C and returns the factor of what C holds. */
static real put_addend(real *c, size_t ldc, struct addend addend, int rows, int columns)
{
    if (!addend.rows)
        return 0;
    if (addend.rows == c)
        return 1;
    for (int row = 0; row < rows; row++)
        memcpy(c + (size_t)row * ldc, addend.rows + (size_t)row * addend.ld,
               (size_t)columns * sizeof *c);
    return 1;
}

static void multiply_now(real *c, size_t ldc, real beta, struct operand left, struct operand right,
                         int rows, int columns, int depth)
{
#if CLOZE_DOUBLE
    cblas_dgemm
#else
    cblas_sgemm
#endif
        (CblasRowMajor, left.strided ? CblasTrans : CblasNoTrans,
         right.strided ? CblasNoTrans : CblasTrans, rows, columns, depth, 1, left.values,
         (int)left.ld, right.values, (int)right.ld, beta, c, (int)ldc);
}

/* The OpenMP build of OpenBLAS asks omp_get_max_threads() how many threads to start, and outside of
 * a parallel region nothing else can keep it from starting them; so the answer is 1 while it
 * works. */
static void multiply(real *c, size_t ldc, struct addend addend, struct operand left,
                     struct operand right, int rows, int columns, int depth)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const bool outside = !omp_in_parallel();
    const int threads = omp_get_max_threads();
    pthread_once(&once, keep_openblas_single);
    const real beta = put_addend(c, ldc, addend, rows, columns);
    if (outside)
        omp_set_num_threads(1);
    multiply_now(c, ldc, beta, left, right, rows, columns, depth);
    if (outside)
        omp_set_num_threads(threads);
}

/* So many that products are rarely divided, because OpenBLAS packs its operands for each. Times the
 * number of threads it must fit in an int (nn/parallel.h). */
enum { UNLIMITED = 1 << 16 };

const struct gemm_kernels gemm_openblas = {
    .name = "OpenBLAS",
    .element = sizeof(real),
    .depth_multiple = 1,
    .rows = UNLIMITED,
    .columns = UNLIMITED,
    .gradient_rows = UNLIMITED,
    .multiply = multiply,
};

/* ---- the kernels in use ---- */

#define VARIABLE "CLOZE_BLAS_KERNELS"

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return false;
}

#define IS_ONE_OF(name, names) is_one_of(name, names, sizeof(names) / sizeof *(names))

const char *blas_core_type_for(const char *picked, bool avx2, bool avx512)
{
    /* The names of OpenBLAS 0.3. A name in neither list is that of a newer processor and is
     * trusted. */
    static const char *const before_avx2[] = {
        "Katmai",     "Coppermine",  "Northwood",    "Prescott",  "Banias",      "Core2",
        "Core",       "Penryn",      "Dunnington",   "Nehalem",   "Sandybridge", "Atom",
        "Athlon",     "Opteron",     "Opteron_SSE3", "Barcelona", "Bobcat",      "Bulldozer",
        "Piledriver", "Steamroller", "Nano",
    };
    static const char *const avx2_only[] = {"Haswell", "Zen", "Excavator"};
    bool old = IS_ONE_OF(picked, before_avx2);
    if (avx512 && (old || IS_ONE_OF(picked, avx2_only)))
        return "SkylakeX";
    return avx2 && old ? "Haswell" : NULL;
}

/* Returns the value of CLOZE_BLAS_KERNELS; NULL if it is unset or empty. */
static const char *asked_core_type(void)
{
    const char *asked = getenv(VARIABLE);
    return asked && *asked ? asked : NULL;
}

/* Returns the kernels that the user asks for, or else those that suit the processor; NULL if these
 * are the kernels in use. */
static const char *wanted_core_type(void)
{
    const char *wanted = asked_core_type();
    if (wanted)
        return wanted;
#if defined(__x86_64__)
    /* These functions also check that the system saves the registers. */
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
                  __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
    return blas_core_type_for(blas_core_type(), avx2, avx512);
#else
    return NULL;
#endif
}

const char *blas_better_core_type(void)
{
    const char *wanted = wanted_core_type(), *asked = getenv("OPENBLAS_CORETYPE");
    /* The program has been restarted with this choice and the library lacks it: do not loop. */
    return wanted && asked && strcasecmp(wanted, asked) == 0 ? NULL : wanted;
}

bool blas_check_core_type(struct error *error)
{
    const char *asked = asked_core_type();
    return !asked || strcasecmp(asked, blas_core_type()) == 0 ||
           fail_input(error,
                      VARIABLE " is \"%.80s\", but OpenBLAS works with its %s kernels; expected "
                               "some that it has, such as Haswell, SkylakeX or Zen",
                      asked, blas_core_type());
}

const char *blas_core_type(void)
{
    return openblas_get_corename();
}

#include "math/gemm.h"

#include "base/min.h"

#include <cblas.h>
#include <omp.h>
#include <pthread.h>
#include <stdlib.h>
#include <strings.h>

/* ---- dividing C ----
 *
 * OpenBLAS packs its operands again for every block, so one block for each thread is best. The
 * places where C is divided change the last bits of the result, because kernels treat edges
 * differently. */

enum {
    MIN_SIDE = 64,      /* a few rows of the widest kernel's tile */
    SIDE_MULTIPLE = 16, /* makes blocks end where tiles end */
};

/* The fewest multiplications in a block: about 20 microseconds of a core, ten times the cost of
 * starting the threads. */
static const double MIN_WORK = 1 << 21;

struct product {
    real *c;
    int ldc;
    struct matrix a, b;
    int m, n, k;
    real alpha, beta;
    int block_rows, block_columns;
};

static int divide_up(int value, int parts)
{
    return value / parts + (value % parts != 0);
}

static int block_side(int side, int parts)
{
    if (parts == 1)
        return side;
    return divide_up(divide_up(side, parts), SIDE_MULTIPLE) * SIDE_MULTIPLE;
}

/* Halves the longer side until there are as many blocks as threads or blocks would become too
 * small. */
static void choose_blocks(struct product *p, int threads)
{
    int row_parts = 1, column_parts = 1;
    for (;;) {
        int rows = divide_up(p->m, row_parts), columns = divide_up(p->n, column_parts);
        double area = (double)rows * columns;
        if (row_parts * column_parts >= threads)
            break;
        if ((rows > columns ? rows : columns) < 2 * MIN_SIDE || area * p->k < 2 * MIN_WORK)
            break;
        if (rows >= columns)
            row_parts *= 2;
        else
            column_parts *= 2;
    }
    p->block_rows = block_side(p->m, row_parts);
    p->block_columns = block_side(p->n, column_parts);
}

/* ---- multiplying ---- */

static const real *element(struct matrix matrix, int row, int column)
{
    if (matrix.transpose)
        return matrix.values + (size_t)column * (size_t)matrix.ld + (size_t)row;
    return matrix.values + (size_t)row * (size_t)matrix.ld + (size_t)column;
}

static void gemm_block(const struct product *p, int row, int column)
{
    const CBLAS_TRANSPOSE transpose_a = p->a.transpose ? CblasTrans : CblasNoTrans;
    const CBLAS_TRANSPOSE transpose_b = p->b.transpose ? CblasTrans : CblasNoTrans;
#if CLOZE_DOUBLE
    cblas_dgemm
#else
    cblas_sgemm
#endif
        (CblasRowMajor, transpose_a, transpose_b, min_int(p->block_rows, p->m - row),
         min_int(p->block_columns, p->n - column), p->k, p->alpha, element(p->a, row, 0), p->a.ld,
         element(p->b, 0, column), p->b.ld, p->beta,
         p->c + (size_t)row * (size_t)p->ldc + (size_t)column, p->ldc);
}

/* Multiplies all of C as one block on the calling thread. The OpenMP build of OpenBLAS asks
 * omp_get_max_threads() how many threads to start, and outside of a parallel region nothing else
 * can keep it from starting them; so the answer is 1 while it works. */
static void multiply_alone(const struct product *p)
{
    const int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    gemm_block(p, 0, 0);
    omp_set_num_threads(threads);
}

static void multiply_in_parallel(const struct product *p, int blocks)
{
    const int row_blocks = divide_up(p->m, p->block_rows);
#pragma omp parallel for schedule(static)
    for (int i = 0; i < blocks; i++)
        gemm_block(p, i % row_blocks * p->block_rows, i / row_blocks * p->block_columns);
}

/* The pthreads build of OpenBLAS has a number of threads of its own. The OpenMP build must not be
 * told, because it would set the number for all of OpenMP, not only for itself. */
static void keep_openblas_single(void)
{
    if (openblas_get_parallel() == OPENBLAS_THREAD)
        openblas_set_num_threads(1);
}

void gemm(real *c, int ldc, struct matrix a, struct matrix b, int m, int n, int k, real alpha,
          real beta)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, keep_openblas_single);
    if (m == 0 || n == 0)
        return;
    struct product p = {
        .ldc = ldc, .a = a, .b = b, .m = m, .n = n, .k = k, .alpha = alpha, .beta = beta};
    p.c = c;
    choose_blocks(&p, omp_in_parallel() ? 1 : omp_get_max_threads());
    int blocks = divide_up(m, p.block_rows) * divide_up(n, p.block_columns);
    if (blocks > 1)
        multiply_in_parallel(&p, blocks);
    else
        multiply_alone(&p);
}

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

const char *gemm_core_type_for(const char *picked, bool avx2, bool avx512)
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
    return gemm_core_type_for(gemm_core_type(), avx2, avx512);
#else
    return NULL;
#endif
}

const char *gemm_better_core_type(void)
{
    const char *wanted = wanted_core_type(), *asked = getenv("OPENBLAS_CORETYPE");
    /* The program has been restarted with this choice and the library lacks it: do not loop. */
    return wanted && asked && strcasecmp(wanted, asked) == 0 ? NULL : wanted;
}

bool gemm_check_core_type(struct error *error)
{
    const char *asked = asked_core_type();
    return !asked || strcasecmp(asked, gemm_core_type()) == 0 ||
           fail_input(error,
                      VARIABLE " is \"%.80s\", but OpenBLAS works with its %s kernels; expected "
                               "some that it has, such as Haswell, SkylakeX or Zen",
                      asked, gemm_core_type());
}

const char *gemm_core_type(void)
{
    return openblas_get_corename();
}

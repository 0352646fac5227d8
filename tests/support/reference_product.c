#include "support/reference_product.h"

#include "support/bf16_arrays.h"
#include "support/float_sums.h"
#include "support/real_arrays.h"

#include <cblas.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static double *nan_doubles(size_t count)
{
    return unwritten(count * sizeof(double));
}

/* Returns the norms of vectors that begin `step` elements apart and whose elements are `stride`
 * apart. */
static double *norms_of(const double *values, int vectors, int count, size_t step, size_t stride)
{
    double *norms = nan_doubles((size_t)vectors);
    for (int i = 0; i < vectors; i++) {
        double square = 0;
        for (int k = 0; k < count; k++) {
            const double value = values[(size_t)i * step + (size_t)k * stride];
            square += value * value;
        }
        norms[i] = sqrt(square);
    }
    return norms;
}

struct reference_product multiply_doubles(const double *a, enum transpose transpose_a,
                                          const double *b, enum transpose transpose_b, int m, int n,
                                          int k)
{
    struct reference_product product = {.m = m, .n = n, .k = k};
    const int lda = transpose_a ? m : k, ldb = transpose_b ? k : n;
    product.c = nan_doubles((size_t)m * (size_t)n);
    cblas_dgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
                transpose_b ? CblasTrans : CblasNoTrans, m, n, k, 1, a, lda, b, ldb, 0, product.c,
                n);
    product.a_norms =
        transpose_a ? norms_of(a, m, k, 1, (size_t)lda) : norms_of(a, m, k, (size_t)lda, 1);
    product.b_norms =
        transpose_b ? norms_of(b, n, k, (size_t)ldb, 1) : norms_of(b, n, k, 1, (size_t)ldb);
    return product;
}

void reference_product_free(struct reference_product *product)
{
    free(product->c);
    free(product->a_norms);
    free(product->b_norms);
}

static double element(const struct rows *rows, int row, int column)
{
    real buffer;
    return (double)*rows_read(rows, (struct row_span){row, column, 1}, &buffer);
}

double *widened_rows(const struct rows *rows, int count, int columns)
{
    double *wide = nan_doubles((size_t)count * (size_t)columns);
    for (int row = 0; row < count; row++)
        for (int i = 0; i < columns; i++)
            wide[(size_t)row * (size_t)columns + (size_t)i] = element(rows, row, i);
    return wide;
}

void assert_near_product(const char *what, struct rows actual,
                         const struct reference_product *expected, const real *added, bool bias)
{
    for (int row = 0; row < expected->m; row++)
        for (int i = 0; i < expected->n; i++) {
            const size_t at = (size_t)row * (size_t)expected->n + (size_t)i;
            const double before = added ? (double)added[bias ? (size_t)i : at] : 0;
            const double size = expected->a_norms[row] * expected->b_norms[i] + fabs(before);
            const double sum = expected->c[at] + before, found = element(&actual, row, i);
            double tolerance = float_sum_bound(size, expected->k);
            tolerance += actual.bf16 ? BF16_ROUNDING * (fabs(sum) + tolerance) : 0;
            if (!(fabs(found - sum) <= tolerance))
                fail_msg("%s: [%d, %d] is %.9g; expected %.9g", what, row, i, found, sum);
        }
}

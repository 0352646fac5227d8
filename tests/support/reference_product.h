/* Products of matrices in double precision, and comparisons with them. Matrices of doubles are
 * row-major without gaps. Every failure here fails the test. */
#ifndef CLOZE_TESTS_SUPPORT_REFERENCE_PRODUCT_H
#define CLOZE_TESTS_SUPPORT_REFERENCE_PRODUCT_H

#include "nn/rows.h"

enum transpose { NO_TRANSPOSE, TRANSPOSE };

/* C [m, n] = A [m, k] B [k, n] */
struct reference_product {
    int m, n, k;
    double *c;       /* [m, n] */
    double *a_norms; /* [m] Euclidean norms of the rows of A */
    double *b_norms; /* [n] Euclidean norms of the columns of B */
};

/* a  [m, k], stored as [k, m] with TRANSPOSE
 * b  [k, n], stored as [n, k] with TRANSPOSE
 * Multiplies with OpenBLAS, whose error in doubles is negligible compared with that of floats. Free
 * the result with reference_product_free. */
struct reference_product multiply_doubles(const double *a, enum transpose transpose_a,
                                          const double *b, enum transpose transpose_b, int m, int n,
                                          int k);

void reference_product_free(struct reference_product *product);

/* Returns the first columns of the first `count` rows as doubles [count, columns], for an operand
 * of a product. The caller frees them. */
double *widened_rows(const struct rows *rows, int count, int columns);

/* Asserts that each element of actual [m, n] is the product plus its addend, within the bound of
 * support/float_sums.h and, if it is stored as bf16, one more rounding. The size in that bound is
 * the product of the norms, which is at least the sum of the absolute products (Cauchy and
 * Schwarz). The failure has the first other element, and `what` as the name of the matrix.
 *
 * added  the addend of the product: [n], the same for each row, if `bias`, otherwise [m, n]; NULL:
 *        none */
void assert_near_product(const char *what, struct rows actual,
                         const struct reference_product *expected, const real *added, bool bias);

#endif

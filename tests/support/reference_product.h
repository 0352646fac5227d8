/* Products of matrices in double precision, and what is compared with them. Matrices of doubles are
 * row-major without gaps. Every failure here fails the test. */
#ifndef CLOZE_TESTS_SUPPORT_REFERENCE_PRODUCT_H
#define CLOZE_TESTS_SUPPORT_REFERENCE_PRODUCT_H

#include "nn/rows.h"

enum transpose { NO_TRANSPOSE, TRANSPOSE };

/* C [m, n] = A [m, k] B [k, n] */
struct reference_product {
    int m, n, k;
    double *c;       /* [m, n] */
    double *a_norms; /* [m]: Euclidean, of the rows of A */
    double *b_norms; /* [n]: of the columns of B */
};

/* a [m, k], stored as [k, m] with TRANSPOSE; b [k, n], stored as [n, k] with TRANSPOSE. OpenBLAS
 * multiplies: in doubles its error is nothing beside a float's. Free it with
 * reference_product_free. */
struct reference_product multiply_doubles(const double *a, enum transpose transpose_a,
                                          const double *b, enum transpose transpose_b, int m, int n,
                                          int k);

void reference_product_free(struct reference_product *product);

/* The first columns of the first `count` rows as doubles [count, columns], an operand of a product.
 * The caller frees them. */
double *widened_rows(const struct rows *rows, int count, int columns);

/* Each element of actual [m, n] is that of the product, plus what it was added to, within the bound
 * of support/float_sums.h and, if it is stored as bf16, one more rounding. The bound's size is the
 * product of the norms, which is at least the sum of the absolute products (Cauchy and Schwarz).
 * Names the first element that is not, and `what` it is of.
 *
 * added  what the product was added to: [n], the same for each row, if `bias`, else [m, n]; NULL:
 *        nothing */
void assert_near_product(const char *what, struct rows actual,
                         const struct reference_product *expected, const real *added, bool bias);

#endif

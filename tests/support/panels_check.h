/* Checks the contract of a table of kernels (math/panels.h), element by element. */
#ifndef SUPPORT_PANELS_CHECK_H
#define SUPPORT_PANELS_CHECK_H

#include "math/panels.h"

/* Skips the test unless the processor can run it. */
void require_instructions(bool usable, const char *what);

/* B[k][column] of a right operand, as math/panels.h describes the panels; `depth` is padded. */
double panel_element(const struct gemm_kernels *kernels, const void *right, int depth, int k,
                     int column);

/* Checks all layouts, of shapes that are multiples of a panel and of others. */
void check_all_layouts(const struct gemm_kernels *kernels);

/* The kinds of addends of a product, and their number. */
enum addition { ADD_NOTHING, ADD_OWN_ROWS, ADD_BIAS, ADDITIONS };

/* Compares a product of this shape with double precision, and checks that it does not write other
 * elements. */
void check_product(const struct gemm_kernels *kernels, int rows, int columns, int depth,
                   enum addition addition);

/* Checks products with shapes below and above every size of tiles and blocks. */
void check_products(const struct gemm_kernels *kernels);

/* As check_products, for float kernels, which accept any depth; also with every remainder of
 * tiles. */
void check_fp32_products(const struct gemm_kernels *kernels);

#endif

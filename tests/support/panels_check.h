/* What every table of kernels (math/panels.h) must do, checked element by element. */
#ifndef SUPPORT_PANELS_CHECK_H
#define SUPPORT_PANELS_CHECK_H

#include "math/panels.h"

/* Skips the test, and says so, unless the processor has what it needs. */
void require_instructions(bool usable, const char *what);

/* B[k][column] of a right operand, as math/panels.h describes the panels; `depth` is padded. */
double panel_element(const struct gemm_kernels *kernels, const void *right, int depth, int k,
                     int column);

/* All layouts, of whole and of ragged shapes. */
void check_all_layouts(const struct gemm_kernels *kernels);

/* What a product is added to; the number of them. */
enum addition { ADD_NOTHING, ADD_OWN_ROWS, ADD_BIAS, ADDITIONS };

/* A product of these shapes against double precision; what is not its own stays as it is. */
void check_product(const struct gemm_kernels *kernels, int rows, int columns, int depth,
                   enum addition addition);

/* Products below and above every size of tile and block. */
void check_products(const struct gemm_kernels *kernels);

/* The same of float kernels, which take any depth, and of all that tiles leave over. */
void check_fp32_products(const struct gemm_kernels *kernels);

#endif

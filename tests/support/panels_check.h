/* What every table of kernels (math/panels.h) must do, checked element by element. */
#ifndef SUPPORT_PANELS_CHECK_H
#define SUPPORT_PANELS_CHECK_H

#include "math/panels.h"

/* Skips the test, and says so, unless the processor has what it needs. */
void require_instructions(bool usable, const char *what);

/* B[k][column] of a right operand, as math/panels.h describes the panels; `depth` is padded. */
double panel_element(const struct panels *panels, const void *right, int depth, int k, int column);

/* All layouts, of whole and of ragged shapes. */
void check_all_layouts(const struct panels *panels);

/* A product of these shapes against double precision; what is not its own stays as it is. */
void check_product(const struct panels *panels, int rows, int columns, int depth, bool accumulate);

/* Products below and above every size of tile and block. */
void check_products(const struct panels *panels);

#endif

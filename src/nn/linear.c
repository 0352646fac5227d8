#include "nn/linear.h"

#include "math/gemm.h"
#include "math/vectorized.h"
#include "nn/parallel.h"

#include <stddef.h>
#include <string.h>

static void copy_to_rows(real *y, const real *bias, int rows, int width)
{
    const size_t elements = (size_t)rows * (size_t)width;
#pragma omp parallel for schedule(static) if (elements > PARALLEL_ELEMENTS)
    for (int row = 0; row < rows; row++)
        memcpy(y + (size_t)row * (size_t)width, bias, (size_t)width * sizeof(real));
}

void linear_forward(real *y, const real *x, const real *weight, const real *bias,
                    struct linear_shape shape)
{
    /* A product clears its result before it adds to it; the bias put there instead costs nothing.
     */
    if (bias)
        copy_to_rows(y, bias, shape.rows, shape.out);
    gemm(y, shape.out, (struct matrix){x, shape.in, NO_TRANSPOSE},
         (struct matrix){weight, shape.in, TRANSPOSE}, shape.rows, shape.out, shape.in, 1,
         bias ? 1 : 0);
}

void linear_backward_input(real *dx, const real *dy, const real *weight, struct linear_shape shape,
                           bool accumulate)
{
    gemm(dx, shape.in, (struct matrix){dy, shape.out, NO_TRANSPOSE},
         (struct matrix){weight, shape.in, NO_TRANSPOSE}, shape.rows, shape.in, shape.out, 1,
         accumulate ? 1 : 0);
}

/* sums [columns] += the rows of dy [rows, columns], whose distance is `width`. */
VECTORIZED static void add_rows(real *sums, const real *dy, int rows, int width, int columns)
{
    for (int row = 0; row < rows; row++, dy += width) {
#pragma omp simd
        for (int i = 0; i < columns; i++)
            sums[i] += dy[i];
    }
}

static void add_all_rows(real *sums, const real *dy, int rows, int width)
{
    const size_t elements = (size_t)rows * (size_t)width;
#pragma omp parallel for schedule(static) if (elements > PARALLEL_ELEMENTS)
    for (int first = 0; first < width; first += COLUMN_BLOCK) {
        int columns = width - first < COLUMN_BLOCK ? width - first : COLUMN_BLOCK;
        add_rows(sums + first, dy + first, rows, width, columns);
    }
}

void linear_backward_parameters(real *dweight, real *dbias, const real *dy, const real *x,
                                struct linear_shape shape)
{
    gemm(dweight, shape.in, (struct matrix){dy, shape.out, TRANSPOSE},
         (struct matrix){x, shape.in, NO_TRANSPOSE}, shape.out, shape.in, shape.rows, 1, 1);
    if (dbias)
        add_all_rows(dbias, dy, shape.rows, shape.out);
}

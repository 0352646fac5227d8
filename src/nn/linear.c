#include "nn/linear.h"

#include "base/error.h"
#include "math/gemm.h"
#include "math/vectorized.h"
#include "nn/parallel.h"

#include <omp.h>

enum {
    /* Rows of a bf16 product that are finished at a time: their operands and sums stay in the
       second-level cache, and the weight is read once for so many. */
    BLOCK_ROWS = 128,
    /* Its columns, where the epilogue does not need them all. */
    BLOCK_COLUMNS = 512,
    /* Rows of a real product that the epilogue gets at a time. */
    EPILOGUE_ROWS = 32,
    /* Outputs whose weight gradients a thread works out at a time. */
    GRADIENT_OUTPUTS = 64,
};

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

size_t linear_scratch(int widest)
{
    return (size_t)BLOCK_ROWS *
           (size_t)bf16_padded(widest > BLOCK_COLUMNS ? widest : BLOCK_COLUMNS);
}

/* Everything about a product but its rows: y [rows, columns] = x [rows, depth] B + bias. */
struct product {
    struct rows y, x;
    const bf16 *panels; /* B */
    const real *bias;
    int columns, depth;
    const struct linear_epilogue *epilogue;
};

static void run_epilogue(const struct linear_epilogue *epilogue, const struct linear_block *block)
{
    profile_enter(epilogue->profile, epilogue->phase);
    epilogue->run(epilogue->context, block);
    profile_enter(epilogue->profile, epilogue->product);
}

/* ---- fp32 ---- */

static void copy_to_rows(real *y, const real *bias, int rows, int width)
{
    const size_t elements = (size_t)rows * (size_t)width;
#pragma omp parallel for schedule(static) if (elements > PARALLEL_ELEMENTS)
    for (int row = 0; row < rows; row++)
        memcpy(y + (size_t)row * (size_t)width, bias, (size_t)width * sizeof(real));
}

static void finish_real(real *y, int rows, int columns, const struct linear_epilogue *epilogue)
{
    const size_t elements = (size_t)rows * (size_t)columns;
#pragma omp parallel for schedule(static) if (elements > PARALLEL_ELEMENTS)
    for (int row = 0; row < rows; row += EPILOGUE_ROWS) {
        const struct linear_block block = {
            .values = y + (size_t)row * (size_t)columns,
            .ld = (size_t)columns,
            .first_row = row,
            .rows = smaller(EPILOGUE_ROWS, rows - row),
            .columns = columns,
        };
        run_epilogue(epilogue, &block);
    }
}

static void multiply_real(const struct product *p, int rows, struct matrix right, bool accumulate)
{
    /* A product clears its result before it adds to it; the bias put there instead costs nothing.
     */
    if (p->bias)
        copy_to_rows(p->y.reals, p->bias, rows, p->columns);
    gemm(p->y.reals, p->columns, (struct matrix){p->x.reals, p->depth, NO_TRANSPOSE}, right, rows,
         p->columns, p->depth, 1, p->bias || accumulate ? 1 : 0);
    if (p->epilogue)
        finish_real(p->y.reals, rows, p->columns, p->epilogue);
}

/* ---- bf16 ---- */

static void store_block(const struct product *p, const struct linear_block *block)
{
    for (int row = 0; row < block->rows; row++)
        rows_write(&p->y,
                   (struct row_span){block->first_row + row, block->first_column, block->columns},
                   block->values + (size_t)row * block->ld);
}

/* Adds to, or replaces, the block's values. */
static void multiply_block(const struct product *p, const struct linear_block *block,
                           bool accumulate)
{
    for (int row = 0; p->bias && row < block->rows; row++)
        memcpy(block->values + (size_t)row * block->ld, p->bias + block->first_column,
               (size_t)block->columns * sizeof(real));
    bf16_kernels()->multiply(
        block->values, block->ld, p->x.halves + (size_t)block->first_row * (size_t)p->x.width,
        (size_t)p->x.width, p->panels + (size_t)block->first_column * (size_t)p->depth, block->rows,
        block->columns, p->depth, accumulate || p->bias);
}

/* The columns of a block that passes through the scratch. */
static int scratch_columns(const struct product *p)
{
    const bool whole = p->epilogue && p->epilogue->whole_rows;
    return whole ? p->columns : smaller(BLOCK_COLUMNS, p->columns);
}

/* `count` rows from `first` on, by way of the scratch. */
static void multiply_rows(const struct product *p, int first, int count, real *scratch)
{
    const int most = scratch_columns(p);
    for (int column = 0; column < p->columns; column += most) {
        const struct linear_block block = {
            .values = scratch,
            .ld = (size_t)bf16_padded(most),
            .first_row = first,
            .rows = count,
            .first_column = column,
            .columns = smaller(most, p->columns - column),
        };
        multiply_block(p, &block, false);
        if (p->epilogue)
            run_epilogue(p->epilogue, &block);
        else
            store_block(p, &block);
    }
}

static int working_threads(void)
{
    return omp_in_parallel() ? 1 : omp_get_max_threads();
}

/* At most `most`, and so that every thread has some. */
static int share(int count, int most)
{
    const int threads = working_threads();
    return smaller(most, bf16_padded((count + threads - 1) / threads));
}

static void multiply_through_scratch(const struct product *p, int rows, real *scratch)
{
    const int step = share(rows, BLOCK_ROWS);
    const size_t each = linear_scratch(scratch_columns(p));
#pragma omp parallel for schedule(static) if (rows > step)
    for (int row = 0; row < rows; row += step)
        multiply_rows(p, row, smaller(step, rows - row),
                      scratch + (size_t)omp_get_thread_num() * each);
}

/* Into the real y itself. Threads take rows, or columns of a wide product, whose right operand is
 * the larger and so is read once. */
static void multiply_in_place(const struct product *p, int rows, bool accumulate)
{
    const bool wide = p->columns > rows;
    const int row_step = wide ? rows : share(rows, BLOCK_ROWS);
    const int column_step = wide ? share(p->columns, BLOCK_COLUMNS) : p->columns;
    const int row_steps = (rows + row_step - 1) / row_step;
    const int column_steps = (p->columns + column_step - 1) / column_step;
#pragma omp parallel for schedule(static) if (row_steps * column_steps > 1)
    for (int i = 0; i < row_steps * column_steps; i++) {
        const int row = i / column_steps * row_step, column = i % column_steps * column_step;
        const struct linear_block block = {
            .values = p->y.reals + (size_t)row * (size_t)p->y.width + column,
            .ld = (size_t)p->y.width,
            .first_row = row,
            .rows = smaller(row_step, rows - row),
            .first_column = column,
            .columns = smaller(column_step, p->columns - column),
        };
        multiply_block(p, &block, accumulate);
    }
}

static void multiply_bf16(const struct product *p, int rows, real *scratch)
{
    if (rows > 0 && p->y.reals && !p->epilogue)
        multiply_in_place(p, rows, false);
    else
        multiply_through_scratch(p, rows, scratch);
}

/* ---- both ---- */

/* x W^T */
static struct product forward_product(struct rows y, struct rows x,
                                      const struct linear_weight *weight)
{
    return (struct product){
        .y = y, .x = x, .panels = weight->panels, .columns = weight->out, .depth = weight->in};
}

/* dy W */
static struct product backward_product(struct rows dx, struct rows dy,
                                       const struct linear_weight *weight)
{
    return (struct product){
        .y = dx,
        .x = dy,
        .panels = weight->transposed,
        .columns = weight->in,
        .depth = dy.halves ? bf16_padded(weight->out) : weight->out,
    };
}

void linear_forward(struct rows y, struct rows x, int rows, const struct linear_weight *weight,
                    const real *bias, const struct linear_epilogue *epilogue, real *scratch)
{
    struct product product = forward_product(y, x, weight);
    product.bias = bias;
    product.epilogue = epilogue;
    if (x.halves)
        multiply_bf16(&product, rows, scratch);
    else
        multiply_real(&product, rows, (struct matrix){weight->values, weight->in, TRANSPOSE},
                      false);
}

void linear_backward_input(struct rows dx, struct rows dy, int rows,
                           const struct linear_weight *weight,
                           const struct linear_epilogue *epilogue, real *scratch)
{
    struct product product = backward_product(dx, dy, weight);
    product.epilogue = epilogue;
    if (dy.halves)
        multiply_bf16(&product, rows, scratch);
    else
        multiply_real(&product, rows, (struct matrix){weight->values, weight->in, NO_TRANSPOSE},
                      false);
}

void linear_backward_input_add(real *dx, struct rows dy, int rows,
                               const struct linear_weight *weight)
{
    const struct product product = backward_product(rows_of_reals(dx, weight->in), dy, weight);
    if (dy.halves)
        multiply_in_place(&product, rows, true);
    else
        multiply_real(&product, rows, (struct matrix){weight->values, weight->in, NO_TRANSPOSE},
                      true);
}

/* ---- the parameters' gradients ---- */

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
        int columns = smaller(COLUMN_BLOCK, width - first);
        add_rows(sums + first, dy + first, rows, width, columns);
    }
}

VECTORIZED static real sum_of(const bf16 *x, int count)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int i = 0; i < count; i++)
        sum += bf16_to_float(x[i]);
    return (real)sum;
}

size_t linear_parameter_scratch(int rows, int widest, int threads)
{
    const size_t depth = (size_t)bf16_padded(rows);
    return depth * ((size_t)bf16_padded(widest) + (size_t)GRADIENT_OUTPUTS * (size_t)threads);
}

/* dW and db of `count` outputs from `first` on; x in panels of depth `depth`. */
static void output_gradients(real *dweight, real *dbias, const struct rows *dy, const bf16 *panels,
                             int in, int rows, int first, int count, bf16 *transposed)
{
    const int depth = bf16_padded(rows);
    bf16_transpose(transposed, dy->halves + first, (size_t)dy->width, rows, count);
    for (int i = 0; dbias && i < count; i++)
        dbias[first + i] += sum_of(transposed + (size_t)i * (size_t)depth, depth);
    bf16_kernels()->multiply(dweight + (size_t)first * (size_t)in, (size_t)in, transposed,
                             (size_t)depth, panels, count, in, depth, true);
}

static void parameters_bf16(real *dweight, real *dbias, struct rows dy, struct rows x, int rows,
                            int out, bf16 *scratch)
{
    const int depth = bf16_padded(rows), in = x.width;
    bf16 *panels = scratch, *transposed = scratch + bf16_panel_elements(depth, in);
#pragma omp parallel
    {
        bf16 *own = transposed + (size_t)omp_get_thread_num() * GRADIENT_OUTPUTS * (size_t)depth;
#pragma omp for schedule(static)
        for (int column = 0; column < in; column += BF16_DEPTH)
            bf16_pack(panels + (size_t)column * (size_t)depth, x.halves + column, (size_t)in, rows,
                      smaller(BF16_DEPTH, in - column));
#pragma omp for schedule(static)
        for (int first = 0; first < out; first += GRADIENT_OUTPUTS)
            output_gradients(dweight, dbias, &dy, panels, in, rows, first,
                             smaller(GRADIENT_OUTPUTS, out - first), own);
    }
}

void linear_backward_parameters(real *dweight, real *dbias, struct rows dy, struct rows x, int rows,
                                int out, bf16 *scratch)
{
    CHECK(!omp_in_parallel());
    if (rows == 0)
        return;
    if (x.halves) {
        parameters_bf16(dweight, dbias, dy, x, rows, out, scratch);
        return;
    }
    gemm(dweight, x.width, (struct matrix){dy.reals, dy.width, TRANSPOSE},
         (struct matrix){x.reals, x.width, NO_TRANSPOSE}, out, x.width, rows, 1, 1);
    if (dbias)
        add_all_rows(dbias, dy.reals, rows, out);
}

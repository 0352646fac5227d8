#include "nn/linear.h"

#include "base/error.h"
#include "math/gemm.h"
#include "math/panels.h"
#include "math/vectorized.h"
#include "nn/parallel.h"

#include <omp.h>

enum {
    /* Columns of a product by panels that are finished at a time, where the epilogue does not need
       them all. */
    BLOCK_COLUMNS = 512,
    /* Rows of a real product that the epilogue gets at a time. */
    EPILOGUE_ROWS = 32,
    /* Rows that weight gradients are summed over at a time: more rows of a large model's inputs
       would leave the third-level cache. 4,096 are 5 % slower at base in bf16 (Zen 5). */
    GRADIENT_ROWS = 2048,
    /* Inputs that a thread lays out at a time for that, if there are enough for all threads: 32
       take a third longer where rows are a multiple of 4 KiB apart. */
    GRADIENT_INPUTS = 128,
};

size_t linear_scratch(int widest)
{
    return (size_t)PANELS_MOST_ROWS *
           (size_t)padded(widest > BLOCK_COLUMNS ? widest : BLOCK_COLUMNS);
}

/* Everything about a product but its rows: y [rows, columns] = x [rows, depth] B + bias. */
struct product {
    struct rows y, x;
    const struct panels *kernels; /* and B in panels; NULL: sgemm */
    const char *panels;
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

/* What serves operands stored like these; NULL: sgemm. */
static const struct panels *kernels_for(bool halves)
{
    const struct panels *kernels = panels_for(halves);
    CHECK(kernels || !halves);
    return kernels;
}

/* ---- sgemm ---- */

static void copy_to_rows(struct rows y, const real *bias, int rows, int columns)
{
    const size_t elements = (size_t)rows * (size_t)columns;
#pragma omp parallel for schedule(static) if (elements > PARALLEL_ELEMENTS)
    for (int row = 0; row < rows; row++)
        memcpy(y.reals + (size_t)row * (size_t)y.width, bias, (size_t)columns * sizeof(real));
}

static void finish_real(struct rows y, int rows, int columns,
                        const struct linear_epilogue *epilogue)
{
    const size_t elements = (size_t)rows * (size_t)columns;
#pragma omp parallel for schedule(static) if (elements > PARALLEL_ELEMENTS)
    for (int row = 0; row < rows; row += EPILOGUE_ROWS) {
        const struct linear_block block = {
            .values = y.reals + (size_t)row * (size_t)y.width,
            .ld = (size_t)y.width,
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
        copy_to_rows(p->y, p->bias, rows, p->columns);
    gemm(p->y.reals, p->y.width, (struct matrix){p->x.reals, p->x.width, NO_TRANSPOSE}, right, rows,
         p->columns, p->depth, 1, p->bias || accumulate ? 1 : 0);
    if (p->epilogue)
        finish_real(p->y, rows, p->columns, p->epilogue);
}

/* ---- panels ---- */

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
    const size_t before = (size_t)block->first_column * (size_t)p->depth * p->kernels->element;
    p->kernels->multiply(block->values, block->ld, rows_address(&p->x, block->first_row),
                         (size_t)p->x.width, p->panels + before, block->rows, block->columns,
                         p->depth, accumulate || p->bias);
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
            .ld = (size_t)padded(most),
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

/* Rows for a thread to work on at a time. AVX-512 takes 4 at once, AVX2 6; that AMX takes a few
 * more than a multiple of 16 in a smaller tile should cost less than an idle thread. */
static int share_rows(int rows, const struct panels *kernels)
{
    return parallel_share(rows, working_threads(), kernels->rows, PANELS_SHARE_ROWS);
}

/* The same of what must come in multiples of BF16_DEPTH. */
static int share_whole(int count, int most)
{
    return parallel_share(count, working_threads(), most, BF16_DEPTH);
}

static void multiply_through_scratch(const struct product *p, int rows, real *scratch)
{
    if (rows == 0)
        return; /* nobody's share */
    const int step = share_rows(rows, p->kernels);
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
    if (rows == 0)
        return;
    const bool wide = p->columns > rows;
    const int row_step = wide ? rows : share_rows(rows, p->kernels);
    const int column_step = wide ? share_whole(p->columns, BLOCK_COLUMNS) : p->columns;
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

static void multiply_panels(const struct product *p, int rows, real *scratch)
{
    if (p->y.reals && !p->epilogue)
        multiply_in_place(p, rows, false);
    else
        multiply_through_scratch(p, rows, scratch);
}

/* ---- both ---- */

size_t linear_panel_bytes(int out, int in, bool halves)
{
    const struct panels *kernels = kernels_for(halves);
    return kernels ? panels_elements(out, in) * kernels->element : 0;
}

void linear_pack(struct linear_weight *weight, void *panels, enum linear_pass pass, bool halves)
{
    enum { PANELS = 4 }; /* that a thread lays out at a time */
    const struct panels *kernels = kernels_for(halves);
    weight->panels = kernels ? panels : NULL;
    if (!kernels)
        return;
    const bool forward = pass == LINEAR_FORWARD;
    const int depth = forward ? weight->in : weight->out;
    const int columns = forward ? weight->out : weight->in, count = panel_count(columns);
#pragma omp parallel for schedule(static)
    for (int first = 0; first < count; first += PANELS)
        (forward ? kernels->pack_reals_transposed : kernels->pack_reals)(
            panels, weight->values, depth, columns, first, smaller(first + PANELS, count));
}

static struct product begin_product(struct rows y, struct rows x,
                                    const struct linear_weight *weight, enum linear_pass pass)
{
    const struct panels *kernels = weight->panels ? kernels_for(x.halves) : NULL;
    const bool forward = pass == LINEAR_FORWARD;
    const int depth = forward ? weight->in : weight->out;
    CHECK(kernels || x.reals);
    return (struct product){
        .y = y,
        .x = x,
        .kernels = kernels,
        .panels = weight->panels,
        .columns = forward ? weight->out : weight->in,
        .depth = kernels ? panels_pad(kernels, depth) : depth,
    };
}

static struct matrix weight_matrix(const struct linear_weight *weight, enum transpose transpose)
{
    return (struct matrix){weight->values, weight->in, transpose};
}

void linear_forward(struct rows y, struct rows x, int rows, const struct linear_weight *weight,
                    const real *bias, const struct linear_epilogue *epilogue, real *scratch)
{
    struct product product = begin_product(y, x, weight, LINEAR_FORWARD);
    product.bias = bias;
    product.epilogue = epilogue;
    if (product.kernels)
        multiply_panels(&product, rows, scratch);
    else
        multiply_real(&product, rows, weight_matrix(weight, TRANSPOSE), false);
}

void linear_backward_input(struct rows dx, struct rows dy, int rows,
                           const struct linear_weight *weight,
                           const struct linear_epilogue *epilogue, real *scratch)
{
    struct product product = begin_product(dx, dy, weight, LINEAR_BACKWARD);
    product.epilogue = epilogue;
    if (product.kernels)
        multiply_panels(&product, rows, scratch);
    else
        multiply_real(&product, rows, weight_matrix(weight, NO_TRANSPOSE), false);
}

void linear_backward_input_add(real *dx, struct rows dy, int rows,
                               const struct linear_weight *weight)
{
    const struct product product =
        begin_product(rows_of_reals(dx, weight->in), dy, weight, LINEAR_BACKWARD);
    if (product.kernels)
        multiply_in_place(&product, rows, true);
    else
        multiply_real(&product, rows, weight_matrix(weight, NO_TRANSPOSE), true);
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

static void add_all_rows(real *sums, struct rows dy, int rows, int columns)
{
    const size_t elements = (size_t)rows * (size_t)columns;
#pragma omp parallel for schedule(static) if (elements > PARALLEL_ELEMENTS)
    for (int first = 0; first < columns; first += COLUMN_BLOCK)
        add_rows(sums + first, dy.reals + first, rows, dy.width,
                 smaller(COLUMN_BLOCK, columns - first));
}

VECTORIZED static real sum_of_reals(const real *x, int count)
{
    real sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int i = 0; i < count; i++)
        sum += x[i];
    return sum;
}

VECTORIZED static real sum_of_halves(const bf16 *x, int count)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int i = 0; i < count; i++)
        sum += bf16_to_float(x[i]);
    return (real)sum;
}

/* Everything about a weight gradient, or about the part of it that some rows make up. */
struct gradient {
    const struct panels *kernels;
    real *dweight, *dbias;
    struct rows dy, x;
    int in, rows, depth;       /* depth: the rows, padded */
    int outputs;               /* that a thread works out at a time */
    char *panels, *transposed; /* of x; of the outputs at hand, a block a thread */
};

/* Bytes of a row of the transposed outputs. */
static size_t transposed_row(const struct gradient *g)
{
    return (size_t)left_width(g->rows) * g->kernels->element;
}

static void pack_columns(const struct gradient *g, int first, int count)
{
    const size_t element = g->kernels->element;
    g->kernels->pack(g->panels + (size_t)first * (size_t)g->depth * element,
                     (const char *)rows_address(&g->x, 0) + (size_t)first * element,
                     (size_t)g->x.width, g->rows, count);
}

/* dW and db of `count` outputs from `first` on. */
static void output_gradients(const struct gradient *g, int first, int count, char *transposed)
{
    const size_t element = g->kernels->element, in = (size_t)g->in;
    g->kernels->transpose(transposed,
                          (const char *)rows_address(&g->dy, 0) + (size_t)first * element,
                          (size_t)g->dy.width, g->rows, count);
    for (int i = 0; g->dbias && i < count; i++) {
        const void *row = transposed + (size_t)i * transposed_row(g);
        g->dbias[first + i] +=
            g->dy.halves ? sum_of_halves(row, g->rows) : sum_of_reals(row, g->rows);
    }
    g->kernels->multiply(g->dweight + (size_t)first * in, in, transposed,
                         (size_t)left_width(g->rows), g->panels, count, g->in, g->depth, true);
}

static void add_gradients(const struct gradient *g, int out)
{
    const int inputs = share_whole(g->in, GRADIENT_INPUTS);
#pragma omp parallel
    {
        char *own =
            g->transposed + (size_t)omp_get_thread_num() * (size_t)g->outputs * transposed_row(g);
#pragma omp for schedule(static)
        for (int column = 0; column < g->in; column += inputs)
            pack_columns(g, column, smaller(inputs, g->in - column));
#pragma omp for schedule(static)
        for (int first = 0; first < out; first += g->outputs)
            output_gradients(g, first, smaller(g->outputs, out - first), own);
    }
}

/* Rows at a time, evened so that no few are left for the last time. */
static int gradient_rows(int rows)
{
    const int times = (rows + GRADIENT_ROWS - 1) / GRADIENT_ROWS;
    return smaller(rows, padded((rows + times - 1) / times));
}

static void parameters_by_panels(const struct gradient *whole, int out, void *scratch)
{
    const int most = gradient_rows(whole->rows);
    for (int row = 0; row < whole->rows; row += most) {
        struct gradient part = *whole;
        part.dy = rows_from(whole->dy, row);
        part.x = rows_from(whole->x, row);
        part.rows = smaller(most, whole->rows - row);
        part.depth = panels_pad(part.kernels, part.rows);
        part.outputs = share_rows(out, part.kernels);
        part.panels = scratch;
        part.transposed = part.panels + panels_elements(part.rows, part.in) * part.kernels->element;
        add_gradients(&part, out);
    }
}

size_t linear_parameter_scratch(int rows, int widest, int threads, bool halves)
{
    const struct panels *kernels = kernels_for(halves);
    if (!kernels)
        return 0;
    const int most = smaller(rows, GRADIENT_ROWS);
    const size_t transposed = (size_t)threads * (size_t)kernels->rows;
    return (panels_elements(most, widest) + transposed * (size_t)left_width(most)) *
           kernels->element;
}

static void parameters_by_gemm(real *dweight, real *dbias, struct rows dy, struct rows x, int rows,
                               int out, int in)
{
    gemm(dweight, in, (struct matrix){dy.reals, dy.width, TRANSPOSE},
         (struct matrix){x.reals, x.width, NO_TRANSPOSE}, out, in, rows, 1, 1);
    if (dbias)
        add_all_rows(dbias, dy, rows, out);
}

void linear_backward_parameters(real *dweight, real *dbias, struct rows dy, struct rows x, int rows,
                                int out, int in, void *scratch)
{
    const struct panels *kernels = scratch ? kernels_for(x.halves) : NULL;
    CHECK(!omp_in_parallel() && (kernels || x.reals));
    if (rows == 0)
        return;
    if (!kernels) {
        parameters_by_gemm(dweight, dbias, dy, x, rows, out, in);
        return;
    }
    const struct gradient whole = {
        .kernels = kernels,
        .dweight = dweight,
        .dbias = dbias,
        .dy = dy,
        .x = x,
        .in = in,
        .rows = rows,
    };
    parameters_by_panels(&whole, out, scratch);
}

#include "nn/linear.h"

#include "base/error.h"
#include "base/min.h"
#include "math/gemm.h"
#include "math/panels.h"
#include "math/vectorized.h"
#include "nn/parallel.h"

#include <omp.h>

enum {
    /* The rows of a product of sgemm that an epilogue gets at a time. */
    EPILOGUE_ROWS = 32,
    /* The inputs that a thread lays out at a time for a weight gradient, if there are enough for
     * all threads: 32 take a third longer where rows are a multiple of 4 KiB apart. */
    GRADIENT_INPUTS = 128,
};

size_t linear_scratch(int max_width)
{
    return (size_t)PANELS_MAX_ROWS *
           (size_t)padded(max_width > PANELS_MAX_COLUMNS ? max_width : PANELS_MAX_COLUMNS);
}

/* A product y [rows, columns] = x [rows, depth] B + bias, without the number of its rows. */
struct product {
    struct rows y, x;
    const struct panel_kernels *kernels; /* NULL: sgemm, without panels */
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

/* Returns the kernels for operands of this type; NULL stands for sgemm. */
static const struct panel_kernels *kernels_for(bool in_bf16)
{
    const struct panel_kernels *kernels = panels_for(in_bf16);
    CHECK(kernels || !in_bf16);
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
            .rows = min_int(EPILOGUE_ROWS, rows - row),
            .columns = columns,
        };
        run_epilogue(epilogue, &block);
    }
}

static void multiply_real(const struct product *p, int rows, struct matrix right, bool accumulate)
{
    /* sgemm would clear the result before it adds to it, so storing the bias there instead costs
     * nothing. */
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

/* Computes a block of the product. It adds to the block's values if `accumulate`, or else replaces
 * them; with a bias it replaces them. */
static void compute_block(const struct product *p, const struct linear_block *block,
                          bool accumulate)
{
    struct addend addend = {accumulate ? block->values : NULL, block->ld};
    if (p->bias)
        addend = (struct addend){p->bias + block->first_column, 0};
    const size_t before = (size_t)block->first_column * (size_t)p->depth * p->kernels->element;
    p->kernels->multiply(block->values, block->ld, addend, rows_address(&p->x, block->first_row),
                         (size_t)p->x.width, p->panels + before, block->rows, block->columns,
                         p->depth);
}

/* Returns the number of columns of a block that passes through the scratch. */
static int scratch_columns(const struct product *p)
{
    const bool whole = p->epilogue && p->epilogue->whole_rows;
    return whole ? p->columns : min_int(p->kernels->columns, p->columns);
}

/* Computes `count` rows from `first` on, by way of the scratch. */
static void multiply_rows(const struct product *p, int first, int count, real *scratch)
{
    const int max = scratch_columns(p);
    for (int column = 0; column < p->columns; column += max) {
        const struct linear_block block = {
            .values = scratch,
            .ld = (size_t)padded(max),
            .first_row = first,
            .rows = count,
            .first_column = column,
            .columns = min_int(max, p->columns - column),
        };
        compute_block(p, &block, false);
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

/* Returns the rows that a thread works on at a time, a multiple of 4. AVX-512 multiplies 4 rows at
 * once and AVX2 6; AMX needs a smaller tile for rows beyond a multiple of 16, which should cost
 * less than an idle thread. */
static int share_rows(int rows, const struct panel_kernels *kernels)
{
    return parallel_share(rows, working_threads(), kernels->rows, PANELS_SHARE_ROWS);
}

/* As share_rows, for columns: a multiple of BF16_DEPTH, at most max. */
static int share_whole(int count, int max)
{
    return parallel_share(count, working_threads(), max, BF16_DEPTH);
}

static void multiply_through_scratch(const struct product *p, int rows, real *scratch)
{
    if (rows == 0)
        return; /* no rows: nothing to divide */
    const int step = share_rows(rows, p->kernels);
    const size_t each = linear_scratch(scratch_columns(p));
#pragma omp parallel for schedule(static) if (rows > step)
    for (int row = 0; row < rows; row += step)
        multiply_rows(p, row, min_int(step, rows - row),
                      scratch + (size_t)omp_get_thread_num() * each);
}

/* Computes the product in y itself, which is real. Threads take rows, or columns if the product is
 * wide: then the right operand is the larger one and is read only once. */
static void multiply_in_place(const struct product *p, int rows, bool accumulate)
{
    if (rows == 0)
        return;
    const bool wide = p->columns > rows;
    const int row_step = wide ? rows : share_rows(rows, p->kernels);
    const int column_step = wide ? share_whole(p->columns, p->kernels->columns) : p->columns;
    const int row_steps = (rows + row_step - 1) / row_step;
    const int column_steps = (p->columns + column_step - 1) / column_step;
#pragma omp parallel for schedule(static) if (row_steps * column_steps > 1)
    for (int i = 0; i < row_steps * column_steps; i++) {
        const int row = i / column_steps * row_step, column = i % column_steps * column_step;
        const struct linear_block block = {
            .values = p->y.reals + (size_t)row * (size_t)p->y.width + column,
            .ld = (size_t)p->y.width,
            .first_row = row,
            .rows = min_int(row_step, rows - row),
            .first_column = column,
            .columns = min_int(column_step, p->columns - column),
        };
        compute_block(p, &block, accumulate);
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

size_t linear_panel_bytes(int out, int in, bool in_bf16)
{
    const struct panel_kernels *kernels = kernels_for(in_bf16);
    return kernels ? panels_elements(out, in) * kernels->element : 0;
}

void linear_lay_out(struct linear_weight *weight, void *panels, enum linear_pass pass, bool in_bf16)
{
    const struct panel_kernels *kernels = kernels_for(in_bf16);
    weight->panels = kernels ? panels : NULL;
    if (!kernels)
        return;
    const bool forward = pass == LINEAR_FORWARD;
    const int depth = forward ? weight->in : weight->out;
    const int columns = forward ? weight->out : weight->in, count = panel_count(columns);
    const int share = parallel_share(count, working_threads(), kernels->weight_panels, 1);
#pragma omp parallel for schedule(static) if (count > share)
    for (int first = 0; first < count; first += share)
        (forward ? kernels->lay_out_reals_transposed : kernels->lay_out_reals)(
            panels, weight->values, depth, columns, first, min_int(first + share, count));
}

static struct product begin_product(struct rows y, struct rows x,
                                    const struct linear_weight *weight, enum linear_pass pass)
{
    const struct panel_kernels *kernels = weight->panels ? kernels_for(x.bf16) : NULL;
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

/* sums [columns] += the rows of dy [rows, columns], which are `width` apart. */
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
                 min_int(COLUMN_BLOCK, columns - first));
}

VECTORIZED static real sum_of_reals(const real *x, int count)
{
    real sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int i = 0; i < count; i++)
        sum += x[i];
    return sum;
}

VECTORIZED static real sum_of_bf16(const bf16 *x, int count)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int i = 0; i < count; i++)
        sum += bf16_to_float(x[i]);
    return (real)sum;
}

/* A weight gradient, or a part of it: the contribution of some rows. */
struct gradient {
    const struct panel_kernels *kernels;
    real *dweight, *dbias;
    struct rows dy, x;
    int in, rows, depth; /* depth is the number of rows, padded */
    int part_rows;       /* rows of every part but the last */
    int outputs;         /* outputs that a thread computes at a time */
    char *panels;        /* panels of x, part after part */
    char *transposed;    /* [threads] the transpose of dy, for those outputs and one part */
};

/* Returns the bytes of a row of `transposed`. */
static size_t transposed_row(const struct gradient *g)
{
    return (size_t)left_width(g->rows) * g->kernels->element;
}

/* Returns the part of `g` that begins with row `first`. */
static struct gradient gradient_part(const struct gradient *g, int first)
{
    struct gradient part = *g;
    const size_t part_size = panels_elements(g->part_rows, g->in) * g->kernels->element;
    part.dy = rows_from(g->dy, first);
    part.x = rows_from(g->x, first);
    part.rows = min_int(g->part_rows, g->rows - first);
    part.depth = panels_pad(g->kernels, part.rows);
    part.panels += (size_t)(first / g->part_rows) * part_size;
    return part;
}

static void lay_out_columns(const struct gradient *g, int first, int count)
{
    const size_t element = g->kernels->element;
    g->kernels->lay_out(g->panels + (size_t)first * (size_t)g->depth * element,
                        (const char *)rows_address(&g->x, 0) + (size_t)first * element,
                        (size_t)g->x.width, g->rows, count);
}

/* Adds to dW and db of `count` outputs from `first` on. */
static void output_gradients(const struct gradient *g, int first, int count, char *transposed)
{
    const size_t element = g->kernels->element, in = (size_t)g->in;
    g->kernels->transpose(transposed,
                          (const char *)rows_address(&g->dy, 0) + (size_t)first * element,
                          (size_t)g->dy.width, g->rows, count);
    for (int i = 0; g->dbias && i < count; i++) {
        const void *row = transposed + (size_t)i * transposed_row(g);
        g->dbias[first + i] += g->dy.bf16 ? sum_of_bf16(row, g->rows) : sum_of_reals(row, g->rows);
    }
    real *sums = g->dweight + (size_t)first * in;
    g->kernels->multiply(sums, in, (struct addend){sums, in}, transposed,
                         (size_t)left_width(g->rows), g->panels, count, g->in, g->depth);
}

/* Lays out all parts, then adds them to the gradient. A thread adds all parts to the sums of some
 * outputs before it goes on to other outputs. */
static void add_gradients(const struct gradient *g, int out)
{
    const int inputs = share_whole(g->in, GRADIENT_INPUTS), step = g->part_rows;
    const size_t block =
        (size_t)g->outputs * (size_t)left_width(g->part_rows) * g->kernels->element;
#pragma omp parallel
    {
        char *own = g->transposed + (size_t)omp_get_thread_num() * block;
#pragma omp for schedule(static)
        for (int column = 0; column < g->in; column += inputs)
            for (int row = 0; row < g->rows; row += step) {
                const struct gradient part = gradient_part(g, row);
                lay_out_columns(&part, column, min_int(inputs, g->in - column));
            }
#pragma omp for schedule(static)
        for (int first = 0; first < out; first += g->outputs)
            for (int row = 0; row < g->rows; row += step) {
                const struct gradient part = gradient_part(g, row);
                output_gradients(&part, first, min_int(g->outputs, out - first), own);
            }
    }
}

/* Returns the number of parts that so many rows are divided into. */
static int all_gradient_parts(int rows, const struct panel_kernels *kernels)
{
    return (rows + kernels->gradient_rows - 1) / kernels->gradient_rows;
}

/* Returns the number of parts that are laid out at a time. */
static int gradient_parts(int rows, const struct panel_kernels *kernels)
{
    return min_int(all_gradient_parts(rows, kernels),
                   PANELS_GRADIENT_ROWS / kernels->gradient_rows);
}

/* Returns the rows of a part, chosen so that the last part is not much smaller. */
static int gradient_part_rows(int rows, const struct panel_kernels *kernels)
{
    const int parts = all_gradient_parts(rows, kernels);
    return min_int(rows, padded((rows + parts - 1) / parts));
}

static void parameters_by_panels(const struct gradient *whole, int out, void *scratch)
{
    const size_t element = whole->kernels->element;
    const int part_rows = gradient_part_rows(whole->rows, whole->kernels);
    const int max_parts = gradient_parts(whole->rows, whole->kernels);
    const int max = max_parts * part_rows;
    for (int row = 0; row < whole->rows; row += max) {
        struct gradient some = *whole;
        some.dy = rows_from(whole->dy, row);
        some.x = rows_from(whole->x, row);
        some.rows = min_int(max, whole->rows - row);
        some.part_rows = part_rows;
        some.outputs = share_rows(out, some.kernels);
        some.panels = scratch;
        some.transposed =
            some.panels + (size_t)max_parts * panels_elements(part_rows, some.in) * element;
        add_gradients(&some, out);
    }
}

size_t linear_parameter_scratch(int rows, int max_width, int threads, bool in_bf16)
{
    const struct panel_kernels *kernels = kernels_for(in_bf16);
    if (!kernels)
        return 0;
    const int max = min_int(rows, kernels->gradient_rows);
    const size_t panels = (size_t)gradient_parts(rows, kernels) * panels_elements(max, max_width);
    const size_t transposed = (size_t)threads * (size_t)kernels->rows * (size_t)left_width(max);
    return (panels + transposed) * kernels->element;
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
    const struct panel_kernels *kernels = scratch ? kernels_for(x.bf16) : NULL;
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

#include "nn/linear.h"

#include "base/error.h"
#include "base/min.h"
#include "math/openblas.h"
#include "math/panels.h"
#include "math/vectorized.h"
#include "nn/parallel.h"

#include <omp.h>

enum {
    /* The rows that an epilogue gets at a time of a product that was computed in its place. */
    EPILOGUE_ROWS = 32,
    /* The inputs that a thread lays out at a time for a weight gradient, if there are enough for
     * all threads: 32 take a third longer where rows are a multiple of 4 KiB apart. */
    GRADIENT_INPUTS = 128,
};

/* The fewest multiplications that are worth a thread: about 20 microseconds, ten times the cost of
 * starting the threads. */
static const double MIN_WORK = 1 << 21;

size_t linear_scratch(int max_width)
{
    return (size_t)PANELS_MAX_ROWS *
           (size_t)padded(max_width > PANELS_MAX_COLUMNS ? max_width : PANELS_MAX_COLUMNS);
}

/* A product y [rows, columns] = x [rows, depth] B + bias, without the number of its rows. */
struct product {
    const struct gemm_kernels *kernels;
    struct rows y, x;
    struct operand right;
    const real *bias;
    int columns, depth;
    const struct linear_epilogue *epilogue;
};

/* ---- blocks of a product ---- */

static void run_epilogue(const struct linear_epilogue *epilogue, const struct linear_block *block)
{
    profile_enter(epilogue->profile, epilogue->phase);
    epilogue->run(epilogue->context, block);
    profile_enter(epilogue->profile, epilogue->product);
}

static void store_block(const struct product *p, const struct linear_block *block)
{
    const struct gemm_kernels *kernels = p->kernels;
    if (p->y.bf16 && kernels->stream_rounded) {
        bf16 *y = rows_columns_from(rows_from(p->y, block->first_row), block->first_column).bf16;
        kernels->stream_rounded(y, (size_t)p->y.width, block->values, block->ld, block->rows,
                                block->columns);
        gemm_finish_stores(kernels);
        return;
    }
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
    const struct operand left = {rows_address(&p->x, block->first_row), (size_t)p->x.width, false};
    p->kernels->multiply(block->values, block->ld, addend, left,
                         operand_from(p->right, block->first_column, p->kernels->element),
                         block->rows, block->columns, p->depth);
}

static int working_threads(void)
{
    return omp_get_level() ? 1 : omp_get_max_threads();
}

/* Returns the rows that a thread works on at a time, a multiple of 4. Kernels multiply 4 rows at
 * once (AVX-512), 8 (AVX-512 of processors with AMX), 6 (AVX2) or 16 (AMX), and the rest in a
 * smaller tile, which should cost less than an idle thread. */
static int share_rows(int rows, int threads, const struct gemm_kernels *kernels)
{
    return parallel_share(rows, threads, kernels->rows, PANELS_SHARE_ROWS);
}

/* As share_rows, for columns: a multiple of BF16_DEPTH, at most max. */
static int share_columns(int columns, int threads, int max)
{
    return parallel_share(columns, threads, max, BF16_DEPTH);
}

/* ---- by way of the scratch ---- */

/* Returns the number of columns of a block that passes through the scratch. */
static int scratch_columns(const struct product *p)
{
    const bool whole = p->epilogue && p->epilogue->whole_rows;
    return whole ? p->columns : min_int(p->kernels->columns, p->columns);
}

/* Computes `count` rows from `first` on. */
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

static void multiply_through_scratch(const struct product *p, int rows, real *scratch)
{
    const int step = share_rows(rows, working_threads(), p->kernels);
    const size_t each = linear_scratch(scratch_columns(p));
#pragma omp parallel for schedule(static) if (rows > step && !omp_get_level())
    for (int row = 0; row < rows; row += step)
        multiply_rows(p, row, min_int(step, rows - row),
                      scratch + (size_t)omp_get_thread_num() * each);
}

/* ---- in place ---- */

/* Returns the number of threads that the product is worth. */
static int product_threads(const struct product *p, int rows)
{
    const double worth = (double)rows * p->columns * p->depth / MIN_WORK;
    const int threads = working_threads();
    return worth >= threads ? threads : worth >= 1 ? (int)worth : 1;
}

/* Computes the product in y itself, which is real. Threads take rows, or columns if the product is
 * wide: then the right operand is the larger one and is read only once. */
static void multiply_in_place(const struct product *p, int rows, bool accumulate)
{
    const bool wide = p->columns > rows;
    const int threads = product_threads(p, rows);
    const int row_step = wide ? rows : share_rows(rows, threads, p->kernels);
    const int column_step =
        wide ? share_columns(p->columns, threads, p->kernels->columns) : p->columns;
    const int row_steps = (rows + row_step - 1) / row_step;
    const int column_steps = (p->columns + column_step - 1) / column_step;
#pragma omp parallel for schedule(static) if (threads > 1)
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

/* Runs the epilogue on a product that was computed in place. */
static void finish_in_place(const struct product *p, int rows)
{
    const size_t elements = (size_t)rows * (size_t)p->columns;
#pragma omp parallel for schedule(static) if (elements > PARALLEL_ELEMENTS && !omp_get_level())
    for (int row = 0; row < rows; row += EPILOGUE_ROWS) {
        const struct linear_block block = {
            .values = p->y.reals + (size_t)row * (size_t)p->y.width,
            .ld = (size_t)p->y.width,
            .first_row = row,
            .rows = min_int(EPILOGUE_ROWS, rows - row),
            .columns = p->columns,
        };
        run_epilogue(p->epilogue, &block);
    }
}

/* ---- products with a weight ---- */

size_t linear_panel_bytes(int out, int in, bool in_bf16)
{
    const struct gemm_kernels *kernels = gemm_for(in_bf16);
    return gemm_right_room(kernels, out, in) * kernels->element;
}

void linear_use_panels(struct linear_weight *weight, const void *panels, bool in_bf16)
{
    weight->panels = gemm_in_place(gemm_for(in_bf16)) ? NULL : panels;
}

void linear_lay_out(struct linear_weight *weight, void *panels, enum linear_pass pass, bool in_bf16)
{
    const struct gemm_kernels *kernels = gemm_for(in_bf16);
    linear_use_panels(weight, panels, in_bf16);
    if (!weight->panels)
        return;
    const bool forward = pass == LINEAR_FORWARD;
    const int depth = forward ? weight->in : weight->out;
    const int columns = forward ? weight->out : weight->in, count = panel_count(columns);
    const int share = parallel_share(count, working_threads(), kernels->weight_panels, 1);
#pragma omp parallel for schedule(static) if (count > share && !omp_get_level())
    for (int first = 0; first < count; first += share)
        (forward ? kernels->lay_out_reals_transposed : kernels->lay_out_reals)(
            panels, weight->values, depth, columns, first, min_int(first + share, count));
}

static struct product begin_product(struct rows y, struct rows x,
                                    const struct linear_weight *weight, enum linear_pass pass)
{
    const struct gemm_kernels *kernels = weight->panels ? gemm_for(x.bf16) : &gemm_openblas;
    const bool forward = pass == LINEAR_FORWARD;
    const int depth = panels_pad(kernels, forward ? weight->in : weight->out);
    CHECK(weight->panels || x.reals);
    return (struct product){
        .kernels = kernels,
        .y = y,
        .x = x,
        .right = weight->panels ? (struct operand){weight->panels, (size_t)depth, false}
                                : (struct operand){weight->values, (size_t)weight->in, !forward},
        .columns = forward ? weight->out : weight->in,
        .depth = depth,
    };
}

static void multiply(const struct product *p, int rows, real *scratch)
{
    const bool in_place = !p->y.bf16 && (!p->epilogue || gemm_in_place(p->kernels));
    if (rows == 0)
        return; /* no rows: nothing to divide */
    if (in_place)
        multiply_in_place(p, rows, false);
    else
        multiply_through_scratch(p, rows, scratch);
    if (in_place && p->epilogue)
        finish_in_place(p, rows);
}

void linear_forward(struct rows y, struct rows x, int rows, const struct linear_weight *weight,
                    const real *bias, const struct linear_epilogue *epilogue, real *scratch)
{
    struct product product = begin_product(y, x, weight, LINEAR_FORWARD);
    product.bias = bias;
    product.epilogue = epilogue;
    multiply(&product, rows, scratch);
}

void linear_backward_input(struct rows dx, struct rows dy, int rows,
                           const struct linear_weight *weight,
                           const struct linear_epilogue *epilogue, real *scratch)
{
    struct product product = begin_product(dx, dy, weight, LINEAR_BACKWARD);
    product.epilogue = epilogue;
    multiply(&product, rows, scratch);
}

void linear_backward_input_add(real *dx, struct rows dy, int rows,
                               const struct linear_weight *weight)
{
    const struct product product =
        begin_product(rows_of_reals(dx, weight->in), dy, weight, LINEAR_BACKWARD);
    if (rows > 0)
        multiply_in_place(&product, rows, true);
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
    const struct gemm_kernels *kernels;
    real *dweight, *dbias;
    struct rows dy, x;
    int in, rows, depth; /* depth is the number of rows, padded */
    int outputs;         /* outputs that a thread computes at a time */

    /* Room for laid out operands; NULL if they are read where they are. */
    char *panels;     /* x */
    char *transposed; /* [threads] the transpose of dy, for those outputs */
};

/* Returns the address `bytes` after the beginning of a room, which may be NULL. */
static char *room_from(char *room, size_t bytes)
{
    return room ? room + bytes : NULL;
}

/* Lays out `count` columns of x from `first` on. */
static void lay_out_columns(const struct gradient *g, int first, int count)
{
    const size_t element = g->kernels->element;
    g->kernels->lay_out(g->panels + (size_t)first * (size_t)g->depth * element,
                        (const char *)rows_address(&g->x, 0) + (size_t)first * element,
                        (size_t)g->x.width, g->rows, count);
}

/* Returns x, laid out if it must be. */
static struct operand right_of(const struct gradient *g)
{
    return gemm_in_place(g->kernels)
               ? (struct operand){rows_address(&g->x, 0), (size_t)g->x.width, true}
               : (struct operand){g->panels, (size_t)g->depth, false};
}

/* db += the sums over the rows of dy, for `count` outputs from `first` on; `left` is their
 * transpose. */
static void add_bias_gradients(const struct gradient *g, int first, int count, struct operand left)
{
    real *dbias = g->dbias + first;
    if (!g->transposed) {
        add_rows(dbias, g->dy.reals + first, g->rows, g->dy.width, count);
        return;
    }
    for (int i = 0; i < count; i++) {
        const void *row = operand_from(left, i, g->kernels->element).values;
        dbias[i] += g->dy.bf16 ? sum_of_bf16(row, g->rows) : sum_of_reals(row, g->rows);
    }
}

/* Adds to dW and db of `count` outputs from `first` on. */
static void output_gradients(const struct gradient *g, int first, int count, char *transposed)
{
    const size_t element = g->kernels->element, in = (size_t)g->in;
    const void *dy = (const char *)rows_address(&g->dy, 0) + (size_t)first * element;
    const struct operand left =
        gemm_left_transposed(g->kernels, transposed, dy, (size_t)g->dy.width, g->rows, count);
    if (g->dbias)
        add_bias_gradients(g, first, count, left);
    real *sums = g->dweight + (size_t)first * in;
    g->kernels->multiply(sums, in, (struct addend){sums, in}, left, right_of(g), count, g->in,
                         g->depth);
}

/* Lays out x, on all threads of a parallel region. */
static void lay_out_inputs(const struct gradient *g)
{
    const int inputs = share_columns(g->in, omp_get_num_threads(), GRADIENT_INPUTS);
#pragma omp for schedule(static)
    for (int column = 0; column < g->in; column += inputs)
        lay_out_columns(g, column, min_int(inputs, g->in - column));
}

static void add_gradients(const struct gradient *g, int out)
{
    const size_t block = (size_t)g->outputs * (size_t)left_width(g->rows) * g->kernels->element;
    const double work = (double)g->rows * g->in * out;
#pragma omp parallel if (work > MIN_WORK && !omp_get_level())
    {
        char *own = room_from(g->transposed, (size_t)omp_get_thread_num() * block);
        if (!gemm_in_place(g->kernels))
            lay_out_inputs(g);
#pragma omp for schedule(static)
        for (int first = 0; first < out; first += g->outputs)
            output_gradients(g, first, min_int(g->outputs, out - first), own);
    }
}

/* Returns the rows of a part, chosen so that the last part is not much smaller. */
static int gradient_part_rows(int rows, const struct gemm_kernels *kernels)
{
    const int parts = (rows + kernels->gradient_rows - 1) / kernels->gradient_rows;
    return min_int(rows, padded((rows + parts - 1) / parts));
}

size_t linear_parameter_scratch(int rows, int max_width, int threads, bool in_bf16)
{
    const struct gemm_kernels *kernels = gemm_for(in_bf16);
    const int max = min_int(rows, kernels->gradient_rows);
    const size_t transposed = (size_t)threads * gemm_left_room(kernels, max, kernels->rows);
    return (gemm_right_room(kernels, max, max_width) + transposed) * kernels->element;
}

void linear_backward_parameters(real *dweight, real *dbias, struct rows dy, struct rows x, int rows,
                                int out, int in, void *scratch)
{
    const struct gemm_kernels *kernels = scratch ? gemm_for(x.bf16) : &gemm_openblas;
    CHECK(scratch || (x.reals && dy.reals));
    if (rows == 0)
        return;
    const int max = gradient_part_rows(rows, kernels);
    char *room = gemm_in_place(kernels) ? NULL : scratch;
    for (int row = 0; row < rows; row += max) {
        const int count = min_int(max, rows - row);
        const struct gradient part = {
            .kernels = kernels,
            .dweight = dweight,
            .dbias = dbias,
            .dy = rows_from(dy, row),
            .x = rows_from(x, row),
            .in = in,
            .rows = count,
            .depth = panels_pad(kernels, count),
            .outputs = share_rows(out, working_threads(), kernels),
            .panels = room,
            .transposed = room_from(room, panels_elements(count, in) * kernels->element),
        };
        add_gradients(&part, out);
    }
}

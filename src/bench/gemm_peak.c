#include "bench/gemm_peak.h"

#include "base/machine.h"
#include "base/memory.h"
#include "base/min.h"
#include "math/gemm.h"
#include "math/panels.h"
#include "nn/parallel.h"

#include <omp.h>
#include <stdlib.h>

/* Each product is repeated at least for so long and so often; the best time counts. */
static const double MIN_SECONDS = 0.1;
enum { MIN_RUNS = 3 };

/* A linear layer's operands: y [rows, out] = x [rows, in] W^T, and dW += y^T x. */
struct operands {
    int rows, in, out;
    real *x, *weight, *y;
    const struct panel_kernels *kernels; /* not used by sgemm */
    void *left, *panels;
};

typedef void product(const struct operands *o);

/* Multiplies with rows of its own for each thread, like the parts of a micro-batch. */
static void forward_by_rows(const struct operands *o)
{
#pragma omp parallel
    {
        int threads = omp_get_num_threads(), thread = omp_get_thread_num();
        size_t first = (size_t)o->rows * (size_t)thread / (size_t)threads;
        size_t last = (size_t)o->rows * (size_t)(thread + 1) / (size_t)threads;
        gemm(o->y + first * (size_t)o->out, o->out,
             (struct matrix){o->x + first * (size_t)o->in, o->in, NO_TRANSPOSE},
             (struct matrix){o->weight, o->in, TRANSPOSE}, (int)(last - first), o->out, o->in, 1,
             0);
    }
}

static void forward_divided(const struct operands *o)
{
    gemm(o->y, o->out, (struct matrix){o->x, o->in, NO_TRANSPOSE},
         (struct matrix){o->weight, o->in, TRANSPOSE}, o->rows, o->out, o->in, 1, 0);
}

static void weight_gradient(const struct operands *o)
{
    gemm(o->weight, o->in, (struct matrix){o->y, o->out, TRANSPOSE},
         (struct matrix){o->x, o->in, NO_TRANSPOSE}, o->out, o->in, o->rows, 1, 0);
}

/* Does the same in panels, in so many rows at a time that their sums stay in the cache. */
static void forward_by_panels(const struct operands *o)
{
    const size_t ld = (size_t)padded(o->out), lda = (size_t)left_width(o->in);
    const int max =
        parallel_share(o->rows, omp_get_max_threads(), o->kernels->rows, PANELS_SHARE_ROWS);
#pragma omp parallel for schedule(static)
    for (int row = 0; row < o->rows; row += max) {
        const int count = min_int(max, o->rows - row);
        o->kernels->multiply(o->y + (size_t)omp_get_thread_num() * (size_t)max * ld, ld,
                             (struct addend){0},
                             (const char *)o->left + (size_t)row * lda * o->kernels->element, lda,
                             o->panels, count, o->out, o->in);
    }
}

static double best_seconds(product *run, const struct operands *o)
{
    double best = 0, total = 0;
    run(o); /* loads the operands into the caches and wakes the threads */
    for (int i = 0; i < MIN_RUNS || total < MIN_SECONDS; i++) {
        double begun = machine_seconds();
        run(o);
        double seconds = machine_seconds() - begun;
        total += seconds;
        best = i == 0 || seconds < best ? seconds : best;
    }
    return best;
}

static void fill(real *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        values[i] = (real)((double)(i % 251) / 251 - 0.5);
}

static void raise(double *peak, product *run, const struct operands *o)
{
    double rate = 2.0 * o->rows * o->in * o->out / best_seconds(run, o);
    *peak = rate > *peak ? rate : *peak;
}

/* Raises *peak to the best rate of a layer's products. The operands are zeros. */
static bool measure_panels(const struct panel_kernels *kernels, int rows, int in, int out,
                           double *peak, struct error *error)
{
    struct operands o = {.rows = rows, .in = in, .out = out, .kernels = kernels};
    size_t sums = (size_t)omp_get_max_threads() * (size_t)kernels->rows * (size_t)padded(out);
    o.left = allocate((size_t)rows * (size_t)left_width(in), kernels->element, error);
    o.panels = o.left ? allocate(panels_elements(in, out), kernels->element, error) : NULL;
    o.y = o.panels ? allocate(sums, sizeof(real), error) : NULL;
    bool done = o.y;
    if (done)
        raise(peak, forward_by_panels, &o);
    free(o.left);
    free(o.panels);
    free(o.y);
    return done;
}

static bool measure_gemm(int rows, int in, int out, double *peak, struct error *error)
{
    static product *const products[] = {forward_by_rows, forward_divided, weight_gradient};
    struct operands o = {.rows = rows, .in = in, .out = out};
    size_t x = (size_t)rows * (size_t)in, weight = (size_t)out * (size_t)in;
    o.x = allocate(x, sizeof(real), error);
    o.weight = o.x ? allocate(weight, sizeof(real), error) : NULL;
    o.y = o.weight ? allocate((size_t)rows * (size_t)out, sizeof(real), error) : NULL;
    bool done = o.y;
    if (done) {
        fill(o.x, x);
        fill(o.weight, weight);
    }
    for (size_t i = 0; done && i < sizeof products / sizeof *products; i++)
        raise(peak, products[i], &o);
    free(o.x);
    free(o.weight);
    free(o.y);
    return done;
}

static bool measure_layer(const struct panel_kernels *kernels, int rows, int in, int out,
                          double *peak, struct error *error)
{
    return kernels ? measure_panels(kernels, rows, in, out, peak, error)
                   : measure_gemm(rows, in, out, peak, error);
}

bool gemm_peak(bool use_bf16, const struct model_config *config, int tokens, int predicted,
               double *flops_per_second, struct error *error)
{
    const struct panel_kernels *kernels = panels_for(use_bf16);
    int width = config->hidden_size, inner = config->intermediate_size;
    double peak = 0;
    bool done = measure_layer(kernels, tokens, width, 3 * width, &peak, error) &&
                measure_layer(kernels, tokens, width, width, &peak, error) &&
                measure_layer(kernels, tokens, width, inner, &peak, error) &&
                measure_layer(kernels, tokens, inner, width, &peak, error) &&
                measure_layer(kernels, predicted, width, config->vocab_size, &peak, error);
    *flops_per_second = peak;
    return done;
}

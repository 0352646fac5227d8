#include "bench/gemm_peak.h"

#include "base/machine.h"
#include "base/memory.h"
#include "base/min.h"
#include "math/panels.h"
#include "nn/parallel.h"

#include <omp.h>
#include <stdlib.h>

/* Each product is repeated at least for so long and so often; the best time counts. */
static const double MIN_SECONDS = 0.1;
enum { MIN_RUNS = 3 };

/* A linear layer's product y [rows, out] = x [rows, in] B. Of y each thread has only as many rows
 * as it computes at a time, so that their sums stay in its cache. With OpenBLAS that is its whole
 * share. */
struct layer {
    const struct gemm_kernels *kernels;
    int rows, in, out;
    int share; /* rows that a thread computes at a time */
    void *x, *right;
    real *y;
};

static void multiply(const struct layer *layer)
{
    const struct gemm_kernels *kernels = layer->kernels;
    const struct operand x = {layer->x, (size_t)left_width(layer->in), false};
    const struct operand right = {layer->right, (size_t)panels_pad(kernels, layer->in), false};
    const size_t ld = (size_t)padded(layer->out);
#pragma omp parallel for schedule(static)
    for (int row = 0; row < layer->rows; row += layer->share)
        kernels->multiply(layer->y + (size_t)omp_get_thread_num() * (size_t)layer->share * ld, ld,
                          (struct addend){0}, operand_from(x, row, kernels->element), right,
                          min_int(layer->share, layer->rows - row), layer->out,
                          panels_pad(kernels, layer->in));
}

static double best_seconds(const struct layer *layer)
{
    double best = 0, total = 0;
    multiply(layer); /* loads the operands into the caches and wakes the threads */
    for (int i = 0; i < MIN_RUNS || total < MIN_SECONDS; i++) {
        double begun = machine_seconds();
        multiply(layer);
        double seconds = machine_seconds() - begun;
        total += seconds;
        best = i == 0 || seconds < best ? seconds : best;
    }
    return best;
}

/* Raises *peak to the rate of a layer's product. The operands are zeros. */
static bool measure(const struct gemm_kernels *kernels, int rows, int in, int out, double *peak,
                    struct error *error)
{
    const int threads = omp_get_max_threads();
    struct layer layer = {
        .kernels = kernels,
        .rows = rows,
        .in = in,
        .out = out,
        .share = parallel_share(rows, threads, kernels->rows, PANELS_SHARE_ROWS),
    };
    const size_t sums = (size_t)threads * (size_t)layer.share * (size_t)padded(out);
    layer.x = allocate((size_t)rows * (size_t)left_width(in), kernels->element, error);
    layer.right = layer.x ? allocate(panels_elements(in, out), kernels->element, error) : NULL;
    layer.y = layer.right ? allocate(sums, sizeof(real), error) : NULL;
    const bool done = layer.y;
    if (done) {
        const double rate = 2.0 * rows * in * out / best_seconds(&layer);
        *peak = rate > *peak ? rate : *peak;
    }
    free(layer.x);
    free(layer.right);
    free(layer.y);
    return done;
}

bool gemm_peak(bool use_bf16, const struct model_config *config, int tokens, int predicted,
               double *flops_per_second, struct error *error)
{
    const struct gemm_kernels *kernels = gemm_for(use_bf16);
    int width = config->hidden_size, inner = config->intermediate_size;
    double peak = 0;
    bool done = measure(kernels, tokens, width, 3 * width, &peak, error) &&
                measure(kernels, tokens, width, width, &peak, error) &&
                measure(kernels, tokens, width, inner, &peak, error) &&
                measure(kernels, tokens, inner, width, &peak, error) &&
                measure(kernels, predicted, width, config->vocab_size, &peak, error);
    *flops_per_second = peak;
    return done;
}

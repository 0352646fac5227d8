#include "optim/adam.h"

#include "base/error.h"
#include "base/min.h"
#include "math/vectorized.h"

#include <float.h>
#include <string.h>
#include <tgmath.h>

/* Number of elements that a thread updates at a time. In float the block of the four arrays is 256
 * KiB, which stays in the second-level cache until the gradients are cleared. */
enum { BLOCK = 16384 };

/* The constants of the formulas in the header, computed once for each update. */
struct constants {
    real gradient_scale;
    real beta1_rest;        /* 1 - beta1 */
    real beta2, beta2_rest; /* 1 - beta2 */
    real correction2_root;  /* sqrt(c2) */
    real epsilon;
    double step_size; /* lr / c1 */
    double decay;     /* lr * weight_decay */
};

static struct constants update_constants(const struct adam *adam, const struct adam_update *update)
{
    double correction1 = 1, correction2 = 1;
    if (adam->bias_correction) {
        correction1 = 1 - pow(adam->beta1, (double)update->step);
        correction2 = 1 - pow(adam->beta2, (double)update->step);
    }
    return (struct constants){
        .gradient_scale = (real)update->gradient_scale,
        .beta1_rest = (real)(1 - adam->beta1),
        .beta2 = (real)adam->beta2,
        .beta2_rest = (real)(1 - adam->beta2),
        .correction2_root = (real)sqrt(correction2),
        .epsilon = (real)fmax(adam->epsilon, FLT_MIN), /* not 0 as a float */
        .step_size = update->learning_rate / correction1,
        .decay = update->learning_rate * adam->weight_decay,
    };
}

VECTORIZED
static void update_elements(real *restrict value, const real *restrict gradient,
                            real *restrict first_moment, real *restrict second_moment, size_t count,
                            const struct constants *constants, real step_size, real decay)
{
    const struct constants k = *constants;
    for (size_t i = 0; i < count; i++) {
        real g = k.gradient_scale * gradient[i];
        real m = first_moment[i] + k.beta1_rest * (g - first_moment[i]);
        real v = k.beta2 * second_moment[i] + k.beta2_rest * g * g;
        real denominator = sqrt(v) / k.correction2_root + k.epsilon;
        value[i] = decay * value[i] - step_size * m / denominator;
        first_moment[i] = m;
        second_moment[i] = v;
    }
}

/* Returns the index of the first tensor that ends after the offset, or table->count. */
static int tensor_after(const struct parameter_table *table, size_t offset)
{
    int low = 0, high = table->count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        const struct parameter *parameter = &table->list[middle];
        if (parameter->offset + parameter_elements(parameter) > offset)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Updates the elements of all tensors within [begin, end) of the block. */
static void update_block(const struct adam *adam, real *values, real *gradients,
                         const struct parameter_table *table, const struct constants *constants,
                         size_t begin, size_t end)
{
    for (int i = tensor_after(table, begin); i < table->count; i++) {
        const struct parameter *parameter = &table->list[i];
        size_t first = parameter->offset > begin ? parameter->offset : begin;
        size_t last = parameter->offset + parameter_elements(parameter) - parameter->spare;
        if (first >= end)
            break;
        last = min_size(last, end);
        if (first >= last || parameter_is_frozen(parameter, adam->frozen_layers))
            continue;
        double rate = pow(adam->layer_decay, parameter_layers_above(table, parameter));
        double decay = parameter->kind == PARAMETER_MATRIX ? rate * constants->decay : 0;
        update_elements(values + first, gradients + first, adam->first_moment + first,
                        adam->second_moment + first, last - first, constants,
                        (real)(rate * constants->step_size), (real)(1 - decay));
    }
}

void adam_step(const struct adam *adam, real *values, real *gradients,
               const struct parameter_table *table, struct element_range range,
               struct adam_update update)
{
    CHECK(update.step >= 1 && range.begin <= range.end && range.end <= table->total);
    const struct constants constants = update_constants(adam, &update);
#pragma omp parallel for schedule(static)
    for (size_t begin = range.begin; begin < range.end; begin += BLOCK) {
        size_t end = begin + min_size(range.end - begin, BLOCK);
        update_block(adam, values, gradients, table, &constants, begin, end);
        if (update.clear_gradients)
            memset(gradients + begin, 0, (end - begin) * sizeof *gradients);
    }
}

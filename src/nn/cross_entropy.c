#include "nn/cross_entropy.h"

#include "base/error.h"
#include "base/min.h"
#include "math/vectorized.h"
#include "nn/parallel.h"
#include "nn/softmax.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

/* True if any logit in [first, end) beats the label's logit: one before the label that is not below
 * it, or one from the label on that is above it; NaN beats every logit. There is no branch, so that
 * the loops vectorize. */
VECTORIZED static bool is_surpassed(const real *logits, int first, int end, int32_t label)
{
    const real value = logits[label];
    const int turn = label < first ? first : label > end ? end : label;
    int surpassing = 0;
#pragma omp simd reduction(+ : surpassing)
    for (int i = first; i < turn; i++)
        surpassing += !(logits[i] < value);
#pragma omp simd reduction(+ : surpassing)
    for (int i = turn; i < end; i++)
        surpassing += !(logits[i] <= value);
    return surpassing > 0;
}

/* True if the label is the argmax, the first of equal logits. False if any logit is NaN. */
static bool is_first_largest(const real *logits, int32_t label, int classes)
{
    enum { CHUNK = 512 }; /* most labels are surpassed early on */
    bool largest = true;
    for (int first = 0; largest && first < classes; first += CHUNK)
        largest = !is_surpassed(logits, first, first + min_int(CHUNK, classes - first), label);
    return largest;
}

/* Returns the loss of one row of logits that has a label. */
static real row_loss_of(const real *logits, int32_t label, int classes)
{
    const struct softmax_sum sum = softmax_sum(logits, classes);
    return (real)log((double)sum.sum) + (sum.max - logits[label]);
}

/* Returns the same and replaces the logits by the gradient with respect to them. */
static real row_gradient(real *logits, int32_t label, int classes, real scale)
{
    const real label_logit = logits[label];
    const struct softmax_sum sum = softmax_row(logits, logits, classes, scale);
    logits[label] -= scale;
    return (real)log((double)sum.sum) + (sum.max - label_logit);
}

/* dlogits NULL: not wanted. */
static void all_rows(struct loss_sums *sums, real *row_loss, const struct rows *dlogits,
                     struct rows logits, const int32_t *labels, int rows, int classes, real scale)
{
    const size_t width = (size_t)logits.width, elements = (size_t)rows * width;
    int64_t count = 0, correct = 0;
    CHECK(logits.reals || rows == 0);
#pragma omp parallel for schedule(static) reduction(+ : count, correct)                            \
    if (elements > PARALLEL_ELEMENTS)
    for (int row = 0; row < rows; row++) {
        real *values = logits.reals + (size_t)row * width;
        const int32_t label = labels[row];
        CHECK(label < classes);
        row_loss[row] = 0;
        if (label >= 0) {
            count++;
            correct += is_first_largest(values, label, classes);
            row_loss[row] = dlogits ? row_gradient(values, label, classes, scale)
                                    : row_loss_of(values, label, classes);
        }
        if (dlogits) {
            const size_t kept = label >= 0 ? (size_t)classes : 0;
            memset(values + kept, 0, (width - kept) * sizeof(real));
            rows_write(dlogits, (struct row_span){row, 0, logits.width}, values);
        }
    }
    for (int row = 0; row < rows; row++) {
        double loss = (double)row_loss[row];
        sums->loss += loss;
        sums->loss_squares += loss * loss;
    }
    sums->count += count;
    sums->correct += correct;
}

void cross_entropy_forward(struct loss_sums *sums, real *row_loss, struct rows logits,
                           const int32_t *labels, int rows, int classes)
{
    all_rows(sums, row_loss, NULL, logits, labels, rows, classes, 1);
}

void cross_entropy_backward(struct loss_sums *sums, real *row_loss, struct rows dlogits,
                            struct rows logits, const int32_t *labels, int rows, int classes,
                            real scale)
{
    CHECK(dlogits.width == logits.width && (dlogits.bf16 || dlogits.reals == logits.reals));
    all_rows(sums, row_loss, &dlogits, logits, labels, rows, classes, scale);
}

void softmax(real *probabilities, const real *logits, int rows, int classes)
{
    const size_t elements = (size_t)rows * (size_t)classes;
#pragma omp parallel for schedule(static) if (elements > PARALLEL_ELEMENTS)
    for (int row = 0; row < rows; row++) {
        const size_t at = (size_t)row * (size_t)classes;
        softmax_row(probabilities + at, logits + at, classes, 1);
    }
}

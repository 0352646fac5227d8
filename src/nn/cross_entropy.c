#include "nn/cross_entropy.h"

#include "base/error.h"
#include "nn/parallel.h"
#include "nn/softmax.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

/* Whether the label's logit is above all before it and below none after it. Never beside a NaN. */
static bool is_first_largest(const real *logits, int32_t label, int classes)
{
    for (int32_t i = 0; i < label; i++) {
        if (!(logits[i] < logits[label]))
            return false;
    }
    for (int32_t i = label; i < classes; i++) {
        if (!(logits[i] <= logits[label]))
            return false;
    }
    return true;
}

/* Returns the loss of one row with a label. dlogits [classes] out, may be logits itself; NULL: not
 * wanted. */
static real row_loss_of(real *dlogits, const real *logits, int32_t label, int classes, real scale)
{
    const real label_logit = logits[label];
    struct softmax_sum sum;
    if (dlogits) {
        sum = softmax_row(dlogits, logits, classes, scale);
        dlogits[label] -= scale;
    } else {
        sum = softmax_sum(logits, classes);
    }
    return (real)log((double)sum.sum) + (sum.max - label_logit);
}

static void clear_row(real *row, int classes)
{
    for (int i = 0; i < classes; i++)
        row[i] = 0;
}

static void all_rows(struct cross_entropy *sums, real *row_loss, real *dlogits, const real *logits,
                     const int32_t *labels, int rows, int classes, real scale)
{
    const size_t elements = (size_t)rows * (size_t)classes;
    int64_t count = 0, correct = 0;
    CHECK(logits || rows == 0);
#pragma omp parallel for schedule(static) reduction(+ : count, correct)                            \
    if (elements > PARALLEL_ELEMENTS)
    for (int row = 0; row < rows; row++) {
        const size_t at = (size_t)row * (size_t)classes;
        real *drow = dlogits ? dlogits + at : NULL;
        CHECK(labels[row] < classes);
        row_loss[row] = 0;
        if (labels[row] >= 0) {
            count++;
            correct += is_first_largest(logits + at, labels[row], classes);
            row_loss[row] = row_loss_of(drow, logits + at, labels[row], classes, scale);
        } else if (drow) {
            clear_row(drow, classes);
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

void cross_entropy_forward(struct cross_entropy *sums, real *row_loss, const real *logits,
                           const int32_t *labels, int rows, int classes)
{
    all_rows(sums, row_loss, NULL, logits, labels, rows, classes, 1);
}

void cross_entropy_backward(struct cross_entropy *sums, real *row_loss, real *logits,
                            const int32_t *labels, int rows, int classes, real scale)
{
    all_rows(sums, row_loss, logits, logits, labels, rows, classes, scale);
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

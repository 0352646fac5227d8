#include "nn/squared_error.h"

static void add_row(struct loss_sums *sums, real y, float target)
{
    const double difference = (double)y - (double)target, loss = difference * difference;
    sums->loss += loss;
    sums->loss_squares += loss * loss;
    sums->count++;
}

void squared_error_forward(struct loss_sums *sums, const real *y, const float *targets,
                           const int32_t *labels, int rows)
{
    for (int row = 0; row < rows; row++)
        if (labels[row] >= 0)
            add_row(sums, y[row], targets[row]);
}

void squared_error_backward(struct loss_sums *sums, real *dy, const real *y, const float *targets,
                            const int32_t *labels, int rows, real scale)
{
    squared_error_forward(sums, y, targets, labels, rows);
    for (int row = 0; row < rows; row++)
        dy[row] = labels[row] >= 0 ? 2 * (y[row] - (real)targets[row]) * scale : 0;
}

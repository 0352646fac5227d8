#include "math/bf16.h"

#include "math/vectorized.h"

VECTORIZED static void round_all(bf16 *restrict y, const real *restrict x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        y[i] = bf16_from_float((float)x[i]);
}

VECTORIZED static void widen_all(real *restrict y, const bf16 *restrict x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        y[i] = (real)bf16_to_float(x[i]);
}

void bf16_round(bf16 *y, const real *x, size_t count)
{
    round_all(y, x, count);
}

void bf16_widen(real *y, const bf16 *x, size_t count)
{
    widen_all(y, x, count);
}

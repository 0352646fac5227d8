#include "support/bf16_arrays.h"

#include "base/memory.h"
#include "math/panels.h"
#include "support/real_arrays.h"
#include "support/skipping.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void require_bf16(void)
{
    if (!gemm_bf16())
        skip_test("%s", panels_bf16_missing());
}

bf16 *nan_bf16(size_t count)
{
    struct error error;
    bf16 *values = allocate(count, sizeof *values, &error);
    CHECK(values);
    memset(values, 0xFF, count * sizeof *values);
    return values;
}

bf16 *rounded_copy(const real *values, size_t count)
{
    bf16 *rounded = nan_bf16(count);
    bf16_round(rounded, values, count);
    return rounded;
}

real *widened_copy(const bf16 *values, size_t count)
{
    real *wide = zero_reals(count);
    bf16_widen(wide, values, count);
    return wide;
}

bf16 *random_bf16(size_t count, uint32_t item, double scale)
{
    real *values = random_reals(count, item, scale);
    bf16 *rounded = rounded_copy(values, count);
    free(values);
    return rounded;
}

void assert_bf16_identical(const bf16 *actual, const bf16 *expected, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (actual[i] != expected[i])
            fail_msg("element %zu is %04x (%g); expected exactly %04x (%g)", i, actual[i],
                     (double)bf16_to_float(actual[i]), expected[i],
                     (double)bf16_to_float(expected[i]));
    }
}

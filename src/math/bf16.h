/* bf16 is the upper half of a float: 8 bits of exponent, 8 of precision. Rounding is to nearest,
 * ties to even; NaN stays NaN. */
#ifndef CLOZE_MATH_BF16_H
#define CLOZE_MATH_BF16_H

#include "math/real.h"

#include <stddef.h>
#include <stdint.h>

typedef uint16_t bf16;

static inline float bf16_to_float(bf16 value)
{
    union {
        uint32_t bits;
        float value;
    } wide = {(uint32_t)value << 16};
    return wide.value;
}

static inline bf16 bf16_from_float(float value)
{
    union {
        float value;
        uint32_t bits;
    } wide = {value};
    uint32_t rounded = wide.bits + 0x7FFF + (wide.bits >> 16 & 1);
    return (bf16)((wide.bits & 0x7FFFFFFF) > 0x7F800000 ? wide.bits >> 16 | 0x40 : rounded >> 16);
}

/* y [count] = x [count], on the calling thread. x and y must not overlap. */
void bf16_round(bf16 *y, const real *x, size_t count);
void bf16_widen(real *y, const bf16 *x, size_t count);

#endif

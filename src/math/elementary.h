/* exp, erf and tanh of a `real`, written so that loops over them vectorize: without branches,
 * tables and calls. In the build with a double `real` they are libm's.
 *
 * The polynomials are minimax fits made for this file (weighted least squares with Lawson's
 * reweighting, in 40 digits, then rounded to float). Their own error is below 4e-9, so that
 * rounding decides. Largest errors found in 130 million floats over the whole range, in units in
 * the last place of the result, without | with fused multiply-add:
 *
 *     real_exp    1.0 | 1.0    0, subnormal results and infinity where they belong
 *     real_erf    1.3 | 1.2
 *     real_tanh   1.4 | 1.4
 *
 * NaN gives NaN; erf and tanh keep the sign of zero. */
#ifndef CLOZE_MATH_ELEMENTARY_H
#define CLOZE_MATH_ELEMENTARY_H

#include "math/real.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#if CLOZE_DOUBLE

static inline real real_exp(real x)
{
    return exp(x);
}

static inline real real_erf(real x)
{
    return erf(x);
}

static inline real real_tanh(real x)
{
    return tanh(x);
}

#else

/* 2^n, -126 <= n <= 127. */
static inline float elementary_power_of_two(int32_t n)
{
    uint32_t bits = (uint32_t)(n + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return power;
}

/* e^x = 2^n e^r with n the integer nearest to x / ln 2 and |r| <= ln 2 / 2. */
static inline real real_exp(real x)
{
    /* Beyond these the result is 0 and infinity anyway. Written so that NaN passes. */
    x = x < -104.0f ? -104.0f : x;
    x = x > 89.0f ? 89.0f : x;

    /* At 1.5 * 2^23 floats are the integers: adding it rounds, and leaves n in the low bits. */
    const float integers = 0x1.8p23f;
    float shifted = x * 1.44269502f + integers;
    float n = shifted - integers;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    int32_t exponent = (int32_t)(bits - 0x4B400000u);

    /* ln 2 in two parts, the first so short that its product with n is exact. */
    float r = x - n * 0x1.62e4p-1f - n * 1.42860677e-6f;
    float p = 0.001381313544698f;
    p = p * r + 0.008369419723749f;
    p = p * r + 0.041668456047773f;
    p = p * r + 0.166665151715279f;
    p = p * r + 0.499999940395355f;
    p = 1.0f + (r + r * r * p);

    /* In two steps: 2^128 and 2^-150, on the way to infinity and to subnormals, are no floats. */
    int32_t half = exponent / 2;
    return p * elementary_power_of_two(half) * elementary_power_of_two(exponent - half);
}

/* |x| < 1: x + x P(x^2); beyond: 1 - e^-Q(|x|), which is 1 from 3.92 on. */
static inline real real_erf(real x)
{
    float a = fabsf(x);
    float t = x * x;
    float p = 7.853846909711e-5f;
    p = p * t - 0.000801018904895f;
    p = p * t + 0.005188327282667f;
    p = p * t - 0.026853810995817f;
    p = p * t + 0.112835854291916f;
    p = p * t - 0.376126259565353f;
    p = p * t + 0.128379166126251f;

    float b = a > 4.0f ? 4.0f : a;
    float q = -0.000185577533557f;
    q = q * b + 0.002939641010016f;
    q = q * b - 0.021805448457599f;
    q = q * b + 0.103037633001804f;
    q = q * b + 0.638225376605987f;
    q = q * b + 1.127040266990662f;
    q = q * b + 0.000353677402018f;
    return copysignf(a < 1.0f ? a + a * p : 1.0f - real_exp(-q), x);
}

/* |x| < 9/16: x + x^3 P(x^2); beyond: 1 - 2 / (e^2|x| + 1). */
static inline real real_tanh(real x)
{
    float a = fabsf(x);
    float t = x * x;
    float p = -0.006179788149893f;
    p = p * t + 0.021007440984249f;
    p = p * t - 0.053837426006794f;
    p = p * t + 0.133324518799782f;
    p = p * t - 0.333333134651184f;
    float tail = 1.0f - 2.0f / (real_exp(2.0f * a) + 1.0f);
    return copysignf(a < 0.5625f ? a + a * (t * p) : tail, x);
}

#endif

#endif

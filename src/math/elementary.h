/* exp, tanh and the normal distribution of a `real`. They have no branches, tables and calls, so
 * that loops over them vectorize. In the build with a double `real` they are libm's.
 *
 * The polynomials are minimax fits made for this file (weighted least squares with Lawson's
 * reweighting, in 40 digits, then rounded to float). Their own error is below 5e-9, so that
 * rounding dominates. These are the largest errors found in 130 million floats over the whole
 * range, in units in the last place of the result, without | with fused multiply-add:
 *
 *     real_exp          1.0 | 1.0    with correct zeros, subnormal results and infinity
 *     real_exp_decay    1.0 | 1.0    down to e^-84, then 0
 *     real_tanh         1.4 | 1.4
 *
 * The absolute error of real_normal_cdf is at most 9e-8. NaN gives NaN; tanh keeps the sign of
 * zero. */
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

static inline real real_exp_decay(real x)
{
    return exp(x);
}

static inline real real_normal_cdf(real x, real decay)
{
    (void)decay;
    return 0.5 * erfc(-x * 0.70710678118654752440);
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
struct elementary_exp {
    float fraction;   /* e^r */
    int32_t exponent; /* n */
};

static inline struct elementary_exp elementary_exp(float x)
{
    /* Near 1.5 * 2^23 the floats are the integers: adding it rounds, and leaves n in the low
     * bits. */
    const float integers = 0x1.8p23f;
    float shifted = x * 1.44269502f + integers;
    float n = shifted - integers;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);

    /* ln 2 is subtracted in two parts; the first is so short that its product with n is exact. */
    float r = x - n * 0x1.62e4p-1f - n * 1.42860677e-6f;
    float p = 0.001381313544698f;
    p = p * r + 0.008369419723749f;
    p = p * r + 0.041668456047773f;
    p = p * r + 0.166665151715279f;
    p = p * r + 0.499999940395355f;
    return (struct elementary_exp){1.0f + (r + r * r * p), (int32_t)(bits - 0x4B400000u)};
}

static inline real real_exp(real x)
{
    /* Beyond these bounds the result is 0 or infinity. The comparisons let NaN pass. */
    x = x < -104.0f ? -104.0f : x;
    x = x > 89.0f ? 89.0f : x;
    const struct elementary_exp e = elementary_exp(x);
    /* Scales in two steps, because 2^128 and 2^-150, needed for infinity and subnormal results, are
     * not floats. */
    int32_t half = e.exponent / 2;
    return e.fraction * elementary_power_of_two(half) * elementary_power_of_two(e.exponent - half);
}

/* e^x for x <= 0, in two thirds of the time of real_exp. Results below e^-84 are 0, so that
 * products with them do not become subnormal. */
static inline real real_exp_decay(real x)
{
    const struct elementary_exp e = elementary_exp(x < -84.0f ? -84.0f : x);
    const float power = e.fraction * elementary_power_of_two(e.exponent);
    return x < -84.0f ? 0 : power;
}

/* The probability that a standard normal variable is below x. decay = e^(-x^2 / 2), to which the
 * density is proportional. The probability of -|x| is decay P(|x|), where P is a fit of Mills'
 * ratio weighted by decay, which makes errors of P beyond 5.8 vanish. */
static inline real real_normal_cdf(real x, real decay)
{
    float a = fabsf(x);
    a = a > 5.8f ? 5.8f : a;
    float p = 5.853350755888e-8f;
    p = p * a - 1.603670778212e-6f;
    p = p * a + 1.989310769200e-5f;
    p = p * a - 0.0001497916433196f;
    p = p * a + 0.0007796758305461f;
    p = p * a - 0.003055353457189f;
    p = p * a + 0.009659802296772f;
    p = p * a - 0.02606917567590f;
    p = p * a + 0.06226238816708f;
    p = p * a - 0.1329168973533f;
    p = p * a + 0.2499911021956f;
    p = p * a - 0.3989417950025f;
    p = p * a + 0.4999999956208f;
    p = p * decay;
    return x > 0 ? 1 - p : p;
}

/* x + x^3 P(x^2) where |x| < 9/16; elsewhere 1 - 2 / (e^2|x| + 1) with the sign of x. */
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

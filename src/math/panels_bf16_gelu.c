/* GELU between products of bf16 operands, rounded where it is computed. The polynomials are those
 * of math/elementary.h except that of e^x. */
#include "math/panels_bf16.h"
#include "math/vector512.h"

enum { BOTH = 2 * LANES }; /* the numbers that are computed at a time: the bf16 of a vector */

_Static_assert((int)BOTH == (int)BF16_DEPTH, "count is what struct gemm_kernels promises");

/* Rounds and stores 2 * LANES numbers, past the caches if `streamed`. The instruction takes
 * subnormal numbers as 0. */
static inline __attribute__((always_inline)) void store_rounded(bf16 *y, floats low, floats high,
                                                                const bool streamed)
{
    const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(high, low);
    if (streamed)
        _mm512_stream_si512((__m512i *)y, both);
    else
        _mm512_storeu_si512(y, both);
}

/* True if both begin with a line of the cache, as whatever is streamed must. */
static bool begin_lines(const bf16 *x, const bf16 *y)
{
    return ((uintptr_t)x | (uintptr_t)y) % sizeof(__m512i) == 0;
}

static inline floats widened(const bf16 *x)
{
    const __m512i words = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)x));
    return _mm512_castsi512_ps(_mm512_slli_epi32(words, 16));
}

/* c[0] + c[1] x + .. + c[degree] x^degree */
static inline __attribute__((always_inline)) floats polynomial(floats x, const float *c,
                                                               const int degree)
{
    floats y = all_equal(c[degree]);
    UNROLL_ALL(16)
    for (int i = degree - 1; i >= 0; i--)
        y = add_product(all_equal(c[i]), y, x);
    return y;
}

/* e^(-x^2 / 2) = 2^n 2^f with |f| <= 1/2; 0 below e^-84, as in real_exp_decay(). 2^f = e^(f ln 2)
 * is computed by its series up to f^6, whose remainder is 1.2e-7. */
static inline floats decay_of(floats x)
{
    static const float powers[] = {1.0F,           0.693147181F,   0.240226507F,   0.0555041087F,
                                   0.00961812911F, 0.00133335581F, 0.000154035304F};
    const floats exponent = _mm512_mul_ps(_mm512_mul_ps(x, x), all_equal(-0.5F));
    const floats binary = _mm512_mul_ps(exponent, all_equal(1.44269502F));
    const floats n = _mm512_roundscale_ps(binary, _MM_FROUND_TO_NEAREST_INT);
    const floats power = polynomial(_mm512_sub_ps(binary, n), powers, 6);
    const __mmask16 kept = _mm512_cmp_ps_mask(exponent, all_equal(-84.0F), _CMP_GE_OQ);
    return _mm512_maskz_scalef_ps(kept, power, n);
}

/* real_normal_cdf() for vectors. */
static inline floats cumulative_of(floats x, floats decay)
{
    static const float ratio[] = {0.4999999956208F,     -0.3989417950025F,   0.2499911021956F,
                                  -0.1329168973533F,    0.06226238816708F,   -0.02606917567590F,
                                  0.009659802296772F,   -0.003055353457189F, 0.0007796758305461F,
                                  -0.0001497916433196F, 1.989310769200e-5F,  -1.603670778212e-6F,
                                  5.853350755888e-8F};
    const floats a = _mm512_min_ps(_mm512_abs_ps(x), all_equal(5.8F));
    const floats below = _mm512_mul_ps(polynomial(a, ratio, 12), decay);
    const __mmask16 positive = _mm512_cmp_ps_mask(x, zeros(), _CMP_GT_OQ);
    return _mm512_mask_sub_ps(below, positive, all_equal(1.0F), below);
}

static inline floats gelu(floats x)
{
    return _mm512_mul_ps(x, cumulative_of(x, decay_of(x)));
}

static inline __attribute__((always_inline)) void forward(bf16 *input, bf16 *output, const real *x,
                                                          size_t count, const bool streamed)
{
    for (size_t i = 0; i < count; i += BOTH) {
        const floats low = _mm512_loadu_ps(x + i), high = _mm512_loadu_ps(x + i + LANES);
        store_rounded(input + i, low, high, streamed);
        store_rounded(output + i, gelu(low), gelu(high), streamed);
    }
}

void panels_bf16_gelu(bf16 *input, bf16 *output, const real *x, size_t count)
{
    forward(input, output, x, count, false);
}

void panels_bf16_gelu_streamed(bf16 *input, bf16 *output, const real *x, size_t count)
{
    if (!begin_lines(input, output)) {
        panels_bf16_gelu(input, output, x, count);
        return;
    }
    forward(input, output, x, count, true);
}

struct slope {
    floats value, slope; /* GELU(x), GELU'(x) = Phi(x) + x phi(x) */
};

static inline struct slope slope_of(floats x)
{
    const floats decay = decay_of(x), cumulative = cumulative_of(x, decay);
    const floats density = _mm512_mul_ps(decay, all_equal(0.39894228F)); /* 1 / sqrt(2 pi) */
    return (struct slope){_mm512_mul_ps(x, cumulative), add_product(cumulative, x, density)};
}

static inline __attribute__((always_inline)) void backward(bf16 *gradient, bf16 *output,
                                                           const real *dy, const bf16 *input,
                                                           size_t count, const bool streamed)
{
    for (size_t i = 0; i < count; i += BOTH) {
        const struct slope low = slope_of(widened(input + i));
        const struct slope high = slope_of(widened(input + i + LANES));
        store_rounded(output + i, low.value, high.value, streamed);
        store_rounded(gradient + i, _mm512_mul_ps(_mm512_loadu_ps(dy + i), low.slope),
                      _mm512_mul_ps(_mm512_loadu_ps(dy + i + LANES), high.slope), streamed);
    }
}

void panels_bf16_gelu_gradient(bf16 *gradient, bf16 *output, const real *dy, const bf16 *input,
                               size_t count)
{
    backward(gradient, output, dy, input, count, false);
}

void panels_bf16_gelu_gradient_streamed(bf16 *gradient, bf16 *output, const real *dy,
                                        const bf16 *input, size_t count)
{
    if (!begin_lines(gradient, output)) {
        panels_bf16_gelu_gradient(gradient, output, dy, input, count);
        return;
    }
    backward(gradient, output, dy, input, count, true);
}

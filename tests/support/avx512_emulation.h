/* Emulates vectors of AVX-512 by arrays, to test the code that uses them on processors without
 * AVX-512. Include it before a file that uses the intrinsics of math/vector512.h: it replaces them
 * by functions that do what Intel's manual, volume 2, says. */
#ifndef CLOZE_TESTS_SUPPORT_AVX512_EMULATION_H
#define CLOZE_TESTS_SUPPORT_AVX512_EMULATION_H

#include <immintrin.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { EMULATED_WORDS = 16, EMULATED_LANES = 4 };

struct emulated_floats {
    float at[EMULATED_WORDS];
};

/* Each 128-bit lane has four words. */
struct emulated_words {
    uint32_t at[EMULATED_LANES][4];
};

static inline struct emulated_floats emulated_set1_ps(float x)
{
    struct emulated_floats y;
    for (int i = 0; i < EMULATED_WORDS; i++)
        y.at[i] = x;
    return y;
}

static inline struct emulated_floats emulated_setzero_ps(void)
{
    return emulated_set1_ps(0);
}

static inline struct emulated_floats emulated_add_ps(struct emulated_floats a,
                                                     struct emulated_floats b)
{
    for (int i = 0; i < EMULATED_WORDS; i++)
        a.at[i] += b.at[i];
    return a;
}

static inline struct emulated_floats
emulated_fmadd_ps(struct emulated_floats a, struct emulated_floats b, struct emulated_floats c)
{
    for (int i = 0; i < EMULATED_WORDS; i++)
        c.at[i] = fmaf(a.at[i], b.at[i], c.at[i]);
    return c;
}

static inline struct emulated_floats emulated_maskz_loadu_ps(__mmask16 mask, const float *x)
{
    struct emulated_floats y = emulated_setzero_ps();
    for (int i = 0; i < EMULATED_WORDS; i++)
        if (mask >> i & 1)
            y.at[i] = x[i];
    return y;
}

static inline struct emulated_floats emulated_loadu_ps(const float *x)
{
    return emulated_maskz_loadu_ps(0xFFFF, x);
}

static inline void emulated_mask_storeu_ps(float *y, __mmask16 mask, struct emulated_floats x)
{
    for (int i = 0; i < EMULATED_WORDS; i++)
        if (mask >> i & 1)
            y[i] = x.at[i];
}

static inline void emulated_storeu_ps(float *y, struct emulated_floats x)
{
    emulated_mask_storeu_ps(y, 0xFFFF, x);
}

static inline struct emulated_words emulated_castps_si512(struct emulated_floats x)
{
    struct emulated_words y;
    memcpy(&y, &x, sizeof y);
    return y;
}

static inline struct emulated_floats emulated_castsi512_ps(struct emulated_words x)
{
    struct emulated_floats y;
    memcpy(&y, &x, sizeof y);
    return y;
}

/* Interleaves groups of `size` words of a and b in each lane, from word `first` on. */
static inline struct emulated_words emulated_unpack(struct emulated_words a,
                                                    struct emulated_words b, int first, int size)
{
    struct emulated_words y;
    for (int lane = 0; lane < EMULATED_LANES; lane++)
        for (int i = 0; i < 4; i++) {
            const int group = i / size, word = first + group / 2 * size + i % size;
            y.at[lane][i] = group % 2 ? b.at[lane][word] : a.at[lane][word];
        }
    return y;
}

/* Returns two lanes of a, then two of b; two bits of `lanes` choose each lane. */
static inline struct emulated_words emulated_shuffle_i32x4(struct emulated_words a,
                                                           struct emulated_words b, unsigned lanes)
{
    struct emulated_words y;
    for (unsigned lane = 0; lane < EMULATED_LANES; lane++)
        memcpy(y.at[lane], (lane < 2 ? &a : &b)->at[lanes >> 2 * lane & 3], sizeof y.at[lane]);
    return y;
}

#define __m512                      struct emulated_floats
#define __m512i                     struct emulated_words
#define _mm512_set1_ps              emulated_set1_ps
#define _mm512_setzero_ps           emulated_setzero_ps
#define _mm512_add_ps               emulated_add_ps
#define _mm512_fmadd_ps             emulated_fmadd_ps
#define _mm512_loadu_ps             emulated_loadu_ps
#define _mm512_maskz_loadu_ps       emulated_maskz_loadu_ps
#define _mm512_storeu_ps            emulated_storeu_ps
#define _mm512_mask_storeu_ps       emulated_mask_storeu_ps
#define _mm512_castps_si512         emulated_castps_si512
#define _mm512_castsi512_ps         emulated_castsi512_ps
#define _mm512_unpacklo_epi32(a, b) emulated_unpack(a, b, 0, 1)
#define _mm512_unpackhi_epi32(a, b) emulated_unpack(a, b, 2, 1)
#define _mm512_unpacklo_epi64(a, b) emulated_unpack(a, b, 0, 2)
#define _mm512_unpackhi_epi64(a, b) emulated_unpack(a, b, 2, 2)
#undef _mm512_shuffle_i32x4 /* a macro already, of some compilers */
#define _mm512_shuffle_i32x4(a, b, by) emulated_shuffle_i32x4(a, b, by)

#endif

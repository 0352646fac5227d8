#include "math/panels_bf16.h"
#include "math/prefetch.h"
#include "math/vector512.h"

enum { PAIRS = BF16_DEPTH / 2 }; /* of depths; as many as a panel has columns, a vector has words */

/* A panel's elements of one pair of depths. */
static const size_t PAIR_ROW = (size_t)2 * PANEL_COLUMNS;

/* 16 elements of each of two neighbouring rows, side by side; the second row may be missing. */
static inline __m512i pair_rows(const bf16 *first, const bf16 *second, __mmask16 columns)
{
    __m512i low = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(columns, first));
    if (!second)
        return low;
    __m512i high = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(columns, second));
    return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

/* Rows k and k + 1 of x, of which there are `count`, in 16 columns. */
static inline __m512i pair_at(const bf16 *x, size_t ld, int k, int count, __mmask16 columns)
{
    if (k >= count)
        return _mm512_setzero_si512();
    const bf16 *first = x + (size_t)k * ld;
    return pair_rows(first, k + 1 < count ? first + ld : NULL, columns);
}

void panels_bf16_pack(void *right, const void *x, size_t ld, int depth, int columns)
{
    bf16 *out = right;
    for (int column = 0; column < columns; column += PANEL_COLUMNS) {
        const __mmask16 mask = first_words(columns - column);
        for (int k = 0; k < padded(depth); k += 2, out += PAIR_ROW)
            _mm512_storeu_si512(out, pair_at((const bf16 *)x + column, ld, k, depth, mask));
    }
}

/* 16 rows of x, of which there are `count`, 32 elements each from `x` on, of which there are
 * `depth`. */
static inline void load_words(__m512i words[16], const bf16 *x, size_t ld, int count, int depth)
{
    const __mmask32 mask =
        depth >= BF16_DEPTH ? 0xFFFFFFFFU : (1U << (unsigned)depth) - 1; /* depth > 0 */
    for (int i = 0; i < 16; i++)
        words[i] =
            i < count ? _mm512_maskz_loadu_epi16(mask, x + (size_t)i * ld) : _mm512_setzero_si512();
}

/* One panel of the transpose of X [columns, depth], columns <= 16. */
static void pack_panel_transposed(bf16 *panel, const bf16 *x, size_t ld, int depth, int columns)
{
    for (int k = 0; k < depth; k += BF16_DEPTH) {
        __m512i words[16];
        load_words(words, x + k, ld, columns, depth - k);
        transpose_words(words);
        for (int pair = 0; pair < PAIRS; pair++, panel += PAIR_ROW)
            _mm512_storeu_si512(panel, words[pair]);
    }
}

void panels_bf16_pack_transposed(void *right, const void *x, size_t ld, int depth, int columns)
{
    const size_t panel_size = (size_t)padded(depth) * PANEL_COLUMNS;
    bf16 *out = right;
    for (int column = 0; column < columns; column += PANEL_COLUMNS, out += panel_size)
        pack_panel_transposed(out, (const bf16 *)x + (size_t)column * ld, ld, depth,
                              columns - column < PANEL_COLUMNS ? columns - column : PANEL_COLUMNS);
}

void panels_bf16_transpose(void *y, const void *x, size_t ld, int rows, int columns)
{
    const size_t ldy = (size_t)left_width(rows);
    for (int column = 0; column < columns; column += 16) {
        const __mmask16 mask = first_words(columns - column);
        for (int row = 0; row < rows; row += BF16_DEPTH) {
            __m512i words[16];
            for (int next = row + BF16_DEPTH; next < rows && next < row + 2 * BF16_DEPTH; next++)
                fetch((const bf16 *)x + (size_t)next * ld + column);
            for (int pair = 0; pair < PAIRS; pair++)
                words[pair] = pair_at((const bf16 *)x + column, ld, row + 2 * pair, rows, mask);
            transpose_words(words);
            for (int i = 0; i < 16 && column + i < columns; i++)
                _mm512_storeu_si512((bf16 *)y + (size_t)(column + i) * ldy + row, words[i]);
        }
    }
}

/* ---- from floats; the instructions that round them take subnormal ones for 0 ---- */

void panels_bf16_pack_reals(void *right, const real *w, int depth, int columns, int first, int last)
{
    const int whole = padded(depth);
    for (int panel = first; panel < last; panel++) {
        const int column = panel * PANEL_COLUMNS;
        const __mmask16 mask = first_words(columns - column);
        bf16 *out = (bf16 *)right + (size_t)panel * PANEL_COLUMNS * (size_t)whole;
        for (int k = 0; k < whole; k += 2, out += PAIR_ROW) {
            const real *row = w + (size_t)k * (size_t)columns + column;
            __m512 even = k < depth ? _mm512_maskz_loadu_ps(mask, row) : _mm512_setzero_ps();
            __m512 odd =
                k + 1 < depth ? _mm512_maskz_loadu_ps(mask, row + columns) : _mm512_setzero_ps();
            __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(even));
            __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(odd));
            _mm512_storeu_si512(out, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
        }
    }
}

/* 16 rows of w, of which there are `count`, 32 elements each from w on, of which there are `depth`,
 * rounded. */
static inline void round_words(__m512i words[16], const real *w, size_t ld, int count, int depth)
{
    const __mmask16 first = first_words(depth), second = first_words(depth - 16);
    for (int i = 0; i < 16; i++) {
        __m512 low = _mm512_setzero_ps(), high = low;
        if (i < count)
            low = _mm512_maskz_loadu_ps(first, w + (size_t)i * ld);
        if (i < count && second)
            high = _mm512_maskz_loadu_ps(second, w + (size_t)i * ld + 16);
        words[i] = (__m512i)_mm512_cvtne2ps_pbh(high, low);
    }
}

void panels_bf16_pack_reals_transposed(void *right, const real *w, int depth, int columns,
                                       int first, int last)
{
    for (int panel = first; panel < last; panel++) {
        const int column = panel * PANEL_COLUMNS;
        bf16 *out = (bf16 *)right + (size_t)column * (size_t)padded(depth);
        for (int k = 0; k < depth; k += BF16_DEPTH) {
            __m512i words[16];
            round_words(words, w + (size_t)column * (size_t)depth + k, (size_t)depth,
                        columns - column, depth - k);
            transpose_words(words);
            for (int pair = 0; pair < PAIRS; pair++, out += PAIR_ROW)
                _mm512_storeu_si512(out, words[pair]);
        }
    }
}

#include "base/min.h"
#include "math/panels_bf16.h"
#include "math/prefetch.h"
#include "math/vector512.h"

/* The layouts of bf16 operands (struct gemm_kernels), for both tables of kernels. */

/* Pairs of depths; as many as a panel has columns and a vector has 32-bit words. */
enum { PAIRS = BF16_DEPTH / 2 };

/* The elements of a panel for one pair of depths. */
static const size_t PAIR_ROW = (size_t)2 * PANEL_COLUMNS;

/* Returns a mask of the first `count` of 32 elements; an empty one if count is negative. */
static inline __mmask32 first_elements(int count)
{
    return count >= 32 ? 0xFFFFFFFFU : count <= 0 ? 0 : (1U << (unsigned)count) - 1;
}

/* Two rows of a matrix, interleaved. Rows are read 32 columns at a time, which is a line of the
 * cache if they are aligned: transposing X reads 16 GB/s, and only 8 to 14 when it reads half a
 * line at a time (Granite Rapids). */
struct pair {
    __m512i left, right; /* columns 0 to 15 and 16 to 31: [row 0][row 1] of each column in turn */
};

static inline struct pair pair_rows(__m512i first, __m512i second)
{
    const __m512i left =
        _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6,
                         37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    const __m512i right = _mm512_add_epi16(left, _mm512_set1_epi16(PANEL_COLUMNS));
    return (struct pair){_mm512_permutex2var_epi16(first, left, second),
                         _mm512_permutex2var_epi16(first, right, second)};
}

/* Returns rows k and k + 1 of x; rows from `count` on are zero. */
static inline struct pair pair_at(const bf16 *x, size_t ld, int k, int count, __mmask32 columns)
{
    __m512i first = _mm512_setzero_si512(), second = first;
    if (k < count)
        first = _mm512_maskz_loadu_epi16(columns, x + (size_t)k * ld);
    if (k + 1 < count)
        second = _mm512_maskz_loadu_epi16(columns, x + (size_t)(k + 1) * ld);
    return pair_rows(first, second);
}

/* Prefetches the rows first .. last - 1 that are below `count`. */
static inline void fetch_rows(const bf16 *x, size_t ld, int first, int last, int count)
{
    for (int row = first; row < min_int(last, count); row++)
        fetch(x + (size_t)row * ld);
}

/* Prefetches the rows that are needed BF16_DEPTH rows later. */
void panels_bf16_lay_out(void *right, const void *x, size_t ld, int depth, int columns)
{
    const size_t panel_size = (size_t)padded(depth) * PANEL_COLUMNS;
    for (int column = 0; column < columns; column += 2 * PANEL_COLUMNS) {
        const bf16 *from = (const bf16 *)x + column;
        bf16 *out = (bf16 *)right + (size_t)(column / PANEL_COLUMNS) * panel_size;
        const __mmask32 mask = first_elements(columns - column);
        const bool two_panels = columns - column > PANEL_COLUMNS;
        for (int k = 0; k < padded(depth); k += 2, out += PAIR_ROW) {
            fetch_rows(from, ld, k + BF16_DEPTH, k + BF16_DEPTH + 2, depth);
            const struct pair pair = pair_at(from, ld, k, depth, mask);
            _mm512_storeu_si512(out, pair.left);
            if (two_panels)
                _mm512_storeu_si512(out + panel_size, pair.right);
        }
    }
}

/* Loads 32 elements of each of 16 rows. Rows from `count` on and elements from `depth` on are
 * zero. */
static inline void load_words(__m512i words[16], const bf16 *x, size_t ld, int count, int depth)
{
    const __mmask32 mask = first_elements(depth);
    for (int i = 0; i < 16; i++)
        words[i] =
            i < count ? _mm512_maskz_loadu_epi16(mask, x + (size_t)i * ld) : _mm512_setzero_si512();
}

/* Lays out one panel of the transpose of X [columns, depth], columns <= 16. */
static void lay_out_panel_transposed(bf16 *panel, const bf16 *x, size_t ld, int depth, int columns)
{
    for (int k = 0; k < depth; k += BF16_DEPTH) {
        __m512i words[16];
        load_words(words, x + k, ld, columns, depth - k);
        transpose_words(words);
        for (int pair = 0; pair < PAIRS; pair++, panel += PAIR_ROW)
            _mm512_storeu_si512(panel, words[pair]);
    }
}

void panels_bf16_lay_out_transposed(void *right, const void *x, size_t ld, int depth, int columns)
{
    const size_t panel_size = (size_t)padded(depth) * PANEL_COLUMNS;
    bf16 *out = right;
    for (int column = 0; column < columns; column += PANEL_COLUMNS, out += panel_size)
        lay_out_panel_transposed(out, (const bf16 *)x + (size_t)column * ld, ld, depth,
                                 min_int(columns - column, PANEL_COLUMNS));
}

/* Stores the first `count` columns of 16 pairs of rows as rows of y. */
static inline void store_columns(bf16 *y, size_t ldy, __m512i words[16], int count)
{
    transpose_words(words);
    for (int i = 0; i < 16 && i < count; i++)
        _mm512_storeu_si512(y + (size_t)i * ldy, words[i]);
}

/* Prefetches and reads X as panels_bf16_lay_out() does. */
void panels_bf16_transpose(void *y, const void *x, size_t ld, int rows, int columns)
{
    const size_t ldy = (size_t)left_width(rows);
    for (int column = 0; column < columns; column += 2 * PANEL_COLUMNS) {
        const bf16 *from = (const bf16 *)x + column;
        const __mmask32 mask = first_elements(columns - column);
        for (int row = 0; row < rows; row += BF16_DEPTH) {
            bf16 *to = (bf16 *)y + (size_t)column * ldy + row;
            __m512i left[PAIRS], right[PAIRS];
            fetch_rows(from, ld, row + BF16_DEPTH, row + 2 * BF16_DEPTH, rows);
            for (int i = 0; i < PAIRS; i++) {
                const struct pair pair = pair_at(from, ld, row + 2 * i, rows, mask);
                left[i] = pair.left;
                right[i] = pair.right;
            }
            store_columns(to, ldy, left, columns - column);
            store_columns(to + PANEL_COLUMNS * ldy, ldy, right, columns - column - PANEL_COLUMNS);
        }
    }
}

/* ---- from floats; the instructions that round them take subnormal numbers as 0 ---- */

/* Returns 16 columns of rows k and k + 1 of w, rounded; rows from `count` on are zero. */
static inline __m512i round_pair(const real *w, size_t ld, int k, int count, __mmask16 columns)
{
    __m512 even = _mm512_setzero_ps(), odd = even;
    if (k < count)
        even = _mm512_maskz_loadu_ps(columns, w + (size_t)k * ld);
    if (k + 1 < count)
        odd = _mm512_maskz_loadu_ps(columns, w + (size_t)(k + 1) * ld);
    const __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(even));
    const __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(odd));
    return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

/* Without whole lines of y, or where columns are left, it stores through the caches. */
void panels_bf16_stream_rounded(bf16 *y, size_t ldy, const real *x, size_t ldx, int rows,
                                int columns)
{
    const bool lines = ((uintptr_t)y | ldy * sizeof *y) % sizeof(__m512i) == 0;
    for (int row = 0; row < rows; row++, y += ldy, x += ldx)
        for (int i = 0; i < columns; i += 2 * PANEL_COLUMNS) {
            const int left = columns - i;
            const __m512 low = _mm512_maskz_loadu_ps(first_words(left), x + i);
            const __m512 high = _mm512_maskz_loadu_ps(first_words(left - 16), x + i + 16);
            const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(high, low);
            if (lines && left >= 2 * PANEL_COLUMNS)
                _mm512_stream_si512((__m512i *)(y + i), both);
            else
                _mm512_mask_storeu_epi16(y + i, first_elements(left), both);
        }
}

void panels_bf16_finish_stores(void)
{
    _mm_sfence();
}

/* Works row by row. Panel by panel would read one line of each row, which no prefetcher recognizes
 * (4.4 instead of 17.4 GB/s of W, Granite Rapids). */
void panels_bf16_lay_out_reals(void *right, const real *w, int depth, int columns, int first,
                               int last)
{
    const int whole = padded(depth);
    for (int k = 0; k < whole; k += 2)
        for (int panel = first; panel < last; panel++) {
            const int column = panel * PANEL_COLUMNS;
            bf16 *out = (bf16 *)right + (size_t)column * (size_t)whole + (size_t)k * PANEL_COLUMNS;
            _mm512_storeu_si512(out, round_pair(w + column, (size_t)columns, k, depth,
                                                first_words(columns - column)));
        }
}

/* As load_words(), for reals, which are rounded. */
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

void panels_bf16_lay_out_reals_transposed(void *right, const real *w, int depth, int columns,
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

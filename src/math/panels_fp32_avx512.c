#include "math/avx512_transpose.h"
#include "math/panels_fp32.h"

typedef float element;
typedef __m512 vector;
enum { STEP = 1 };

static inline vector load(const element *panel)
{
    return _mm512_loadu_ps(panel);
}

static inline vector broadcast(const element *a)
{
    return _mm512_set1_ps(*a);
}

static inline __m512 multiply_add(__m512 sum, vector a, vector b)
{
    return _mm512_fmadd_ps(a, b, sum);
}

#include "math/avx512_product.h"

/* ---- layouts ---- */

/* Row by row: panel by panel takes three times as long where rows are a multiple of 4 KiB apart
 * (3,072 columns, Zen 5). */
static void pack(void *right, const void *x, size_t ld, int depth, int columns)
{
    enum { AHEAD = 8 }; /* rows that are fetched before they are needed */
    const size_t panel_size = (size_t)depth * PANEL_COLUMNS;
    for (int k = 0; k < depth; k++) {
        const float *row = (const float *)x + (size_t)k * ld;
        float *out = (float *)right + (size_t)k * PANEL_COLUMNS;
        for (int column = 0; column < columns; column += PANEL_COLUMNS, out += panel_size) {
            if (k + AHEAD < depth)
                fetch(row + AHEAD * ld + column);
            _mm512_storeu_ps(out,
                             _mm512_maskz_loadu_ps(first_words(columns - column), row + column));
        }
    }
}

/* 16 x 16 floats from x, of which `rows` rows and `columns` columns are there, to y transposed. */
static void transpose_block(float *y, size_t ldy, const float *x, size_t ld, int rows, int columns,
                            int kept)
{
    __m512i words[16];
    const __mmask16 mask = first_words(columns);
    for (int i = 0; i < 16; i++) {
        if (i + 16 < rows)
            fetch(x + (size_t)(i + 16) * ld);
        words[i] =
            i < rows ? _mm512_maskz_loadu_epi32(mask, x + (size_t)i * ld) : _mm512_setzero_si512();
    }
    transpose_words(words);
    for (int i = 0; i < kept; i++)
        _mm512_storeu_si512(y + (size_t)i * ldy, words[i]);
}

/* The first panel of the transpose of X [columns, depth]; the next one's rows are prefetched. */
static void pack_panel_transposed(float *panel, const float *x, size_t ld, int depth, int columns)
{
    for (int k = 0; k < depth; k += 16)
        transpose_block(panel + (size_t)k * PANEL_COLUMNS, PANEL_COLUMNS, x + k, ld, columns,
                        depth - k, smaller(16, depth - k));
}

static void pack_reals(void *right, const real *w, int depth, int columns, int first, int last)
{
    const int column = first * PANEL_COLUMNS;
    pack((float *)right + (size_t)column * (size_t)depth, w + column, (size_t)columns, depth,
         smaller(columns, last * PANEL_COLUMNS) - column);
}

static void pack_transposed(void *right, const void *x, size_t ld, int depth, int columns)
{
    for (int column = 0; column < columns; column += PANEL_COLUMNS)
        pack_panel_transposed((float *)right + (size_t)column * (size_t)depth,
                              (const float *)x + (size_t)column * ld, ld, depth, columns - column);
}

static void pack_reals_transposed(void *right, const real *w, int depth, int columns, int first,
                                  int last)
{
    const size_t before = (size_t)first * PANEL_COLUMNS * (size_t)depth;
    pack_transposed((float *)right + before, w + before, (size_t)depth, depth,
                    smaller(columns, last * PANEL_COLUMNS) - first * PANEL_COLUMNS);
}

/* Rows of y have room for whole vectors. Reads X as pack() does. */
static void transpose(void *y, const void *x, size_t ld, int rows, int columns)
{
    const size_t ldy = (size_t)padded(rows);
    for (int row = 0; row < rows; row += 16)
        for (int column = 0; column < columns; column += 16)
            transpose_block((float *)y + (size_t)column * ldy + row, ldy,
                            (const float *)x + (size_t)row * ld + column, ld, rows - row,
                            columns - column, smaller(16, columns - column));
}

const struct panels panels_fp32_avx512 = {
    .name = "AVX-512",
    .element = sizeof(float),
    .depth_multiple = 1,
    .rows = BLOCK_ROWS,
    .multiply = multiply,
    .pack = pack,
    .pack_transposed = pack_transposed,
    .pack_reals = pack_reals,
    .pack_reals_transposed = pack_reals_transposed,
    .transpose = transpose,
};

/* The loops of a product on AVX-512, for the kernels of one type of element; included once by a
 * file that has defined
 *
 *     element                    an operand's
 *     vector                     16 columns of STEP depths of a panel
 *     STEP                       elements of a row that are multiplied at once
 *     load(panel)                a vector of a panel
 *     broadcast(a)               a vector of STEP elements of a row, 16 times
 *     multiply_add(sum, a, b)    sum + a * b in each of 16 columns
 *
 * C [rows, columns] = or += A [rows, depth] * B, B in panels of 16 columns (math/panels.h). */

/* Four rows by four panels keep 16 sums in registers, beside four vectors of B and one of A: twice
 * what hides the latency of a multiplication, and every shape of BERT is a multiple of it. Measured
 * on Zen 4, of 4 x 4, 5 x 4, 6 x 4, 7 x 4, 8 x 2, 8 x 3 and 12 x 2: within 2 % of the best in bf16
 * and in fp32; larger ones win nothing. */
enum {
    TILE_ROWS = 4,
    TILE_PANELS = 4,
    TILE_COLUMNS = TILE_PANELS * PANEL_COLUMNS,
    ALL = 0xFFFF, /* columns of a panel */
};

/* The rows of A and the depth that are worked on at a time: up to 256 KiB of A and as much of four
 * panels of B stay in a second-level cache of 1 MiB. */
enum { BLOCK_ROWS = 128, BLOCK_DEPTH = 512 * STEP };

/* Sums of mr rows and np panels over `depth` depths; of the last panel, the columns in the mask. mr
 * and np are constants wherever this is inlined, and the mask where it is full. */
static inline __attribute__((always_inline)) void
multiply_tile(float *c, size_t ldc, const element *a, size_t lda, const element *panels,
              size_t panel_size, int depth, bool accumulate, const int mr, const int np,
              const __mmask16 mask)
{
    __m512 sums[TILE_ROWS][TILE_PANELS];
#pragma GCC unroll 4
    for (int row = 0; row < mr; row++)
#pragma GCC unroll 4
        for (int p = 0; p < np; p++)
            sums[row][p] = accumulate ? _mm512_maskz_loadu_ps(p + 1 < np ? ALL : mask,
                                                              c + (size_t)row * ldc +
                                                                  (size_t)PANEL_COLUMNS * (size_t)p)
                                      : _mm512_setzero_ps();
    for (int k = 0; k < depth; k += STEP) {
        vector b[TILE_PANELS];
#pragma GCC unroll 4
        for (int p = 0; p < np; p++)
            b[p] = load(panels + (size_t)p * panel_size + (size_t)k * PANEL_COLUMNS);
#pragma GCC unroll 4
        for (int row = 0; row < mr; row++) {
            const vector left = broadcast(a + (size_t)row * lda + k);
#pragma GCC unroll 4
            for (int p = 0; p < np; p++)
                sums[row][p] = multiply_add(sums[row][p], left, b[p]);
        }
    }
#pragma GCC unroll 4
    for (int row = 0; row < mr; row++)
#pragma GCC unroll 4
        for (int p = 0; p < np; p++)
            _mm512_mask_storeu_ps(c + (size_t)row * ldc + (size_t)PANEL_COLUMNS * (size_t)p,
                                  p + 1 < np ? ALL : mask, sums[row][p]);
}

/* All rows of one tile of columns. */
static inline __attribute__((always_inline)) void
multiply_columns(float *c, size_t ldc, const element *a, size_t lda, const element *panels,
                 size_t panel_size, int rows, int depth, bool accumulate, const int np,
                 const __mmask16 mask)
{
    int row = 0;
    for (; row + TILE_ROWS <= rows; row += TILE_ROWS)
        multiply_tile(c + (size_t)row * ldc, ldc, a + (size_t)row * lda, lda, panels, panel_size,
                      depth, accumulate, TILE_ROWS, np, mask);
    for (; row < rows; row++)
        multiply_tile(c + (size_t)row * ldc, ldc, a + (size_t)row * lda, lda, panels, panel_size,
                      depth, accumulate, 1, np, mask);
}

/* The block of C whose A stays in the cache. */
static void multiply_block(float *c, size_t ldc, const element *a, size_t lda,
                           const element *panels, size_t panel_size, int rows, int columns,
                           int depth, bool accumulate)
{
    int column = 0;
    for (; column + TILE_COLUMNS <= columns; column += TILE_COLUMNS)
        multiply_columns(c + column, ldc, a, lda,
                         panels + (size_t)(column / PANEL_COLUMNS) * panel_size, panel_size, rows,
                         depth, accumulate, TILE_PANELS, ALL);
    for (; column < columns; column += PANEL_COLUMNS)
        multiply_columns(c + column, ldc, a, lda,
                         panels + (size_t)(column / PANEL_COLUMNS) * panel_size, panel_size, rows,
                         depth, accumulate, 1, first_words(columns - column));
}

static void multiply(float *c, size_t ldc, const void *left, size_t lda, const void *right,
                     int rows, int columns, int depth, bool accumulate)
{
    const element *a = left, *panels = right;
    const size_t panel_size = (size_t)depth * PANEL_COLUMNS;
    for (int row = 0; row < rows; row += BLOCK_ROWS) {
        const int block_rows = rows - row < BLOCK_ROWS ? rows - row : BLOCK_ROWS;
        for (int k = 0; k < depth; k += BLOCK_DEPTH) {
            const int block_depth = depth - k < BLOCK_DEPTH ? depth - k : BLOCK_DEPTH;
            multiply_block(c + (size_t)row * ldc, ldc, a + (size_t)row * lda + k, lda,
                           panels + (size_t)k * PANEL_COLUMNS, panel_size, block_rows, columns,
                           block_depth, accumulate || k > 0);
        }
    }
}

#include "math/panels_bf16.h"

#include <immintrin.h>

/* An AMX tile is 16 rows of 64 bytes. Tiles 0 to 3 hold 32 rows x 32 columns of C, 4 and 5 rows of
 * A (16 x 32 bf16), 6 and 7 panels of B (16 pairs of depths x 16 columns): four products for four
 * loads. */
enum {
    TILE_ROWS = 16,
    TILE_BYTES = 64,
    PAIR_COLUMNS = 2 * PANEL_COLUMNS,
};

/* What is worked on at a time. The second-level cache, which is 2 MiB where there is AMX, keeps 256
 * KiB of A, 512 KiB of C for all depths and 512 KiB of B that pass by; the first, of 48 KiB, the 32
 * KiB of two panels of B, past which A streams: four products take 64 cycles and 2 KiB of each
 * operand, and the second-level cache gives less than 4 KiB in that time. Reckoned, not measured:
 * none of the processors that this was tuned on has AMX. */
enum { BLOCK_ROWS = 256, BLOCK_COLUMNS = 512, BLOCK_DEPTH = 512 };

_Static_assert((int)BLOCK_ROWS <= (int)PANELS_MOST_ROWS && (int)BLOCK_ROWS % BF16_DEPTH == 0,
               "what struct panels says of rows");

/* What _tile_loadconfig reads (Intel's manual, volume 1, "Tile configuration"). */
struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

/* Tiles for up to 32 rows: `upper` in tiles 0, 1 and 4, `lower` in tiles 2, 3 and 5. */
static void configure(int upper, int lower)
{
    struct tile_config config = {.palette = 1};
    const int rows[8] = {upper, upper, lower, lower, upper, lower, TILE_ROWS, TILE_ROWS};
    for (int tile = 0; tile < 8; tile++) {
        config.rows[tile] = (uint8_t)rows[tile];
        config.row_bytes[tile] = rows[tile] ? TILE_BYTES : 0;
    }
    /* gcc 12 takes the instruction for one that reads 8 bytes only, and might not store the rest.
     */
    __asm__ volatile("" : : "r"(&config) : "memory");
    _tile_loadconfig(&config);
}

/* Where a block is. */
struct block {
    float *c;
    const bf16 *a, *panel0, *panel1;
    size_t ldc, lda; /* elements */
    int depth;
};

static inline void load_sums(const struct block *block, const bool lower, const bool right)
{
    const size_t stride = block->ldc * sizeof(float);
    const float *second = block->c + TILE_ROWS * block->ldc;
    _tile_loadd(0, block->c, stride);
    if (right)
        _tile_loadd(1, block->c + PANEL_COLUMNS, stride);
    if (lower)
        _tile_loadd(2, second, stride);
    if (lower && right)
        _tile_loadd(3, second + PANEL_COLUMNS, stride);
}

static inline void clear_sums(const bool lower, const bool right)
{
    _tile_zero(0);
    if (right)
        _tile_zero(1);
    if (lower)
        _tile_zero(2);
    if (lower && right)
        _tile_zero(3);
}

static inline void store_sums(const struct block *block, const bool lower, const bool right)
{
    const size_t stride = block->ldc * sizeof(float);
    float *second = block->c + TILE_ROWS * block->ldc;
    _tile_stored(0, block->c, stride);
    if (right)
        _tile_stored(1, block->c + PANEL_COLUMNS, stride);
    if (lower)
        _tile_stored(2, second, stride);
    if (lower && right)
        _tile_stored(3, second + PANEL_COLUMNS, stride);
}

/* `lower`: more than 16 rows; `right`: two panels. Constants wherever this is inlined. */
static inline __attribute__((always_inline)) void
multiply_block(const struct block *block, bool accumulate, const bool lower, const bool right)
{
    const size_t stride = block->lda * sizeof(bf16);
    if (accumulate)
        load_sums(block, lower, right);
    else
        clear_sums(lower, right);
    for (int k = 0; k < block->depth; k += BF16_DEPTH) {
        const size_t pairs = (size_t)k * PANEL_COLUMNS;
        _tile_stream_loadd(4, block->a + k, stride);
        _tile_loadd(6, block->panel0 + pairs, TILE_BYTES);
        _tile_dpbf16ps(0, 4, 6);
        if (right) {
            _tile_loadd(7, block->panel1 + pairs, TILE_BYTES);
            _tile_dpbf16ps(1, 4, 7);
        }
        if (lower) {
            _tile_stream_loadd(5, block->a + k + TILE_ROWS * block->lda, stride);
            _tile_dpbf16ps(2, 5, 6);
        }
        if (lower && right)
            _tile_dpbf16ps(3, 5, 7);
    }
    store_sums(block, lower, right);
}

static inline __attribute__((always_inline)) void
multiply_either(const struct block *block, bool accumulate, bool lower, const bool right)
{
    if (lower)
        multiply_block(block, accumulate, true, right);
    else
        multiply_block(block, accumulate, false, right);
}

/* Rows whose tiles are configured, a multiple of 32 or at most 32; all columns. */
static void multiply_rows(struct block at, const bf16 *panels, size_t panel_size, int rows,
                          int columns, bool accumulate)
{
    enum { STEP = 2 * TILE_ROWS };
    for (int column = 0; column < columns; column += PAIR_COLUMNS) {
        const bool right = column + PANEL_COLUMNS < columns;
        struct block block = at;
        block.panel0 = panels + (size_t)(column / PANEL_COLUMNS) * panel_size;
        block.panel1 = block.panel0 + panel_size;
        for (int row = 0; row < rows; row += STEP) {
            block.c = at.c + (size_t)row * at.ldc + column;
            block.a = at.a + (size_t)row * at.lda;
            if (right)
                multiply_either(&block, accumulate, rows - row > TILE_ROWS, true);
            else
                multiply_either(&block, accumulate, rows - row > TILE_ROWS, false);
        }
    }
}

/* Any number of rows: those that fill two tiles, then what is left in smaller ones. */
static void multiply_depths(struct block at, const bf16 *panels, size_t panel_size, int rows,
                            int columns, bool accumulate)
{
    const int whole = rows / (2 * TILE_ROWS) * (2 * TILE_ROWS), left = rows - whole;
    if (whole > 0) {
        configure(TILE_ROWS, TILE_ROWS);
        multiply_rows(at, panels, panel_size, whole, columns, accumulate);
    }
    if (left > 0) {
        configure(smaller(left, TILE_ROWS), left > TILE_ROWS ? left - TILE_ROWS : 0);
        at.c += (size_t)whole * at.ldc;
        at.a += (size_t)whole * at.lda;
        multiply_rows(at, panels, panel_size, left, columns, accumulate);
    }
}

/* Up to BLOCK_COLUMNS columns. */
static void multiply_columns(real *c, size_t ldc, const bf16 *a, size_t lda, const bf16 *panels,
                             int rows, int columns, int depth, bool accumulate)
{
    const size_t panel_size = (size_t)depth * PANEL_COLUMNS;
    for (int row = 0; row < rows; row += BLOCK_ROWS)
        for (int k = 0; k < depth; k += BLOCK_DEPTH) {
            const struct block at = {
                .c = c + (size_t)row * ldc,
                .a = a + (size_t)row * lda + k,
                .ldc = ldc,
                .lda = lda,
                .depth = smaller(depth - k, BLOCK_DEPTH),
            };
            multiply_depths(at, panels + (size_t)k * PANEL_COLUMNS, panel_size,
                            smaller(rows - row, BLOCK_ROWS), columns, accumulate || k > 0);
        }
}

static void multiply(real *c, size_t ldc, const void *a, size_t lda, const void *right, int rows,
                     int columns, int depth, bool accumulate)
{
    for (int column = 0; column < columns; column += BLOCK_COLUMNS)
        multiply_columns(c + column, ldc, a, lda,
                         (const bf16 *)right + (size_t)column * (size_t)depth, rows,
                         smaller(columns - column, BLOCK_COLUMNS), depth, accumulate);
    _tile_release();
}

const struct panels panels_bf16_amx = {
    .name = "AMX",
    .element = sizeof(bf16),
    .depth_multiple = BF16_DEPTH,
    .rows = BLOCK_ROWS,
    .multiply = multiply,
    .pack = panels_bf16_pack,
    .pack_transposed = panels_bf16_pack_transposed,
    .pack_reals = panels_bf16_pack_reals,
    .pack_reals_transposed = panels_bf16_pack_reals_transposed,
    .transpose = panels_bf16_transpose,
};

#include "base/min.h"
#include "math/panels_bf16.h"
#include "math/prefetch.h"

#include <immintrin.h>
#include <string.h>

/* An AMX tile has 16 rows of 64 bytes. Tiles 0 to 3 hold 32 rows x 32 columns of C, tiles 4 and 5
 * rows of A (16 x 32 bf16), tiles 6 and 7 panels of B (16 pairs of depths x 16 columns): four
 * products for four loads. */
enum {
    TILE_ROWS = 16,
    TILE_BYTES = 64,
    PAIR_ROWS = 2 * TILE_ROWS,
    PAIR_COLUMNS = 2 * PANEL_COLUMNS,
};

/* The rows, columns and depth of a block of work. The second-level cache, 2 MiB on processors with
 * AMX, keeps 384 KiB of A, up to 768 KiB of C and the panels that pass through; the first-level
 * cache of 48 KiB keeps most of two panels of B, while A streams. Of depths from 256 to 3,072 this
 * one is the fastest on Granite and Emerald Rapids: with fewer, C passes through the caches too
 * often; with more, B does. */
enum {
    BLOCK_ROWS = 256,
    BLOCK_COLUMNS = 768,
    BLOCK_DEPTH = 768,
};

/* The lines of the next two panels, and the rows (of two lines each) of the next addend, that are
 * prefetched at each step of a block's depth. They are spread among the step's instructions: one
 * after the other they would occupy the fill buffers that A comes through. */
enum { FETCHED_LINES = 4, FETCHED_ROWS = 2, FETCHED_BYTES = FETCHED_LINES * TILE_BYTES };

/* The panels of a weight that a thread lays out at a time. More panels make longer the pieces of
 * rows that it reads, which the prefetcher recognizes. */
enum { WEIGHT_PANELS = 64 };

/* The columns of a product that are finished at a time, so few that the scratch stays in the
 * second-level cache together with the operands. With 256 columns, and biases that tiles load, a
 * step of base takes 3 % less time than with 512 columns and biases that are copied; 128 columns
 * gain nothing more (Granite Rapids). */
enum { FINISHED_COLUMNS = 256 };

_Static_assert((int)BLOCK_ROWS <= (int)PANELS_MAX_ROWS && (int)BLOCK_ROWS % BF16_DEPTH == 0,
               "rows is what struct gemm_kernels allows");

/* The operand of _tile_loadconfig (Intel's manual, volume 1, "Tile configuration"). */
struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

/* Configures tiles for up to 32 rows: `upper` rows in tiles 0, 1 and 4, `lower` in tiles 2, 3 and
 * 5. */
static void configure(int upper, int lower)
{
    struct tile_config config = {.palette = 1};
    const int rows[8] = {upper, upper, lower, lower, upper, lower, TILE_ROWS, TILE_ROWS};
    for (int tile = 0; tile < 8; tile++) {
        config.rows[tile] = (uint8_t)rows[tile];
        config.row_bytes[tile] = rows[tile] ? TILE_BYTES : 0;
    }
    /* gcc 12 believes that the instruction reads only 8 bytes, and might not store the rest. */
    __asm__ volatile("" : : "r"(&config) : "memory");
    _tile_loadconfig(&config);
}

/* A block of C and its operands. */
struct block {
    float *c;
    struct addend addend;
    const bf16 *a, *panel0, *panel1;
    size_t ldc, lda; /* elements */
    int depth;
    uintptr_t next; /* address of the part of the next panels to prefetch */
};

/* Loads the addend into the tiles of C. With ld = 0 all rows of a tile get the same bias. */
static inline void load_sums(const struct block *block, const bool lower, const bool right)
{
    const float *first = block->addend.rows, *second = first + TILE_ROWS * block->addend.ld;
    const size_t stride = block->addend.ld * sizeof(float);
    _tile_loadd(0, first, stride);
    if (right)
        _tile_loadd(1, first + PANEL_COLUMNS, stride);
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

static inline void fetch_line(uintptr_t first, size_t line)
{
    fetch_soon(first + line * TILE_BYTES);
}

/* Prefetches FETCHED_ROWS rows of the addend of the next 32 rows. */
static inline void fetch_addend(const struct block *block, int row)
{
    const size_t ld = block->addend.ld * sizeof(float);
    if (!block->addend.rows || ld == 0 || row >= PAIR_ROWS)
        return;
    uintptr_t next = (uintptr_t)block->addend.rows + (size_t)(PAIR_ROWS + row) * ld;
    for (int i = 0; i < FETCHED_ROWS; i++, next += ld) {
        fetch_line(next, 0);
        fetch_line(next, 1);
    }
}

/* Multiplies up to 32 rows by one or two panels. `lower` means more than 16 rows and `right` two
 * panels; both are constants wherever this is inlined. */
static inline __attribute__((always_inline)) void multiply_tiles(const struct block *block,
                                                                 const bool lower, const bool right)
{
    const size_t stride = block->lda * sizeof(bf16);
    if (block->addend.rows)
        load_sums(block, lower, right);
    else
        clear_sums(lower, right);
    uintptr_t next = block->next;
    int row = 0;
    for (int k = 0; k < block->depth; k += BF16_DEPTH) {
        const size_t pairs = (size_t)k * PANEL_COLUMNS;
        _tile_stream_loadd(4, block->a + k, stride);
        fetch_line(next, 0);
        _tile_loadd(6, block->panel0 + pairs, TILE_BYTES);
        _tile_dpbf16ps(0, 4, 6);
        fetch_line(next, 1);
        if (right) {
            _tile_loadd(7, block->panel1 + pairs, TILE_BYTES);
            _tile_dpbf16ps(1, 4, 7);
        }
        fetch_line(next, 2);
        if (lower) {
            _tile_stream_loadd(5, block->a + k + TILE_ROWS * block->lda, stride);
            _tile_dpbf16ps(2, 5, 6);
        }
        fetch_line(next, 3);
        if (lower && right)
            _tile_dpbf16ps(3, 5, 7);
        fetch_addend(block, row);
        next += FETCHED_BYTES;
        row += FETCHED_ROWS;
    }
    store_sums(block, lower, right);
}

static inline __attribute__((always_inline)) void multiply_either(const struct block *block,
                                                                  bool lower, const bool right)
{
    if (lower)
        multiply_tiles(block, true, right);
    else
        multiply_tiles(block, false, right);
}

/* Returns the block that begins `row` rows and `column` columns of C later. */
static inline struct block block_from(const struct block *first, int row, int column)
{
    struct block block = *first;
    block.c += (size_t)row * first->ldc + (size_t)column;
    block.a += (size_t)row * first->lda;
    if (block.addend.rows)
        block.addend.rows += (size_t)row * first->addend.ld + (size_t)column;
    return block;
}

/* Returns the address of the part of the next two panels that is prefetched while the current two
 * are multiplied by 32 rows from `row` on: the first half of the rows fetches one panel, the second
 * half the other. */
static uintptr_t next_part(const struct block *block, size_t panel_size, int row, int rows)
{
    const int half = (rows / PAIR_ROWS + 1) / 2 * PAIR_ROWS;
    const bool second = half > 0 && row >= half;
    const size_t before = (size_t)(second ? row - half : row) / PAIR_ROWS;
    const size_t part = (size_t)(block->depth / BF16_DEPTH) * FETCHED_BYTES;
    return (uintptr_t)block->panel1 + (second ? 2 : 1) * panel_size * sizeof(bf16) + before * part;
}

/* Multiplies rows for which the tiles are configured, a multiple of 32 or at most 32, by all
 * columns. */
static void multiply_rows(const struct block *first, const bf16 *panels, size_t panel_size,
                          int rows, int columns)
{
    for (int column = 0; column < columns; column += PAIR_COLUMNS) {
        const bool right = column + PANEL_COLUMNS < columns;
        for (int row = 0; row < rows; row += PAIR_ROWS) {
            struct block block = block_from(first, row, column);
            block.panel0 = panels + (size_t)(column / PANEL_COLUMNS) * panel_size;
            block.panel1 = block.panel0 + panel_size;
            block.next = next_part(&block, panel_size, row, rows);
            if (right)
                multiply_either(&block, rows - row > TILE_ROWS, true);
            else
                multiply_either(&block, rows - row > TILE_ROWS, false);
        }
    }
}

/* Multiplies any number of rows: first those that fill two tiles, then the rest in smaller
 * tiles. */
static void multiply_depths(const struct block *first, const bf16 *panels, size_t panel_size,
                            int rows, int columns)
{
    const int whole = rows / PAIR_ROWS * PAIR_ROWS, left = rows - whole;
    if (whole > 0) {
        configure(TILE_ROWS, TILE_ROWS);
        multiply_rows(first, panels, panel_size, whole, columns);
    }
    if (left > 0) {
        configure(min_int(left, TILE_ROWS), left > TILE_ROWS ? left - TILE_ROWS : 0);
        const struct block rest = block_from(first, whole, 0);
        multiply_rows(&rest, panels, panel_size, left, columns);
    }
}

/* Returns the depth of all blocks but the last one, chosen so that the last one is not much
 * smaller. */
static int block_depth(int depth)
{
    const int blocks = (depth + BLOCK_DEPTH - 1) / BLOCK_DEPTH;
    return blocks > 1 ? padded((depth + blocks - 1) / blocks) : BLOCK_DEPTH;
}

/* Multiplies all rows by the columns of a block. */
static void multiply_columns(const struct block *all, const bf16 *panels, int rows, int columns)
{
    const size_t panel_size = (size_t)all->depth * PANEL_COLUMNS;
    const int step = block_depth(all->depth);
    for (int row = 0; row < rows; row += BLOCK_ROWS)
        for (int k = 0; k < all->depth; k += step) {
            struct block first = block_from(all, row, 0);
            first.a += k;
            first.depth = min_int(all->depth - k, step);
            if (k > 0)
                first.addend = (struct addend){first.c, first.ldc};
            multiply_depths(&first, panels + (size_t)k * PANEL_COLUMNS, panel_size,
                            min_int(rows - row, BLOCK_ROWS), columns);
        }
}

/* Multiplies by the last panel with a copy of its bias: tiles load whole panels of a bias, but it
 * ends with its last column. */
static void multiply_last_panel(struct block first, const bf16 *panels, int rows, int columns)
{
    float bias[PANEL_COLUMNS] = {0};
    memcpy(bias, first.addend.rows, (size_t)columns * sizeof *bias);
    first.addend.rows = bias;
    multiply_columns(&first, panels, rows, columns);
}

static void multiply(real *c, size_t ldc, struct addend addend, struct operand left,
                     struct operand right, int rows, int columns, int depth)
{
    const struct block all = {
        .c = c, .addend = addend, .a = left.values, .ldc = ldc, .lda = left.ld, .depth = depth};
    const bf16 *panels = right.values;
    const bool bias = addend.rows && addend.ld == 0;
    const int whole = bias ? columns / PANEL_COLUMNS * PANEL_COLUMNS : columns;
    for (int column = 0; column < whole; column += BLOCK_COLUMNS) {
        const struct block first = block_from(&all, 0, column);
        multiply_columns(&first, panels + (size_t)column * (size_t)depth, rows,
                         min_int(whole - column, BLOCK_COLUMNS));
    }
    if (whole < columns)
        multiply_last_panel(block_from(&all, 0, whole), panels + (size_t)whole * (size_t)depth,
                            rows, columns - whole);
    _tile_release();
}

const struct gemm_kernels panels_bf16_amx = {
    .name = "AMX",
    .element = sizeof(bf16),
    .depth_multiple = BF16_DEPTH,
    .rows = BLOCK_ROWS,
    .columns = FINISHED_COLUMNS,
    .weight_panels = WEIGHT_PANELS,
    .gradient_rows = PANELS_GRADIENT_ROWS,
    .multiply = multiply,
    .lay_out = panels_bf16_lay_out,
    .lay_out_transposed = panels_bf16_lay_out_transposed,
    .lay_out_reals = panels_bf16_lay_out_reals,
    .lay_out_reals_transposed = panels_bf16_lay_out_reals_transposed,
    .transpose = panels_bf16_transpose,
    .stream_rounded = panels_bf16_stream_rounded,
    .finish_stores = panels_bf16_finish_stores,
    .gelu = panels_bf16_gelu_streamed,
    .gelu_gradient = panels_bf16_gelu_gradient_streamed,
};

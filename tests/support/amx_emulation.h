/* Emulates AMX tiles by arrays, to test the code that uses them on processors without AMX. Include
 * it after immintrin.h and before a file that uses the intrinsics: it replaces them by functions
 * that do what Intel's manual, volume 2, says, and that end the test where an instruction would
 * fault. */
#ifndef CLOZE_TESTS_SUPPORT_AMX_EMULATION_H
#define CLOZE_TESTS_SUPPORT_AMX_EMULATION_H

#include "base/error.h"
#include "math/bf16.h"

#include <immintrin.h>
#include <string.h>

enum { EMULATED_TILES = 8, EMULATED_ROWS = 16, EMULATED_BYTES = 64 };

static struct emulated_tiles {
    bool configured;
    int rows[EMULATED_TILES], bytes[EMULATED_TILES];
    unsigned char data[EMULATED_TILES][EMULATED_ROWS][EMULATED_BYTES];
} emulated;

static inline void emulated_loadconfig(const void *memory)
{
    const unsigned char *config = memory;
    CHECK(config[0] == 1 && config[1] == 0); /* palette 1, from row 0 */
    for (int i = 2; i < 16; i++)
        CHECK(config[i] == 0);
    memset(&emulated, 0, sizeof emulated);
    emulated.configured = true;
    for (int tile = 0; tile < EMULATED_TILES; tile++) {
        emulated.bytes[tile] = config[16 + 2 * tile] | config[17 + 2 * tile] << 8;
        emulated.rows[tile] = config[48 + tile];
        CHECK(emulated.bytes[tile] <= EMULATED_BYTES && emulated.rows[tile] <= EMULATED_ROWS);
        CHECK((emulated.bytes[tile] == 0) == (emulated.rows[tile] == 0));
    }
}

static inline void emulated_use(int tile)
{
    CHECK(emulated.configured && emulated.rows[tile] > 0);
}

static inline void emulated_release(void)
{
    emulated.configured = false;
}

static inline void emulated_zero(int tile)
{
    emulated_use(tile);
    memset(emulated.data[tile], 0, sizeof emulated.data[tile]);
}

static inline void emulated_load(int tile, const void *base, size_t stride)
{
    emulated_zero(tile);
    for (int row = 0; row < emulated.rows[tile]; row++)
        memcpy(emulated.data[tile][row], (const char *)base + (size_t)row * stride,
               (size_t)emulated.bytes[tile]);
}

static inline void emulated_store(int tile, void *base, size_t stride)
{
    emulated_use(tile);
    for (int row = 0; row < emulated.rows[tile]; row++)
        memcpy((char *)base + (size_t)row * stride, emulated.data[tile][row],
               (size_t)emulated.bytes[tile]);
}

static inline float emulated_bf16(int tile, int row, int element)
{
    bf16 value;
    memcpy(&value, emulated.data[tile][row] + sizeof value * (size_t)element, sizeof value);
    return bf16_to_float(value);
}

/* C [m, n] += A [m, 2 k] * B [k, n pairs] */
static inline void emulated_multiply(int c, int a, int b)
{
    emulated_use(c), emulated_use(a), emulated_use(b);
    const int pairs = emulated.bytes[a] / 4, columns = emulated.bytes[c] / 4;
    CHECK(emulated.rows[a] == emulated.rows[c] && emulated.rows[b] == pairs);
    CHECK(emulated.bytes[b] == emulated.bytes[c]);
    for (int row = 0; row < emulated.rows[c]; row++)
        for (int column = 0; column < columns; column++) {
            float sum;
            void *at = emulated.data[c][row] + sizeof sum * (size_t)column;
            memcpy(&sum, at, sizeof sum);
            for (int k = 0; k < pairs; k++) {
                sum += emulated_bf16(a, row, 2 * k) * emulated_bf16(b, k, 2 * column);
                sum += emulated_bf16(a, row, 2 * k + 1) * emulated_bf16(b, k, 2 * column + 1);
            }
            memcpy(at, &sum, sizeof sum);
        }
}

#undef _tile_loadconfig
#undef _tile_release
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stream_loadd
#undef _tile_stored
#undef _tile_dpbf16ps
#define _tile_loadconfig        emulated_loadconfig
#define _tile_release           emulated_release
#define _tile_zero              emulated_zero
#define _tile_loadd             emulated_load
#define _tile_stream_loadd      emulated_load
#define _tile_stored            emulated_store
#define _tile_dpbf16ps(c, a, b) emulated_multiply(c, a, b)

#endif

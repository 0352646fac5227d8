/* Matrix products of bf16 operands with float sums, on the processor's own instructions: AMX tiles
 * (math/bf16_amx.c) or AVX512-BF16 dot products (math/bf16_avx512.c), chosen when the program runs.
 *
 * bf16 is the upper half of a float: 8 bits of exponent, 8 of precision. Rounding is to nearest
 * even.
 *
 * Both instruction sets multiply pairs of neighbours along the depth of a product. A left operand
 * is row-major, its pairs are neighbours as they stand. A right operand [depth, columns] is laid
 * out once, in panels of 16 columns:
 *
 *     panel of columns 16 p .. 16 p + 15, at p * 16 * depth:
 *         for each pair of depths k, k + 1:  B[k][16 p], B[k + 1][16 p], B[k][16 p + 1], ...
 *
 * which is at once a row of 16 dot products of AVX512-BF16 and a row of an AMX tile. The depth is a
 * multiple of 32, an AMX tile's; what lies between a matrix and the multiple is zero. */
#ifndef CLOZE_MATH_BF16_H
#define CLOZE_MATH_BF16_H

#include "math/real.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint16_t bf16;

enum {
    BF16_DEPTH = 32,   /* depths and the rows of left operands are multiples of this */
    BF16_COLUMNS = 16, /* of a panel */
};

/* The next multiple of BF16_DEPTH, which is also one of BF16_COLUMNS. */
static inline int bf16_padded(int count)
{
    return (count + BF16_DEPTH - 1) / BF16_DEPTH * BF16_DEPTH;
}

/* Elements of a right operand in panels; depth is a multiple of BF16_DEPTH. */
static inline size_t bf16_panel_elements(int depth, int columns)
{
    return (size_t)depth * (size_t)bf16_padded(columns);
}

/* One instruction set's functions. They run on the calling thread and cannot fail. */
struct bf16_kernels {
    const char *name; /* for people */

    /* C [rows, columns] = A [rows, depth] * B, or += with `accumulate`.
     *   c      rows ldc apart; columns is rounded up to whole panels, for which C has room
     *   a      rows lda apart; any number of them
     *   panels B, of `depth` depths */
    void (*multiply)(real *c, size_t ldc, const bf16 *a, size_t lda, const bf16 *panels, int rows,
                     int columns, int depth, bool accumulate);
};

/* Those of this processor, AMX before AVX512-BF16; NULL where there are neither, or where cloze was
 * built without them. CLOZE_BF16_KERNELS=avx512 in the environment leaves AMX out, for comparisons.
 * The first call asks the system for the use of AMX tiles. Thread-safe. */
const struct bf16_kernels *bf16_kernels(void);

/* Why bf16_kernels() is NULL, for an error message: what this build or processor lacks. */
const char *bf16_missing(void);

/* ---- laying operands out ----
 * Only to be called where bf16_kernels() is not NULL. All round up: a depth that is no multiple of
 * BF16_DEPTH, and columns that are no whole panel, are followed by zeros. `ld` is the distance
 * between rows of the source, in elements. */

/* Panels of X [depth, columns]. */
void bf16_pack(bf16 *panels, const bf16 *x, size_t ld, int depth, int columns);

/* Panels of the transpose of X [columns, depth]. */
void bf16_pack_transposed(bf16 *panels, const bf16 *x, size_t ld, int depth, int columns);

/* Panels number first .. last - 1 of a float matrix, rounded: of W [depth, columns], or of the
 * transpose of W [columns, depth]. Any number of threads may each lay out other panels. */
void bf16_pack_reals(bf16 *panels, const real *w, int depth, int columns, int first, int last);
void bf16_pack_reals_transposed(bf16 *panels, const real *w, int depth, int columns, int first,
                                int last);

/* A left operand: y [columns, ldy] = the transpose of X [rows, columns], with ldy =
 * bf16_padded(rows). */
void bf16_transpose(bf16 *y, const bf16 *x, size_t ld, int rows, int columns);

/* ---- conversion ---- */

static inline float bf16_to_float(bf16 value)
{
    union {
        uint32_t bits;
        float value;
    } wide = {(uint32_t)value << 16};
    return wide.value;
}

/* To nearest, ties to even; NaN stays NaN. */
static inline bf16 bf16_from_float(float value)
{
    union {
        float value;
        uint32_t bits;
    } wide = {value};
    uint32_t rounded = wide.bits + 0x7FFF + (wide.bits >> 16 & 1);
    return (bf16)((wide.bits & 0x7FFFFFFF) > 0x7F800000 ? wide.bits >> 16 | 0x40 : rounded >> 16);
}

/* y [count] = x [count]. Calling thread; x and y must not overlap. */
void bf16_round(bf16 *y, const real *x, size_t count);
void bf16_widen(real *y, const bf16 *x, size_t count);

#endif

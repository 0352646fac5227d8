/* Matrix products whose right operand is laid out once and used many times: float sums of float
 * operands on AVX-512 or AVX2 (math/panels_fp32.h), or of bf16 operands on AMX tiles or AVX512-BF16
 * (math/panels_bf16.h).
 *
 * A left operand is row-major. A right operand [depth, columns] is laid out in panels of 16
 * columns, one after the other:
 *
 *     float:  for each depth k:            B[k][16 p], B[k][16 p + 1], ...
 *     bf16:   for each pair of depths k:   B[k][16 p], B[k + 1][16 p], B[k][16 p + 1], ...
 *
 * which is a line of the cache, and for bf16 a row of an AMX tile as well. A bf16 depth is a
 * multiple of 32, an AMX tile's; what lies between a matrix and the multiple is zero. */
#ifndef CLOZE_MATH_PANELS_H
#define CLOZE_MATH_PANELS_H

#include "math/real.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PANEL_COLUMNS = 16,
    BF16_DEPTH = 32,        /* bf16 depths are multiples of this */
    PANELS_MOST_ROWS = 256, /* no kernels' `rows` are more */
    PANELS_SHARE_ROWS = 4,  /* threads share rows in multiples of this */
};

/* The next multiple of BF16_DEPTH, which is also one of PANEL_COLUMNS: room for a depth or for the
 * columns of a result, whatever the elements. */
static inline int padded(int count)
{
    return (count + BF16_DEPTH - 1) / BF16_DEPTH * BF16_DEPTH;
}

/* Elements from one row to the next of a left operand of `depth` depths, for speed: an odd multiple
 * of 32, so that neighbouring rows begin in different places of the first-level cache. Rows a
 * multiple of 4 KiB apart push each other out: products take up to a fifth longer (Zen 3). */
static inline int left_width(int depth)
{
    return padded(depth) | BF16_DEPTH;
}

static inline int smaller(int a, int b)
{
    return a < b ? a : b;
}

/* Panels of `columns` columns. */
static inline int panel_count(int columns)
{
    return (columns + PANEL_COLUMNS - 1) / PANEL_COLUMNS;
}

/* Functions for one type of element and one instruction set. They run on the calling thread and
 * cannot fail. Operands are arrays of the element. `ld` and the like are distances between rows, in
 * elements. `depth` and `columns` are a matrix's own; pad() of the depth is what products take. */
struct panels {
    const char *name; /* for people: "AVX-512" */
    size_t element;   /* bytes */
    int depth_multiple;
    int rows; /* of a left operand that are best multiplied at a time: a multiple of BF16_DEPTH */

    /* C [rows, columns] = A [rows, depth] * B, or += with `accumulate`.
     *   c      rows ldc apart; bf16: columns is rounded up to whole panels, for which C has room
     *   a      any number of rows; depth is a multiple of depth_multiple
     *   right  B, of `depth` depths */
    void (*multiply)(real *c, size_t ldc, const void *a, size_t lda, const void *right, int rows,
                     int columns, int depth, bool accumulate);

    /* Panels of X [depth, columns], and of the transpose of X [columns, depth]. Both round up: a
     * depth that is no multiple, and columns that are no whole panel, are followed by zeros. */
    void (*pack)(void *right, const void *x, size_t ld, int depth, int columns);
    void (*pack_transposed)(void *right, const void *x, size_t ld, int depth, int columns);

    /* Panels number first .. last - 1 of a matrix of reals, rounded, where bf16 takes subnormal
     * ones for 0: of W [depth, columns], or of the transpose of W [columns, depth]. Any number of
     * threads may each lay out other panels. */
    void (*pack_reals)(void *right, const real *w, int depth, int columns, int first, int last);
    void (*pack_reals_transposed)(void *right, const real *w, int depth, int columns, int first,
                                  int last);

    /* A left operand: y [columns, left_width(rows)] = the transpose of X [rows, columns];
     * behind the rows are zeros up to the next multiple of depth_multiple. */
    void (*transpose)(void *y, const void *x, size_t ld, int rows, int columns);
};

/* `count` rounded up to the depth multiple. */
static inline int panels_pad(const struct panels *panels, int count)
{
    const int multiple = panels->depth_multiple;
    return (count + multiple - 1) / multiple * multiple;
}

/* Elements of a right operand, whatever they are. */
static inline size_t panels_elements(int depth, int columns)
{
    return (size_t)padded(depth) * (size_t)padded(columns);
}

/* Float operands: AVX-512 before AVX2; NULL where there are neither, where cloze was built for
 * another processor or in double precision, and with CLOZE_FP32_KERNELS=openblas in the
 * environment. CLOZE_FP32_KERNELS=avx2 leaves AVX-512 out, for comparisons. Thread-safe. */
const struct panels *panels_fp32(void);

/* bf16 operands: AMX before AVX512-BF16; NULL where there are neither, or where cloze was built
 * without them. CLOZE_BF16_KERNELS=avx512 in the environment leaves AMX out, for comparisons. The
 * first call asks the system for the use of AMX tiles. Thread-safe. */
const struct panels *panels_bf16(void);

/* Those for bf16 operands, or for float ones; NULL as above. */
static inline const struct panels *panels_for(bool halves)
{
    return halves ? panels_bf16() : panels_fp32();
}

/* Why panels_bf16() is NULL, for an error message: what this build or processor lacks. */
const char *panels_bf16_missing(void);

#endif

/* Matrix products, by tables of kernels with one interface: cloze's own compute float sums of float
 * operands on AVX-512 or AVX2 (math/panels_fp32.h), or of bf16 operands on AMX tiles or AVX512-BF16
 * (math/panels_bf16.h); OpenBLAS (math/openblas.h) serves other processors and small products.
 *
 * cloze's own kernels read right operands that are laid out once and used many times. A right
 * operand [depth, columns] is laid out in panels of 16 columns, one after the other:
 *
 *     float:  for each depth k:            B[k][16 p], B[k][16 p + 1], ...
 *     bf16:   for each pair of depths k:   B[k][16 p], B[k + 1][16 p], B[k][16 p + 1], ...
 *
 * Each of these rows is a line of the cache and, for bf16, also a row of an AMX tile. A bf16 depth
 * is rounded up to a multiple of 32, the depth of an AMX tile; the added elements are zero. */
#ifndef CLOZE_MATH_PANELS_H
#define CLOZE_MATH_PANELS_H

#include "base/error.h"
#include "math/bf16.h"
#include "math/real.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    PANEL_COLUMNS = 16,
    BF16_DEPTH = 32,          /* bf16 depths are multiples of this */
    PANELS_MAX_ROWS = 256,    /* the largest `rows` of cloze's own kernels */
    PANELS_MAX_COLUMNS = 512, /* the largest `columns` of cloze's own kernels */
    PANELS_SHARE_ROWS = 4,    /* threads share rows in multiples of this */
    /* The rows of a weight gradient's operands that are laid out at a time: more rows of a large
     * model's inputs would leave the third-level cache. 4,096 are 5 % slower at base in bf16 (Zen
     * 5). */
    PANELS_GRADIENT_ROWS = 2048,
};

/* Returns the next multiple of BF16_DEPTH, which is also one of PANEL_COLUMNS: room for a depth or
 * for the columns of a result, for either type of element. */
static inline int padded(int count)
{
    return (count + BF16_DEPTH - 1) / BF16_DEPTH * BF16_DEPTH;
}

/* Returns the best distance between the rows of a left operand of `depth` depths, in elements: an
 * odd multiple of 32, so that neighbouring rows begin in different sets of the first-level cache.
 * Rows a multiple of 4 KiB apart evict each other: products take up to a fifth longer (Zen 3). */
static inline int left_width(int depth)
{
    return padded(depth) | BF16_DEPTH;
}

/* Returns the number of panels of `columns` columns. */
static inline int panel_count(int columns)
{
    return (columns + PANEL_COLUMNS - 1) / PANEL_COLUMNS;
}

/* The matrix that a product is added to: rows `ld` apart, or one row for all rows of C if ld is 0.
 * The rows may be those of C. */
struct addend {
    const real *rows; /* NULL: nothing is added */
    size_t ld;
};

/* A left operand A [rows, depth] or a right operand B [depth, columns]: one vector along the depth
 * for each row of A or column of B. Vector i begins at element i * ld and has its elements side by
 * side; in panels, that is where the panel of columns i .. i + 15 begins, and `ld` is the depth.
 * The vectors of a `strided` operand begin side by side, and their elements are `ld` apart. */
struct operand {
    const void *values;
    size_t ld; /* in elements */
    bool strided;
};

/* Returns the operand without its first `first` vectors; in panels, a multiple of PANEL_COLUMNS.
 * `element` is the size of its elements. */
static inline struct operand operand_from(struct operand operand, int first, size_t element)
{
    const size_t at = (size_t)first * (operand.strided ? 1 : operand.ld);
    operand.values = (const char *)operand.values + at * element;
    return operand;
}

/* The panels of a weight that most kernels lay out at a time: more of them, a multiple of 4 KiB
 * apart, evict each other from the first-level cache (64 take up to three times as long, Zen 3). */
enum { PANELS_OF_WEIGHT = 4 };

/* A table of functions for one type of element and one instruction set. They run on the calling
 * thread and cannot fail. Operands are arrays of the element. `ld` and `ldc` are distances between
 * rows, in elements. Functions that lay out a matrix take its own `depth`; products take
 * panels_pad() of it.
 *
 * OpenBLAS reads all operands where they are: the functions that lay them out are NULL. Its
 * products should be few and large, so a result is computed in its place, even if it is finished in
 * blocks afterwards. */
struct gemm_kernels {
    const char *name; /* for people: "AVX-512" */
    size_t element;   /* bytes */
    int depth_multiple;

    /* How much is best done at a time. */
    int rows;          /* rows of a left operand to multiply, a multiple of BF16_DEPTH */
    int columns;       /* columns of a product to finish, a multiple of BF16_DEPTH */
    int weight_panels; /* panels of a weight that a thread lays out */
    int gradient_rows; /* the depth of a weight gradient to lay out and multiply */

    /* C [rows, columns] = addend + A [rows, depth] * B.
     *   c       rows ldc apart; in bf16 all columns of the last panel are written, so C must have
     *           room for whole panels
     *   addend  in bf16 its rows must have that room too, unless ld is 0
     *   left    A, any number of rows; strided only if laying out is NULL
     *   right   B, in panels of `depth` depths unless laying out is NULL
     *   depth   a multiple of depth_multiple */
    void (*multiply)(real *c, size_t ldc, struct addend addend, struct operand left,
                     struct operand right, int rows, int columns, int depth);

    /* Lay X [depth, columns], or the transpose of X [columns, depth], out in panels. Both fill the
     * depth up to a multiple of depth_multiple, and the last panel, with zeros. */
    void (*lay_out)(void *right, const void *x, size_t ld, int depth, int columns);
    void (*lay_out_transposed)(void *right, const void *x, size_t ld, int depth, int columns);

    /* Lay out the panels first .. last - 1 of a matrix of reals: of W [depth, columns], or of the
     * transpose of W [columns, depth]. They round to bf16 where that is the element, with subnormal
     * numbers taken as 0. Threads may lay out different panels at the same time. */
    void (*lay_out_reals)(void *right, const real *w, int depth, int columns, int first, int last);
    void (*lay_out_reals_transposed)(void *right, const real *w, int depth, int columns, int first,
                                     int last);

    /* Makes a left operand: y [columns, left_width(rows)] = the transpose of X [rows, columns].
     * Zeros follow up to the next multiple of depth_multiple. */
    void (*transpose)(void *y, const void *x, size_t ld, int rows, int columns);

    /* y [rows, columns] = X in bf16, with subnormal numbers taken as 0. Stores past the caches what
     * would have left them before it is read. NULL if nn/rows.h has to store it. */
    void (*stream_rounded)(bf16 *y, size_t ldy, const real *x, size_t ldx, int rows, int columns);

    /* Waits until other threads see what was stored past the caches, by stream_rounded or by the
     * functions below; NULL if these store nothing so. */
    void (*finish_stores)(void);

    /* GELU and its gradient, stored in bf16 with subnormal numbers taken as 0; count is a multiple
     * of BF16_DEPTH. Both are NULL if nn/activation.c has to compute them.
     *   gelu:           input = x, output = GELU(x)
     *   gelu_gradient:  gradient = dy GELU'(input), output = GELU(input) */
    void (*gelu)(bf16 *input, bf16 *output, const real *x, size_t count);
    void (*gelu_gradient)(bf16 *gradient, bf16 *output, const real *dy, const bf16 *input,
                          size_t count);
};

static inline void gemm_finish_stores(const struct gemm_kernels *kernels)
{
    if (kernels->finish_stores)
        kernels->finish_stores();
}

/* Returns `count` rounded up to the kernels' depth_multiple. */
static inline int panels_pad(const struct gemm_kernels *kernels, int count)
{
    const int multiple = kernels->depth_multiple;
    return (count + multiple - 1) / multiple * multiple;
}

/* True if the kernels read all operands where they are. */
static inline bool gemm_in_place(const struct gemm_kernels *kernels)
{
    return !kernels->lay_out;
}

/* Returns the number of elements of a right operand, of either type. */
static inline size_t panels_elements(int depth, int columns)
{
    return (size_t)padded(depth) * (size_t)padded(columns);
}

/* Returns the room that a right operand needs, in elements: 0 if it is read where it is. */
static inline size_t gemm_right_room(const struct gemm_kernels *kernels, int depth, int columns)
{
    return gemm_in_place(kernels) ? 0 : panels_elements(depth, columns);
}

/* Likewise for the left operand that gemm_left_transposed makes. */
static inline size_t gemm_left_room(const struct gemm_kernels *kernels, int depth, int rows)
{
    return gemm_in_place(kernels) ? 0 : (size_t)rows * (size_t)left_width(depth);
}

/* Make operands of a matrix X whose rows are ld apart, by way of `room` if the kernels do not read
 * it where it is:
 *   gemm_right             B [depth, columns] = X
 *   gemm_right_transposed  B [depth, columns] = the transpose of X [columns, depth]
 *   gemm_left_transposed   A [rows, depth] = the transpose of X [depth, rows]
 * An operand lives as long as both. */
static inline struct operand gemm_right(const struct gemm_kernels *kernels, void *room,
                                        const void *x, size_t ld, int depth, int columns)
{
    if (gemm_in_place(kernels))
        return (struct operand){x, ld, true};
    kernels->lay_out(room, x, ld, depth, columns);
    return (struct operand){room, (size_t)panels_pad(kernels, depth), false};
}

static inline struct operand gemm_right_transposed(const struct gemm_kernels *kernels, void *room,
                                                   const void *x, size_t ld, int depth, int columns)
{
    if (gemm_in_place(kernels))
        return (struct operand){x, ld, false};
    kernels->lay_out_transposed(room, x, ld, depth, columns);
    return (struct operand){room, (size_t)panels_pad(kernels, depth), false};
}

static inline struct operand gemm_left_transposed(const struct gemm_kernels *kernels, void *room,
                                                  const void *x, size_t ld, int depth, int rows)
{
    if (gemm_in_place(kernels))
        return (struct operand){x, ld, true};
    kernels->transpose(room, x, ld, depth, rows);
    return (struct operand){room, (size_t)left_width(depth), false};
}

/* Returns the kernels for float operands: AVX-512, or else AVX2, or else OpenBLAS. It is OpenBLAS
 * also if cloze was built for another processor or in double precision, and with
 * CLOZE_FP32_KERNELS=openblas in the environment, which the first call reads.
 * CLOZE_FP32_KERNELS=avx2 leaves AVX-512 out, for comparisons. Thread-safe. */
const struct gemm_kernels *gemm_fp32(void);

/* Returns the kernels for bf16 operands: AMX or else AVX512-BF16. NULL if the processor has neither
 * or cloze was built without them. CLOZE_BF16_KERNELS=avx512 in the environment leaves AMX out, for
 * comparisons. The first call asks the system for the use of AMX tiles. Thread-safe. */
const struct gemm_kernels *gemm_bf16(void);

/* Check that there are the kernels that CLOZE_FP32_KERNELS and CLOZE_BF16_KERNELS ask for; NULL and
 * "" ask for none. An unknown name, and kernels that this build or processor does not have, are
 * ERROR_INPUT; the error names the variable. */
bool panels_fp32_check(const char *wanted, struct error *error);
bool panels_bf16_check(const char *wanted, struct error *error);

/* Returns the kernels for bf16 or float operands; bf16 must be usable (CHECKed). */
static inline const struct gemm_kernels *gemm_for(bool in_bf16)
{
    const struct gemm_kernels *kernels = in_bf16 ? gemm_bf16() : gemm_fp32();
    CHECK(kernels);
    return kernels;
}

/* Returns the reason why gemm_bf16() is NULL, for an error message. */
const char *panels_bf16_missing(void);

#endif

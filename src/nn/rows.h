/* Activations: a matrix [rows, width] whose elements are stored as reals or, to halve the traffic
 * to memory, as bf16. All arithmetic is in reals: columns of a row are widened when they are read
 * and rounded when they are written, in the first-level cache, so that each formula is written once
 * for both types. */
#ifndef CLOZE_NN_ROWS_H
#define CLOZE_NN_ROWS_H

#include "base/error.h"
#include "math/bf16.h"
#include "math/real.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A view, which owns nothing. One of the two pointers is NULL. */
struct rows {
    real *reals;
    bf16 *bf16;
    int width; /* elements from one row to the next */
};

static inline struct rows rows_of_reals(real *reals, int width)
{
    return (struct rows){.reals = reals, .width = width};
}

/* Returns the matrix without its first `first` rows. */
static inline struct rows rows_from(struct rows rows, int first)
{
    const size_t at = (size_t)first * (size_t)rows.width;
    return (struct rows){
        .reals = rows.reals ? rows.reals + at : NULL,
        .bf16 = rows.bf16 ? rows.bf16 + at : NULL,
        .width = rows.width,
    };
}

/* Returns the matrix without its first `first` columns. */
static inline struct rows rows_columns_from(struct rows rows, int first)
{
    return (struct rows){
        .reals = rows.reals ? rows.reals + first : NULL,
        .bf16 = rows.bf16 ? rows.bf16 + first : NULL,
        .width = rows.width,
    };
}

/* Returns the address of column 0 of a row. */
static inline const void *rows_address(const struct rows *rows, int row)
{
    const size_t at = (size_t)row * (size_t)rows->width;
    return rows->reals ? (const void *)(rows->reals + at) : (const void *)(rows->bf16 + at);
}

/* `count` columns of a row, from `column` on. */
struct row_span {
    int row, column, count;
};

static inline size_t rows_offset(const struct rows *rows, struct row_span span)
{
    return (size_t)span.row * (size_t)rows->width + (size_t)span.column;
}

/* Returns the span's values: in place if they are reals, or else widened into the buffer. */
static inline const real *rows_read(const struct rows *rows, struct row_span span, real *buffer)
{
    const size_t at = rows_offset(rows, span);
    if (rows->reals)
        return rows->reals + at;
    bf16_widen(buffer, rows->bf16 + at, (size_t)span.count);
    return buffer;
}

/* Returns where the span's values may be computed: in place if they are reals, or else the
 * buffer. */
static inline real *rows_place(const struct rows *rows, struct row_span span, real *buffer)
{
    return rows->reals ? rows->reals + rows_offset(rows, span) : buffer;
}

/* Stores the span's values, unless they have been computed in place. */
static inline void rows_write(const struct rows *rows, struct row_span span, const real *values)
{
    const size_t at = rows_offset(rows, span);
    if (rows->bf16)
        bf16_round(rows->bf16 + at, values, (size_t)span.count);
    else if (values != rows->reals + at)
        memcpy(rows->reals + at, values, (size_t)span.count * sizeof(real));
}

/* out [count, width] = the rows of x with the numbers `rows` [count]. Both have the same type and
 * width; x must not be a view of some columns. */
static inline void rows_gather(struct rows out, struct rows x, const int32_t *rows, int count)
{
    const size_t width = (size_t)x.width;
    const bool are_reals = out.reals && x.reals;
    CHECK(out.width == x.width && (are_reals || (out.bf16 && x.bf16)));
    for (int i = 0; i < count; i++) {
        const size_t to = (size_t)i * width, from = (size_t)rows[i] * width;
        if (are_reals)
            memcpy(out.reals + to, x.reals + from, width * sizeof(real));
        else
            memcpy(out.bf16 + to, x.bf16 + from, width * sizeof(bf16));
    }
}

/* Copies x's rows rows[0] .. rows[count - 1] to out [count, x.width], as reals. */
static inline void rows_gather_reals(real *out, struct rows x, const int32_t *rows, int count)
{
    const size_t width = (size_t)x.width;
    for (int i = 0; i < count; i++, out += width) {
        const real *row = rows_read(&x, (struct row_span){rows[i], 0, x.width}, out);
        if (row != out)
            memcpy(out, row, width * sizeof(real));
    }
}

/* x [.., width] += the rows of y [count, width], at the places that `rows` names. */
static inline void rows_scatter_add(real *x, const real *y, const int32_t *rows, int count,
                                    int width)
{
    for (int i = 0; i < count; i++) {
        real *to = x + (size_t)rows[i] * (size_t)width;
        const real *from = y + (size_t)i * (size_t)width;
        for (int j = 0; j < width; j++)
            to[j] += from[j];
    }
}

#endif

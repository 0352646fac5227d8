/* Activations: a matrix [rows, width] of which each element is stored as a real or, to halve what
 * passes through memory, as bf16. Arithmetic is in real everywhere: columns of a row are widened
 * where they are read and rounded where they are written, in the first-level cache, so that each
 * formula is written once for both. */
#ifndef CLOZE_NN_ROWS_H
#define CLOZE_NN_ROWS_H

#include "base/error.h"
#include "math/bf16.h"
#include "math/real.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A view; owns nothing. One of the two pointers is NULL. */
struct rows {
    real *reals;
    bf16 *halves;
    int width; /* elements from one row to the next */
};

static inline struct rows rows_of_reals(real *reals, int width)
{
    return (struct rows){.reals = reals, .width = width};
}

/* The same matrix without its first rows. */
static inline struct rows rows_from(struct rows rows, int first)
{
    const size_t at = (size_t)first * (size_t)rows.width;
    return (struct rows){
        .reals = rows.reals ? rows.reals + at : NULL,
        .halves = rows.halves ? rows.halves + at : NULL,
        .width = rows.width,
    };
}

/* The same matrix without its first columns. */
static inline struct rows rows_columns_from(struct rows rows, int first)
{
    return (struct rows){
        .reals = rows.reals ? rows.reals + first : NULL,
        .halves = rows.halves ? rows.halves + first : NULL,
        .width = rows.width,
    };
}

/* The element in column 0 of a row. */
static inline const void *rows_address(const struct rows *rows, int row)
{
    const size_t at = (size_t)row * (size_t)rows->width;
    return rows->reals ? (const void *)(rows->reals + at) : (const void *)(rows->halves + at);
}

/* `count` columns of a row, from `column` on. */
struct row_span {
    int row, column, count;
};

static inline size_t rows_offset(const struct rows *rows, struct row_span span)
{
    return (size_t)span.row * (size_t)rows->width + (size_t)span.column;
}

/* The span's values: where they are, or widened into the buffer. */
static inline const real *rows_read(const struct rows *rows, struct row_span span, real *buffer)
{
    const size_t at = rows_offset(rows, span);
    if (rows->reals)
        return rows->reals + at;
    bf16_widen(buffer, rows->halves + at, (size_t)span.count);
    return buffer;
}

/* Where the span's values may be computed: where they will be, or the buffer. */
static inline real *rows_place(const struct rows *rows, struct row_span span, real *buffer)
{
    return rows->reals ? rows->reals + rows_offset(rows, span) : buffer;
}

/* Stores the span's values; there may be nothing to do for those computed in their place. */
static inline void rows_write(const struct rows *rows, struct row_span span, const real *values)
{
    const size_t at = rows_offset(rows, span);
    if (rows->halves)
        bf16_round(rows->halves + at, values, (size_t)span.count);
    else if (values != rows->reals + at)
        memcpy(rows->reals + at, values, (size_t)span.count * sizeof(real));
}

/* out [count, width]: the rows of x that `rows` names, in its order; both are stored alike, and x
 * is whole, not a view of some columns. */
static inline void rows_gather(struct rows out, struct rows x, const int32_t *rows, int count)
{
    const size_t width = (size_t)x.width;
    CHECK(out.width == x.width);
    for (int i = 0; i < count; i++) {
        const size_t to = (size_t)i * width, from = (size_t)rows[i] * width;
        if (x.reals)
            memcpy(out.reals + to, x.reals + from, width * sizeof(real));
        else
            memcpy(out.halves + to, x.halves + from, width * sizeof(bf16));
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

#include "nn/attention_head.h"

#include "base/memory.h"
#include "math/panels.h"
#include "math/prefetch.h"
#include "math/vectorized.h"
#include "nn/softmax.h"

/* The right operands of a head's products are laid out in a thread's working memory: K, V and their
 * transposes once for a head, the others for each block of queries. Rows of reals are left operands
 * and results where they are stored; with bf16, left operands are rounded from reals, and results
 * to bf16, by way of the working memory. */

struct operands {
    const struct panel_kernels *kernels;
    real *probabilities, *attention, *scores; /* [block, left_width(length)] */
    void *key_transposed, *value_transposed;  /* panels [D, length] */
    void *key, *value;                        /* panels [length, D] */
    void *query, *dcontext;                   /* panels [block, D] */
    void *left_transposed;                    /* [length, left_width(block)] */

    /* Only with bf16 operands; NULL with reals. */
    real *product;       /* [block, D] a result before it is rounded */
    real *dkey, *dvalue; /* [length, D] */
    bf16 *left;          /* [block, left_width(length)] */
};

static void *take_panels(struct arena *arena, const struct panel_kernels *kernels, int depth,
                         int columns)
{
    return arena_take(arena, panels_elements(depth, columns), kernels->element);
}

/* Takes all operands from the arena, with lengths and blocks rounded up to whole depths. */
static struct operands divide(struct arena *arena, const struct panel_kernels *kernels,
                              int max_length, int head_size)
{
    const int length = padded(max_length), size = padded(head_size);
    const int block = padded(attention_block_rows(0, max_length));
    const size_t scores = (size_t)block * (size_t)left_width(max_length);
    struct operands o = {
        .kernels = kernels,
        .probabilities = arena_take(arena, scores, sizeof(real)),
        .attention = arena_take(arena, scores, sizeof(real)),
        .scores = arena_take(arena, scores, sizeof(real)),
        .key_transposed = take_panels(arena, kernels, size, length),
        .value_transposed = take_panels(arena, kernels, size, length),
        .key = take_panels(arena, kernels, length, size),
        .value = take_panels(arena, kernels, length, size),
        .query = take_panels(arena, kernels, block, size),
        .dcontext = take_panels(arena, kernels, block, size),
        .left_transposed =
            arena_take(arena, (size_t)length * (size_t)left_width(block), kernels->element),
    };
    if (kernels->element == sizeof(bf16)) {
        o.product = arena_take(arena, (size_t)block * (size_t)size, sizeof(real));
        o.dkey = arena_take(arena, (size_t)length * (size_t)size, sizeof(real));
        o.dvalue = arena_take(arena, (size_t)length * (size_t)size, sizeof(real));
        o.left = arena_take(arena, scores, sizeof(bf16));
    }
    return o;
}

size_t attention_panels_scratch(const struct panel_kernels *kernels, int max_length, int head_size)
{
    struct arena measured = {0};
    divide(&measured, kernels, max_length, head_size);
    return measured.overflow ? SIZE_MAX : measured.used / sizeof(real);
}

static struct operands operands_in(real *scratch, const struct panel_kernels *kernels,
                                   const struct attention_head *head)
{
    struct arena arena = {.base = (char *)scratch, .size = SIZE_MAX};
    return divide(&arena, kernels, head->length, head->head_size);
}

/* Returns the distance between rows of scores or probabilities. */
static size_t score_width(const struct attention_head *head)
{
    return (size_t)left_width(head->length);
}

/* Lays out rows [count, D] of an operand, from `first` on. */
static void lay_out_rows(const struct operands *o, void *panels, const struct attention_head *head,
                         struct rows x, int first, int count)
{
    o->kernels->lay_out(panels, rows_address(&x, first), (size_t)x.width, count, head->head_size);
}

/* Lays out the transpose of all of K or V. */
static void lay_out_transposed(const struct operands *o, void *panels,
                               const struct attention_head *head, struct rows x)
{
    o->kernels->lay_out_transposed(panels, rows_address(&x, 0), (size_t)x.width, head->head_size,
                                   head->length);
}

/* Returns values [rows, length] as a left operand. For bf16 they are rounded and filled up with
 * zeros to a whole depth. */
static const void *left_of(const struct operands *o, const real *values, int rows, int length)
{
    if (!o->left)
        return values;
    const size_t ld = (size_t)left_width(length), kept = (size_t)length;
    const size_t depth = (size_t)padded(length);
    bf16 *left = o->left;
    for (int row = 0; row < rows; row++, left += ld, values += ld) {
        bf16_round(left, values, kept);
        memset(left + kept, 0, (depth - kept) * sizeof *left);
    }
    return o->left;
}

/* Returns where the sums for `to` [.., D], from row `first` on, are computed: in place if they are
 * reals, or else in the buffer. */
static struct rows sums_for(struct rows to, int first, real *buffer, int size)
{
    return to.reals ? rows_from(to, first) : rows_of_reals(buffer, size);
}

/* Stores `count` rows of those sums; reals are in place already. */
static void store_sums(struct rows to, int first, const struct rows *sums, int count, int size)
{
    for (int row = 0; row < count; row++)
        rows_write(&to, (struct row_span){first + row, 0, size}, rows_address(sums, row));
}

/* to [rows, D], from row `first` on, = left [rows, length] times panels of K or V. */
static void sum_over_keys(const struct operands *o, const struct attention_head *head,
                          struct rows to, int first, const void *left, const void *panels, int rows)
{
    const struct rows sums = sums_for(to, first, o->product, head->head_size);
    o->kernels->multiply(sums.reals, (size_t)sums.width, (struct addend){0}, left,
                         score_width(head), panels, rows, head->head_size,
                         panels_pad(o->kernels, head->length));
    store_sums(to, first, &sums, rows, head->head_size);
}

/* sums [length, D] = (or += if `accumulate`) the transpose of left [rows, length] times panels of
 * the same queries. */
static void sum_over_queries(const struct operands *o, const struct attention_head *head,
                             const struct rows *sums, const void *left, const void *panels,
                             int rows, bool accumulate)
{
    o->kernels->transpose(o->left_transposed, left, score_width(head), rows, head->length);
    const size_t ld = (size_t)sums->width;
    o->kernels->multiply(sums->reals, ld, (struct addend){accumulate ? sums->reals : NULL, ld},
                         o->left_transposed, (size_t)left_width(rows), panels, head->length,
                         head->head_size, panels_pad(o->kernels, rows));
}

/* scores [rows, left_width(length)] = rows of x, from `first` on, times panels of K^T or V^T. */
static void dot_products(const struct operands *o, const struct attention_head *head, real *scores,
                         const struct rows *x, int first, const void *panels, int rows)
{
    o->kernels->multiply(scores, score_width(head), (struct addend){0}, rows_address(x, first),
                         (size_t)x->width, panels, rows, head->length,
                         panels_pad(o->kernels, head->head_size));
}

VECTORIZED static void scale_scores(real *x, real scale, int count)
{
#pragma omp simd
    for (int i = 0; i < count; i++)
        x[i] *= scale;
}

/* Prefetches a row of the next head, whose columns follow this head's. Rows are far apart, and no
 * prefetcher recognizes them. */
static inline void fetch_next(const struct attention_head *head, const struct rows *x, int row)
{
    enum { LINE = 64 };
    const size_t bytes = (size_t)head->head_size * sizeof(bf16);
    const uintptr_t next = (uintptr_t)rows_address(x, row) + bytes;
    for (size_t line = 0; line < bytes; line += LINE)
        fetch_soon(next + line);
}

/* Prefetches the next head's rows during the softmax, which leaves the memory idle. Otherwise the
 * products would wait for them a quarter of their time in bf16 (Granite Rapids). With floats it is
 * not worth it. */
static inline void fetch_next_head(const struct attention_head *head, int row)
{
    if (!head->x.key.bf16)
        return;
    fetch_next(head, &head->x.query, row);
    fetch_next(head, &head->x.key, row);
    fetch_next(head, &head->x.value, row);
    if (head->dx.key.bf16) /* the backward pass, which reads the context's gradient */
        fetch_next(head, &head->context, row);
}

/* Computes P [rows, length] of the queries from `first` on; key_transposed must be laid out. */
static void probabilities_of(const struct operands *o, const struct attention_head *head, int first,
                             int rows)
{
    profile_enter(head->profile, PHASE_ATTENTION_PRODUCTS);
    dot_products(o, head, o->probabilities, &head->x.query, first, o->key_transposed, rows);
    profile_enter(head->profile, PHASE_ATTENTION_SOFTMAX);
    for (int row = 0; row < rows; row++) {
        real *p = o->probabilities + (size_t)row * score_width(head);
        fetch_next_head(head, first + row);
        scale_scores(p, head->scale, head->length);
        softmax_row(p, p, head->length, 1);
    }
}

void attention_panels_forward(const struct attention_head *head,
                              const struct panel_kernels *kernels, real *scratch)
{
    const struct operands o = operands_in(scratch, kernels, head);
    profile_enter(head->profile, PHASE_ATTENTION_PRODUCTS);
    lay_out_transposed(&o, o.key_transposed, head, head->x.key);
    lay_out_rows(&o, o.value, head, head->x.value, 0, head->length);
    for (int first = 0; first < head->queries; first += ATTENTION_QUERIES) {
        const int rows = attention_block_rows(first, head->queries);
        probabilities_of(&o, head, first, rows);
        attention_drop(o.probabilities, score_width(head), head, first, rows);
        const void *left = left_of(&o, o.probabilities, rows, head->length);
        profile_enter(head->profile, PHASE_ATTENTION_PRODUCTS);
        sum_over_keys(&o, head, head->context, first, left, o.value, rows);
    }
}

/* dV += A^T dC of a block of queries, given A. */
static void value_gradient(const struct operands *o, const struct attention_head *head,
                           const struct rows *dvalue, int first, int rows, const real *attention)
{
    const void *left = left_of(o, attention, rows, head->length);
    lay_out_rows(o, o->dcontext, head, head->context, first, rows);
    sum_over_queries(o, head, dvalue, left, o->dcontext, rows, first > 0);
}

/* o->scores = dS / sqrt(D), given A. */
static void score_gradients(const struct operands *o, const struct attention_head *head, int first,
                            int rows, const real *attention)
{
    const size_t ld = score_width(head);
    dot_products(o, head, o->scores, &head->context, first, o->value_transposed, rows);
    profile_enter(head->profile, PHASE_ATTENTION_SOFTMAX);
    for (int row = 0; row < rows; row++) {
        const size_t at = (size_t)row * ld;
        attention_score_gradient(o->scores + at, attention + at, o->probabilities + at,
                                 head->length);
        scale_scores(o->scores + at, head->scale, head->length);
    }
    profile_enter(head->profile, PHASE_ATTENTION_PRODUCTS);
}

/* dQ of the block's queries, and dK += dS^T Q / sqrt(D), given dS / sqrt(D) in o->scores. */
static void query_key_gradients(const struct operands *o, const struct attention_head *head,
                                const struct rows *dkey, int first, int rows)
{
    const void *left = left_of(o, o->scores, rows, head->length);
    sum_over_keys(o, head, head->dx.query, first, left, o->key, rows);
    lay_out_rows(o, o->query, head, head->x.query, first, rows);
    sum_over_queries(o, head, dkey, left, o->query, rows, first > 0);
}

void attention_panels_backward(const struct attention_head *head,
                               const struct panel_kernels *kernels, real *scratch)
{
    const struct operands o = operands_in(scratch, kernels, head);
    const size_t ld = score_width(head);
    const struct rows dkey = sums_for(head->dx.key, 0, o.dkey, head->head_size);
    const struct rows dvalue = sums_for(head->dx.value, 0, o.dvalue, head->head_size);
    profile_enter(head->profile, PHASE_ATTENTION_PRODUCTS);
    lay_out_transposed(&o, o.key_transposed, head, head->x.key);
    lay_out_transposed(&o, o.value_transposed, head, head->x.value);
    lay_out_rows(&o, o.key, head, head->x.key, 0, head->length);
    for (int first = 0; first < head->queries; first += ATTENTION_QUERIES) {
        const int rows = attention_block_rows(first, head->queries);
        const real *attention = o.probabilities;
        probabilities_of(&o, head, first, rows);
        if (head->dropout->threshold > 0) {
            memcpy(o.attention, o.probabilities, (size_t)rows * ld * sizeof(real));
            attention_drop(o.attention, ld, head, first, rows);
            attention = o.attention;
        }
        profile_enter(head->profile, PHASE_ATTENTION_PRODUCTS);
        value_gradient(&o, head, &dvalue, first, rows, attention);
        score_gradients(&o, head, first, rows, attention);
        query_key_gradients(&o, head, &dkey, first, rows);
    }
    store_sums(head->dx.key, 0, &dkey, head->length, head->head_size);
    store_sums(head->dx.value, 0, &dvalue, head->length, head->head_size);
}

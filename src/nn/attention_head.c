#include "nn/attention_head.h"

#include "base/memory.h"
#include "base/min.h"
#include "math/panels.h"
#include "math/prefetch.h"
#include "math/vectorized.h"
#include "nn/softmax.h"

/* The queries of a block. With blocks of fixed size the working memory grows with the length of a
 * sequence, not with its square. */
enum { BLOCK_QUERIES = 128 };

/* Returns the number of queries of the block that begins at query `first`. */
static int block_rows(int first, int queries)
{
    return min_int(queries - first, BLOCK_QUERIES);
}

/* ---- working memory ---- */

/* Operands of a head's products are laid out in a thread's working memory, unless the kernels read
 * them where they are: K, V and their transposes once for a head, the others for each block of
 * queries. Rows of reals are left operands and results where they are stored; with bf16, left
 * operands are rounded from reals, and results to bf16, by way of the working memory. */

struct memory {
    const struct gemm_kernels *kernels;
    real *probabilities, *attention, *scores; /* [block, left_width(length)] */
    void *key_transposed, *value_transposed;  /* right operands [D, length] */
    void *key, *value;                        /* right operands [length, D] */
    void *query, *dcontext;                   /* right operands [block, D] */
    void *left_transposed;                    /* left operand [length, block] */

    /* Only with bf16 operands; NULL with reals. */
    real *product;       /* [block, D] a result before it is rounded */
    real *dkey, *dvalue; /* [length, D] */
    bf16 *left;          /* [block, left_width(length)] */
};

static void *take_right(struct arena *arena, const struct gemm_kernels *kernels, int depth,
                        int columns)
{
    return arena_take(arena, gemm_right_room(kernels, depth, columns), kernels->element);
}

/* Takes all memory from the arena, with lengths and blocks rounded up to whole depths. */
static struct memory divide(struct arena *arena, const struct gemm_kernels *kernels, int max_length,
                            int head_size)
{
    const int length = padded(max_length), size = padded(head_size);
    const int block = padded(block_rows(0, max_length));
    const size_t scores = (size_t)block * (size_t)left_width(max_length);
    struct memory m = {
        .kernels = kernels,
        .probabilities = arena_take(arena, scores, sizeof(real)),
        .attention = arena_take(arena, scores, sizeof(real)),
        .scores = arena_take(arena, scores, sizeof(real)),
        .key_transposed = take_right(arena, kernels, size, length),
        .value_transposed = take_right(arena, kernels, size, length),
        .key = take_right(arena, kernels, length, size),
        .value = take_right(arena, kernels, length, size),
        .query = take_right(arena, kernels, block, size),
        .dcontext = take_right(arena, kernels, block, size),
        .left_transposed =
            arena_take(arena, gemm_left_room(kernels, block, length), kernels->element),
    };
    if (kernels->element == sizeof(bf16)) {
        m.product = arena_take(arena, (size_t)block * (size_t)size, sizeof(real));
        m.dkey = arena_take(arena, (size_t)length * (size_t)size, sizeof(real));
        m.dvalue = arena_take(arena, (size_t)length * (size_t)size, sizeof(real));
        m.left = arena_take(arena, scores, sizeof(bf16));
    }
    return m;
}

size_t attention_head_scratch(const struct gemm_kernels *kernels, int max_length, int head_size)
{
    struct arena measured = {0};
    divide(&measured, kernels, max_length, head_size);
    return measured.overflow ? SIZE_MAX : measured.used / sizeof(real);
}

static struct memory memory_in(real *scratch, const struct gemm_kernels *kernels,
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

/* ---- products ---- */

/* Returns rows [count, D] of x, from `first` on, as a right operand. */
static struct operand right_rows(const struct memory *m, void *room,
                                 const struct attention_head *head, struct rows x, int first,
                                 int count)
{
    return gemm_right(m->kernels, room, rows_address(&x, first), (size_t)x.width, count,
                      head->head_size);
}

/* Returns the transpose of all of K or V as a right operand. */
static struct operand right_transposed(const struct memory *m, void *room,
                                       const struct attention_head *head, struct rows x)
{
    return gemm_right_transposed(m->kernels, room, rows_address(&x, 0), (size_t)x.width,
                                 head->head_size, head->length);
}

/* Returns values [rows, length] as a left operand. For bf16 they are rounded and filled up with
 * zeros to a whole depth. */
static const void *left_of(const struct memory *m, const real *values, int rows, int length)
{
    if (!m->left)
        return values;
    const size_t ld = (size_t)left_width(length), kept = (size_t)length;
    const size_t depth = (size_t)padded(length);
    bf16 *left = m->left;
    for (int row = 0; row < rows; row++, left += ld, values += ld) {
        bf16_round(left, values, kept);
        memset(left + kept, 0, (depth - kept) * sizeof *left);
    }
    return m->left;
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

/* to [rows, D], from row `first` on, = left [rows, length] times K or V. */
static void sum_over_keys(const struct memory *m, const struct attention_head *head, struct rows to,
                          int first, const void *left, struct operand right, int rows)
{
    const struct rows sums = sums_for(to, first, m->product, head->head_size);
    m->kernels->multiply(sums.reals, (size_t)sums.width, (struct addend){0},
                         (struct operand){left, score_width(head), false}, right, rows,
                         head->head_size, panels_pad(m->kernels, head->length));
    store_sums(to, first, &sums, rows, head->head_size);
}

/* sums [length, D] = (or += if `accumulate`) the transpose of left [rows, length] times `right`,
 * rows of the same queries. */
static void sum_over_queries(const struct memory *m, const struct attention_head *head,
                             const struct rows *sums, const void *left, struct operand right,
                             int rows, bool accumulate)
{
    const size_t ld = (size_t)sums->width;
    m->kernels->multiply(sums->reals, ld, (struct addend){accumulate ? sums->reals : NULL, ld},
                         gemm_left_transposed(m->kernels, m->left_transposed, left,
                                              score_width(head), rows, head->length),
                         right, head->length, head->head_size, panels_pad(m->kernels, rows));
}

/* scores [rows, left_width(length)] = rows of x, from `first` on, times K^T or V^T. */
static void dot_products(const struct memory *m, const struct attention_head *head, real *scores,
                         const struct rows *x, int first, struct operand right, int rows)
{
    const struct operand left = {rows_address(x, first), (size_t)x->width, false};
    m->kernels->multiply(scores, score_width(head), (struct addend){0}, left, right, rows,
                         head->length, panels_pad(m->kernels, head->head_size));
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

/* ---- softmax and dropout ---- */

/* Replaces P by A = dropout(P) for `rows` queries from `first` on. */
static void drop(real *probabilities, const struct attention_head *head, int first, int rows)
{
    for (int row = 0; row < rows; row++) {
        const int query = first + row;
        const int position = head->positions ? head->positions[query] : query;
        dropout_row(probabilities + (size_t)row * score_width(head), head->length, head->dropout,
                    head->site, head->example, head->dropout_row + (uint32_t)position);
    }
}

/* scores [length] holds dA of one query and becomes dS. */
VECTORIZED static void score_gradient(real *scores, const real *attention,
                                      const real *probabilities, int length)
{
    real sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int i = 0; i < length; i++)
        sum += attention[i] * scores[i];
#pragma omp simd
    for (int i = 0; i < length; i++)
        scores[i] = attention[i] * scores[i] - probabilities[i] * sum;
}

/* Computes P [rows, length] of the queries from `first` on. */
static void probabilities_of(const struct memory *m, const struct attention_head *head, int first,
                             int rows, struct operand key_transposed)
{
    profile_enter(head->profile, PHASE_ATTENTION_PRODUCTS);
    dot_products(m, head, m->probabilities, &head->x.query, first, key_transposed, rows);
    profile_enter(head->profile, PHASE_ATTENTION_SOFTMAX);
    for (int row = 0; row < rows; row++) {
        real *p = m->probabilities + (size_t)row * score_width(head);
        fetch_next_head(head, first + row);
        scale_scores(p, head->scale, head->length);
        softmax_row(p, p, head->length, 1);
    }
}

/* ---- forward ---- */

void attention_head_forward(const struct attention_head *head, const struct gemm_kernels *kernels,
                            real *scratch)
{
    const struct memory m = memory_in(scratch, kernels, head);
    profile_enter(head->profile, PHASE_ATTENTION_PRODUCTS);
    const struct operand key_transposed = right_transposed(&m, m.key_transposed, head, head->x.key);
    const struct operand value = right_rows(&m, m.value, head, head->x.value, 0, head->length);
    for (int first = 0; first < head->queries; first += BLOCK_QUERIES) {
        const int rows = block_rows(first, head->queries);
        probabilities_of(&m, head, first, rows, key_transposed);
        drop(m.probabilities, head, first, rows);
        const void *left = left_of(&m, m.probabilities, rows, head->length);
        profile_enter(head->profile, PHASE_ATTENTION_PRODUCTS);
        sum_over_keys(&m, head, head->context, first, left, value, rows);
    }
}

/* ---- backward ---- */

/* dV += A^T dC of a block of queries, given A. */
static void value_gradient(const struct memory *m, const struct attention_head *head,
                           const struct rows *dvalue, int first, int rows, const real *attention)
{
    const void *left = left_of(m, attention, rows, head->length);
    const struct operand dcontext = right_rows(m, m->dcontext, head, head->context, first, rows);
    sum_over_queries(m, head, dvalue, left, dcontext, rows, first > 0);
}

/* m->scores = dS / sqrt(D), given A. */
static void score_gradients(const struct memory *m, const struct attention_head *head, int first,
                            int rows, const real *attention, struct operand value_transposed)
{
    const size_t ld = score_width(head);
    dot_products(m, head, m->scores, &head->context, first, value_transposed, rows);
    profile_enter(head->profile, PHASE_ATTENTION_SOFTMAX);
    for (int row = 0; row < rows; row++) {
        const size_t at = (size_t)row * ld;
        score_gradient(m->scores + at, attention + at, m->probabilities + at, head->length);
        scale_scores(m->scores + at, head->scale, head->length);
    }
    profile_enter(head->profile, PHASE_ATTENTION_PRODUCTS);
}

/* dQ of the block's queries, and dK += dS^T Q / sqrt(D), given dS / sqrt(D) in m->scores. */
static void query_key_gradients(const struct memory *m, const struct attention_head *head,
                                const struct rows *dkey, int first, int rows, struct operand key)
{
    const void *left = left_of(m, m->scores, rows, head->length);
    sum_over_keys(m, head, head->dx.query, first, left, key, rows);
    const struct operand query = right_rows(m, m->query, head, head->x.query, first, rows);
    sum_over_queries(m, head, dkey, left, query, rows, first > 0);
}

/* Returns A of the block whose P is in m->probabilities. */
static const real *attention_of(const struct memory *m, const struct attention_head *head,
                                int first, int rows)
{
    if (head->dropout->threshold == 0)
        return m->probabilities;
    memcpy(m->attention, m->probabilities, (size_t)rows * score_width(head) * sizeof(real));
    drop(m->attention, head, first, rows);
    return m->attention;
}

void attention_head_backward(const struct attention_head *head, const struct gemm_kernels *kernels,
                             real *scratch)
{
    const struct memory m = memory_in(scratch, kernels, head);
    const struct rows dkey = sums_for(head->dx.key, 0, m.dkey, head->head_size);
    const struct rows dvalue = sums_for(head->dx.value, 0, m.dvalue, head->head_size);
    profile_enter(head->profile, PHASE_ATTENTION_PRODUCTS);
    const struct operand key_transposed = right_transposed(&m, m.key_transposed, head, head->x.key);
    const struct operand value_transposed =
        right_transposed(&m, m.value_transposed, head, head->x.value);
    const struct operand key = right_rows(&m, m.key, head, head->x.key, 0, head->length);
    for (int first = 0; first < head->queries; first += BLOCK_QUERIES) {
        const int rows = block_rows(first, head->queries);
        probabilities_of(&m, head, first, rows, key_transposed);
        const real *attention = attention_of(&m, head, first, rows);
        profile_enter(head->profile, PHASE_ATTENTION_PRODUCTS);
        value_gradient(&m, head, &dvalue, first, rows, attention);
        score_gradients(&m, head, first, rows, attention, value_transposed);
        query_key_gradients(&m, head, &dkey, first, rows, key);
    }
    store_sums(head->dx.key, 0, &dkey, head->length, head->head_size);
    store_sums(head->dx.value, 0, &dvalue, head->length, head->head_size);
}

#include "nn/attention_head.h"

#include "base/memory.h"
#include "math/panels.h"
#include "math/vectorized.h"
#include "nn/softmax.h"

/* The operands of a head's products are laid out in a thread's working memory: K, V and their like
 * once for a head, the others for each block of queries. */

struct operands {
    real *probabilities, *attention, *scores; /* [block, length] */
    real *product;                            /* [block, D] on its way out */
    real *dkey, *dvalue;                      /* [length, D] */
    bf16 *key_transposed, *value_transposed;  /* panels [D, length] */
    bf16 *key, *value;                        /* panels [length, D] */
    bf16 *query, *dcontext;                   /* panels [block, D] */
    bf16 *left;                               /* [block, length] */
    bf16 *left_transposed;                    /* [length, block] */
};

/* Lengths and blocks are rounded up to whole depths. */
static struct operands divide(struct arena *arena, int max_length, int head_size)
{
    const size_t length = (size_t)padded(max_length), size = (size_t)padded(head_size);
    const size_t block = (size_t)padded(attention_block_rows(0, max_length));
    return (struct operands){
        .probabilities = arena_take(arena, block * length, sizeof(real)),
        .attention = arena_take(arena, block * length, sizeof(real)),
        .scores = arena_take(arena, block * length, sizeof(real)),
        .product = arena_take(arena, block * size, sizeof(real)),
        .dkey = arena_take(arena, length * size, sizeof(real)),
        .dvalue = arena_take(arena, length * size, sizeof(real)),
        .key_transposed = arena_take(arena, length * size, sizeof(bf16)),
        .value_transposed = arena_take(arena, length * size, sizeof(bf16)),
        .key = arena_take(arena, length * size, sizeof(bf16)),
        .value = arena_take(arena, length * size, sizeof(bf16)),
        .query = arena_take(arena, block * size, sizeof(bf16)),
        .dcontext = arena_take(arena, block * size, sizeof(bf16)),
        .left = arena_take(arena, block * length, sizeof(bf16)),
        .left_transposed = arena_take(arena, block * length, sizeof(bf16)),
    };
}

size_t attention_bf16_scratch(int max_length, int head_size)
{
    struct arena measured = {0};
    divide(&measured, max_length, head_size);
    return measured.overflow ? SIZE_MAX : measured.used / sizeof(real);
}

static struct operands operands_in(real *scratch, const struct attention_head *head)
{
    struct arena arena = {.base = (char *)scratch, .size = SIZE_MAX};
    return divide(&arena, head->length, head->head_size);
}

/* rows [count, D] of an operand, from `first` on. */
static void pack_rows(bf16 *panels, const struct attention_head *head, struct rows x, int first,
                      int count)
{
    panels_bf16()->pack(panels, rows_address(&x, first), (size_t)x.width, count, head->head_size);
}

/* All of K or V. */
static void pack_transposed(bf16 *panels, const struct attention_head *head, struct rows x)
{
    panels_bf16()->pack_transposed(panels, x.halves, (size_t)x.width, head->head_size,
                                   head->length);
}

/* values [rows, length], rounded, as a left operand whose rows end in zeros. */
static void round_left(bf16 *left, const real *values, int rows, int length)
{
    const size_t ld = (size_t)padded(length), kept = (size_t)length;
    for (int row = 0; row < rows; row++, left += ld, values += ld) {
        bf16_round(left, values, kept);
        memset(left + kept, 0, (ld - kept) * sizeof *left);
    }
}

/* values [count, D] of a gradient or of the context, from row `first` on. */
static void write_rows(const struct attention_head *head, struct rows to, int first,
                       const real *values, int count)
{
    const int size = head->head_size;
    for (int row = 0; row < count; row++, values += size)
        rows_write(&to, (struct row_span){first + row, 0, size}, values);
}

VECTORIZED static void scale_scores(real *x, real scale, int count)
{
#pragma omp simd
    for (int i = 0; i < count; i++)
        x[i] *= scale;
}

/* P [rows, length] of the queries from `first`; needs key_transposed. */
static void probabilities_of(const struct operands *o, const struct attention_head *head, int first,
                             int rows)
{
    const size_t ld = (size_t)padded(head->length);
    profile_enter(head->profile, PHASE_ATTENTION_PRODUCTS);
    panels_bf16()->multiply(o->probabilities, ld, rows_address(&head->x.query, first),
                            (size_t)head->x.query.width, o->key_transposed, rows, head->length,
                            head->head_size, false);
    profile_enter(head->profile, PHASE_ATTENTION_SOFTMAX);
    for (int row = 0; row < rows; row++) {
        real *p = o->probabilities + (size_t)row * ld;
        scale_scores(p, head->scale, head->length);
        softmax_row(p, p, head->length, 1);
    }
}

void attention_bf16_forward(const struct attention_head *head, real *scratch)
{
    const struct operands o = operands_in(scratch, head);
    const int depth = padded(head->length);
    profile_enter(head->profile, PHASE_ATTENTION_PRODUCTS);
    pack_transposed(o.key_transposed, head, head->x.key);
    pack_rows(o.value, head, head->x.value, 0, head->length);
    for (int first = 0; first < head->queries; first += ATTENTION_QUERIES) {
        const int rows = attention_block_rows(first, head->queries);
        probabilities_of(&o, head, first, rows);
        attention_drop(o.probabilities, (size_t)depth, head, first, rows);
        round_left(o.left, o.probabilities, rows, head->length);
        profile_enter(head->profile, PHASE_ATTENTION_PRODUCTS);
        panels_bf16()->multiply(o.product, (size_t)head->head_size, o.left, (size_t)depth, o.value,
                                rows, head->head_size, depth, false);
        write_rows(head, head->context, first, o.product, rows);
    }
}

/* dV += A^T dC of a block of queries, from A. */
static void value_gradient(const struct operands *o, const struct attention_head *head, int first,
                           int rows, const real *attention)
{
    const int depth = padded(rows);
    round_left(o->left, attention, rows, head->length);
    panels_bf16()->transpose(o->left_transposed, o->left, (size_t)padded(head->length), rows,
                             head->length);
    pack_rows(o->dcontext, head, head->context, first, rows);
    panels_bf16()->multiply(o->dvalue, (size_t)head->head_size, o->left_transposed, (size_t)depth,
                            o->dcontext, head->length, head->head_size, depth, first > 0);
}

/* dS in o->scores, from A. */
static void score_gradients(const struct operands *o, const struct attention_head *head, int first,
                            int rows, const real *attention)
{
    const size_t ld = (size_t)padded(head->length);
    profile_enter(head->profile, PHASE_ATTENTION_PRODUCTS);
    panels_bf16()->multiply(o->scores, ld, rows_address(&head->context, first),
                            (size_t)head->context.width, o->value_transposed, rows, head->length,
                            head->head_size, false);
    profile_enter(head->profile, PHASE_ATTENTION_SOFTMAX);
    for (int row = 0; row < rows; row++) {
        const size_t at = (size_t)row * ld;
        attention_score_gradient(o->scores + at, attention + at, o->probabilities + at,
                                 head->length);
        scale_scores(o->scores + at, head->scale, head->length);
    }
}

/* dQ of the block's queries, and dK += dS^T Q, from dS / sqrt(D). */
static void query_key_gradients(const struct operands *o, const struct attention_head *head,
                                int first, int rows)
{
    const int block_depth = padded(rows), length_depth = padded(head->length);
    const size_t size = (size_t)head->head_size;
    round_left(o->left, o->scores, rows, head->length);
    panels_bf16()->multiply(o->product, size, o->left, (size_t)length_depth, o->key, rows,
                            head->head_size, length_depth, false);
    write_rows(head, head->dx.query, first, o->product, rows);
    panels_bf16()->transpose(o->left_transposed, o->left, (size_t)length_depth, rows, head->length);
    pack_rows(o->query, head, head->x.query, first, rows);
    panels_bf16()->multiply(o->dkey, size, o->left_transposed, (size_t)block_depth, o->query,
                            head->length, head->head_size, block_depth, first > 0);
}

void attention_bf16_backward(const struct attention_head *head, real *scratch)
{
    const struct operands o = operands_in(scratch, head);
    const size_t ld = (size_t)padded(head->length);
    profile_enter(head->profile, PHASE_ATTENTION_PRODUCTS);
    pack_transposed(o.key_transposed, head, head->x.key);
    pack_transposed(o.value_transposed, head, head->x.value);
    pack_rows(o.key, head, head->x.key, 0, head->length);
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
        value_gradient(&o, head, first, rows, attention);
        score_gradients(&o, head, first, rows, attention);
        profile_enter(head->profile, PHASE_ATTENTION_PRODUCTS);
        query_key_gradients(&o, head, first, rows);
    }
    write_rows(head, head->dx.key, 0, o.dkey, head->length);
    write_rows(head, head->dx.value, 0, o.dvalue, head->length);
}

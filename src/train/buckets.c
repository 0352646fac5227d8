#include "train/buckets.h"

#include "base/min.h"

#include <string.h>

/* The channels of a bucket that is under way: its pieces on their way to their owners, and the
 * owners' on their way to all. */
enum { TO_OWNERS = 0, TO_ALL = BUCKETS_UNDER_WAY };
_Static_assert(2 * BUCKETS_UNDER_WAY <= GROUP_CHANNELS, "a channel for each");

/* ---- how a block is divided ---- */

/* Pieces begin at whole lines of the cache, as tensors do. */
enum { PIECE_ALIGNMENT = MEMORY_ALIGNMENT / sizeof(float) };

static size_t count_buckets(size_t total)
{
    return (total + BUCKET_ELEMENTS - 1) / BUCKET_ELEMENTS;
}

struct element_range buckets_range(const struct buckets *buckets, int bucket)
{
    const size_t after = (size_t)bucket * BUCKET_ELEMENTS; /* elements of the buckets before it */
    const size_t end = buckets->total - after;
    return (struct element_range){end - min_size(end, BUCKET_ELEMENTS), end};
}

static size_t piece_border(struct element_range range, int rank, int ranks)
{
    const size_t lines = (range.end - range.begin) / PIECE_ALIGNMENT;
    if (rank == ranks)
        return range.end;
    return range.begin + lines * (size_t)rank / (size_t)ranks * PIECE_ALIGNMENT;
}

struct element_range buckets_piece(const struct buckets *buckets, int bucket, int rank)
{
    const struct element_range range = buckets_range(buckets, bucket);
    return (struct element_range){piece_border(range, rank, buckets->ranks),
                                  piece_border(range, rank + 1, buckets->ranks)};
}

static size_t range_size(struct element_range range)
{
    return range.end - range.begin;
}

/* ---- buffers ---- */

static size_t largest_piece(size_t total, int ranks)
{
    /* A piece is rounded up by less than a line, and the last one has the rest of a line. */
    return min_size(total, BUCKET_ELEMENTS) / (size_t)ranks + 2 * (size_t)PIECE_ALIGNMENT;
}

static void plan(struct bucket_buffers *buffers, size_t total, int ranks, bool in_bf16,
                 struct arena *arena)
{
    const size_t received = largest_piece(total, ranks) * (size_t)(ranks - 1);
    const size_t bucket = min_size(total, BUCKET_ELEMENTS);
    for (int i = 0; i < BUCKETS_UNDER_WAY; i++) {
        buffers[i].received = arena_take(arena, received, sizeof(real));
        if (!in_bf16)
            continue;
        buffers[i].bf16_received = arena_take(arena, received, sizeof(bf16));
        buffers[i].bf16_sent = arena_take(arena, bucket, sizeof(bf16));
        buffers[i].bf16_sums = arena_take(arena, bucket, sizeof(bf16));
    }
}

uint64_t buckets_bytes(size_t total, int ranks, bool in_bf16)
{
    struct bucket_buffers buffers[BUCKETS_UNDER_WAY];
    struct arena arena = {0};
    plan(buffers, total, ranks, in_bf16, &arena);
    return arena.peak;
}

bool buckets_create(struct buckets *buckets, struct process_group *group, size_t total,
                    bool in_bf16, struct error *error)
{
    *buckets = (struct buckets){
        .group = group,
        .rank = process_group_rank(group),
        .ranks = process_group_size(group),
        .total = total,
        .count = (int)count_buckets(total),
        .in_bf16 = in_bf16,
    };
    for (int pass = 0; pass < 2; pass++) {
        plan(buckets->buffers, total, buckets->ranks, in_bf16, &buckets->memory);
        if (pass == 0 && !arena_bind(&buckets->memory, error))
            return false;
    }
    return true;
}

void buckets_free(struct buckets *buckets)
{
    arena_free(&buckets->memory);
}

/* ---- 1: each piece to its owner ---- */

/* Returns the place of another rank's piece among those that were received. */
static size_t place_of(const struct buckets *buckets, int rank, size_t piece)
{
    return (size_t)(rank < buckets->rank ? rank : rank - 1) * piece;
}

static void send_piece(struct buckets *buckets, int bucket, int rank)
{
    const int way = bucket % BUCKETS_UNDER_WAY;
    const struct element_range piece = buckets_piece(buckets, bucket, rank);
    const size_t begin = buckets_range(buckets, bucket).begin, size = range_size(piece);
    const struct bucket_buffers *buffers = &buckets->buffers[way];
    if (!buckets->sent_in_bf16) {
        group_send(buckets->group, TO_OWNERS + way, rank, buckets->block + piece.begin,
                   size * sizeof(real));
        return;
    }
    bf16_round(buffers->bf16_sent + (piece.begin - begin), buckets->block + piece.begin, size);
    group_send(buckets->group, TO_OWNERS + way, rank, buffers->bf16_sent + (piece.begin - begin),
               size * sizeof(bf16));
}

static void receive_piece(struct buckets *buckets, int bucket, int rank)
{
    const int way = bucket % BUCKETS_UNDER_WAY;
    const size_t size = range_size(buckets_piece(buckets, bucket, buckets->rank));
    const size_t place = place_of(buckets, rank, size);
    const struct bucket_buffers *buffers = &buckets->buffers[way];
    if (buckets->sent_in_bf16)
        group_receive(buckets->group, TO_OWNERS + way, rank, buffers->bf16_received + place,
                      size * sizeof(bf16));
    else
        group_receive(buckets->group, TO_OWNERS + way, rank, buffers->received + place,
                      size * sizeof(real));
}

static void start_to_owners(struct buckets *buckets, int bucket)
{
    for (int rank = 0; rank < buckets->ranks; rank++)
        if (rank != buckets->rank)
            receive_piece(buckets, bucket, rank);
    for (int rank = 0; rank < buckets->ranks; rank++)
        if (rank != buckets->rank)
            send_piece(buckets, bucket, rank);
}

/* ---- 2: the sum, in the order of the ranks ---- */

/* Elements that are added at a time, in the first-level cache. */
enum { CHUNK = 2048 };

static void add(real *restrict sum, const real *restrict x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sum[i] += x[i];
}

/* y [count] = scale * (x of rank 0 + x of rank 1 + ...). */
static void sum_chunk(const struct buckets *buckets, real *y, const real *received, size_t piece,
                      size_t count)
{
    real sum[CHUNK] = {0};
    for (int rank = 0; rank < buckets->ranks; rank++) {
        const bool own = rank == buckets->rank;
        const real *x = own ? y : received + place_of(buckets, rank, piece);
        if (rank == 0)
            memcpy(sum, x, count * sizeof *sum);
        else
            add(sum, x, count);
    }
    for (size_t i = 0; i < count; i++)
        y[i] = buckets->scale * sum[i];
}

/* Rounds this rank's own gradients as those of the others were rounded, so that the sum does not
 * depend on who owns the piece. */
static void round_own(const struct bucket_buffers *buffers, real *own, size_t size)
{
    bf16_round(buffers->bf16_sent, own, size);
    bf16_widen(own, buffers->bf16_sent, size);
}

static void sum_bucket(struct buckets *buckets, int bucket)
{
    const struct bucket_buffers *buffers = &buckets->buffers[bucket % BUCKETS_UNDER_WAY];
    const struct element_range own = buckets_piece(buckets, bucket, buckets->rank);
    const size_t size = range_size(own);
    if (buckets->sent_in_bf16) {
        bf16_widen(buffers->received, buffers->bf16_received, size * (size_t)(buckets->ranks - 1));
        round_own(buffers, buckets->block + own.begin, size);
    }
    for (size_t at = 0; at < size; at += CHUNK)
        sum_chunk(buckets, buckets->block + own.begin + at, buffers->received + at, size,
                  min_size(size - at, CHUNK));
}

/* ---- 3: each piece to all ---- */

/* Sends this rank's piece to all others and receives theirs. In bf16 the owner keeps the rounded
 * sum too, so that all ranks have the same bits. */
static void start_to_all(struct buckets *buckets, int bucket)
{
    const int channel = TO_ALL + bucket % BUCKETS_UNDER_WAY;
    const size_t begin = buckets_range(buckets, bucket).begin;
    bf16 *sums = buckets->buffers[bucket % BUCKETS_UNDER_WAY].bf16_sums;
    const struct element_range own = buckets_piece(buckets, bucket, buckets->rank);
    const size_t width = buckets->sent_in_bf16 ? sizeof(bf16) : sizeof(real);
    if (buckets->sent_in_bf16)
        bf16_round(sums + (own.begin - begin), buckets->block + own.begin, range_size(own));
    for (int rank = 0; rank < buckets->ranks; rank++) {
        const struct element_range piece = buckets_piece(buckets, bucket, rank);
        void *place = buckets->sent_in_bf16 ? (void *)(sums + (piece.begin - begin))
                                            : buckets->block + piece.begin;
        const void *mine = buckets->sent_in_bf16 ? (void *)(sums + (own.begin - begin))
                                                 : buckets->block + own.begin;
        if (rank == buckets->rank)
            continue;
        group_receive(buckets->group, channel, rank, place, range_size(piece) * width);
        group_send(buckets->group, channel, rank, mine, range_size(own) * width);
    }
}

static void finish_to_all(struct buckets *buckets, int bucket)
{
    const struct element_range range = buckets_range(buckets, bucket);
    group_settle(buckets->group, TO_ALL + bucket % BUCKETS_UNDER_WAY);
    if (buckets->sent_in_bf16)
        bf16_widen(buckets->block + range.begin,
                   buckets->buffers[bucket % BUCKETS_UNDER_WAY].bf16_sums, range_size(range));
}

/* Finishes the buckets that are under way after `count` of them were started. */
static void finish_last(struct buckets *buckets, int count)
{
    for (int bucket = count - min_int(count, BUCKETS_UNDER_WAY); bucket < count; bucket++)
        finish_to_all(buckets, bucket);
}

/* ---- jobs ---- */

/* Brings a bucket to all ranks, as soon as an earlier one has left its place. */
static void share_bucket(struct buckets *buckets, int bucket)
{
    if (bucket >= BUCKETS_UNDER_WAY)
        finish_to_all(buckets, bucket - BUCKETS_UNDER_WAY);
    start_to_all(buckets, bucket);
}

static bool is_complete(struct buckets *buckets, int bucket)
{
    return atomic_load_explicit(&buckets->offset, memory_order_acquire) <=
           buckets_range(buckets, bucket).begin;
}

static void sum_block(struct process_group *group, void *context)
{
    struct buckets *buckets = context;
    int sent = 0, summed = 0;
    while (summed < buckets->count) {
        if (sent < buckets->count && sent - summed < BUCKETS_UNDER_WAY &&
            is_complete(buckets, sent)) {
            start_to_owners(buckets, sent++);
        } else if (summed < sent && group_is_quiet(group, TO_OWNERS + summed % BUCKETS_UNDER_WAY)) {
            sum_bucket(buckets, summed);
            if (buckets->shared)
                share_bucket(buckets, summed);
            summed++;
        } else {
            group_rest(group);
        }
    }
    if (buckets->shared)
        finish_last(buckets, buckets->count);
}

void buckets_start_sum(struct buckets *buckets, real *block, bool shared)
{
    buckets->block = block;
    buckets->shared = shared;
    buckets->sent_in_bf16 = buckets->in_bf16;
    buckets->scale = 1;
    atomic_store(&buckets->offset, buckets->total);
    process_group_start(buckets->group, sum_block, buckets);
}

void buckets_complete(struct buckets *buckets, size_t offset)
{
    atomic_store_explicit(&buckets->offset, offset, memory_order_release);
    process_group_wake(buckets->group);
}

void buckets_average(struct buckets *buckets, real *block)
{
    buckets->block = block;
    buckets->shared = true;
    buckets->sent_in_bf16 = false;
    buckets->scale = 1 / (real)buckets->ranks;
    atomic_store(&buckets->offset, 0);
    process_group_start(buckets->group, sum_block, buckets);
    process_group_wait(buckets->group);
}

static void spread_block(struct process_group *group, void *context)
{
    struct buckets *buckets = context;
    (void)group;
    for (int bucket = 0; bucket < buckets->count; bucket++)
        share_bucket(buckets, bucket);
    finish_last(buckets, buckets->count);
}

void buckets_spread(struct buckets *buckets, real *block)
{
    buckets->block = block;
    buckets->sent_in_bf16 = false;
    process_group_start(buckets->group, spread_block, buckets);
    process_group_wait(buckets->group);
}

static void collect_bucket(struct buckets *buckets, int bucket)
{
    const struct element_range own = buckets_piece(buckets, bucket, buckets->rank);
    if (buckets->rank) {
        group_send(buckets->group, TO_ALL, 0, buckets->block + own.begin,
                   range_size(own) * sizeof(real));
    } else {
        for (int rank = 1; rank < buckets->ranks; rank++) {
            const struct element_range piece = buckets_piece(buckets, bucket, rank);
            group_receive(buckets->group, TO_ALL, rank, buckets->target + piece.begin,
                          range_size(piece) * sizeof(real));
        }
        if (buckets->target != buckets->block)
            memcpy(buckets->target + own.begin, buckets->block + own.begin,
                   range_size(own) * sizeof(real));
    }
    group_settle(buckets->group, TO_ALL);
}

static void collect_block(struct process_group *group, void *context)
{
    struct buckets *buckets = context;
    (void)group;
    for (int bucket = 0; bucket < buckets->count; bucket++)
        collect_bucket(buckets, bucket);
}

void buckets_collect(struct buckets *buckets, real *block, real *target)
{
    buckets->block = block;
    buckets->target = target;
    process_group_start(buckets->group, collect_block, buckets);
    process_group_wait(buckets->group);
}

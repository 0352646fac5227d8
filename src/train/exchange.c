#include "train/exchange.h"

#include "base/hash.h"
#include "base/machine.h"
#include "base/min.h"
#include "optim/clip.h"
#include "train/buckets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What the ranks tell each other at the beginning of a step, and at its end. */
struct counts {
    int64_t predictions[MAX_HEADS];
    int64_t tokens;
};

struct result {
    struct objective_sums sums;
    double squares; /* sum of the squares of the gradients that this rank owns, or of its own */
};

struct exchange {
    struct process_group *group;
    struct trainee *trainee;
    struct exchange_options options;
    struct buckets buckets;
    struct gradient_listener listener;
    double hidden;          /* seconds of exchanges during computation */
    struct counts *counts;  /* [ranks] */
    struct result *results; /* [ranks] */
    uint64_t *hashes;       /* [ranks] */
};

/* ---- opening and closing ---- */

struct batch_share exchange_share(const struct process_group *group, int batch_size)
{
    const int rank = process_group_rank(group), ranks = process_group_size(group);
    const int least = batch_size / ranks, more = batch_size % ranks;
    return (struct batch_share){rank * least + min_int(rank, more), least + (rank < more)};
}

static bool is_local(const struct exchange *exchange)
{
    return exchange->options.sync_every > 1;
}

static void hear_complete(void *context, size_t offset)
{
    struct exchange *exchange = context;
    buckets_complete(&exchange->buckets, offset);
}

/* Gives back the memory of the moments that belong to other ranks. */
static void release_moments(struct exchange *exchange)
{
    const struct buckets *buckets = &exchange->buckets;
    struct arena *moments = &exchange->trainee->moments;
    real *blocks[] = {exchange->trainee->adam.first_moment, exchange->trainee->adam.second_moment};
    arena_use_small_pages(moments);
    for (int i = 0; i < 2; i++)
        for (int bucket = 0; bucket < buckets->count; bucket++) {
            const struct element_range all = buckets_range(buckets, bucket);
            const struct element_range own = buckets_piece(buckets, bucket, buckets->rank);
            arena_release(moments, blocks[i] + all.begin, (own.begin - all.begin) * sizeof(real));
            arena_release(moments, blocks[i] + own.end, (all.end - own.end) * sizeof(real));
        }
}

bool exchange_open(struct exchange **result, struct process_group *group, struct trainee *trainee,
                   const struct exchange_options *options, struct error *error)
{
    const size_t ranks = (size_t)process_group_size(group);
    *result = NULL;
    if (!group)
        return true;
    struct exchange *exchange = allocate(1, sizeof *exchange, error);
    if (!exchange)
        return false;
    *result = exchange;
    exchange->group = group;
    exchange->trainee = trainee;
    exchange->options = *options;
    exchange->listener = (struct gradient_listener){hear_complete, exchange};
    exchange->counts = allocate(ranks, sizeof *exchange->counts, error);
    exchange->results = exchange->counts ? allocate(ranks, sizeof *exchange->results, error) : NULL;
    exchange->hashes = exchange->results ? allocate(ranks, sizeof *exchange->hashes, error) : NULL;
    if (!exchange->hashes || !buckets_create(&exchange->buckets, group, trainee->model->table.total,
                                             options->bf16, error))
        return false;
    if (options->sharded)
        release_moments(exchange);
    if (is_local(exchange)) /* training begins, and is resumed, at a synchronization */
        memcpy(trainee->anchor, trainee->model->parameters.values,
               trainee->model->table.total * sizeof(real));
    return true;
}

void exchange_close(struct exchange *exchange)
{
    if (!exchange)
        return;
    buckets_free(&exchange->buckets);
    free(exchange->hashes);
    free(exchange->results);
    free(exchange->counts);
    free(exchange);
}

uint64_t exchange_bytes(uint64_t elements, int ranks, const struct exchange_options *options)
{
    const uint64_t outer = options->sync_every > 1 ? 2 * elements * sizeof(real) : 0;
    return ranks > 1 ? buckets_bytes(elements, ranks, options->bf16) + outer : 0;
}

/* ---- a step ---- */

static struct counts count_batch(const struct exchange *exchange, const struct batch *batch)
{
    struct counts counts = {.tokens = batch->tokens};
    objective_count_predictions(&exchange->trainee->model->config, batch, counts.predictions);
    return counts;
}

struct objective_share exchange_begin(struct exchange *exchange, const struct batch *batch,
                                      int first_example, int64_t *tokens)
{
    const struct counts own = count_batch(exchange, batch);
    struct counts all = {0};
    process_group_gather(exchange->group, &own, sizeof own, exchange->counts);
    for (int rank = 0; rank < process_group_size(exchange->group); rank++) {
        for (int i = 0; i < MAX_HEADS; i++)
            all.predictions[i] += exchange->counts[rank].predictions[i];
        all.tokens += exchange->counts[rank].tokens;
    }
    *tokens = all.tokens;
    struct objective_share share =
        objective_share_of(is_local(exchange) ? own.predictions : all.predictions, first_example);
    if (!is_local(exchange)) {
        share.listener = &exchange->listener;
        buckets_start_sum(&exchange->buckets, exchange->trainee->gradients.values,
                          !exchange->options.sharded);
    }
    return share;
}

void exchange_finish(struct exchange *exchange)
{
    const double begun = machine_seconds();
    if (is_local(exchange))
        return;
    const double busy = process_group_wait(exchange->group);
    exchange->hidden += fmax(busy - (machine_seconds() - begun), 0);
}

/* Returns the sum of squares of this rank's own pieces of the gradient or, if ranks train for
 * themselves, of its whole gradient. */
static double sum_squares(const struct exchange *exchange)
{
    const struct buckets *buckets = &exchange->buckets;
    const real *gradients = exchange->trainee->gradients.values;
    double squares = 0;
    for (int bucket = 0; bucket < buckets->count; bucket++) {
        const struct element_range range = is_local(exchange)
                                               ? buckets_range(buckets, bucket)
                                               : buckets_piece(buckets, bucket, buckets->rank);
        const double norm = gradient_norm(gradients + range.begin, range.end - range.begin);
        squares += norm * norm;
    }
    return squares;
}

double exchange_norm(struct exchange *exchange, struct objective_sums *sums, double *own_norm)
{
    const int ranks = process_group_size(exchange->group);
    const struct result own = {*sums, sum_squares(exchange)};
    double squares = 0;
    process_group_gather(exchange->group, &own, sizeof own, exchange->results);
    *sums = (struct objective_sums){0};
    for (int rank = 0; rank < ranks; rank++) {
        objective_sums_add(sums, &exchange->results[rank].sums);
        squares += exchange->results[rank].squares;
    }
    const double norm = sqrt(is_local(exchange) ? squares / ranks : squares);
    *own_norm = is_local(exchange) ? sqrt(own.squares) : norm;
    return norm;
}

void exchange_update(struct exchange *exchange, const struct adam_update *update)
{
    const struct buckets *buckets = &exchange->buckets;
    if (!exchange->options.sharded) {
        trainee_update(exchange->trainee, (struct element_range){0, buckets->total}, update);
        return;
    }
    for (int bucket = 0; bucket < buckets->count; bucket++)
        trainee_update(exchange->trainee, buckets_piece(buckets, bucket, buckets->rank), update);
    trainee_clear_gradients(exchange->trainee);
}

static void synchronize(struct exchange *exchange)
{
    struct trainee *trainee = exchange->trainee;
    buckets_average(&exchange->buckets, trainee->model->parameters.values);
    buckets_average(&exchange->buckets, trainee->adam.first_moment);
    buckets_average(&exchange->buckets, trainee->adam.second_moment);
    outer_step(trainee->model->parameters.values, trainee->anchor, trainee->outer_momentum,
               trainee->model->table.total, &exchange->options.outer);
}

void exchange_end(struct exchange *exchange, int64_t step)
{
    if (exchange->options.sharded)
        buckets_spread(&exchange->buckets, exchange->trainee->model->parameters.values);
    if (is_local(exchange) && exchange_is_synchronized(exchange, step))
        synchronize(exchange);
}

/* ---- between steps ---- */

bool exchange_is_synchronized(const struct exchange *exchange, int64_t step)
{
    return !exchange || step % exchange->options.sync_every == 0;
}

void exchange_collect_moments(struct exchange *exchange, real *first, real *second)
{
    const struct adam *adam = &exchange->trainee->adam;
    buckets_collect(&exchange->buckets, adam->first_moment, first);
    buckets_collect(&exchange->buckets, adam->second_moment, second);
}

bool exchange_check_parameters(struct exchange *exchange, struct error *error)
{
    const struct model *model = exchange->trainee->model;
    const uint64_t own =
        hash_bytes(model->parameters.values, model->table.total * sizeof *model->parameters.values);
    process_group_gather(exchange->group, &own, sizeof own, exchange->hashes);
    for (int rank = 1; rank < process_group_size(exchange->group); rank++)
        if (exchange->hashes[rank] != exchange->hashes[0])
            return fail_work(error,
                             "%s has other parameters than rank 0; expected the same bits: the "
                             "processor or memory of one is faulty, or they round differently%s",
                             process_group_name(exchange->group, rank).text,
                             is_local(exchange) ? "" : " (then set train.shard_optimizer: true)");
    return true;
}

double exchange_hidden_seconds(const struct exchange *exchange)
{
    return exchange->hidden;
}

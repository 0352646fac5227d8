#include "data/loader.h"

#include "base/machine.h"
#include "base/memory.h"
#include "base/min.h"
#include "base/thread.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

/* Number of batches in memory: one in use, the others ready or being made. Training on a batch
 * takes orders of magnitude longer than making one; the reserve covers the count at the start of an
 * epoch. */
enum { RING = 4 };

struct loader {
    const struct dataset *dataset;
    const struct vocabulary *vocabulary;
    struct loader_options options;
    struct masking *masking;

    /* Used by the background thread alone once it runs. */
    struct epoch *epoch;
    uint64_t position; /* position of the next example in the epoch */

    struct batch ring[RING]; /* batch n of this loader, counted from 0, is ring[n % RING] */
    pthread_t thread;
    bool running;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* signalled when one of the next four changes; the lock guards them */
    uint64_t made;          /* number of batches made so far */
    uint64_t returned;      /* number of batches that are no longer in use */
    bool stopping;
    struct error failure; /* error of the background thread; kind ERROR_NONE if there is none */

    /* Used only by the thread that calls loader_next. */
    uint64_t taken; /* number of batches returned by loader_next */
    double waited;
};

/* ---- the background thread ---- */

static bool open_epoch(struct loader *loader, uint32_t number, struct error *error)
{
    epoch_close(loader->epoch);
    loader->epoch = epoch_open(loader->dataset, loader->vocabulary, loader->options.examples,
                               number, loader->options.threads, error);
    return loader->epoch != NULL;
}

/* Goes on to later epochs while the position is past the end of the epoch. */
static bool settle_position(struct loader *loader, struct error *error)
{
    while (loader->position >= epoch_examples(loader->epoch)) {
        loader->position -= epoch_examples(loader->epoch);
        if (!open_epoch(loader, epoch_number(loader->epoch) + 1, error))
            return false;
    }
    return true;
}

/* Writes the span's ids and [SEP] to `out`; returns the end of what it has written. */
static int32_t *put_segment(const struct loader *loader, struct span span, int32_t *out)
{
    dataset_read(loader->dataset, span.shard, span.first, span.last, out);
    out += span.last - span.first;
    *out++ = vocabulary_special(loader->vocabulary, SPECIAL_SEP);
    return out;
}

/* Checks the ids, by which the embedding and the masking index tables. */
static bool check_ids(const struct loader *loader, struct span span, const int32_t *ids,
                      struct error *error)
{
    int32_t size = vocabulary_size(loader->vocabulary);
    for (uint64_t i = 0; i < span.last - span.first; i++)
        if (ids[i] < 0 || ids[i] >= size)
            return fail_input(error,
                              "shard %u, token %" PRIu64 ": id %d; the vocabulary has %d tokens",
                              span.shard, span.first + i, ids[i], size);
    return true;
}

static bool add_example(const struct loader *loader, const struct example *example,
                        struct batch *batch, struct error *error)
{
    int32_t *ids = batch->input_ids + batch->tokens;
    ids[0] = vocabulary_special(loader->vocabulary, SPECIAL_CLS);
    int32_t *second = put_segment(loader, example->a, ids + 1);
    int32_t *end = second;
    if (example->next_sentence_label != NO_LABEL)
        end = put_segment(loader, example->b, second);
    if (!check_ids(loader, example->a, ids + 1, error) ||
        !check_ids(loader, example->b, second, error))
        return false;

    struct random random = random_begin(loader->options.examples.seed, RANDOM_MASKING,
                                        example->instance, epoch_number(loader->epoch));
    int length = (int)(end - ids);
    int masked = masking_apply(loader->masking, &random, ids, length,
                               batch->predicted_tokens + batch->predicted,
                               batch->predicted_labels + batch->predicted);
    batch_append(batch, length, (int)(second - ids), masked, example->next_sentence_label);
    return true;
}

/* Returns how many examples a loader of one epoch makes. */
static uint64_t count_examples(const struct loader *loader)
{
    const uint64_t all = epoch_examples(loader->epoch), max = loader->options.max_examples;
    return max ? min_uint64(max, all) : all;
}

/* True if the loader stops after one epoch and has made all of its examples. */
static bool at_end(const struct loader *loader)
{
    return loader->options.one_epoch && loader->position >= count_examples(loader);
}

static bool make_batch(struct loader *loader, struct batch *batch, struct error *error)
{
    const struct batch_share share = loader->options.share;
    batch_clear(batch);
    loader->position += (uint64_t)share.first;
    for (int i = 0; i < share.count && !at_end(loader); i++) {
        if (!settle_position(loader, error))
            return false;
        struct example example = epoch_example(loader->epoch, loader->position++);
        if (!add_example(loader, &example, batch, error))
            return false;
    }
    loader->position += (uint64_t)(loader->options.batch_size - share.first - share.count);
    return true;
}

/* Waits for a free batch of the ring and returns it; NULL when the loader is being closed. */
static struct batch *wait_for_free_batch(struct loader *loader)
{
    pthread_mutex_lock(&loader->lock);
    while (!loader->stopping && loader->made - loader->returned == RING)
        pthread_cond_wait(&loader->changed, &loader->lock);
    struct batch *batch = loader->stopping ? NULL : &loader->ring[loader->made % RING];
    pthread_mutex_unlock(&loader->lock);
    return batch;
}

static void publish(struct loader *loader, bool made, const struct error *error)
{
    pthread_mutex_lock(&loader->lock);
    if (made)
        loader->made++;
    else
        loader->failure = *error;
    pthread_cond_broadcast(&loader->changed);
    pthread_mutex_unlock(&loader->lock);
}

static void *make_batches(void *argument)
{
    struct loader *loader = argument;
    bool made = true;
    for (uint64_t step = loader->options.first_step; made && step <= loader->options.last_step;
         step++) {
        struct batch *batch = wait_for_free_batch(loader);
        if (!batch)
            break;
        struct error error = {0};
        made = make_batch(loader, batch, &error);
        publish(loader, made, &error);
    }
    return NULL;
}

/* ---- opening and closing ---- */

static bool reserve_ring(struct loader *loader, struct error *error)
{
    size_t sequences = (size_t)loader->options.share.count, tokens;
    if (__builtin_mul_overflow(sequences, (size_t)loader->options.examples.seq_len, &tokens))
        return fail_input(error, "a batch of %zu sequences of %d tokens; expected less than 2^31",
                          sequences, loader->options.examples.seq_len);
    /* Room for as many predictions as tokens: masking uses the rest as scratch memory. */
    for (int i = 0; i < RING; i++)
        if (!batch_reserve(&loader->ring[i], sequences, tokens, tokens, error))
            return false;
    return true;
}

/* Sets the last step to the one that uses the epoch's last example. */
static void end_with_epoch(struct loader *loader)
{
    const uint64_t batch_size = (uint64_t)loader->options.batch_size;
    CHECK(loader->options.first_step == loader->options.step_base + 1);
    loader->options.last_step =
        loader->options.step_base + (count_examples(loader) - 1) / batch_size + 1;
}

static bool find_first_example(struct loader *loader, struct error *error)
{
    uint64_t steps = loader->options.first_step - 1 - loader->options.step_base;
    CHECK(!__builtin_mul_overflow(steps, (uint64_t)loader->options.batch_size, &loader->position));
    if (!open_epoch(loader, 0, error) || !settle_position(loader, error))
        return false;
    if (loader->options.one_epoch)
        end_with_epoch(loader);
    return true;
}

static bool start_thread(struct loader *loader, struct error *error)
{
    loader->running = thread_start(&loader->thread, make_batches, loader, "makes batches", error);
    return loader->running;
}

struct loader *loader_open(const struct dataset *dataset, const struct vocabulary *vocabulary,
                           const struct loader_options *options, struct error *error)
{
    CHECK(options->batch_size > 0 && options->first_step > options->step_base);
    struct loader *loader = allocate(1, sizeof *loader, error);
    if (!loader)
        return NULL;
    loader->dataset = dataset;
    loader->vocabulary = vocabulary;
    loader->options = *options;
    if (!options->share.count)
        loader->options.share = (struct batch_share){0, options->batch_size};
    pthread_mutex_init(&loader->lock, NULL);
    pthread_cond_init(&loader->changed, NULL);
    loader->masking = masking_create(vocabulary, options->masking, error);
    if (!loader->masking || !find_first_example(loader, error) || !reserve_ring(loader, error) ||
        !start_thread(loader, error)) {
        loader_close(loader);
        return NULL;
    }
    return loader;
}

static void stop_thread(struct loader *loader)
{
    pthread_mutex_lock(&loader->lock);
    loader->stopping = true;
    pthread_cond_broadcast(&loader->changed);
    pthread_mutex_unlock(&loader->lock);
    pthread_join(loader->thread, NULL);
}

void loader_close(struct loader *loader)
{
    if (!loader)
        return;
    if (loader->running)
        stop_thread(loader);
    for (int i = 0; i < RING; i++)
        batch_free(&loader->ring[i]);
    epoch_close(loader->epoch);
    masking_free(loader->masking);
    pthread_cond_destroy(&loader->changed);
    pthread_mutex_destroy(&loader->lock);
    free(loader);
}

/* ---- the caller's thread ---- */

const struct batch *loader_next(struct loader *loader, struct error *error)
{
    CHECK(loader->taken < loader_batches(loader));
    double before = machine_seconds();
    pthread_mutex_lock(&loader->lock);
    loader->returned = loader->taken;
    pthread_cond_broadcast(&loader->changed);
    while (loader->made == loader->taken && loader->failure.kind == ERROR_NONE)
        pthread_cond_wait(&loader->changed, &loader->lock);
    bool ready = loader->made > loader->taken;
    if (!ready)
        *error = loader->failure;
    pthread_mutex_unlock(&loader->lock);
    loader->waited += machine_seconds() - before;
    return ready ? &loader->ring[loader->taken++ % RING] : NULL;
}

uint64_t loader_batches(const struct loader *loader)
{
    return loader->options.last_step - loader->options.first_step + 1;
}

double loader_waited(const struct loader *loader)
{
    return loader->waited;
}

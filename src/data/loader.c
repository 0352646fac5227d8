#include "data/loader.h"

#include "base/machine.h"
#include "base/memory.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

/* Batches in memory: one in use, the others ready or in the making. A step takes longer than a
 * batch by orders of magnitude; the reserve is for the count at an epoch's beginning. */
enum { RING = 4 };

struct loader {
    const struct dataset *dataset;
    const struct vocabulary *vocabulary;
    struct loader_options options;
    struct masking *masking;

    /* Of the background thread, once it runs. */
    struct epoch *epoch;
    uint64_t position; /* of the next example in the epoch */

    struct batch ring[RING]; /* batch number n of this loader, from 0, is in place n % RING */
    pthread_t thread;
    bool running;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* signalled whenever one of these changes, all guarded by the lock: */
    uint64_t made;          /* batches made so far */
    uint64_t returned;      /* batches no longer in use */
    bool stopping;
    struct error failure; /* of the background thread; kind ERROR_NONE: none */

    /* Of the thread that calls loader_next. */
    uint64_t taken; /* batches given out */
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

/* Brings epoch and position in line when the position is behind the epoch's end. */
static bool settle_position(struct loader *loader, struct error *error)
{
    while (loader->position >= epoch_examples(loader->epoch)) {
        loader->position -= epoch_examples(loader->epoch);
        if (!open_epoch(loader, epoch_number(loader->epoch) + 1, error))
            return false;
    }
    return true;
}

/* Copies the span's ids to `out` and [SEP] behind them; returns the place after that. */
static int32_t *put_segment(const struct loader *loader, struct span span, int32_t *out)
{
    dataset_read(loader->dataset, span.shard, span.first, span.last, out);
    out += span.last - span.first;
    *out++ = vocabulary_special(loader->vocabulary, SPECIAL_SEP);
    return out;
}

/* The embedding and the masking index tables by these ids. */
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
    int masked =
        masking_apply(loader->masking, &random, ids, length, batch->masked_tokens + batch->masked,
                      batch->masked_labels + batch->masked);
    batch_append(batch, length, (int)(second - ids), masked, example->next_sentence_label);
    return true;
}

/* With one_epoch: whether nothing is left. */
static bool at_end(const struct loader *loader)
{
    return loader->options.one_epoch && loader->position == epoch_examples(loader->epoch);
}

static bool make_batch(struct loader *loader, struct batch *batch, struct error *error)
{
    batch_clear(batch);
    for (int i = 0; i < loader->options.batch_size && !at_end(loader); i++) {
        if (!settle_position(loader, error))
            return false;
        struct example example = epoch_example(loader->epoch, loader->position++);
        if (!add_example(loader, &example, batch, error))
            return false;
    }
    return true;
}

/* The place for the next batch; NULL when the loader is being closed. */
static struct batch *wait_for_place(struct loader *loader)
{
    pthread_mutex_lock(&loader->lock);
    while (!loader->stopping && loader->made - loader->returned == RING)
        pthread_cond_wait(&loader->changed, &loader->lock);
    struct batch *place = loader->stopping ? NULL : &loader->ring[loader->made % RING];
    pthread_mutex_unlock(&loader->lock);
    return place;
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
        struct batch *batch = wait_for_place(loader);
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
    size_t sequences = (size_t)loader->options.batch_size, tokens;
    if (__builtin_mul_overflow(sequences, (size_t)loader->options.examples.seq_len, &tokens))
        return fail_input(error, "a batch of %zu sequences of %d tokens; expected less than 2^31",
                          sequences, loader->options.examples.seq_len);
    /* As many predictions as tokens: masking uses the room behind the last one for its work. */
    for (int i = 0; i < RING; i++)
        if (!batch_reserve(&loader->ring[i], sequences, tokens, tokens, error))
            return false;
    return true;
}

/* Lowers the last step to the one that takes the epoch's last example. */
static void end_with_epoch(struct loader *loader)
{
    uint64_t batch_size = (uint64_t)loader->options.batch_size;
    uint64_t batches = (epoch_examples(loader->epoch) - 1) / batch_size + 1;
    uint64_t last_step = loader->options.step_base + batches;
    CHECK(loader->options.first_step == loader->options.step_base + 1);
    if (last_step < loader->options.last_step)
        loader->options.last_step = last_step;
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

/* Signals are for the main thread: its system calls are to be interrupted by them. */
static bool start_thread(struct loader *loader, struct error *error)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int status = pthread_create(&loader->thread, NULL, make_batches, loader);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    loader->running = status == 0;
    return loader->running ||
           fail_errno(error, status, "cannot start the thread that makes batches");
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

/* ---- what the caller sees ---- */

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

#include "train/task_batches.h"

#include "base/memory.h"
#include "base/min.h"
#include "base/random.h"

#include <stdlib.h>

struct task_batches {
    const struct labelled_set *set;
    uint64_t seed;
    int64_t batch_size, step; /* the step of the next batch */
    size_t *indices;          /* [batch_size] */
    struct batch batch;
};

int64_t task_batches_per_epoch(const struct labelled_set *set, int64_t batch_size)
{
    return ((int64_t)set->count - 1) / batch_size + 1;
}

bool task_batch_reserve(struct batch *batch, const struct labelled_set *set, size_t count,
                        struct error *error)
{
    return batch_reserve(batch, count, count * (size_t)set->max_length,
                         count * (size_t)set->max_predicted, error);
}

static void close_batches(void *state)
{
    struct task_batches *batches = state;
    if (!batches)
        return;
    batch_free(&batches->batch);
    free(batches->indices);
    free(batches);
}

static const struct batch *next_batch(void *state, struct error *error)
{
    struct task_batches *batches = state;
    const int64_t count = (int64_t)batches->set->count, size = batches->batch_size;
    const int64_t per_epoch = task_batches_per_epoch(batches->set, size);
    const int64_t epoch = (batches->step - 1) / per_epoch;
    const int64_t first = (batches->step - 1) % per_epoch * size;
    const int64_t taken = min_int64(size, count - first);
    const struct permutation order =
        permutation_begin(batches->seed, (uint64_t)epoch, 0, (uint64_t)count);
    for (int64_t i = 0; i < taken; i++)
        batches->indices[i] = permutation_at(&order, (uint64_t)(first + i));
    batches->step++;
    return labelled_set_batch(batches->set, batches->indices, (size_t)taken, &batches->batch, error)
               ? &batches->batch
               : NULL;
}

/* The examples are in memory. */
static double waited(const void *state)
{
    (void)state;
    return 0;
}

bool task_batches_open(const struct labelled_set *set, uint64_t seed, int64_t batch_size,
                       int64_t first_step, struct batch_source *source, struct error *error)
{
    struct task_batches *batches = allocate(1, sizeof *batches, error);
    if (!batches)
        return false;
    *batches = (struct task_batches){
        .set = set, .seed = seed, .batch_size = batch_size, .step = first_step};
    const size_t largest = (size_t)min_int64(batch_size, (int64_t)set->count);
    batches->indices = allocate(largest, sizeof *batches->indices, error);
    if (!batches->indices || !task_batch_reserve(&batches->batch, set, largest, error)) {
        close_batches(batches);
        return false;
    }
    *source = (struct batch_source){
        .state = batches, .next = next_batch, .waited = waited, .close = close_batches};
    return true;
}

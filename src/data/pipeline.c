#include "data/pipeline.h"

#include "base/memory.h"

#include <omp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

/* Items are numbered in the order of reading; item n is in slot n % item_count. Items below `read`
 * are filled, those below `started` have been given to a thread, those below `written` are done. */
struct run {
    const struct pipeline *pipeline;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint64_t read, started, written;
    bool *worked; /* [item_count] the item is ready to be written */
    bool reading, writing, ended, failed;
    struct error *error; /* of the first failure */
};

enum task { TASK_READ, TASK_WORK, TASK_WRITE, TASK_NONE, TASK_STOP };

static size_t slot_of(const struct run *run, uint64_t number)
{
    return number % run->pipeline->item_count;
}

static void *item_of(const struct run *run, uint64_t number)
{
    return (char *)run->pipeline->items + slot_of(run, number) * run->pipeline->item_size;
}

/* Writing comes first, since it frees items; then reading, until every thread has a next item to
 * work on. */
static enum task choose(const struct run *run)
{
    uint64_t waiting = run->read - run->started;
    bool can_read =
        !run->reading && !run->ended && run->read - run->written < run->pipeline->item_count;
    if (run->failed || (run->ended && run->written == run->read))
        return TASK_STOP;
    if (!run->writing && run->written < run->started && run->worked[slot_of(run, run->written)])
        return TASK_WRITE;
    if (can_read && waiting < (uint64_t)run->pipeline->threads)
        return TASK_READ;
    if (waiting > 0)
        return TASK_WORK;
    return TASK_NONE;
}

/* The three do_ functions are called with the mutex locked and return with it locked; they unlock
 * it while a function of the pipeline runs. */
static bool do_read(struct run *run, struct error *error)
{
    void *item = item_of(run, run->read);
    bool end = false;
    run->reading = true;
    pthread_mutex_unlock(&run->mutex);
    bool done = run->pipeline->read(run->pipeline->context, item, &end, error);
    pthread_mutex_lock(&run->mutex);
    run->reading = false;
    run->ended = end;
    run->read += done && !end;
    return done;
}

static bool do_work(struct run *run, int thread, struct error *error)
{
    uint64_t number = run->started++;
    pthread_mutex_unlock(&run->mutex);
    bool done = run->pipeline->work(run->pipeline->context, thread, item_of(run, number), error);
    pthread_mutex_lock(&run->mutex);
    run->worked[slot_of(run, number)] = true;
    return done;
}

static bool do_write(struct run *run, struct error *error)
{
    uint64_t number = run->written;
    run->writing = true;
    pthread_mutex_unlock(&run->mutex);
    bool done = !run->pipeline->write ||
                run->pipeline->write(run->pipeline->context, item_of(run, number), error);
    pthread_mutex_lock(&run->mutex);
    run->writing = false;
    run->worked[slot_of(run, number)] = false;
    run->written++;
    return done;
}

static bool do_task(struct run *run, enum task task, int thread, struct error *error)
{
    switch (task) {
    case TASK_READ:
        return do_read(run, error);
    case TASK_WORK:
        return do_work(run, thread, error);
    case TASK_WRITE:
        return do_write(run, error);
    default:
        pthread_cond_wait(&run->changed, &run->mutex);
        return true;
    }
}

static void run_thread(struct run *run, int thread)
{
    pthread_mutex_lock(&run->mutex);
    for (enum task task; (task = choose(run)) != TASK_STOP;) {
        struct error error = {0};
        if (!do_task(run, task, thread, &error) && !run->failed) {
            run->failed = true;
            *run->error = error;
        }
        if (task != TASK_NONE)
            pthread_cond_broadcast(&run->changed);
    }
    pthread_mutex_unlock(&run->mutex);
}

bool pipeline_run(const struct pipeline *pipeline, struct error *error)
{
    CHECK(pipeline->threads > 0 && pipeline->item_count > 0);
    struct run run = {
        .pipeline = pipeline,
        .mutex = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER,
        .worked = allocate(pipeline->item_count, sizeof *run.worked, error),
        .error = error,
    };
    if (!run.worked)
        return false;
#pragma omp parallel num_threads(pipeline->threads)
    run_thread(&run, omp_get_thread_num());
    pthread_cond_destroy(&run.changed);
    pthread_mutex_destroy(&run.mutex);
    free(run.worked);
    return !run.failed;
}

#include "data/pipeline.h"

#include "base/memory.h"

#include <omp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

/* The state of a pipeline while it runs. Items are numbered in the order of reading; item n is in
 * slot n % item_count. Items below `read` are filled, those below `started` have been given to a
 * thread, and those below `written` are done. */
struct pipeline_state {
    const struct pipeline *pipeline;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint64_t read, started, written;
    bool *worked; /* [item_count] whether the item is ready to be written */
    bool reading, writing, ended, failed;
    struct error *error; /* the error of the first failure */
};

enum task { TASK_READ, TASK_WORK, TASK_WRITE, TASK_NONE, TASK_STOP };

static size_t slot_of(const struct pipeline_state *state, uint64_t number)
{
    return number % state->pipeline->item_count;
}

static void *item_of(const struct pipeline_state *state, uint64_t number)
{
    return (char *)state->pipeline->items + slot_of(state, number) * state->pipeline->item_size;
}

/* Chooses the next task. Writing has priority, because it frees items; then reading, until every
 * thread has a next item to work on. */
static enum task choose(const struct pipeline_state *state)
{
    uint64_t waiting = state->read - state->started;
    bool can_read = !state->reading && !state->ended &&
                    state->read - state->written < state->pipeline->item_count;
    if (state->failed || (state->ended && state->written == state->read))
        return TASK_STOP;
    if (!state->writing && state->written < state->started &&
        state->worked[slot_of(state, state->written)])
        return TASK_WRITE;
    if (can_read && waiting < (uint64_t)state->pipeline->threads)
        return TASK_READ;
    if (waiting > 0)
        return TASK_WORK;
    return TASK_NONE;
}

/* The three do_ functions are called with the mutex locked and return with it locked; they unlock
 * it while a function of the pipeline runs. */
static bool do_read(struct pipeline_state *state, struct error *error)
{
    void *item = item_of(state, state->read);
    bool end = false;
    state->reading = true;
    pthread_mutex_unlock(&state->mutex);
    bool done = state->pipeline->read(state->pipeline->context, item, &end, error);
    pthread_mutex_lock(&state->mutex);
    state->reading = false;
    state->ended = end;
    state->read += done && !end;
    return done;
}

static bool do_work(struct pipeline_state *state, int thread, struct error *error)
{
    uint64_t number = state->started++;
    pthread_mutex_unlock(&state->mutex);
    bool done =
        state->pipeline->work(state->pipeline->context, thread, item_of(state, number), error);
    pthread_mutex_lock(&state->mutex);
    state->worked[slot_of(state, number)] = true;
    return done;
}

static bool do_write(struct pipeline_state *state, struct error *error)
{
    uint64_t number = state->written;
    state->writing = true;
    pthread_mutex_unlock(&state->mutex);
    bool done = !state->pipeline->write ||
                state->pipeline->write(state->pipeline->context, item_of(state, number), error);
    pthread_mutex_lock(&state->mutex);
    state->writing = false;
    state->worked[slot_of(state, number)] = false;
    state->written++;
    return done;
}

static bool do_task(struct pipeline_state *state, enum task task, int thread, struct error *error)
{
    switch (task) {
    case TASK_READ:
        return do_read(state, error);
    case TASK_WORK:
        return do_work(state, thread, error);
    case TASK_WRITE:
        return do_write(state, error);
    default:
        pthread_cond_wait(&state->changed, &state->mutex);
        return true;
    }
}

static void run_thread(struct pipeline_state *state, int thread)
{
    pthread_mutex_lock(&state->mutex);
    for (enum task task; (task = choose(state)) != TASK_STOP;) {
        struct error error = {0};
        if (!do_task(state, task, thread, &error) && !state->failed) {
            state->failed = true;
            *state->error = error;
        }
        if (task != TASK_NONE)
            pthread_cond_broadcast(&state->changed);
    }
    pthread_mutex_unlock(&state->mutex);
}

bool pipeline_run(const struct pipeline *pipeline, struct error *error)
{
    CHECK(pipeline->threads > 0 && pipeline->item_count > 0);
    struct pipeline_state state = {
        .pipeline = pipeline,
        .mutex = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER,
        .worked = allocate(pipeline->item_count, sizeof *state.worked, error),
        .error = error,
    };
    if (!state.worked)
        return false;
#pragma omp parallel num_threads(pipeline->threads)
    run_thread(&state, omp_get_thread_num());
    pthread_cond_destroy(&state.changed);
    pthread_mutex_destroy(&state.mutex);
    free(state.worked);
    return !state.failed;
}

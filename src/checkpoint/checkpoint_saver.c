#include "checkpoint/checkpoint_saver.h"

#include "base/affix.h"
#include "base/memory.h"
#include "base/thread.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct checkpoint_saver {
    struct checkpoint_saver_options options;
    struct checkpoint_model model;    /* the model that is copied */
    struct arena memory;              /* the memory of the snapshot */
    struct checkpoint_model snapshot; /* the copy; used by the thread while a save is under way */
    struct training_state state;      /* the state, copied and used likewise */

    pthread_t thread;
    bool running;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* signalled whenever one of these changes, both guarded by the lock: */
    enum { IDLE, REQUESTED, FINISHED } phase;
    bool stopping;

    /* The results of a save; used by the thread while it is under way. */
    bool saved;
    struct error failure;
    char *messages; /* the messages of checkpoint_save, line by line; NULL: none */
    size_t messages_size;

    struct save_counts counts;
};

/* ---- the background thread ---- */

/* Saves the snapshot. Messages are kept for the thread that uses the log. */
static void save(struct checkpoint_saver *saver)
{
    struct log log = {.stream = open_memstream(&saver->messages, &saver->messages_size)};
    saver->failure = (struct error){0};
    saver->saved = checkpoint_save(
        saver->options.run_directory, &saver->snapshot, saver->options.tokenizer, &saver->state,
        saver->options.retention, log.stream ? &log : NULL, &saver->failure);
    if (log.stream)
        fclose(log.stream);
}

/* Waits for a save to be requested. Returns false when the saver is being closed. */
static bool wait_for_request(struct checkpoint_saver *saver)
{
    pthread_mutex_lock(&saver->lock);
    while (saver->phase != REQUESTED && !saver->stopping)
        pthread_cond_wait(&saver->changed, &saver->lock);
    bool requested = saver->phase == REQUESTED;
    pthread_mutex_unlock(&saver->lock);
    return requested;
}

static void *save_on_request(void *argument)
{
    struct checkpoint_saver *saver = argument;
    while (wait_for_request(saver)) {
        save(saver);
        pthread_mutex_lock(&saver->lock);
        saver->phase = FINISHED;
        pthread_cond_broadcast(&saver->changed);
        pthread_mutex_unlock(&saver->lock);
    }
    return NULL;
}

/* ---- opening and closing ---- */

static bool reserve_snapshot(struct checkpoint_saver *saver, struct error *error)
{
    struct checkpoint_model *snapshot = &saver->snapshot;
    *snapshot = saver->model;
    for (int pass = 0; pass < 2; pass++) {
        size_t total = snapshot->table->total;
        snapshot->values = arena_take(&saver->memory, total, sizeof(real));
        snapshot->first_moment = arena_take(&saver->memory, total, sizeof(real));
        snapshot->second_moment = arena_take(&saver->memory, total, sizeof(real));
        if (saver->model.outer_momentum)
            snapshot->outer_momentum = arena_take(&saver->memory, total, sizeof(real));
        if (pass == 0 && !arena_bind(&saver->memory, error))
            return fail_context(error, "the snapshot that checkpoints are written from");
    }
    return true;
}

static bool start_thread(struct checkpoint_saver *saver, struct error *error)
{
    saver->running =
        thread_start(&saver->thread, save_on_request, saver, "saves checkpoints", error);
    return saver->running;
}

struct checkpoint_saver *checkpoint_saver_open(const struct checkpoint_model *model,
                                               const struct checkpoint_saver_options *options,
                                               struct error *error)
{
    struct checkpoint_saver *saver = allocate(1, sizeof *saver, error);
    if (!saver)
        return NULL;
    saver->options = *options;
    saver->model = *model;
    saver->counts.last_step = options->last_step;
    pthread_mutex_init(&saver->lock, NULL);
    pthread_cond_init(&saver->changed, NULL);
    if (reserve_snapshot(saver, error) && start_thread(saver, error))
        return saver;
    checkpoint_saver_close(saver);
    return NULL;
}

static void stop_thread(struct checkpoint_saver *saver)
{
    pthread_mutex_lock(&saver->lock);
    saver->stopping = true;
    pthread_cond_broadcast(&saver->changed);
    pthread_mutex_unlock(&saver->lock);
    pthread_join(saver->thread, NULL);
}

/* ---- the end of a save ---- */

static void relay_messages(struct checkpoint_saver *saver)
{
    static const char mark[] = "warning: ";
    for (char *line = saver->messages; line && *line;) {
        size_t size = strcspn(line, "\n");
        if (begins_with(line, mark))
            log_warning(saver->options.log, "%.*s", (int)(size - sizeof mark + 1),
                        line + sizeof mark - 1);
        else
            log_line(saver->options.log, "%.*s", (int)size, line);
        line += size + (line[size] == '\n');
    }
    free(saver->messages);
    saver->messages = NULL;
}

/* Records the results of a save that has finished and logs its messages. */
static void collect(struct checkpoint_saver *saver)
{
    relay_messages(saver);
    if (saver->saved)
        saver->counts.last_step = saver->state.step;
    else
        saver->counts.failed++;
}

static void warn_of_failure(const struct checkpoint_saver *saver)
{
    int64_t last = saver->counts.last_step;
    if (last < 0)
        log_warning(saver->options.log, "%s; training continues, and the next save will try again",
                    saver->failure.message);
    else
        log_warning(saver->options.log,
                    "%s; training continues, the checkpoint of step %" PRId64
                    " is kept, and the next save will try again",
                    saver->failure.message, last);
}

/* Waits for the save under way. Returns whether there was one. */
static bool finish(struct checkpoint_saver *saver)
{
    pthread_mutex_lock(&saver->lock);
    while (saver->phase == REQUESTED)
        pthread_cond_wait(&saver->changed, &saver->lock);
    bool finished = saver->phase == FINISHED;
    saver->phase = IDLE;
    pthread_mutex_unlock(&saver->lock);
    if (finished)
        collect(saver);
    return finished;
}

/* ---- the public functions ---- */

/* to[i] = from[i], in parallel slices, because one thread alone does not use the memory's whole
 * bandwidth. */
static void copy_block(real *to, const real *from, size_t count)
{
    enum { SLICE = 1 << 16 };
#pragma omp parallel for schedule(static) if (count > SLICE)
    for (size_t first = 0; first < count; first += SLICE) {
        size_t size = count - first < SLICE ? count - first : SLICE;
        memcpy(to + first, from + first, size * sizeof *to);
    }
}

void checkpoint_saver_start(struct checkpoint_saver *saver, const struct training_state *state,
                            int trained_length,
                            void (*fill)(void *context, const struct checkpoint_model *snapshot),
                            void *context)
{
    if (finish(saver) && !saver->saved)
        warn_of_failure(saver);
    size_t total = saver->model.table->total;
    copy_block(saver->snapshot.values, saver->model.values, total);
    if (fill) {
        fill(context, &saver->snapshot);
    } else {
        copy_block(saver->snapshot.first_moment, saver->model.first_moment, total);
        copy_block(saver->snapshot.second_moment, saver->model.second_moment, total);
    }
    if (saver->model.outer_momentum)
        copy_block(saver->snapshot.outer_momentum, saver->model.outer_momentum, total);
    saver->snapshot.trained_length = trained_length;
    saver->state = *state;
    pthread_mutex_lock(&saver->lock);
    saver->phase = REQUESTED;
    pthread_cond_broadcast(&saver->changed);
    pthread_mutex_unlock(&saver->lock);
}

bool checkpoint_saver_busy(struct checkpoint_saver *saver)
{
    pthread_mutex_lock(&saver->lock);
    bool busy = saver->phase == REQUESTED;
    pthread_mutex_unlock(&saver->lock);
    if (!busy && finish(saver) && !saver->saved)
        warn_of_failure(saver);
    return busy;
}

bool checkpoint_saver_wait(struct checkpoint_saver *saver, struct error *error)
{
    if (!finish(saver) || saver->saved)
        return true;
    *error = saver->failure;
    return false;
}

struct save_counts checkpoint_saver_counts(const struct checkpoint_saver *saver)
{
    return saver->counts;
}

void checkpoint_saver_close(struct checkpoint_saver *saver)
{
    if (!saver)
        return;
    if (saver->running) {
        if (finish(saver) && !saver->saved)
            warn_of_failure(saver);
        stop_thread(saver);
    }
    arena_free(&saver->memory);
    pthread_cond_destroy(&saver->changed);
    pthread_mutex_destroy(&saver->lock);
    free(saver);
}

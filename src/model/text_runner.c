#include "model/text_runner.h"

#include "base/min.h"
#include "model/encoder.h"

#include <omp.h>
#include <stdlib.h>

enum {
    /* The max number of tokens in a micro-batch of several texts; a single text may be longer. */
    MAX_TOKENS = 512,
    /* The tokens that are worth a micro-batch at the end, when what is left is divided among the
     * threads: the weights go through the caches for each of them. */
    MIN_TOKENS = 64,
    MIN_TEXT = 2, /* [CLS] and [SEP] */
};

/* ---- memory ---- */

static struct workspace_limits limits_of(const struct model_config *config, bool predictions,
                                         int threads)
{
    const int positions = config->max_position_embeddings;
    const int tokens = positions > MAX_TOKENS ? positions : MAX_TOKENS;
    return (struct workspace_limits){
        .sequences = tokens / MIN_TEXT,
        .tokens = tokens,
        .predicted = predictions ? tokens : 0,
        .max_length = positions,
        .threads = threads,
        .same_kernels = true,
    };
}

static bool create_worker(struct text_worker *worker, const struct model_config *config,
                          struct workspace_limits limits, struct layer_panels *panels,
                          struct error *error)
{
    worker->workspace = workspace_create(config, limits, false, error);
    if (!worker->workspace)
        return false;
    worker->workspace->encoder_memory.panels[LINEAR_FORWARD] = panels;
    worker->workspace->encoder_memory.laid_out = true;
    return batch_reserve(&worker->batch, (size_t)limits.sequences, (size_t)limits.tokens,
                         (size_t)limits.predicted, error);
}

static bool create_panels(struct text_runner *runner, struct error *error)
{
    encoder_panels_plan(false, &runner->model->config, &runner->memory);
    if (!arena_bind(&runner->memory, error))
        return false;
    runner->panels = encoder_panels_plan(false, &runner->model->config, &runner->memory);
    return true;
}

bool text_runner_create(struct text_runner *runner, const struct model *model, bool predictions,
                        int threads, struct error *error)
{
    *runner = (struct text_runner){.model = model};
    runner->workers = allocate((size_t)threads, sizeof *runner->workers, error);
    if (!runner->workers || !create_panels(runner, error))
        return false;
    for (; runner->threads < threads; runner->threads++) {
        struct text_worker *worker = &runner->workers[runner->threads];
        /* The first worker's micro-batch may be shared by all threads. */
        const int working = runner->threads == 0 ? threads : 1;
        worker->index = runner->threads;
        if (!create_worker(worker, &model->config, limits_of(&model->config, predictions, working),
                           runner->panels, error)) {
            runner->threads++; /* so that what it has is freed */
            return false;
        }
    }
    return true;
}

void text_runner_free(struct text_runner *runner)
{
    for (int i = 0; i < runner->threads; i++) {
        batch_free(&runner->workers[i].batch);
        workspace_free(runner->workers[i].workspace);
    }
    free(runner->workers);
    arena_free(&runner->memory);
    *runner = (struct text_runner){0};
}

/* ---- running ---- */

/* The texts of a run. Threads take neighbours, and the borders between them do not depend on which
 * thread takes which. */
struct queue {
    const struct text_source *source;
    size_t next, count;
    size_t tokens; /* of the texts from `next` on */
    size_t done;   /* the texts that have been computed */
    int threads;   /* that take texts */
    bool all_tokens;
};

struct texts {
    size_t first, count;
};

static size_t wanted_tokens(const struct queue *queue)
{
    const size_t share = queue->tokens / (size_t)queue->threads;
    return share < MIN_TOKENS ? MIN_TOKENS : min_size(share, MAX_TOKENS);
}

/* Takes the next texts for a micro-batch: at least one, unless none is left. */
static struct texts take_texts(struct queue *queue, struct workspace_limits limits)
{
    const struct text_source *source = queue->source;
    struct texts taken = {.first = queue->next};
    const size_t wanted = wanted_tokens(queue);
    size_t tokens = 0;
    while (queue->next < queue->count && tokens < wanted &&
           taken.count < (size_t)limits.sequences) {
        const size_t length = (size_t)source->length(source->context, queue->next);
        CHECK(length <= (size_t)limits.max_length);
        if (tokens + length > (size_t)limits.tokens)
            break;
        tokens += length;
        taken.count++;
        queue->next++;
    }
    queue->tokens -= tokens;
    return taken;
}

/* Runs texts as a micro-batch on `threads` threads. */
static void run_texts(const struct text_runner *runner, struct text_worker *worker,
                      const struct queue *queue, struct texts texts, int threads)
{
    struct workspace *workspace = worker->workspace;
    const struct encoder_dropout none = encoder_dropout_none();
    const struct text_source *source = queue->source;
    struct workspace_limits limits = workspace->limits;
    limits.threads = threads;
    batch_clear(&worker->batch);
    for (size_t i = 0; i < texts.count; i++)
        source->append(source->context, texts.first + i, &worker->batch);
    micro_batch_load(&workspace->micro_batch, limits, &worker->batch, 0, worker->batch.sequences,
                     0);
    if (queue->all_tokens)
        micro_batch_choose_all_tokens(&workspace->micro_batch, limits);
    encoder_forward(runner->model, workspace, &none);
    source->finish(source->context, worker, texts.first, texts.count);
}

/* Takes note that texts are done. Threads call it one at a time. */
static void count_done(struct queue *queue, struct texts texts)
{
    const struct text_listener *listener = queue->source->listener;
    queue->done += texts.count;
    if (listener && texts.count)
        listener->hear(listener->context, queue->done);
}

/* Runs texts on the calling thread until none is left. */
static void run_worker(const struct text_runner *runner, struct text_worker *worker,
                       struct queue *queue)
{
    struct texts texts = {0};
    do {
#pragma omp critical(text_runner_queue)
        {
            count_done(queue, texts);
            texts = take_texts(queue, worker->workspace->limits);
        }
        if (texts.count)
            run_texts(runner, worker, queue, texts, 1);
    } while (texts.count);
}

/* Runs texts, on all threads together, until none is left. */
static void run_together(const struct text_runner *runner, struct queue *queue, int threads)
{
    struct text_worker *worker = &runner->workers[0];
    for (;;) {
        const struct texts texts = take_texts(queue, worker->workspace->limits);
        if (!texts.count)
            return;
        run_texts(runner, worker, queue, texts, threads);
        count_done(queue, texts);
    }
}

void text_runner_run(struct text_runner *runner, const struct text_source *source, size_t count,
                     bool all_tokens)
{
    const int threads = omp_get_max_threads();
    const bool together = count < (size_t)threads;
    struct queue queue = {.source = source,
                          .count = count,
                          .threads = together ? 1 : threads,
                          .all_tokens = all_tokens};
    CHECK(threads <= runner->threads);
    if (!count)
        return;
    for (size_t i = 0; i < count; i++)
        queue.tokens += (size_t)source->length(source->context, i);
    encoder_lay_out(runner->model, runner->workers[0].workspace, runner->panels);
    if (together) {
        run_together(runner, &queue, threads);
        return;
    }
#pragma omp parallel
    run_worker(runner, &runner->workers[omp_get_thread_num()], &queue);
}

#include "model/text_vectors.h"

#include "base/memory.h"
#include "model/encoder.h"
#include "model/pooler.h"
#include "model/text_runner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct text_vectors {
    const struct model *model;
    enum pooling pooling;
    bool normalize;
    struct text_runner runner;
    struct arena memory;           /* of the poolers */
    struct pooler_memory *poolers; /* of each worker; only for POOLING_POOLER */
    struct text_vector *texts;     /* those that are computed now */
};

static struct pooler_memory *plan_poolers(struct text_vectors *vectors)
{
    const struct text_runner *runner = &vectors->runner;
    struct arena *arena = &vectors->memory;
    struct pooler_memory *poolers = arena_take(arena, (size_t)runner->threads, sizeof *poolers);
    for (int i = 0; i < runner->threads; i++) {
        const struct pooler_memory planned =
            pooler_plan(runner->workers[i].workspace, &vectors->model->config, arena);
        if (poolers)
            poolers[i] = planned;
    }
    return poolers;
}

static bool create_poolers(struct text_vectors *vectors, struct error *error)
{
    plan_poolers(vectors);
    if (!arena_bind(&vectors->memory, error))
        return false;
    vectors->poolers = plan_poolers(vectors);
    return true;
}

struct text_vectors *text_vectors_create(const struct model *model, enum pooling pooling,
                                         bool normalize, int threads, struct error *error)
{
    struct text_vectors *vectors = allocate(1, sizeof *vectors, error);
    if (!vectors)
        return NULL;
    vectors->model = model;
    vectors->pooling = pooling;
    vectors->normalize = normalize;
    if (!text_runner_create(&vectors->runner, model, pooling == POOLING_MEAN, threads, error) ||
        (pooling == POOLING_POOLER && !create_poolers(vectors, error))) {
        text_vectors_free(vectors);
        return NULL;
    }
    return vectors;
}

void text_vectors_free(struct text_vectors *vectors)
{
    if (!vectors)
        return;
    text_runner_free(&vectors->runner);
    arena_free(&vectors->memory);
    free(vectors);
}

/* ---- pooling ---- */

/* values [width] = the mean of rows [first, last) of x. Sums are taken in the order of the rows. */
static void mean_of_rows(float *values, const struct rows *x, int first, int last, int width)
{
    for (int i = 0; i < width; i++)
        values[i] = 0;
    for (int row = first; row < last; row++) {
        const real *from = x->reals + (size_t)row * (size_t)x->width;
        for (int i = 0; i < width; i++)
            values[i] += (float)from[i];
    }
    for (int i = 0; i < width; i++)
        values[i] /= (float)(last - first);
}

static void normalize(float *values, int width)
{
    double square = 0;
    for (int i = 0; i < width; i++)
        square += (double)values[i] * (double)values[i];
    for (int i = 0; square > 0 && i < width; i++)
        values[i] = (float)((double)values[i] / sqrt(square));
}

/* Stores the vectors of the texts that are in the worker's micro-batch. */
static void pool(void *context, const struct text_worker *worker, size_t first_text, size_t count)
{
    struct text_vectors *vectors = context;
    const struct text_vector *texts = vectors->texts + first_text;
    const struct model *model = vectors->model;
    const struct micro_batch *micro_batch = &worker->workspace->micro_batch;
    const struct head_pass pass = {
        .model = model, .micro_batch = micro_batch, .workspace = worker->workspace};
    const int width = model->config.hidden_size;
    const int32_t *starts = micro_batch->head_tokens.starts;
    const bool all = vectors->pooling == POOLING_MEAN, pooled = vectors->pooling == POOLING_POOLER;
    const struct rows x = pooled ? pooler_forward(&pass, &vectors->poolers[worker->index])
                                 : encoder_output(worker->workspace, &model->config);
    for (int i = 0; i < (int)count; i++) {
        const int first = pooled ? i : starts[i];
        mean_of_rows(texts[i].values, &x, first, all ? starts[i + 1] : first + 1, width);
        if (vectors->normalize)
            normalize(texts[i].values, width);
    }
}

/* ---- texts ---- */

static int length_of(void *context, size_t text)
{
    const struct text_vectors *vectors = context;
    return vectors->texts[text].length;
}

static void append(void *context, size_t index, struct batch *batch)
{
    const struct text_vectors *vectors = context;
    const struct text_vector *text = &vectors->texts[index];
    memcpy(batch->input_ids + batch->tokens, text->ids, (size_t)text->length * sizeof *text->ids);
    batch_append(batch, text->length, text->length, 0, NO_LABEL);
}

static int by_length(const void *a, const void *b)
{
    const struct text_vector *x = a, *y = b;
    return (x->length < y->length) - (x->length > y->length);
}

void text_vectors_compute(struct text_vectors *vectors, struct text_vector *texts, size_t count,
                          const struct text_listener *listener)
{
    const struct text_source source = {.context = vectors,
                                       .length = length_of,
                                       .append = append,
                                       .finish = pool,
                                       .listener = listener};
    qsort(texts, count, sizeof *texts, by_length);
    vectors->texts = texts;
    text_runner_run(&vectors->runner, &source, count, vectors->pooling == POOLING_MEAN);
}

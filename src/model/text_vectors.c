#include "model/text_vectors.h"

#include "base/memory.h"
#include "data/batch.h"
#include "model/encoder.h"
#include "model/pooler.h"
#include "model/workspace.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* The tokens of a thread in a micro-batch. With half as many, laying out the weights of base
     * takes 3 % of the time. */
    THREAD_TOKENS = 2048,
    MIN_TEXT = 2, /* [CLS] and [SEP] */
};

/* The most memory that a micro-batch may take; it gets fewer tokens if it would need more. */
static const size_t MAX_MEMORY = (size_t)1 << 30;

struct text_vectors {
    const struct model *model;
    const struct vocabulary *vocabulary;
    enum pooling pooling;
    bool normalize;
    struct workspace *workspace;
    struct batch batch;
    struct arena memory; /* of the pooler */
    struct pooler_memory pooler;
};

static struct workspace_limits limits_for(const struct model_config *config, enum pooling pooling,
                                          int tokens, int threads)
{
    return (struct workspace_limits){
        .sequences = tokens / MIN_TEXT,
        .tokens = tokens,
        .predicted = pooling == POOLING_MEAN ? tokens : 0,
        .max_length = config->max_position_embeddings,
        .threads = threads,
        .same_kernels = true,
    };
}

/* Returns the limits with the most tokens that keep to MAX_MEMORY; at least one text of any length
 * fits. */
static struct workspace_limits choose_limits(const struct model_config *config,
                                             enum pooling pooling, int threads)
{
    int tokens = THREAD_TOKENS * threads;
    const int positions = config->max_position_embeddings;
    while (tokens / 2 > positions &&
           workspace_bytes(config, limits_for(config, pooling, tokens, threads), false) >
               MAX_MEMORY)
        tokens /= 2;
    return limits_for(config, pooling, tokens > positions ? tokens : positions, threads);
}

static bool plan_pooler(struct text_vectors *vectors, struct error *error)
{
    const struct model_config *config = &vectors->model->config;
    pooler_plan(vectors->workspace, config, &vectors->memory);
    if (!arena_bind(&vectors->memory, error))
        return false;
    vectors->pooler = pooler_plan(vectors->workspace, config, &vectors->memory);
    return true;
}

static bool take_memory(struct text_vectors *vectors, struct workspace_limits limits,
                        struct error *error)
{
    const struct model_config *config = &vectors->model->config;
    vectors->workspace = workspace_create(config, limits, false, error);
    return vectors->workspace &&
           (vectors->pooling != POOLING_POOLER || plan_pooler(vectors, error)) &&
           batch_reserve(&vectors->batch, (size_t)limits.sequences, (size_t)limits.tokens, 0,
                         error);
}

struct text_vectors *text_vectors_create(const struct model *model,
                                         const struct vocabulary *vocabulary, enum pooling pooling,
                                         bool normalize, int threads, struct error *error)
{
    struct text_vectors *vectors = allocate(1, sizeof *vectors, error);
    if (!vectors)
        return NULL;
    vectors->model = model;
    vectors->vocabulary = vocabulary;
    vectors->pooling = pooling;
    vectors->normalize = normalize;
    if (!take_memory(vectors, choose_limits(&model->config, pooling, threads), error)) {
        text_vectors_free(vectors);
        return NULL;
    }
    return vectors;
}

void text_vectors_free(struct text_vectors *vectors)
{
    if (!vectors)
        return;
    batch_free(&vectors->batch);
    workspace_free(vectors->workspace);
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

/* Stores the vectors of the texts that are in the micro-batch. */
static void pool(struct text_vectors *vectors, const struct text_vector *texts)
{
    const struct model *model = vectors->model;
    const struct micro_batch *micro_batch = &vectors->workspace->micro_batch;
    const struct head_pass pass = {
        .model = model, .micro_batch = micro_batch, .workspace = vectors->workspace};
    const int width = model->config.hidden_size;
    const int32_t *starts = micro_batch->head_tokens.starts;
    const bool all = vectors->pooling == POOLING_MEAN, pooled = vectors->pooling == POOLING_POOLER;
    const struct rows x = pooled ? pooler_forward(&pass, &vectors->pooler)
                                 : encoder_output(vectors->workspace, &model->config);
    for (int i = 0; i < vectors->batch.sequences; i++) {
        const int first = pooled ? i : starts[i];
        mean_of_rows(texts[i].values, &x, first, all ? starts[i + 1] : first + 1, width);
        if (vectors->normalize)
            normalize(texts[i].values, width);
    }
}

/* ---- micro-batches ---- */

static void append(struct text_vectors *vectors, const struct text_vector *text)
{
    struct batch *batch = &vectors->batch;
    int32_t *ids = batch->input_ids + batch->tokens;
    const int length = text->count + 2;
    ids[0] = vocabulary_special(vectors->vocabulary, SPECIAL_CLS);
    if (text->count)
        memcpy(ids + 1, text->ids, (size_t)text->count * sizeof *ids);
    ids[1 + text->count] = vocabulary_special(vectors->vocabulary, SPECIAL_SEP);
    batch_append(batch, length, length, 0, NO_LABEL);
}

/* Computes the vectors of as many texts, from the first on, as a micro-batch holds; returns their
 * number. */
static size_t compute_some(struct text_vectors *vectors, const struct text_vector *texts,
                           size_t count)
{
    struct micro_batch *micro_batch = &vectors->workspace->micro_batch;
    const struct workspace_limits limits = vectors->workspace->limits;
    const struct encoder_dropout none = encoder_dropout_none();
    size_t done = 0;
    batch_clear(&vectors->batch);
    for (; done < count && vectors->batch.sequences < limits.sequences &&
           vectors->batch.tokens + texts[done].count + 2 <= limits.tokens;
         done++)
        append(vectors, &texts[done]);
    CHECK(done > 0 && omp_get_max_threads() <= limits.threads);
    micro_batch_load(micro_batch, limits, &vectors->batch, 0, vectors->batch.sequences, 0);
    if (vectors->pooling == POOLING_MEAN)
        micro_batch_choose_all_tokens(micro_batch, limits);
    encoder_forward(vectors->model, vectors->workspace, &none);
    pool(vectors, texts);
    return done;
}

static int by_length(const void *a, const void *b)
{
    const struct text_vector *x = a, *y = b;
    return (x->count < y->count) - (x->count > y->count);
}

void text_vectors_compute(struct text_vectors *vectors, struct text_vector *texts, size_t count)
{
    qsort(texts, count, sizeof *texts, by_length);
    for (size_t done = 0; done < count;)
        done += compute_some(vectors, texts + done, count - done);
}

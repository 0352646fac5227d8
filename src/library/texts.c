/* The functions of cloze.h on batches of texts. */

#include "library/model_handle.h"

#include "base/memory.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

static struct cell cell_of(const char *text)
{
    return (struct cell){text, strlen(text)};
}

/* ---- embedding ---- */

/* Makes the model's embedder what is asked for; with as many threads as OpenMP has now. */
static bool prepare_embedder(struct cloze_model *model, enum pooling pooling, bool normalize,
                             struct error *error)
{
    const int threads = omp_get_max_threads();
    if (model->embedder && model->pooling == pooling && model->normalize == normalize &&
        model->embedder_threads == threads)
        return true;
    embedder_free(model->embedder);
    model->embedder = embedder_create(model->model, model->tokenizer, model->trained_length,
                                      pooling, normalize, threads, error);
    model->pooling = pooling;
    model->normalize = normalize;
    model->embedder_threads = threads;
    return model->embedder;
}

static bool choose_pooling(const struct cloze_model *model, enum cloze_pooling asked,
                           enum pooling *pooling, struct error *error)
{
    switch (asked) {
    case CLOZE_POOLING_MEAN:
        *pooling = POOLING_MEAN;
        return true;
    case CLOZE_POOLING_CLS:
        *pooling = POOLING_CLS;
        return true;
    case CLOZE_POOLING_POOLER:
        *pooling = POOLING_POOLER;
        return require_group(model, GROUP_POOLER, "pooler", error);
    }
    return fail_input(error, "pooling is %d; expected one of enum cloze_pooling", (int)asked);
}

/* Returns the texts as cells, which the caller frees; NULL when memory is short. */
static struct cell *cells_of(const char *const *texts, size_t count, struct error *error)
{
    struct cell *cells = allocate(count, sizeof *cells, error);
    for (size_t i = 0; cells && i < count; i++)
        cells[i] = cell_of(texts[i]);
    return cells;
}

float *cloze_embed(struct cloze_model *model, const char *const *texts, size_t count,
                   enum cloze_pooling asked, bool normalize, struct cloze_error *published)
{
    struct error error = {0};
    enum pooling pooling;
    if (!choose_pooling(model, asked, &pooling, &error) ||
        !prepare_embedder(model, pooling, normalize, &error))
        return publish_error(&error, published);
    const size_t width = (size_t)cloze_hidden_size(model);
    struct cell *cells = cells_of(texts, count, &error);
    float *values = cells ? allocate(count, width * sizeof *values, &error) : NULL;
    const bool done = values && embedder_run(model->embedder, cells, count, values, NULL, &error) &&
                      require_finite(values, count * width, &error);
    free(cells);
    if (done)
        return values;
    free(values);
    return publish_error(&error, published);
}

/* ---- labels ---- */

enum cloze_task task_of(const struct head_list *heads)
{
    static const enum cloze_task tasks[] = {
        [TASK_CLASSIFICATION] = CLOZE_TASK_CLASSIFICATION,
        [TASK_REGRESSION] = CLOZE_TASK_REGRESSION,
        [TASK_TOKENS] = CLOZE_TASK_TOKENS,
    };
    return heads->labelled ? tasks[heads->task] : CLOZE_TASK_NONE;
}

enum cloze_task cloze_task(const struct cloze_model *model)
{
    return task_of(model->model->config.heads);
}

int cloze_label_count(const struct cloze_model *model)
{
    return model->model->config.labels.count;
}

const char *cloze_label_name(const struct cloze_model *model, int index)
{
    return model->model->config.labels.names[index];
}

/* Makes the model's predictor, if the model predicts labels of this sort: of words or of texts. */
static bool prepare_predictor(struct cloze_model *model, bool of_words, struct error *error)
{
    const struct head_list *heads = model->model->config.heads;
    const int threads = omp_get_max_threads();
    if (!require_group(model, GROUP_CLASSIFIER, "classifier", error))
        return false;
    if (of_words != (heads == &token_classification_heads))
        return fail_input(error, "the model is a %s, which labels %s; expected one that labels %s",
                          heads->architecture, of_words ? "whole texts" : "words",
                          of_words ? "words" : "whole texts");
    if (!of_words && !require_group(model, GROUP_POOLER, "pooler", error))
        return false;
    if (model->predictor && model->predictor_threads == threads)
        return true;
    predictor_free(model->predictor);
    model->predictor =
        predictor_create(model->model, model->tokenizer, model->trained_length, threads, error);
    model->predictor_threads = threads;
    return model->predictor;
}

float *cloze_classify(struct cloze_model *model, const char *const *texts,
                      const char *const *second_texts, size_t count, struct cloze_error *published)
{
    struct error error = {0};
    if ((second_texts && !model_config_check_pairs(&model->model->config, &error)) ||
        !prepare_predictor(model, false, &error))
        return publish_error(&error, published);
    const size_t labels = (size_t)cloze_label_count(model);
    struct predictor_text *inputs = allocate(count, sizeof *inputs, &error);
    float *values = inputs ? allocate(count, labels * sizeof *values, &error) : NULL;
    for (size_t i = 0; values && i < count; i++) {
        inputs[i].plain.text = cell_of(texts[i]);
        if (second_texts)
            inputs[i].plain.text_pair = cell_of(second_texts[i]);
        inputs[i].values = values + i * labels;
    }
    const bool done = values && predictor_run(model->predictor, inputs, count, NULL, &error) &&
                      require_finite(values, count * labels, &error);
    free(inputs);
    if (done)
        return values;
    free(values);
    return publish_error(&error, published);
}

/* ---- labels of words ---- */

/* The texts of words as the predictor takes them. */
struct word_texts {
    struct cells *cells; /* [count] */
    struct predictor_text *inputs;
    float *values; /* [words, labels] */
    size_t count, words;
};

static void word_texts_free(struct word_texts *texts)
{
    for (size_t i = 0; texts->cells && i < texts->count; i++)
        cells_free(&texts->cells[i]);
    free(texts->cells);
    free(texts->inputs);
    free(texts->values);
}

static bool word_texts_create(struct word_texts *texts, const struct cloze_words *from,
                              size_t count, size_t labels, struct error *error)
{
    *texts = (struct word_texts){.count = count};
    for (size_t i = 0; i < count; i++)
        texts->words += from[i].count;
    texts->cells = allocate(count, sizeof *texts->cells, error);
    if (texts->cells)
        texts->inputs = allocate(count, sizeof *texts->inputs, error);
    if (texts->inputs)
        texts->values = allocate(texts->words, labels * sizeof *texts->values, error);
    float *values = texts->values;
    for (size_t i = 0; texts->values && i < count; i++) {
        for (size_t j = 0; j < from[i].count; j++)
            if (!cells_add(&texts->cells[i], from[i].words[j], strlen(from[i].words[j]), error))
                return false;
        texts->inputs[i] =
            (struct predictor_text){.plain.words = &texts->cells[i], .values = values};
        values += from[i].count * labels;
    }
    return texts->values;
}

/* Returns the best label of each word. */
static struct cloze_word_label *choose_labels(const struct word_texts *texts, int labels,
                                              struct error *error)
{
    struct cloze_word_label *chosen = allocate(texts->words, sizeof *chosen, error);
    for (size_t i = 0; chosen && i < texts->words; i++) {
        const float *values = texts->values + i * (size_t)labels;
        chosen[i].label = predictor_best(values, labels);
        chosen[i].score = chosen[i].label < 0 ? 0 : values[chosen[i].label];
    }
    return chosen;
}

struct cloze_word_label *cloze_label_words(struct cloze_model *model,
                                           const struct cloze_words *texts, size_t count,
                                           struct cloze_error *published)
{
    struct error error = {0};
    struct word_texts words;
    if (!prepare_predictor(model, true, &error))
        return publish_error(&error, published);
    const int labels = cloze_label_count(model);
    struct cloze_word_label *chosen = NULL;
    if (word_texts_create(&words, texts, count, (size_t)labels, &error) &&
        predictor_run(model->predictor, words.inputs, count, NULL, &error) &&
        require_finite(words.values, words.words * (size_t)labels, &error))
        chosen = choose_labels(&words, labels, &error);
    word_texts_free(&words);
    return chosen ? chosen : publish_error(&error, published);
}

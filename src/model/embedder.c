#include "model/embedder.h"

#include "base/memory.h"

#include <stdlib.h>

struct embedder {
    const struct model *model;
    struct encoded_texts *encoded;
    struct text_vectors *vectors;
    struct text_vector *texts;
    size_t capacity;
};

struct embedder *embedder_create(const struct model *model, const struct tokenizer *tokenizer,
                                 int max_length, enum pooling pooling, bool normalize, int threads,
                                 struct error *error)
{
    struct embedder *embedder = allocate(1, sizeof *embedder, error);
    if (!embedder)
        return NULL;
    embedder->model = model;
    embedder->encoded = encoded_texts_create(tokenizer, max_length, threads, error);
    if (embedder->encoded)
        embedder->vectors = text_vectors_create(model, pooling, normalize, threads, error);
    if (embedder->vectors)
        return embedder;
    embedder_free(embedder);
    return NULL;
}

void embedder_free(struct embedder *embedder)
{
    if (!embedder)
        return;
    text_vectors_free(embedder->vectors);
    encoded_texts_free(embedder->encoded);
    free(embedder->texts);
    free(embedder);
}

static struct plain_text text_at(const void *context, size_t index)
{
    const struct cell *texts = context;
    return (struct plain_text){.text = texts[index]};
}

bool embedder_run(struct embedder *embedder, const struct cell *texts, size_t count, float *values,
                  const struct text_listener *listener, struct error *error)
{
    const size_t width = (size_t)embedder->model->config.hidden_size;
    if (!grow(&embedder->texts, &embedder->capacity, count, sizeof *embedder->texts, error) ||
        !encoded_texts_run(embedder->encoded, text_at, texts, count, error))
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct encoded_text encoded = encoded_texts_get(embedder->encoded, i);
        embedder->texts[i] = (struct text_vector){
            .ids = encoded.ids,
            .length = encoded.length,
            .values = values + i * width,
        };
    }
    if (count)
        text_vectors_compute(embedder->vectors, embedder->texts, count, listener);
    return true;
}

struct text_counts embedder_counts(const struct embedder *embedder)
{
    return encoded_texts_counts(embedder->encoded);
}

/* Vectors of texts (model/text_vectors.h): all threads encode the texts, which then run together
 * without padding. */
#ifndef CLOZE_MODEL_EMBEDDER_H
#define CLOZE_MODEL_EMBEDDER_H

#include "model/encoded_texts.h"
#include "model/text_vectors.h"

struct embedder;

/* What text_vectors_create needs. Longer texts are cut at their end to max_length tokens, more than
 * 2 and at most the model's positions, with [CLS] and [SEP]. The model and the tokenizer stay the
 * caller's. NULL on failure. */
struct embedder *embedder_create(const struct model *model, const struct tokenizer *tokenizer,
                                 int max_length, enum pooling pooling, bool normalize, int threads,
                                 struct error *error);
void embedder_free(struct embedder *embedder); /* NULL is accepted */

/* values [count, hidden_size]  out: the vector of each text
 * listener                     may be NULL
 * Fails only when memory is short. */
bool embedder_run(struct embedder *embedder, const struct cell *texts, size_t count, float *values,
                  const struct text_listener *listener, struct error *error);

struct text_counts embedder_counts(const struct embedder *embedder);

#endif

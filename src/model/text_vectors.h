/* A vector for each text, from the encoder's output x at the tokens of [CLS] text [SEP]:
 *
 *     mean     the mean of x over all tokens, [CLS] and [SEP] included
 *     cls      x at [CLS]
 *     pooler   tanh(W_p x + b_p), x at [CLS]
 *
 * Texts of similar length run together, without padding. With cloze's own kernels (math/panels.h) a
 * vector is the same bits whatever texts it is computed with. */
#ifndef CLOZE_MODEL_TEXT_VECTORS_H
#define CLOZE_MODEL_TEXT_VECTORS_H

#include "model/model.h"
#include "model/text_runner.h"

enum pooling { POOLING_MEAN, POOLING_CLS, POOLING_POOLER };

/* A text and its result. */
struct text_vector {
    const int32_t *ids; /* [length] with [CLS] and [SEP] */
    int length;         /* 2 up to the number of positions of the model */
    float *values;      /* [hidden_size] out */
};

struct text_vectors;

/* The model stays the caller's; POOLING_POOLER needs one with a pooler. With `normalize` vectors
 * have the length 1; one of zeros stays as it is. OpenMP may have at most `threads` threads
 * whenever vectors are computed. NULL on failure. */
struct text_vectors *text_vectors_create(const struct model *model, enum pooling pooling,
                                         bool normalize, int threads, struct error *error);
void text_vectors_free(struct text_vectors *vectors); /* NULL is accepted */

/* Computes the vectors of all texts, which it sorts by length. The listener may be NULL. Cannot
 * fail. */
void text_vectors_compute(struct text_vectors *vectors, struct text_vector *texts, size_t count,
                          const struct text_listener *listener);

#endif

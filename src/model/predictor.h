/* What a fine-tuned model says of texts: the probability of each label, or a number; of words the
 * probabilities for each of them. All threads encode the texts, which then run together without
 * padding, the longest first. */
#ifndef CLOZE_MODEL_PREDICTOR_H
#define CLOZE_MODEL_PREDICTOR_H

#include "model/encoded_texts.h"
#include "model/model.h"
#include "model/text_runner.h"

struct predictor_text {
    struct plain_text plain; /* given as words for labels of tokens, and only for these */

    /* out [rows, labels], rows: the words, or one. The probabilities of the labels, or the number
     * of regression. Of a word without a prediction, because it has no token or was cut
     * (data/labelled_encoder.h), they are 0. */
    float *values;
};

struct predictor;

/* The model, whose heads must have labels, and the tokenizer stay the caller's. Longer texts are
 * cut to max_length tokens, at most the model's positions (data/labelled_encoder.h). OpenMP may
 * have at most `threads` threads whenever texts are predicted. NULL on failure. */
struct predictor *predictor_create(const struct model *model, const struct tokenizer *tokenizer,
                                   int max_length, int threads, struct error *error);
void predictor_free(struct predictor *predictor); /* NULL is accepted */

/* Predicts all texts; the listener may be NULL. Fails only when memory is short. With cloze's own
 * kernels (math/panels.h) the values of a text are the same bits whatever texts it is predicted
 * with. */
bool predictor_run(struct predictor *predictor, const struct predictor_text *texts, size_t count,
                   const struct text_listener *listener, struct error *error);

struct text_counts predictor_counts(const struct predictor *predictor);

/* Returns the label with the largest of the values [labels], the first one of equals; -1 if all are
 * 0: there is no prediction. */
int32_t predictor_best(const float *values, int labels);

#endif

/* libcloze: BERT models in C programs.
 *
 * Opens a model directory (one that cloze trained, or any BERT directory of Hugging Face) and fills
 * in masks, judges sentence pairs and computes hidden states.
 *
 *     struct cloze_error error;
 *     struct cloze_model *model = cloze_open("model", &error);
 *     if (!model) { fprintf(stderr, "%s\n", error.message); return 1; }
 *     struct cloze_fill *fill = cloze_fill(model, "how are [MASK] doing?", 5, &error);
 *     ...
 *     cloze_fill_free(fill);
 *     cloze_close(model);
 *
 * A model may be used by one thread at a time; the work inside runs on the threads of OpenMP.
 * Functions that return a pointer return NULL on failure and set the error; what they return is
 * owned by the caller. */
#ifndef CLOZE_CLOZE_H
#define CLOZE_CLOZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CLOZE_PUBLIC __attribute__((visibility("default")))

struct cloze_error {
    bool bad_input;     /* the caller's input is wrong; otherwise the work failed */
    char message[2048]; /* names the file or value, what was found and what was expected */
};

/* ---- models ---- */

struct cloze_model;

/* Loads config.json, model.safetensors and the tokenizer's files from a directory. A model without
 * pre-training heads is loaded too; asking for what it does not have is an error of the function
 * that needs it. */
CLOZE_PUBLIC struct cloze_model *cloze_open(const char *directory, struct cloze_error *error);

/* NULL is accepted. */
CLOZE_PUBLIC void cloze_close(struct cloze_model *model);

CLOZE_PUBLIC int cloze_hidden_size(const struct cloze_model *model);

/* The longest input in tokens, [CLS] and [SEP] included. */
CLOZE_PUBLIC int cloze_max_length(const struct cloze_model *model);

/* ---- masked language modelling ---- */

struct cloze_candidate {
    int32_t token;
    double score;   /* probability, softmax over the vocabulary */
    char *text;     /* the token, "##" included */
    char *sequence; /* the input, decoded, with this token in this mask's place */
};

struct cloze_mask {
    size_t count; /* min(top, vocabulary) */
    struct cloze_candidate
        *candidates; /* [count] best first; equal scores in the order of their ids */
};

struct cloze_fill {
    size_t mask_count;
    struct cloze_mask *masks; /* [mask_count] in reading order */
};

/* The `top` best tokens for every [MASK] of the text, each predicted with the other masks in place.
 * A text without [MASK] or too long for the model is bad input. */
CLOZE_PUBLIC struct cloze_fill *cloze_fill(struct cloze_model *model, const char *text, int top,
                                           struct cloze_error *error);
CLOZE_PUBLIC void cloze_fill_free(struct cloze_fill *fill);

/* ---- next-sentence prediction ---- */

/* *probability is P(IsNext): that b follows a. A pair too long for the model is bad input. */
CLOZE_PUBLIC bool cloze_next_sentence(struct cloze_model *model, const char *a, const char *b,
                                      double *probability, struct cloze_error *error);

/* ---- hidden states ---- */

/* The last layer's output for [CLS] text [SEP]: *rows rows of cloze_hidden_size values, freed with
 * free(). */
CLOZE_PUBLIC float *cloze_hidden_states(struct cloze_model *model, const char *text, size_t *rows,
                                        struct cloze_error *error);

#ifdef __cplusplus
}
#endif

#endif

/* libcloze: BERT models in C programs.
 *
 * The library opens a model (a run of cloze, or any BERT directory of Hugging Face), fills in
 * masks, judges sentence pairs and computes hidden states. This prints the best word for a mask:
 *
 *     struct cloze_error error;
 *     struct cloze_fill *fill = NULL;
 *     struct cloze_model *model = cloze_open("runs/demo", &error);
 *     if (model)
 *         fill = cloze_fill(model, "how are [MASK] doing?", 5, &error);
 *     if (fill)
 *         printf("%s\n", fill->masks[0].candidates[0].text);
 *     else
 *         fprintf(stderr, "%s\n", error.message);
 *     cloze_fill_free(fill);
 *     cloze_close(model);
 *
 * Failure    A function that returns a pointer returns NULL, one that returns bool returns false,
 *            and both set *error. On success *error is not changed.
 * NULL       Only cloze_close and cloze_fill_free accept it.
 * Ownership  The caller owns what a function returns, except for the text of cloze_note.
 * Threads    A model may be used by one thread at a time, and different models by different
 *            threads. The work inside a call runs on the threads of OpenMP.
 * Texts      are UTF-8 and end with a zero byte. */
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
    bool bad_input;     /* true: an argument or a file is wrong; false: the work failed */
    char message[2048]; /* the file or value, what was found and what was expected */
};

/* ---- models ---- */

/* An open model with its tokenizer and working memory. */
struct cloze_model;

/* Opens a model directory, one of sentence-transformers, a checkpoint, or a run directory, which
 * means its newest intact checkpoint. The checksums of a checkpoint are verified; a file that was
 * changed or damaged after it was saved is an error. Returns the model, which the caller closes
 * with cloze_close, or NULL on failure. A model without pre-training heads can be opened too; then
 * the functions that need a missing head fail. */
CLOZE_PUBLIC struct cloze_model *cloze_open(const char *path, struct cloze_error *error);

/* Closes a model and frees its memory. NULL is accepted. */
CLOZE_PUBLIC void cloze_close(struct cloze_model *model);

/* Returns remarks for the user, a line each, or "": damaged checkpoints that were skipped, which
 * module of a sentence-transformers directory is used, a prefix of the tensors' names, and how the
 * tokenizer's files were read (the case that was assumed, odd lines of the vocabulary). The
 * model owns the text, which is valid until cloze_close. */
CLOZE_PUBLIC const char *cloze_note(const struct cloze_model *model);

/* Returns the size of a hidden state. */
CLOZE_PUBLIC int cloze_hidden_size(const struct cloze_model *model);

/* Returns the length of the longest possible input in tokens, including [CLS] and [SEP]. */
CLOZE_PUBLIC int cloze_max_length(const struct cloze_model *model);

/* Returns the length of the longest input in the model's training, at most cloze_max_length. In a
 * longer input the tokens after that position are predicted badly. */
CLOZE_PUBLIC int cloze_trained_length(const struct cloze_model *model);

/* Returns the length of the last input in tokens, including [CLS] and [SEP]; 0 before the first
 * input. */
CLOZE_PUBLIC int cloze_input_length(const struct cloze_model *model);

/* Returns how many tokens of the last input are [UNK]: words that the model cannot see, because the
 * vocabulary has no tokens for them. */
CLOZE_PUBLIC int cloze_input_unknown(const struct cloze_model *model);

/* ---- masked language modelling ---- */

struct cloze_candidate {
    int32_t token;  /* id in the vocabulary */
    double score;   /* probability: softmax over the vocabulary */
    char *text;     /* the token, including "##" */
    char *sequence; /* the decoded input with this token in place of this mask */
};

struct cloze_mask {
    size_t count; /* min(top, size of the vocabulary) */

    /* [count], the best first; equal scores in the order of their ids. */
    struct cloze_candidate *candidates;
};

struct cloze_fill {
    size_t mask_count;
    struct cloze_mask *masks; /* [mask_count], in the order of the text */
};

/* Predicts the `top` best tokens for every [MASK] of the text, each with the other masks still in
 * place. Returns the predictions, which the caller frees with cloze_fill_free, or NULL on failure.
 * It is bad input if the text has no [MASK] or is too long for the model, if `top` is below 1, or
 * if the model has no masked language modelling head. */
CLOZE_PUBLIC struct cloze_fill *cloze_fill(struct cloze_model *model, const char *text, int top,
                                           struct cloze_error *error);

/* Frees predictions with all their candidates and texts. NULL is accepted. */
CLOZE_PUBLIC void cloze_fill_free(struct cloze_fill *fill);

/* ---- next-sentence prediction ---- */

/* Sets *probability to P(IsNext), the probability that b follows a. Returns false on failure. It is
 * bad input if the pair is too long for the model, or if the model has no next-sentence head or was
 * never trained with pairs. */
CLOZE_PUBLIC bool cloze_next_sentence(struct cloze_model *model, const char *a, const char *b,
                                      double *probability, struct cloze_error *error);

/* ---- hidden states ---- */

/* Computes the last layer's output for [CLS] text [SEP]. Returns *rows rows of cloze_hidden_size
 * values, which the caller frees with free(), or NULL on failure. It is bad input if the text is
 * too long for the model. */
CLOZE_PUBLIC float *cloze_hidden_states(struct cloze_model *model, const char *text, size_t *rows,
                                        struct cloze_error *error);

#ifdef __cplusplus
}
#endif

#endif

/* libcloze: BERT models in C programs.
 *
 * The library trains as `cloze train` and `cloze finetune` do. It opens a model (a run of cloze, or
 * any BERT directory of Hugging Face), fills in masks, judges sentence pairs and computes hidden
 * states; it embeds batches of texts, and classifies or labels them with a fine-tuned model.
 * docs/library.md has examples. This prints the best word for a mask:
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
 *            and both set *error. On success *error is not changed. It is bad input if a model's
 *            parameters are so large that its results are not finite numbers.
 * NULL       No argument may be NULL, except where its function says what NULL means.
 * Ownership  The caller owns what a function returns, except for constant texts (const char *).
 *            What is freed with free() comes from malloc.
 * Threads    A model may be used by one thread at a time, and different models by different threads
 *            at the same time. The work inside a call runs on the threads of OpenMP, whose number
 *            is that of the calling thread (omp_set_num_threads, OMP_NUM_THREADS). A process that
 *            has called the library must not call it in a child made by fork() without exec().
 * Process    The library prints nothing, sets no signal handler, and ends the process only where it
 *            finds a bug in itself.
 * Texts      are UTF-8 and end with a zero byte.
 * Versions   Before 1.0 a minor version may change the ABI. A patch version does not: programs need
 *            not be compiled again for it. */
#ifndef CLOZE_CLOZE_H
#define CLOZE_CLOZE_H

#include "cloze/version.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CLOZE_PUBLIC __attribute__((visibility("default")))

/* Returns the library's own version, such as "0.2.0"; CLOZE_VERSION (cloze/version.h) is the one
 * that the program was compiled with. The text is constant. */
CLOZE_PUBLIC const char *cloze_version(void);

struct cloze_error {
    bool bad_input;     /* true: an argument or a file is wrong; false: the work failed */
    char message[2048]; /* the file or value, what was found and what was expected */
};

/* ---- models ---- */

/* An open model with its tokenizer and working memory. */
struct cloze_model;

/* Opens a model directory, one of sentence-transformers, a checkpoint, or a run directory, which
 * means its newest intact checkpoint or, of fine-tuning, its best one (the newest with
 * train.keep_best: false). The checksums of a checkpoint are verified; a file that was changed or
 * damaged after it was saved is an error. Returns the model, which the caller closes with
 * cloze_close, or NULL on failure. A model without pre-training heads can be opened too; then the
 * functions that need a missing head fail. */
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

/* ---- batches of texts ----
 *
 * All threads encode the texts, which run together without padding. A text that is longer than the
 * model's training (cloze_trained_length) is cut to that length at its end; of a pair, at the end
 * of the longer text until both are equally long, then of both. An empty text is [CLS] [SEP]. A
 * result does not depend on the other texts, but for its last digits where OpenBLAS alone computes.
 * With `count` 0 the result is empty, not NULL. cloze_input_length and cloze_input_unknown do not
 * tell of these texts. */

enum cloze_pooling {
    CLOZE_POOLING_MEAN,   /* the mean of the last layer's output over all tokens */
    CLOZE_POOLING_CLS,    /* the last layer's output at [CLS] */
    CLOZE_POOLING_POOLER, /* the pooler's output */
};

/* Embeds texts [count]. With `normalize` vectors have the length 1. Returns `count` rows of
 * cloze_hidden_size values, which the caller frees with free(), or NULL on failure. It is bad input
 * if CLOZE_POOLING_POOLER is asked of a model whose pooler is missing or was never trained. */
CLOZE_PUBLIC float *cloze_embed(struct cloze_model *model, const char *const *texts, size_t count,
                                enum cloze_pooling pooling, bool normalize,
                                struct cloze_error *error);

enum cloze_task {
    CLOZE_TASK_NONE,           /* the model was not fine-tuned */
    CLOZE_TASK_CLASSIFICATION, /* cloze_classify gives probabilities of labels */
    CLOZE_TASK_REGRESSION,     /* cloze_classify gives a number */
    CLOZE_TASK_TOKENS,         /* cloze_label_words gives a label for each word */
};

/* Returns what the model was fine-tuned for. */
CLOZE_PUBLIC enum cloze_task cloze_task(const struct cloze_model *model);

/* Returns the number of labels of a fine-tuned model: its classes, or 1 for regression; 0: the
 * model predicts no labels. */
CLOZE_PUBLIC int cloze_label_count(const struct cloze_model *model);

/* Returns the name of label `index`, from 0 to cloze_label_count - 1. The model owns the name,
 * which is valid until cloze_close. */
CLOZE_PUBLIC const char *cloze_label_name(const struct cloze_model *model, int index);

/* Classifies texts [count], or pairs if second_texts [count] is not NULL. Returns `count` rows of
 * cloze_label_count values, which the caller frees with free(), or NULL on failure: the
 * probabilities of the labels, or the number of regression. It is bad input if the model does not
 * classify texts or predict numbers for them. */
CLOZE_PUBLIC float *cloze_classify(struct cloze_model *model, const char *const *texts,
                                   const char *const *second_texts, size_t count,
                                   struct cloze_error *error);

/* A text of words, such as those between the spaces of a sentence. */
struct cloze_words {
    const char *const *words; /* [count] */
    size_t count;
};

struct cloze_word_label {
    int label;   /* -1: the word has no prediction; it was cut, or has no token */
    float score; /* the label's probability; 0 without a prediction */
};

/* Labels the words of texts [count]. Returns a label for each word, those of the first text first,
 * which the caller frees with free(), or NULL on failure. It is bad input if the model does not
 * label words. */
CLOZE_PUBLIC struct cloze_word_label *cloze_label_words(struct cloze_model *model,
                                                        const struct cloze_words *texts,
                                                        size_t count, struct cloze_error *error);

/* ---- training ---- */

/* What is known after a step. NaN stands for a number that does not apply: mlm_* and nsp_* are of
 * pre-training (nsp_* of batches with sentence pairs), accuracy is of fine-tuning, held_out_* are
 * of steps with an evaluation. Later versions may add members at the end. */
struct cloze_step {
    int64_t step, steps; /* this one, counted from 1, and the last one of the run */
    int64_t seed;        /* of the run; fine-tuning with several seeds is a run for each */

    /* Of this step's batch, before the update: */
    double loss, mlm_loss, nsp_loss;
    double mlm_accuracy, nsp_accuracy, accuracy; /* 0 .. 1 */
    double learning_rate;
    double grad_norm; /* before clipping */

    double tokens_per_second; /* lately */
    double seconds;           /* of training since step 1, without those between runs */
    double seconds_left;      /* an estimate */

    bool evaluated; /* whether the held-out examples were evaluated after this step */
    double held_out_loss;
    double held_out_score; /* what the best checkpoint is chosen by: the lowest MLM loss, or the
                            * highest metric of the task */
};

/* What is called during a training, by the thread that has called cloze_train. Each function may be
 * NULL, and may call any function of the library. */
struct cloze_watcher {
    /* Called after each step; returns whether the training goes on. */
    bool (*step)(void *context, const struct cloze_step *step);

    /* Called with each line that the program `cloze` would print, without its newline: what is
     * done, the table of steps, warnings. */
    void (*message)(void *context, const char *line);

    void *context; /* passed to both */
};

/* Trains as a configuration file says (docs/configuration.md): as `cloze train` does or, with a
 * section `task`, as `cloze finetune` does. `settings` [setting_count] are "KEY=VALUE" each and
 * replace keys of the file, with paths relative to the working directory; NULL with setting_count
 * 0. With `resume` the run goes on after its latest checkpoint; otherwise it is bad input if there
 * is one. `watcher` may be NULL.
 *
 * Returns the run directory for cloze_open, which the caller frees with free(), or NULL on failure;
 * that of several seeds can be opened when the last one has ended. A training that watcher->step
 * has stopped is no failure: the run has been saved and can be resumed. Several threads may train
 * at the same time, in different run directories. Meanwhile the calling thread has the number of
 * threads of the configuration and the decimal point of the C locale. */
CLOZE_PUBLIC char *cloze_train(const char *config, const char *const *settings,
                               size_t setting_count, bool resume,
                               const struct cloze_watcher *watcher, struct cloze_error *error);

/* ---- training on one's own batches ---- */

/* How updates are made, by Adam with decoupled weight decay. CLOZE_ADAM_DEFAULTS initializes one
 * with the values that a configuration has by default. */
struct cloze_adam {
    double beta1, beta2, epsilon, weight_decay;
    double max_grad_norm; /* 0: gradients are not clipped */
    bool bias_correction;
};

#define CLOZE_ADAM_DEFAULTS                                                                        \
    {                                                                                              \
        0.9, 0.999, 1e-6, 0.01, 1.0, true                                                          \
    }

/* Rows of tokens, padded to one length, as the models of Hugging Face transformers take them. All
 * arrays but input_ids may be NULL. */
struct cloze_batch {
    size_t rows, length;
    const int64_t *input_ids;      /* [rows, length] */
    const int64_t *attention_mask; /* [rows, length] 1: a token, 0: padding; NULL: all are tokens */
    const int64_t *token_type_ids; /* [rows, length] NULL: all 0 */

    /* What is predicted; NULL: nothing. A label of -100 is not predicted. */
    const int64_t *labels; /* [rows, length] tokens, or classes of words; classification: [rows] */
    const int64_t *next_sentence_label; /* [rows] of pre-training; 0: the second text follows, 1: it
                                         * does not */
    const float *values;                /* [rows] of regression; all are predicted */
};

/* The losses of a batch before the update, with dropout; 0: nothing of this kind is predicted. */
struct cloze_losses {
    double loss, mlm_loss, nsp_loss; /* loss is their sum, or that of a task */
    double grad_norm;                /* before clipping */
};

/* A model in training: its parameters with their gradients and moments, in fp32. */
struct cloze_trainer;

/* Opens a model (cloze_open says which paths it takes) for training; heads that its directory lacks
 * are drawn with the seed, and dropout with seed and step. `adam` may be NULL: CLOZE_ADAM_DEFAULTS;
 * a number outside of the range that a configuration allows is bad input. Returns the trainer,
 * which the caller closes with cloze_trainer_close, or NULL on failure. A trainer may be used by
 * one thread at a time. */
CLOZE_PUBLIC struct cloze_trainer *cloze_trainer_open(const char *path,
                                                      const struct cloze_adam *adam, uint64_t seed,
                                                      struct cloze_error *error);

/* Returns what the model is trained for: CLOZE_TASK_NONE is pre-training. */
CLOZE_PUBLIC enum cloze_task cloze_trainer_task(const struct cloze_trainer *trainer);

/* Returns remarks for the user, as cloze_note does, and which heads are drawn. The trainer owns the
 * text. */
CLOZE_PUBLIC const char *cloze_trainer_note(const struct cloze_trainer *trainer);

/* Closes a trainer and frees its memory, without saving. NULL is accepted. */
CLOZE_PUBLIC void cloze_trainer_close(struct cloze_trainer *trainer);

/* Takes one step: computes the losses of the batch and their gradients, and updates the parameters.
 * Sets *losses unless it is NULL. Returns false on failure, and then the parameters are unchanged.
 * It is bad input if a value is out of range, if nothing is to be predicted, or if the learning
 * rate is not a number from 0 on; losses or gradients that are not finite fail, too. */
CLOZE_PUBLIC bool cloze_trainer_step(struct cloze_trainer *trainer, const struct cloze_batch *batch,
                                     double learning_rate, struct cloze_losses *losses,
                                     struct cloze_error *error);

/* Saves the model with its tokenizer and a model card (README.md) as a Hugging Face directory,
 * which must not exist; its parent must. It gets its name when it is complete. The moments are not
 * saved. */
CLOZE_PUBLIC bool cloze_trainer_save(const struct cloze_trainer *trainer, const char *directory,
                                     struct cloze_error *error);

#ifdef __cplusplus
}
#endif

#endif

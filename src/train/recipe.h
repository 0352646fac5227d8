/* A recipe for pre-training on a text within a time: what `cloze init` writes. The rules are simple
 * enough to be said in a line each, beside the value in the file. */
#ifndef CLOZE_TRAIN_RECIPE_H
#define CLOZE_TRAIN_RECIPE_H

#include "base/buffer.h"
#include "data/text_survey.h"
#include "model/config.h"

/* What decides how many steps there are. */
enum recipe_limit {
    RECIPE_HOURS, /* the time */
    RECIPE_TEXT,  /* the text, which is not read more than RECIPE_EPOCHS times */
};

/* How often BERT saw its text: a million steps of 256 x 512 tokens of 3.3 billion words. Far more
 * teaches a model the text by heart. */
enum { RECIPE_EPOCHS = 40 };

struct recipe {
    /* What follows from the text (recipe_of_text): */
    double text_tokens; /* estimated */
    int vocab_size, seq_len;
    bool sentence_lines, pairs; /* data.sentences: line; data.nsp */
    bool accents;               /* tokenizer.strip_accents: false */
    double valid_fraction;      /* 0: the text has too few documents to hold some out */

    /* What follows from the machine and the time (recipe_choose): */
    struct model_config architecture;
    const char *size;
    bool bf16;
    int threads;              /* of the machine; 0: one */
    double tokens_per_second; /* measured with sequences of seq_len tokens */
    int batch_size;
    int64_t steps;
    double learning_rate;
    double epochs, seconds; /* of these steps */
    enum recipe_limit limit;
    bool enough; /* whether the size sees as many tokens as recipe_size_is_fed asks for */
};

/* Begins a recipe by what the survey says. */
struct recipe recipe_of_text(const struct text_survey *survey);

/* Whether a model of this size sees enough tokens, within `seconds` at this speed and in
 * RECIPE_EPOCHS of the text, to be better than a smaller one: 20 for each weight of the encoder's
 * matrices, the rule of Hoffmann et al. 2022 for language models. */
bool recipe_size_is_fed(const struct recipe *recipe, const struct model_config *architecture,
                        double tokens_per_second, double seconds);

/* Returns a learning rate with which a size (of model_config_size) was trained well. */
double recipe_learning_rate(const char *size);

/* Completes the recipe, whose threads the caller has set, for a size (of model_config_size), whose
 * speed was measured. */
void recipe_choose(struct recipe *recipe, const char *size, bool in_bf16, double tokens_per_second,
                   double seconds);

/* Appends the configuration, with a comment for each value.
 *
 * files   [count] paths, relative to the directory of the configuration or absolute
 * output  the run directory, in the same way
 * field   the field of JSON records; NULL: the default */
bool recipe_print(const struct recipe *recipe, const struct text_survey *survey,
                  const char *const *files, size_t count, const char *output, const char *field,
                  struct buffer *out, struct error *error);

#endif

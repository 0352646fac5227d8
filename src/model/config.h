/* The architecture, in the words of a Hugging Face config.json. */
#ifndef CLOZE_MODEL_CONFIG_H
#define CLOZE_MODEL_CONFIG_H

/* FLT_MIN, rounded up: it must not be 0 as a float, because a constant row is divided by its
 * root. */
#define MODEL_MIN_LAYER_NORM_EPS 1.2e-38

#include "base/error.h"
#include "model/labels.h"
#include "nn/activation.h"

enum { ACTIVATION_NAME_SIZE = 32 };

struct head_list;

struct model_config {
    const struct head_list *heads; /* in config.json the name of their class and problem_type */
    struct labels labels; /* of a classifier; one for regression. In config.json id2label */
    int vocab_size;       /* rows of the word embeddings */
    int spare_rows; /* how many of them, the last ones, belong to no token of the vocabulary; not in
                     * config.json, which does not know the vocabulary */
    int hidden_size;
    int num_hidden_layers;
    int num_attention_heads;
    int intermediate_size;
    char hidden_act[ACTIVATION_NAME_SIZE]; /* as in the file: an activation has several names */
    enum activation activation;
    double hidden_dropout_prob;
    double attention_probs_dropout_prob;
    double classifier_dropout; /* below 0: null in the file, hidden_dropout_prob is used */
    int max_position_embeddings;
    int type_vocab_size;
    double initializer_range;
    double layer_norm_eps;
    int pad_token_id;
    unsigned untrained_groups; /* a mask of 1 << enum parameter_group: groups that were never
                                * trained, the pooler and NSP head of a model trained without pairs.
                                * In config.json {"cloze": {"untrained": ["pooler", "nsp_head"]}} */
};

/* Returns the rate of dropout before a classifier. */
static inline double model_config_classifier_dropout(const struct model_config *config)
{
    return config->classifier_dropout < 0 ? config->hidden_dropout_prob
                                          : config->classifier_dropout;
}

/* Returns the number of tokens that a model can predict. */
static inline int model_config_tokens(const struct model_config *config)
{
    return config->vocab_size - config->spare_rows;
}

/* Checks that there is a token type for the second text of a pair. */
bool model_config_check_pairs(const struct model_config *config, struct error *error);

/* Sets spare_rows for a vocabulary of so many tokens. One that is larger than the model is
 * ERROR_INPUT, whose message begins with `origin`. */
bool model_config_set_tokens(struct model_config *config, int tokens, const char *origin,
                             struct error *error);

/* Returns the name of one of Google's released sizes, the smallest first, index < MODEL_SIZES. */
enum { MODEL_SIZES = 6 };
const char *model_config_size_name(int index);

/* Sets the configuration of one of Google's released sizes: tiny, mini, small, medium, base or
 * large, with a vocabulary of 30,522. Returns false if the name is unknown. */
bool model_config_size(const char *name, struct model_config *config);

/* Returns the name of the released size that has as many layers and heads, and layers as wide; NULL
 * if there is none. */
const char *model_config_size_of(const struct model_config *config);

/* Checks that sizes are positive, that the number of heads divides hidden_size, that probabilities
 * are in [0, 1), that the activation is known (and sets `activation`), that every tensor has less
 * than 2^31 elements, and that there are at most 65,536 positions and heads. The error's message
 * begins with `origin`. */
bool model_config_check(struct model_config *config, const char *origin, struct error *error);

/* Reads config.json. A key that asks for other arithmetic than this program's (a decoder,
 * cross-attention, relative positions, another model type, untied embeddings) is an error that
 * names it; other unknown keys are ignored.
 *
 * model_config_load is for what a directory can do. The heads are those that `architectures` names:
 *   BertForSequenceClassification  classification; regression if problem_type says so, or if it is
 *                                  absent and there is one label
 *   BertForTokenClassification     classes of tokens
 *   any other, or none             pretraining_heads, some of which the directory may not hold
 * and the labels those of id2label (absent: num_labels of them, or two). The caller frees them with
 * model_config_free.
 *
 * model_config_load_for is for a training that begins with a directory of any class: the heads are
 * the caller's, and there are no labels; those that the caller sets are the caller's own. Then
 * huggingface_load_encoder (model/huggingface.h) leaves the file's heads where they are, and
 * huggingface_load_parameters takes those with the same names. */
bool model_config_load(const char *path, struct model_config *config, struct error *error);
bool model_config_load_for(const char *path, const struct head_list *heads,
                           struct model_config *config, struct error *error);

/* Frees the labels. Copies of a configuration share them; model_create copies them. */
void model_config_free(struct model_config *config);

/* Writes config.json with this class of transformers: that of the heads, or "BertModel" or another
 * one that has fewer, whose file has no labels. */
bool model_config_save_as(const char *path, const struct model_config *config,
                          const char *architecture, struct error *error);

#endif

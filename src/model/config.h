/* The architecture, in the words of a Hugging Face config.json. */
#ifndef CLOZE_MODEL_CONFIG_H
#define CLOZE_MODEL_CONFIG_H

#include "base/error.h"
#include "nn/activation.h"

enum { ACTIVATION_NAME_SIZE = 32 };

struct head_list;

struct model_config {
    const struct head_list *heads; /* not in config.json, which names their class */
    int vocab_size;                /* rows of the word embeddings */
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
    int max_position_embeddings;
    int type_vocab_size;
    double initializer_range;
    double layer_norm_eps;
    int pad_token_id;
    unsigned untrained_groups; /* a mask of 1 << enum parameter_group: groups that were never
                                * trained, the pooler and NSP head of a model trained without pairs.
                                * In config.json {"cloze": {"untrained": ["pooler", "nsp_head"]}} */
};

/* Returns the number of tokens that a model can predict. */
static inline int model_config_tokens(const struct model_config *config)
{
    return config->vocab_size - config->spare_rows;
}

/* Sets spare_rows for a vocabulary of so many tokens. One that is larger than the model is
 * ERROR_INPUT, whose message begins with `origin`. */
bool model_config_set_tokens(struct model_config *config, int tokens, const char *origin,
                             struct error *error);

/* Sets the configuration of one of Google's released sizes: tiny, mini, small, medium, base or
 * large, with a vocabulary of 30,522. Returns false if the name is unknown. */
bool model_config_size(const char *name, struct model_config *config);

/* Checks that sizes are positive, that the number of heads divides hidden_size, that probabilities
 * are in [0, 1), that the activation is known (and sets `activation`), that every tensor has less
 * than 2^31 elements, and that there are at most 65,536 positions and heads. The error's message
 * begins with `origin`. */
bool model_config_check(struct model_config *config, const char *origin, struct error *error);

/* Reads and writes config.json. A key that asks for other arithmetic than this program's (a
 * decoder, cross-attention, relative positions, another model type, untied embeddings) is an error
 * that names it; other unknown keys are ignored. */
bool model_config_load(const char *path, struct model_config *config, struct error *error);
bool model_config_save(const char *path, const struct model_config *config, struct error *error);

/* As model_config_save, for another class of transformers than that of the heads: "BertModel". */
bool model_config_save_as(const char *path, const struct model_config *config,
                          const char *architecture, struct error *error);

#endif

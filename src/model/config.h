/* The architecture, in the words of a Hugging Face config.json. */
#ifndef CLOZE_MODEL_CONFIG_H
#define CLOZE_MODEL_CONFIG_H

#include "base/error.h"
#include "nn/activation.h"

enum { ACTIVATION_NAME_SIZE = 32 };

struct model_config {
    int vocab_size;
    int hidden_size;
    int num_hidden_layers;
    int num_attention_heads;
    int intermediate_size;
    char hidden_act[ACTIVATION_NAME_SIZE]; /* as written: several names mean one activation */
    enum activation activation;
    double hidden_dropout_prob;
    double attention_probs_dropout_prob;
    int max_position_embeddings;
    int type_vocab_size;
    double initializer_range;
    double layer_norm_eps;
    int pad_token_id;
};

/* Google's sizes: tiny mini small medium base large (reference/bert.md); the vocabulary is left at
 * 30,522. False if unknown. */
bool model_config_size(const char *name, struct model_config *config);

/* Positive sizes, heads that divide hidden_size, probabilities in [0, 1), a known activation (sets
 * `activation`), every tensor below 2^31 elements, at most 65,536 positions and heads; `origin`
 * begins the message. */
bool model_config_check(struct model_config *config, const char *origin, struct error *error);

/* Reads and writes config.json. What would change the arithmetic and cannot be honoured (a decoder,
 * cross-attention, relative positions, another model type, untied embeddings) is an error that
 * names the key; unknown keys that do not are ignored. */
bool model_config_load(const char *path, struct model_config *config, struct error *error);
bool model_config_save(const char *path, const struct model_config *config, struct error *error);

#endif

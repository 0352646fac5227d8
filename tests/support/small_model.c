#include "support/small_model.h"

#include "base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

struct model_config small_model_config(const char *hidden_act, double dropout)
{
    struct error error = {0};
    struct model_config config = {
        .heads = &pretraining_heads,
        .vocab_size = 23,
        .hidden_size = 8,
        .num_hidden_layers = 2,
        .num_attention_heads = 2,
        .intermediate_size = 12,
        .hidden_dropout_prob = dropout,
        .attention_probs_dropout_prob = dropout,
        .classifier_dropout = -1,
        .max_position_embeddings = 16,
        .type_vocab_size = 2,
        .initializer_range = 0.02,
        .layer_norm_eps = 1e-12,
    };
    snprintf(config.hidden_act, sizeof config.hidden_act, "%s", hidden_act);
    assert_true(model_config_check(&config, "small model", &error));
    return config;
}

struct model_config small_bf16_config(const char *hidden_act, double dropout)
{
    struct error error = {0};
    struct model_config config = small_model_config(hidden_act, dropout);
    config.vocab_size = 1003;
    config.hidden_size = 64;
    config.intermediate_size = 96;
    config.max_position_embeddings = 64;
    assert_true(model_config_check(&config, "small bf16 model", &error));
    return config;
}

struct model *small_model(const struct model_config *config, uint64_t seed)
{
    struct error error = {0};
    struct model *model = model_create(config, &error);
    assert_non_null(model);
    struct random random = random_begin(seed, RANDOM_TEST, 0, 0);
    for (int i = 0; i < model->table.count; i++) {
        const struct parameter *parameter = &model->table.list[i];
        const double base = parameter->kind == PARAMETER_NORM ? 1 : 0;
        const double scale = 0.4 * sqrt(8.0 / config->hidden_size);
        for (size_t j = 0; j < parameter_elements(parameter); j++)
            model->parameters.values[parameter->offset + j] =
                (real)(base + scale * random_truncated_normal(&random));
    }
    return model;
}

static int put_sequence(struct batch *batch, int length, int vocab_size, bool predicted,
                        struct random *random)
{
    int masked = 0;
    for (int i = 0; i < length; i++) {
        batch->input_ids[batch->tokens + i] = (int32_t)random_below(random, (uint32_t)vocab_size);
        if (predicted && random_below(random, 3) == 0) {
            batch->predicted_tokens[batch->predicted + masked] = i;
            batch->predicted_labels[batch->predicted + masked++] =
                (int32_t)random_below(random, (uint32_t)vocab_size);
        }
    }
    return masked;
}

struct batch small_batch(const int *lengths, int sequences, int vocab_size, uint64_t seed)
{
    struct error error = {0};
    struct batch batch = {0};
    struct random random = random_begin(seed, RANDOM_TEST, 1, 0);
    size_t tokens = 0;
    for (int i = 0; i < sequences; i++)
        tokens += (size_t)lengths[i];
    assert_true(batch_reserve(&batch, (size_t)sequences, tokens, tokens, &error));
    batch_clear(&batch);
    for (int i = 0; i < sequences; i++) {
        int masked = put_sequence(&batch, lengths[i], vocab_size, i % 3 != 2, &random);
        batch_append(&batch, lengths[i], (lengths[i] + 1) / 2, masked,
                     i % 4 == 3 ? NO_LABEL : i % 2);
    }
    return batch;
}

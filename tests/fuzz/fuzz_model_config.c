/* config.json of a model: what loads has sizes that make a parameter table, and is the same after
 * saving. */
#include "fuzz/support.h"
#include "model/heads.h"
#include "model/parameters.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error = {0};
    struct model_config config = {0}, again = {0};
    if (!model_config_load(fuzz_write("config.json", data, size), &config, &error)) {
        fuzz_check_error(&error);
        return 0;
    }
    struct parameter_table table;
    if (parameter_table_create(&table, &config, &error)) {
        CHECK(table.count > 0 && table.total > (size_t)config.vocab_size);
        parameter_table_free(&table);
    } else
        fuzz_check_error(&error);
    const char *saved = fuzz_path("saved.json");
    CHECK(model_config_save_as(saved, &config, config.heads->architecture, &error));
    CHECK(model_config_load(saved, &again, &error));
    CHECK(strcmp(config.hidden_act, again.hidden_act) == 0 &&
          config.activation == again.activation);
    CHECK(config.vocab_size == again.vocab_size && config.hidden_size == again.hidden_size &&
          config.num_hidden_layers == again.num_hidden_layers &&
          config.num_attention_heads == again.num_attention_heads &&
          config.intermediate_size == again.intermediate_size &&
          config.max_position_embeddings == again.max_position_embeddings &&
          config.type_vocab_size == again.type_vocab_size &&
          config.pad_token_id == again.pad_token_id);
    CHECK(config.hidden_dropout_prob == again.hidden_dropout_prob &&
          config.attention_probs_dropout_prob == again.attention_probs_dropout_prob &&
          config.initializer_range == again.initializer_range &&
          config.layer_norm_eps == again.layer_norm_eps);
    CHECK(config.heads == again.heads && config.classifier_dropout == again.classifier_dropout &&
          config.labels.count == again.labels.count);
    for (int i = 0; i < config.labels.count; i++)
        CHECK(strcmp(config.labels.names[i], again.labels.names[i]) == 0);
    model_config_free(&config);
    model_config_free(&again);
    return 0;
}

void fuzz_seeds(void)
{
    fuzz_seed_text("tiny",
                   "{\"model_type\": \"bert\", \"hidden_size\": 128, \"vocab_size\": 30522, "
                   "\"num_hidden_layers\": 2, \"num_attention_heads\": 2, "
                   "\"intermediate_size\": 512, \"max_position_embeddings\": 512}");
    fuzz_seed_text("complete",
                   "{\"architectures\": [\"BertForSequenceClassification\"], "
                   "\"id2label\": {\"0\": \"no\", \"1\": \"yes\"}, \"hidden_size\": 8, "
                   "\"vocab_size\": 40, \"num_hidden_layers\": 1, \"num_attention_heads\": 2, "
                   "\"intermediate_size\": 16, \"max_position_embeddings\": 9, "
                   "\"type_vocab_size\": 3, \"hidden_act\": \"gelu_new\", "
                   "\"hidden_dropout_prob\": 0.25, \"attention_probs_dropout_prob\": 0, "
                   "\"initializer_range\": 2e-2, \"layer_norm_eps\": 1e-12, \"pad_token_id\": 3, "
                   "\"is_decoder\": false, \"position_embedding_type\": \"absolute\", "
                   "\"tie_word_embeddings\": true, \"pruned_heads\": {}}");
    fuzz_seed_text("large", "{\"hidden_size\": 2147483647, \"vocab_size\": 1, "
                            "\"num_hidden_layers\": 4096, \"num_attention_heads\": 1, "
                            "\"intermediate_size\": 1, \"max_position_embeddings\": 65536}");
}

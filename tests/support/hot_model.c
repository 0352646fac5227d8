#include "support/hot_model.h"

#include "base/directory.h"
#include "base/file.h"
#include "base/memory.h"
#include "model/huggingface.h"
#include "text/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

void write_model_with(struct scratch *scratch, const char *checkpoint, const char *name,
                      const char *tensor, real value)
{
    struct error error = {0};
    struct model_config config;
    struct parameter_table table;
    struct huggingface_missing missing;
    char *from = scratch_path_copy(scratch, checkpoint), *to = scratch_path_copy(scratch, name);
    char *json = path_join(from, "config.json", &error);
    assert_true(model_config_load(json, &config, &error));
    assert_true(parameter_table_create(&table, &config, &error));
    real *values = allocate(table.total, sizeof *values, &error);
    assert_true(huggingface_load_parameters(from, &table, 0, values, &missing, &error));
    struct tokenizer *tokenizer = tokenizer_load(from, &error);
    const struct parameter *parameter = parameter_find(&table, tensor);
    assert_non_null(parameter);
    for (size_t i = 0; i < parameter_elements(parameter); i++)
        values[parameter->offset + i] = value;
    assert_true(directory_make(to, &error));
    assert_true(huggingface_save_model(to, &config, &table, values, &error));
    assert_true(tokenizer_save(tokenizer, to, config.max_position_embeddings, &error));
    tokenizer_free(tokenizer);
    free(values);
    parameter_table_free(&table);
    free(json);
    free(from);
    free(to);
}

void write_hot_model(struct scratch *scratch, const char *checkpoint, const char *name)
{
    write_model_with(scratch, checkpoint, name, "bert.encoder.layer.0.intermediate.dense.weight",
                     (real)3e38);
}

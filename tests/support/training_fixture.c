#include "support/training_fixture.h"

#include "base/memory.h"
#include "base/random.h"
#include "support/synthetic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WORDS = 30, PIECES = 5 };

real *training_block(const struct parameter_table *table, uint64_t index)
{
    struct error error = {0};
    real *block = allocate(table->total, sizeof *block, &error);
    assert_non_null(block);
    struct random random = random_begin(11, RANDOM_TEST, index, 0);
    for (int i = 0; i < table->count; i++)
        for (size_t j = 0; j < parameter_elements(&table->list[i]); j++)
            block[table->list[i].offset + j] = (real)random_truncated_normal(&random);
    return block;
}

struct model *training_model(int hidden_size)
{
    struct error error = {0};
    struct model_config config;
    assert_true(model_config_size("tiny", &config));
    config.vocab_size = SPECIAL_COUNT + WORDS + PIECES;
    config.hidden_size = hidden_size;
    config.num_attention_heads = 2;
    config.intermediate_size = 24;
    config.max_position_embeddings = 32;
    assert_true(model_config_check(&config, "test", &error));
    struct model *model = model_create(&config, &error);
    assert_non_null(model);
    return model;
}

int training_set_up(void **state)
{
    struct training *training = calloc(1, sizeof *training);
    struct error error = {0};
    void *scratch;
    if (!training || scratch_set_up(&scratch) != 0)
        return -1;
    *state = training;
    training->scratch = scratch;
    training->model = training_model(12);
    const struct parameter_table *table = &training->model->table;
    real *values = training_block(table, 1);
    memcpy(training->model->parameters.values, values, table->total * sizeof *values);
    free(values);
    training->first_moment = training_block(table, 2);
    training->second_moment = training_block(table, 3);
    training->tokenizer =
        tokenizer_create(synthetic_vocabulary(WORDS, PIECES), tokenizer_default_options, &error);
    training->numbers = (struct checkpoint_model){.config = &training->model->config,
                                                  .table = table,
                                                  .values = training->model->parameters.values,
                                                  .first_moment = training->first_moment,
                                                  .second_moment = training->second_moment};
    training->log.stream = open_memstream(&training->warnings, &training->warnings_size);
    return training->tokenizer && training->log.stream ? 0 : -1;
}

int training_tear_down(void **state)
{
    struct training *training = *state;
    void *scratch = training->scratch;
    tokenizer_free(training->tokenizer);
    model_free(training->model);
    free(training->first_moment);
    free(training->second_moment);
    fclose(training->log.stream);
    free(training->warnings);
    free(training);
    return scratch_tear_down(&scratch);
}

char training_config[] = "seed: 42\ntrain:\n  steps: 10\n";

struct training_state training_state_at(int64_t step)
{
    return (struct training_state){.step = step,
                                   .micro_batch_size = 4,
                                   .ranks = 1,
                                   .tokens = 1000 * step,
                                   .seconds = 0.25 * (double)step,
                                   .seed = 42,
                                   .phase = 1,
                                   .best_step = step > 1 ? step - 1 : -1,
                                   .best_score = 3.1,
                                   .config = training_config};
}

void training_save(struct training *training, int64_t step, int64_t keep)
{
    struct error error = {0};
    struct training_state state = training_state_at(step);
    bool saved = checkpoint_save(
        training->scratch->directory, &training->numbers, training->tokenizer, &state,
        (struct checkpoint_retention){.newest = keep}, &training->log, &error);
    assert_string_equal(error.message, "");
    assert_true(saved);
}

const char *training_path(struct training *training, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "checkpoints/%s", name);
    return scratch_path(training->scratch, path);
}

void assert_latest(struct training *training, const char *name)
{
    struct error error = {0};
    char *directory;
    bool found =
        checkpoint_find_latest(training->scratch->directory, &directory, &training->log, &error);
    assert_string_equal(error.message, "");
    assert_true(found);
    if (name)
        assert_string_equal(directory, training_path(training, name));
    else
        assert_null(directory);
    free(directory);
}

void assert_warned(struct training *training, const char *text)
{
    fflush(training->log.stream);
    assert_non_null(strstr(training->warnings, text));
}

void assert_not_warned(struct training *training)
{
    fflush(training->log.stream);
    assert_string_equal(training->warnings, "");
}

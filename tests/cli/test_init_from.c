/* Models that are continued, and what a model says of its own training, as a user meets them. */

#include "base/directory.h"
#include "support/program.h"
#include "support/sample_text.h"
#include "support/scratch.h"

#include "base/file.h"
#include "model/huggingface.h"
#include "text/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char config_text[] = "seed: 5\n"
                                  "output: run\n"
                                  "model: {hidden_size: 32, intermediate_size: 64,\n"
                                  "        num_hidden_layers: 2, num_attention_heads: 2}\n"
                                  "tokenizer: {vocab_size: 100}\n"
                                  "data: {train: [text.txt], sentences: line, seq_len: 32,\n"
                                  "       valid_fraction: 0.1}\n"
                                  "train: {steps: 4, batch_size: 8, learning_rate: 1e-2,\n"
                                  "        warmup_steps: 1, save_every: 2, threads: 1,\n"
                                  "        keep_checkpoints: 0}\n";

static const char continued_text[] = "seed: 5\n"
                                     "output: continued\n"
                                     "model: {init_from: run}\n"
                                     "data: {train: [text.txt], sentences: line, seq_len: 32,\n"
                                     "       valid_fraction: 0.1}\n"
                                     "train: {steps: 4, batch_size: 8, learning_rate: 1e-2,\n"
                                     "        warmup_steps: 1, save_every: 2, threads: 1,\n"
                                     "        keep_checkpoints: 0}\n";

#define LAST "checkpoints/step-00000004/"

static int set_up(void **state)
{
    int status = scratch_set_up(state);
    sample_text_write(*state, "text.txt", 300);
    scratch_write_text(*state, "config.yaml", config_text);
    scratch_write_text(*state, "continued.yaml", continued_text);
    const struct scratch *scratch = *state;
    return status ? status : chdir(scratch->directory); /* paths of --set are relative to it */
}

static int tear_down(void **state)
{
    return chdir("/") ? -1 : scratch_tear_down(state);
}

/* What `cloze train NAME --set A --set B` says; it must end well. */
static char *train(struct scratch *scratch, const char *name, const char *a, const char *b)
{
    char *config = scratch_path_copy(scratch, name);
    struct program_result result = RUN_CLOZE("train", config, "--set", a, "--set", b);
    if (result.status)
        fail_msg("status %d: %s", result.status, result.err);
    char *said = strdup(result.err);
    program_result_free(&result);
    free(config);
    return said;
}

static void expect_in_file(struct scratch *scratch, const char *name, const char *text)
{
    struct buffer buffer = {0};
    struct error error = {0};
    assert_true(file_read(scratch_path(scratch, name), 1 << 20, &buffer, &error));
    assert_true(buffer_append(&buffer, "", 1, &error));
    if (!strstr(buffer.data, text))
        fail_msg("no %s in %s", text, buffer.data);
    buffer_free(&buffer);
}

/* ---- what a model knows of its own training ---- */

static void a_model_trained_without_pairs_says_so(void **state)
{
    struct scratch *scratch = *state;
    free(train(scratch, "config.yaml", "data.nsp=false", "seed=6"));
    char *run = scratch_path_copy(scratch, "run"), *text = scratch_path_copy(scratch, "text.txt");
    ASSERT_CLOZE_SAYS(2,
                      "the model's next-sentence head was never trained: its results would be "
                      "random",
                      "nsp", run, "a b", "c d");
    struct program_result result =
        RUN_CLOZE("eval", run, "--data", text, "--sentences", "line", "--json");
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.err, "the next-sentence head was never trained: no NSP figures"));
    assert_non_null(strstr(result.out, "\"nsp_loss\": null"));
    assert_non_null(strstr(result.out, "\"nsp_accuracy\": null"));
    assert_non_null(strstr(result.out, "\"pairs\": 0"));
    program_result_free(&result);
    result = RUN_CLOZE("info", run);
    assert_non_null(strstr(result.out, "never trained    pooler, nsp_head\n"));
    program_result_free(&result);
    free(run);
    free(text);
}

static void what_a_model_was_not_trained_for_is_inherited(void **state)
{
    struct scratch *scratch = *state;
    free(train(scratch, "config.yaml", "data.nsp=false", "seed=6"));
    free(train(scratch, "continued.yaml", "data.nsp=false", "output=still"));
    free(train(scratch, "continued.yaml", "data.nsp=true", "output=pairs"));
    char *still = scratch_path_copy(scratch, "still"), *pairs = scratch_path_copy(scratch, "pairs");
    ASSERT_CLOZE_SAYS(2, "head was never trained", "nsp", still, "a b", "c d");
    ASSERT_CLOZE_SAYS(0, "", "nsp", pairs, "a b", "c d");
    free(still);
    free(pairs);
}

static void a_trained_head_stays_one_without_pairs(void **state)
{
    struct scratch *scratch = *state;
    free(train(scratch, "config.yaml", "data.nsp=true", "seed=6"));
    free(train(scratch, "continued.yaml", "data.nsp=false", "output=still"));
    char *still = scratch_path_copy(scratch, "still");
    ASSERT_CLOZE_SAYS(0, "", "nsp", still, "a b", "c d");
    free(still);
}

/* The length that others cut texts at is what was trained, not how many positions there are. */
static void the_trained_length_is_written_and_warned_of(void **state)
{
    struct scratch *scratch = *state;
    free(train(scratch, "config.yaml", "data.seq_len=8", "model.max_position_embeddings=64"));
    expect_in_file(scratch, "run/" LAST "tokenizer_config.json", "\"model_max_length\": 8,");
    expect_in_file(scratch, "run/" LAST "config.json", "\"max_position_embeddings\": 64,");
    char *run = scratch_path_copy(scratch, "run"), *text = scratch_path_copy(scratch, "text.txt");
    ASSERT_CLOZE_SAYS(0, "warning: the input has 14 tokens; the model was trained with 8 at most",
                      "fill", run, "1 2 3 4 5 6 7 8 9 1 2 [MASK]");
    ASSERT_CLOZE_SAYS(0, "warning: the input has 11 tokens; the model was trained with 8 at most",
                      "nsp", run, "1 2 3 4", "5 6 7 8");
    ASSERT_CLOZE_SAYS(0, "warning: sequences of 20 tokens; the model was trained with 8 at most",
                      "eval", run, "--data", text, "--sentences", "line", "--seq-len", "20");
    struct program_result result = RUN_CLOZE("fill", run, "a [MASK] a");
    assert_string_equal(result.err, "");
    program_result_free(&result);
    /* Another 4 steps with 16 tokens, then with 8: the longest that it has ever seen. */
    free(train(scratch, "continued.yaml", "data.seq_len=16", "output=second"));
    expect_in_file(scratch, "second/" LAST "tokenizer_config.json", "\"model_max_length\": 16,");
    char *second = scratch_path_copy(scratch, "second");
    char from[700];
    snprintf(from, sizeof from, "model.init_from=%s", second);
    char *config = scratch_path_copy(scratch, "continued.yaml");
    result = RUN_CLOZE("train", config, "--set", from, "--set", "data.seq_len=8");
    assert_int_equal(result.status, 0);
    program_result_free(&result);
    expect_in_file(scratch, "continued/" LAST "tokenizer_config.json", "\"model_max_length\": 16,");
    ASSERT_CLOZE_SAYS(2,
                      "is 128, more than model.max_position_embeddings (64) of the model in "
                      "model.init_from; set it to at most that",
                      "train", config, "--set", from, "--set", "data.seq_len=128", "--set",
                      "output=third");
    free(config);
    free(second);
    free(run);
    free(text);
}

static void the_longest_phase_is_the_trained_length(void **state)
{
    struct scratch *scratch = *state;
    free(train(scratch, "config.yaml",
               "train.phases=[{seq_len: 16, steps: 2}, {seq_len: 24, steps: 2}]", "train.steps="));
    expect_in_file(scratch, "run/" LAST "tokenizer_config.json", "\"model_max_length\": 24,");
    expect_in_file(scratch, "run/" LAST "config.json", "\"max_position_embeddings\": 24,");
}

/* What the second phase is to train is not trained in the first, also after resuming there. */
static void a_checkpoint_has_the_length_trained_so_far(void **state)
{
    struct scratch *scratch = *state;
    static const char *const lengths[] = {"16", "16", "16", "24", "24", "24"};
    char name[100], expected[100];
    struct error error = {0};
    char *config = scratch_path_copy(scratch, "config.yaml");
    for (int resumed = 0; resumed < 2; resumed++) {
        struct program_result result =
            RUN_CLOZE("train", config, "--resume", "--set", "train.steps=", "--set",
                      "train.phases=[{seq_len: 16, steps: 2}, {seq_len: 24, steps: 2}, "
                      "{seq_len: 8, steps: 1}]",
                      "--set", "train.save_every=1", "--set", "train.keep_checkpoints=0");
        if (result.status)
            fail_msg("%s", result.err);
        program_result_free(&result);
        for (int step = 0; step <= 5; step++) {
            snprintf(name, sizeof name, "run/checkpoints/step-%08d/tokenizer_config.json", step);
            snprintf(expected, sizeof expected, "\"model_max_length\": %s,", lengths[step]);
            expect_in_file(scratch, name, expected);
        }
        for (int step = 2; step <= 5; step++) {
            snprintf(name, sizeof name, "run/checkpoints/step-%08d", step);
            assert_true(directory_remove(scratch_path(scratch, name), &error));
        }
    }
    free(config);
}

/* ---- continuing ---- */

static void a_run_and_a_checkpoint_are_continued(void **state)
{
    struct scratch *scratch = *state;
    free(train(scratch, "config.yaml", "seed=5", "seed=5"));
    char *run = scratch_path_copy(scratch, "run/" LAST);
    run[strlen(run) - 1] = 0;
    char *said = train(scratch, "continued.yaml", "seed=5", "seed=5"), expected[700];
    /* As it would be typed, not from the root of the file system. */
    if (!strstr(said, "starting from the weights in run/checkpoints/step-00000004\n"))
        fail_msg("%s", said);
    free(said);
    snprintf(expected, sizeof expected, "model.init_from=%s", run);
    free(train(scratch, "continued.yaml", expected, "output=second"));
    scratch_assert_same_file(scratch, "continued/" LAST "model.safetensors",
                             "second/" LAST "model.safetensors");
    scratch_assert_same_file(scratch, "continued/checkpoints/step-00000000/model.safetensors",
                             "run/" LAST "model.safetensors");
    free(run);
}

/* A directory of sentence-transformers is the model in it, wherever a model is asked for. */
static void a_model_of_sentence_transformers_is_taken(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    free(train(scratch, "config.yaml", "seed=5", "seed=5"));
    free(train(scratch, "continued.yaml", "seed=5", "output=plain"));
    assert_true(directory_make(scratch_path(scratch, "st"), &error));
    scratch_write_text(scratch, "st/modules.json",
                       "[{\"path\": \"0_Transformer\", \"type\": \"a.Transformer\"}, "
                       "{\"path\": \"1_Pooling\", \"type\": \"a.Pooling\"}]");
    assert_int_equal(rename("run/" LAST, "st/0_Transformer"), 0);
    char *said = train(scratch, "continued.yaml", "model.init_from=st", "seed=5");
    assert_non_null(
        strstr(said, "sentence-transformers: the model in 0_Transformer is used, of\n  "));
    assert_non_null(strstr(said, "not used of sentence-transformers: Pooling\n"));
    free(said);
    scratch_assert_same_file(scratch, "continued/" LAST "model.safetensors",
                             "plain/" LAST "model.safetensors");
    ASSERT_CLOZE_SAYS(0, "not used of sentence-transformers: Pooling\n", "fill", "st", "[MASK]");
    ASSERT_CLOZE_SAYS(0, "", "tokenize", "--vocab", "st", "text.txt");
    /* What such a directory may hold too is no run. */
    assert_true(directory_make(scratch_path(scratch, "st/checkpoints"), &error));
    ASSERT_CLOZE_SAYS(0, "not used of sentence-transformers: Pooling\n", "fill", "st", "[MASK]");
    scratch_write_text(scratch, "st/0_Transformer/vocab.txt", "");
    ASSERT_CLOZE_SAYS(2, "the checkpoint was changed after it was saved", "fill", "st", "[MASK]");
}

static void weights_that_cannot_be_read_are_refused_before_text_is_prepared(void **state)
{
    struct scratch *scratch = *state;
    free(train(scratch, "config.yaml", "seed=5", "seed=5"));
    assert_int_equal(unlink("run/" LAST "training_state.json"), 0);
    assert_int_equal(unlink("run/" LAST "model.safetensors"), 0);
    scratch_write_text(scratch, "run/" LAST "tf_model.h5", "");
    ASSERT_CLOZE_SAYS(2,
                      "expected model.safetensors, found tf_model.h5, weights of TensorFlow; "
                      "convert them with transformers 4: ",
                      "train", "continued.yaml", "--set", "model.init_from=run/" LAST);
    assert_int_equal(access("continued/data", F_OK), -1);
}

/* As a run goes on without its text, it goes on without the model that it was begun from. */
static void a_model_that_is_gone_is_not_needed_to_resume(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    free(train(scratch, "config.yaml", "seed=5", "seed=5"));
    free(train(scratch, "continued.yaml", "seed=5", "output=whole"));
    free(train(scratch, "continued.yaml", "train.save_every=2", "output=parts"));
    assert_true(directory_remove("parts/checkpoints/step-00000004", &error));
    assert_true(directory_remove("run", &error));
    struct program_result result =
        RUN_CLOZE("train", "continued.yaml", "--set", "output=parts", "--resume");
    if (result.status)
        fail_msg("%s", result.err);
    program_result_free(&result);
    scratch_assert_same_file(scratch, "whole/" LAST "model.safetensors",
                             "parts/" LAST "model.safetensors");
    ASSERT_CLOZE_SAYS(2, "model.init_from: ", "train", "continued.yaml", "--set", "output=third");
}

enum { SPARE = 5 };

static const real spare_value = (real)0.25;

/* A copy of a model with rows of the embeddings that no token has, as others round them up. */
static void write_padded(struct scratch *scratch, const char *from_name, const char *to_name)
{
    char *from = scratch_path_copy(scratch, from_name), *to = scratch_path_copy(scratch, to_name);
    struct error error = {0};
    struct huggingface_missing missing;
    struct model_config config;
    char path[700];
    snprintf(path, sizeof path, "%s/config.json", from);
    assert_true(model_config_load(path, &config, &error));
    int tokens = config.vocab_size;
    config.vocab_size += SPARE;
    struct model *model = model_create(&config, &error);
    assert_non_null(model);
    for (size_t i = 0; i < model->table.total; i++)
        model->parameters.values[i] = spare_value;
    assert_true(huggingface_load_parameters(from, &model->table, tokens, model->parameters.values,
                                            &missing, &error));
    assert_true(directory_make(to, &error));
    assert_true(
        huggingface_save_model(to, &config, &model->table, model->parameters.values, &error));
    struct tokenizer *tokenizer = tokenizer_load(from, &error);
    assert_true(tokenizer && tokenizer_save(tokenizer, to, 32, &error));
    tokenizer_free(tokenizer);
    model_free(model);
    free(from);
    free(to);
}

static void rows_without_a_token_are_kept_and_never_predicted(void **state)
{
    struct scratch *scratch = *state;
    free(train(scratch, "config.yaml", "seed=5", "seed=5"));
    write_padded(scratch, "run/" LAST, "padded");
    char *padded = scratch_path_copy(scratch, "padded"), from[700];
    snprintf(from, sizeof from, "model.init_from=%s", padded);
    char *said = train(scratch, "continued.yaml", from, "output=padded-run");
    assert_non_null(strstr(said, "5 rows of its embeddings belong to no token: they are kept\n"));
    free(said);
    /* The tokens' rows, and so the whole model, are trained as they are without. */
    free(train(scratch, "continued.yaml", "seed=5", "output=plain-run"));
    write_padded(scratch, "plain-run/" LAST, "expected");
    scratch_assert_same_file(scratch, "padded-run/" LAST "model.safetensors",
                             "expected/model.safetensors");
    char *run = scratch_path_copy(scratch, "padded-run"),
         *plain = scratch_path_copy(scratch, "plain-run");
    struct program_result a = RUN_CLOZE("fill", run, "1 [MASK] 3", "--top", "200", "--json"),
                          b = RUN_CLOZE("fill", plain, "1 [MASK] 3", "--top", "200", "--json");
    assert_int_equal(a.status, 0);
    assert_string_equal(a.out, b.out);
    program_result_free(&a);
    program_result_free(&b);
    free(run);
    free(plain);
    free(padded);
}

/* Not silently. */
static void a_size_next_to_a_vocabulary_is_said_not_to_be_used(void **state)
{
    struct scratch *scratch = *state;
    free(train(scratch, "config.yaml", "seed=5", "seed=5"));
    char vocab[700];
    snprintf(vocab, sizeof vocab, "tokenizer.vocab=%s", scratch_path(scratch, "run/vocab.txt"));
    char *said = train(scratch, "config.yaml", vocab, "output=again");
    assert_non_null(strstr(said, "warning: tokenizer.vocab_size, 100, is not used: "));
    free(said);
}

static void a_longer_vocabulary_is_taken_and_a_different_one_is_not(void **state)
{
    struct scratch *scratch = *state;
    struct buffer text = {0};
    struct error error = {0};
    free(train(scratch, "config.yaml", "seed=5", "seed=5"));
    assert_true(file_read(scratch_path(scratch, "run/vocab.txt"), 1 << 20, &text, &error));
    assert_true(buffer_print(&text, &error, "newword\nanother\n"));
    scratch_write(scratch, "longer.txt", text.data, text.size);
    char vocab[700];
    snprintf(vocab, sizeof vocab, "tokenizer.vocab=%s", scratch_path(scratch, "longer.txt"));
    char *said = train(scratch, "continued.yaml", vocab, "output=longer");
    assert_non_null(strstr(said, "a smaller vocabulary; initializing the last 2 tokens"));
    free(said);
    scratch_write_text(scratch, "other.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nx\n");
    snprintf(vocab, sizeof vocab, "tokenizer.vocab=%s", scratch_path(scratch, "other.txt"));
    char *config = scratch_path_copy(scratch, "continued.yaml");
    struct program_result result = RUN_CLOZE("train", config, "--set", vocab);
    assert_int_equal(result.status, 2);
    program_result_free(&result);
    free(config);
    buffer_free(&text);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_model_trained_without_pairs_says_so),
        TEST(what_a_model_was_not_trained_for_is_inherited),
        TEST(a_trained_head_stays_one_without_pairs),
        TEST(the_trained_length_is_written_and_warned_of),
        TEST(the_longest_phase_is_the_trained_length),
        TEST(a_checkpoint_has_the_length_trained_so_far),
        TEST(a_run_and_a_checkpoint_are_continued),
        TEST(a_model_of_sentence_transformers_is_taken),
        TEST(weights_that_cannot_be_read_are_refused_before_text_is_prepared),
        TEST(a_model_that_is_gone_is_not_needed_to_resume),
        TEST(rows_without_a_token_are_kept_and_never_predicted),
        TEST(a_size_next_to_a_vocabulary_is_said_not_to_be_used),
        TEST(a_longer_vocabulary_is_taken_and_a_different_one_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

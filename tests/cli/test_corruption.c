/* A run whose files were damaged between two sessions, as its owner meets it: each is named, and
 * the run ends as if nothing had happened, or is refused. */
#include "support/contents.h"
#include "support/program.h"
#include "support/run_config_files.h"
#include "support/scratch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char config_text[] =
    "output: run\n"
    "model: {size: tiny, hidden_size: 16, intermediate_size: 32, num_attention_heads: 2}\n"
    "tokenizer: {vocab_size: 100}\n"
    "data: {train: [text.txt], sentences: line, seq_len: 16, valid_fraction: 0}\n"
    "train: {steps: 6, batch_size: 4, warmup_steps: 1, save_every: 2, keep_checkpoints: 0,\n"
    "        threads: 1}\n";

static void succeed(const char *const *arguments)
{
    struct program_result result = run_cloze(arguments);
    if (result.status)
        fail_msg("status %d: %s", result.status, result.err);
    program_result_free(&result);
}
#define SUCCEED(...) succeed((const char *const[]){__VA_ARGS__, NULL})

static int set_up(void **state)
{
    int status = run_config_enter_directory(state);
    struct error error = {0};
    struct buffer text = {0};
    for (int document = 0; document < 20; document++)
        assert_true(buffer_print(&text, &error, "the king saw %d\nthe queen saw %d\nand so on\n\n",
                                 document, document % 7));
    write_config("text.txt", text.data);
    write_config("run.yaml", config_text);
    buffer_free(&text);
    SUCCEED("train", "run.yaml");
    return status;
}

/* One bit of the byte in the file's middle. */
static void change_middle(const char *path)
{
    struct buffer bytes = contents_of(path);
    size_t middle = bytes.size / 2;
    char changed = (char)(bytes.data[middle] ^ 1);
    int file = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(file >= 0);
    assert_int_equal(pwrite(file, &changed, 1, (off_t)middle), 1);
    close(file);
    buffer_free(&bytes);
}

#define NEWEST "run/checkpoints/step-00000006/"

static const char *const files[] = {
    "config.json",         "model.safetensors",       "optimizer.safetensors", "tokenizer.json",
    "training_state.json", "special_tokens_map.json", "tokenizer_config.json", "vocab.txt"};

/* The steps behind the checkpoint before it are made again, and give the same. */
static void resuming_passes_a_damaged_checkpoint_over(void **state)
{
    (void)state;
    struct buffer model = contents_of(NEWEST "model.safetensors");
    struct buffer optimizer = contents_of(NEWEST "optimizer.safetensors");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[100], said[200];
        snprintf(path, sizeof path, NEWEST "%s", files[i]);
        snprintf(said, sizeof said, "step-00000006 is damaged and passed over: ");
        change_middle(path);
        struct program_result result = RUN_CLOZE("train", "run.yaml", "--resume");
        if (result.status || !strstr(result.err, said) || !strstr(result.err, files[i]) ||
            !strstr(result.err, "resuming after step 4"))
            fail_msg("%s: status %d: %s", files[i], result.status, result.err);
        program_result_free(&result);
        assert_contents(NEWEST "model.safetensors", &model);
        assert_contents(NEWEST "optimizer.safetensors", &optimizer);
    }
    buffer_free(&model);
    buffer_free(&optimizer);
}

/* Named directly, a checkpoint is verified too. Before, one bit in a weight went unseen. */
static void a_damaged_checkpoint_is_not_computed_with(void **state)
{
    (void)state;
    SUCCEED("fill", NEWEST, "the [MASK]");
    change_middle(NEWEST "model.safetensors");
    ASSERT_CLOZE_SAYS(2, NEWEST "model.safetensors: its checksum is ", "fill", NEWEST,
                      "the [MASK]");
    ASSERT_CLOZE_SAYS(2, NEWEST "model.safetensors: its checksum is ", "eval", NEWEST, "--data",
                      "text.txt");
    write_config("next.yaml", "output: next\nmodel: {init_from: " NEWEST "}\n"
                              "data: {train: [text.txt], seq_len: 16}\ntrain: {steps: 1}\n");
    ASSERT_CLOZE_SAYS(2, NEWEST "model.safetensors: its checksum is ", "train", "next.yaml");
    /* The run's latest one that is intact is. */
    ASSERT_CLOZE_SAYS(0, "step-00000006 is damaged and passed over", "fill", "run", "the [MASK]");
}

static void damaged_data_are_named(void **state)
{
    (void)state;
    change_middle("run/data/train-00000.shard");
    ASSERT_CLOZE_SAYS(2, "train-00000.shard: is damaged: the contents do not have their hash",
                      "train", "run.yaml", "--resume", "--set", "train.steps=8");
    ASSERT_CLOZE_SAYS(2, "run/data to have it made anew)", "train", "run.yaml", "--resume");
    assert_int_equal(unlink("run/data/train-00000.shard"), 0);
    ASSERT_CLOZE_SAYS(0, "data anew: train-00000.shard is missing", "train", "run.yaml",
                      "--resume");
    change_middle("run/data/manifest.json");
    ASSERT_CLOZE_SAYS(0, "data/manifest.json: is damaged: its checksum is ", "train", "run.yaml",
                      "--resume");
}

static void a_damaged_vocabulary_is_made_anew(void **state)
{
    (void)state;
    struct buffer vocabulary = contents_of("run/vocab.txt");
    change_middle("run/vocab.txt");
    ASSERT_CLOZE_SAYS(0, "run/vocab.txt is damaged: training it anew", "train", "run.yaml",
                      "--resume");
    assert_contents("run/vocab.txt", &vocabulary);
    change_middle("run/vocabulary.json");
    ASSERT_CLOZE_SAYS(0, "run/vocab.txt was made from other text or settings", "train", "run.yaml",
                      "--resume");
    assert_contents("run/vocab.txt", &vocabulary);
    buffer_free(&vocabulary);
}

/* Before, the text's new vocabulary silently took the place of the one that the model knows. */
static void another_vocabulary_is_not_resumed_with(void **state)
{
    (void)state;
    write_config("text.txt", "zebras have stripes\nmany of them\n\nyaks have none\nof any kind\n");
    ASSERT_CLOZE_SAYS(2, "cannot resume with another vocabulary than ", "train", "run.yaml",
                      "--resume", "--set", "train.steps=8");
}

#define RUN_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, run_config_leave_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN_TEST(resuming_passes_a_damaged_checkpoint_over),
        RUN_TEST(a_damaged_checkpoint_is_not_computed_with),
        RUN_TEST(damaged_data_are_named),
        RUN_TEST(a_damaged_vocabulary_is_made_anew),
        RUN_TEST(another_vocabulary_is_not_resumed_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

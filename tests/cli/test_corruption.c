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
        snprintf(said, sizeof said, "step-00000006 is damaged; skipping it: ");
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
    ASSERT_CLOZE_SAYS(0, "step-00000006 is damaged; skipping it", "fill", "run", "the [MASK]");
}

static void damaged_data_are_named(void **state)
{
    (void)state;
    change_middle("run/data/train-00000.shard");
    ASSERT_CLOZE_SAYS(2, "train-00000.shard: is damaged: the contents do not match their checksum",
                      "train", "run.yaml", "--resume", "--set", "train.steps=8");
    ASSERT_CLOZE_SAYS(2, "run/data to rebuild it)", "train", "run.yaml", "--resume");
    assert_int_equal(unlink("run/data/train-00000.shard"), 0);
    ASSERT_CLOZE_SAYS(0,
                      "data again:\n"
                      "  train-00000.shard is missing",
                      "train", "run.yaml", "--resume");
    change_middle("run/data/manifest.json");
    ASSERT_CLOZE_SAYS(0, "data/manifest.json: is damaged: its checksum is ", "train", "run.yaml",
                      "--resume");
}

/* Before, the shards were made from the new text, and then the resume was refused. */
static void a_damaged_manifest_costs_no_shards(void **state)
{
    (void)state;
    struct buffer shard = contents_of("run/data/train-00000.shard");
    change_middle("run/data/manifest.json");
    write_config("text.txt", "zebras have stripes\nmany of them\n\nyaks have none\nof any kind\n");
    ASSERT_CLOZE_SAYS(0, "warning: going on with the shards, which are those of the run:\n",
                      "train", "run.yaml", "--resume", "--set", "train.steps=8");
    assert_contents("run/data/train-00000.shard", &shard);
    buffer_free(&shard);
}

/* Held-out shards that the run has not evaluated on would make its losses mean something else. */
static void held_out_shards_of_another_run_are_replaced(void **state)
{
    (void)state;
    write_config("held.txt", "the king\nand so on\n\nthe queen\nand so on\n");
    write_config("other.txt", "the queen saw\nand so on\n\nthe king\nsaw\n");
    SUCCEED("train", "run.yaml", "--set", "output=held", "--set", "data.valid=held.txt");
    SUCCEED("train", "run.yaml", "--set", "output=other", "--set", "data.valid=other.txt");
    struct buffer shard = contents_of("held/data/valid-00000.shard");
    change_middle("held/data/manifest.json");
    ASSERT_CLOZE_SAYS(0, "warning: going on with the shards, which are those of the run:\n",
                      "train", "run.yaml", "--set", "output=held", "--set", "data.valid=held.txt",
                      "--resume");
    assert_int_equal(rename("other/data/valid-00000.shard", "held/data/valid-00000.shard"), 0);
    ASSERT_CLOZE_SAYS(0, "data again:\n", "train", "run.yaml", "--set", "output=held", "--set",
                      "data.valid=held.txt", "--resume");
    assert_contents("held/data/valid-00000.shard", &shard);
    buffer_free(&shard);
}

/* Nobody can tell damage from what somebody has written, and the checkpoint holds the
 * vocabulary. */
static void a_vocabulary_that_was_changed_is_left(void **state)
{
    (void)state;
    struct buffer vocabulary = contents_of("run/vocab.txt");
    change_middle("run/vocab.txt");
    struct buffer changed = contents_of("run/vocab.txt");
    ASSERT_CLOZE_SAYS(0, "not the vocabulary of the run", "train", "run.yaml", "--resume");
    assert_contents("run/vocab.txt", &changed);
    assert_int_equal(unlink("run/vocab.txt"), 0);
    ASSERT_CLOZE_SAYS(0, "run/vocab.txt was missing: written from the checkpoint", "train",
                      "run.yaml", "--resume");
    assert_contents("run/vocab.txt", &vocabulary);
    /* Only a vocabulary that is trained has use for what it was trained on. */
    change_middle("run/vocabulary.json");
    SUCCEED("train", "run.yaml", "--resume");
    assert_contents("run/vocab.txt", &vocabulary);
    buffer_free(&changed);
    buffer_free(&vocabulary);
}

/* Before, the text's new vocabulary and data took the place of the run's, and then it was
 * refused. */
static void a_refused_resume_touches_nothing(void **state)
{
    (void)state;
    static const char *const kept_files[] = {"run/vocab.txt", "run/vocabulary.json",
                                             "run/config.yaml", "run/data/manifest.json",
                                             "run/data/train-00000.shard"};
    enum { FILES = sizeof kept_files / sizeof *kept_files };
    struct buffer kept[FILES];
    for (int i = 0; i < FILES; i++)
        kept[i] = contents_of(kept_files[i]);
    write_config("text.txt", "zebras have stripes\nmany of them\n\nyaks have none\nof any kind\n");
    ASSERT_CLOZE_SAYS(2,
                      "run.yaml: cannot resume: data.train, data.valid: run/data was prepared "
                      "from other text: ",
                      "train", "run.yaml", "--resume", "--set", "train.steps=8");
    for (int i = 0; i < FILES; i++) {
        assert_contents(kept_files[i], &kept[i]);
        buffer_free(&kept[i]);
    }
}

#define RUN_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, run_config_leave_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN_TEST(resuming_passes_a_damaged_checkpoint_over),
        RUN_TEST(a_damaged_checkpoint_is_not_computed_with),
        RUN_TEST(damaged_data_are_named),
        RUN_TEST(a_damaged_manifest_costs_no_shards),
        RUN_TEST(held_out_shards_of_another_run_are_replaced),
        RUN_TEST(a_vocabulary_that_was_changed_is_left),
        RUN_TEST(a_refused_resume_touches_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* `cloze export`: a directory to publish. */

#include "base/directory.h"
#include "support/contents.h"
#include "support/program.h"
#include "support/sample_text.h"
#include "support/scratch.h"

#include "base/file.h"
#include "model/huggingface.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char config_text[] = "seed: 5\n"
                                  "output: run\n"
                                  "model: {hidden_size: 32, intermediate_size: 64,\n"
                                  "        num_hidden_layers: 2, num_attention_heads: 2}\n"
                                  "tokenizer: {vocab_size: 100}\n"
                                  "data: {train: [text.txt], sentences: line, seq_len: 32,\n"
                                  "       valid_fraction: 0.1}\n"
                                  "train: {steps: 4, batch_size: 8, warmup_steps: 1, threads: 1}\n";

/* A run in the directory of the test, which is the working directory. */
static int set_up(void **state)
{
    int status = scratch_set_up(state);
    const struct scratch *scratch = *state;
    sample_text_write(*state, "text.txt", 400);
    scratch_write_text(*state, "config.yaml", config_text);
    return status ? status : chdir(scratch->directory);
}

static int tear_down(void **state)
{
    return chdir("/") ? -1 : scratch_tear_down(state);
}

static void train(const char *setting)
{
    struct program_result result = RUN_CLOZE("train", "config.yaml", "--set", setting);
    if (result.status)
        fail_msg("status %d: %s", result.status, result.err);
    program_result_free(&result);
}

static void export_as(const char *target, const char *kind)
{
    ASSERT_CLOZE_SAYS(0, "exported run/checkpoints/step-00000004 to ", "export", "run", target,
                      "--for", kind);
}

static void expect_file(const char *path, const char *const *parts, size_t count)
{
    struct buffer text = {0};
    struct error error = {0};
    assert_true(file_read(path, 1 << 20, &text, &error));
    assert_true(buffer_append(&text, "", 1, &error));
    for (size_t i = 0; i < count; i++)
        if (!strstr(text.data, parts[i]))
            fail_msg("no \"%s\" in %s", parts[i], text.data);
    buffer_free(&text);
}

#define EXPECT_FILE(path, ...)                                                                     \
    expect_file(path, (const char *const[]){__VA_ARGS__},                                          \
                sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static int count_entries(const char *path)
{
    DIR *directory = opendir(path);
    assert_non_null(directory);
    int count = 0;
    for (const struct dirent *entry; (entry = readdir(directory));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(directory);
    return count;
}

static void expect_tensors(const char *path, size_t count, const char *first)
{
    struct safetensors file;
    struct error error = {0};
    assert_true(safetensors_open(path, &file, &error));
    assert_int_equal(file.count, count);
    assert_string_equal(file.tensors[0].name, first);
    safetensors_close(&file);
}

/* 5 tensors of embeddings, 16 a layer, 2 of the pooler, 5 of the MLM head, 2 of the NSP head. */
static void each_class_has_its_tensors(void **state)
{
    (void)state;
    train("seed=5");
    export_as("whole", "pretraining");
    export_as("new/place/masked", "masked-lm");
    export_as("encoder/", "encoder");
    EXPECT_FILE("whole/config.json", "\"BertForPreTraining\"");
    EXPECT_FILE("new/place/masked/config.json", "\"BertForMaskedLM\"");
    EXPECT_FILE("encoder/config.json", "\"BertModel\"");
    const char *words = "bert.embeddings.word_embeddings.weight";
    expect_tensors("whole/model.safetensors", 46, words);
    expect_tensors("new/place/masked/model.safetensors", 42, words);
    expect_tensors("encoder/model.safetensors", 39, words + 5);
    assert_int_equal(count_entries("whole"), 7);
    assert_int_equal(access("whole/optimizer.safetensors", F_OK), -1);
    assert_int_equal(access("whole/training_state.json", F_OK), -1);
    struct program_result whole = RUN_CLOZE("fill", "whole", "1 [MASK] 3", "--json"),
                          masked = RUN_CLOZE("fill", "new/place/masked", "1 [MASK] 3", "--json");
    assert_int_equal(whole.status, 0);
    assert_string_equal(whole.out, masked.out);
    program_result_free(&whole);
    program_result_free(&masked);
    ASSERT_CLOZE_SAYS(2, "the model has no masked language modelling head", "fill", "encoder",
                      "1 [MASK]");
    ASSERT_CLOZE_SAYS(2, "the model has no next-sentence head", "nsp", "new/place/masked", "1",
                      "2");
}

static void the_card_says_what_is_known(void **state)
{
    (void)state;
    train("seed=5");
    export_as("whole", "pretraining");
    EXPECT_FILE("whole/README.md", "pipeline_tag: fill-mask\n", "# whole\n",
                "A BERT of 2 layers, hidden size 32, 2 attention heads and ",
                " uncased tokens, trained with sequences of up to 32 tokens.",
                "from transformers import AutoTokenizer, BertForPreTraining\n",
                "BertForPreTraining.from_pretrained(\"whole\")", "cloze fill whole",
                "| steps | 4 |\n", "| text | `text.txt` |\n",
                "## Held-out text\n\n| after step 4 |", "| MLM loss | ", "| NSP accuracy | ",
                "# license: yours to choose");
    struct program_result result = RUN_CLOZE("export", "whole", "again");
    assert_int_equal(result.status, 0);
    program_result_free(&result);
    EXPECT_FILE("again/README.md", "Which text, how long: to be filled in.");
}

/* A model that calls it <mask> knows no [MASK]. */
static void commands_have_the_mask_token_of_the_model(void **state)
{
    struct scratch *scratch = *state;
    assert_int_equal(mkdir("model", 0777), 0);
    scratch_write_text(scratch, "model/vocab.txt",
                       "[PAD]\n[UNK]\n[CLS]\n[SEP]\n<mask>\ncat\ndog\nruns\n.\n");
    scratch_write_text(scratch, "model/special_tokens_map.json", "{\"mask_token\": \"<mask>\"}");
    scratch_write_text(scratch, "text.txt",
                       "cat runs\ndog runs\n\ncat dog\nruns cat\n\ndog cat\ncat runs\n");
    ASSERT_CLOZE_SAYS(0, "'a sentence of your text with <mask> in it'", "train", "config.yaml",
                      "--set", "tokenizer.vocab=model", "--set", "tokenizer.vocab_size=", "--set",
                      "data.valid_fraction=0");
    ASSERT_CLOZE_SAYS(0, "", "fill", "run", "how are <mask> doing?");
    export_as("whole", "pretraining");
    EXPECT_FILE("whole/README.md", "cloze fill whole \"... <mask> ...\"\n");
}

/* Next to a copied checkpoint there may be the records of another run. */
static void the_card_has_no_figures_of_another_run(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    train("seed=5");
    assert_true(directory_make("other/models", &error));
    assert_int_equal(system("cp -r run/checkpoints/step-00000004 other/models/mine"), 0);
    scratch_write_text(scratch, "other/metrics.jsonl",
                       "{\"step\": 4, \"eval\": true, \"mlm_loss\": 1.25}\n");
    ASSERT_CLOZE_SAYS(0, "", "export", "other/models/mine", "whole");
    struct buffer card = contents_of("whole/README.md");
    assert_null(strstr(card.data, "1.25"));
    assert_non_null(strstr(card.data, "Best at step 4: MLM loss "));
    buffer_free(&card);
    /* A link to a checkpoint is one in its run. */
    assert_int_equal(symlink("../../run/checkpoints/step-00000004", "other/models/link"), 0);
    ASSERT_CLOZE_SAYS(0, "", "export", "other/models/link", "linked");
    EXPECT_FILE("linked/README.md", "## Held-out text\n\n| after step 4 |");
}

static void what_was_never_trained_is_said(void **state)
{
    (void)state;
    train("data.nsp=false");
    ASSERT_CLOZE_SAYS(0, "warning: the NSP head was never trained; the model card says so",
                      "export", "run", "whole");
    EXPECT_FILE("whole/README.md", "The pooler was never trained.\n",
                "The NSP head was never trained.\n");
    ASSERT_CLOZE_SAYS(2, "next-sentence head was never trained", "nsp", "whole", "1", "2");
    export_as("masked", "masked-lm");
    ASSERT_CLOZE_SAYS(2,
                      "masked: has no pooler, which BertForPreTraining needs; --for masked-lm "
                      "does without",
                      "export", "masked", "other");
    ASSERT_CLOZE_SAYS(0, "warning: the model has no pooler: BertModel draws a new one", "export",
                      "masked", "bare", "--for", "encoder");
    assert_int_equal(access("other", F_OK), -1);
}

static void foreign_files_are_never_replaced(void **state)
{
    struct scratch *scratch = *state;
    train("seed=5");
    assert_int_equal(mkdir("mine", 0777), 0);
    scratch_write_text(scratch, "mine/.hidden", "x");
    ASSERT_CLOZE_SAYS(2, "mine: is not empty; expected a new or an empty directory", "export",
                      "run", "mine");
    ASSERT_CLOZE_SAYS(2, "config.yaml: is not a directory", "export", "run", "config.yaml");
    ASSERT_CLOZE_SAYS(2, "run: is not empty", "export", "run", "run");
    assert_int_equal(count_entries("mine"), 1);
    assert_int_equal(unlink("mine/.hidden"), 0);
    export_as("mine", "pretraining");
    assert_int_equal(count_entries("mine"), 7);
    ASSERT_CLOZE_SAYS(2, "mine: is not empty", "export", "run", "mine");
    ASSERT_CLOZE_SAYS(2, "--for: found \"x\", expected pretraining, masked-lm, encoder or task",
                      "export", "run", "new", "--for", "x");
    /* Nothing is left of what was not finished. */
    assert_int_equal(count_entries("."), 4);
}

/* The entries of the working directory whose names begin with "whole.". */
static int count_partial(void)
{
    int count = 0;
    DIR *directory = opendir(".");
    assert_non_null(directory);
    for (const struct dirent *entry; (entry = readdir(directory));)
        count += strncmp(entry->d_name, "whole.", 6) == 0;
    closedir(directory);
    return count;
}

/* The status of an export that gets a signal as soon as it has made its directory. */
static int export_signalled(int signal_number)
{
    pid_t process = start_cloze((const char *const[]){"export", "run", "whole", NULL});
    for (int i = 0; i < 600000 && !count_partial() && !path_exists("whole"); i++)
        usleep(100);
    kill(process, signal_number);
    return wait_cloze(process);
}

/* A model of which the files take a while. Where the machine was too busy for the signal to be in
 * time, it is tried again. */
static void an_interrupted_export_leaves_nothing(void **state)
{
    (void)state;
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct error error = {0};
    train("model.intermediate_size=40000");
    for (int i = 0; i < 3; i++) {
        bool whole = true; /* a signal after the rename finds the directory whole */
        for (int tries = 0; tries < 20 && whole; tries++) {
            const int status = export_signalled(signals[i]);
            assert_true(status == 0 || status == 128 + signals[i]);
            assert_int_equal(count_partial(), 0);
            whole = path_exists("whole");
            assert_true(whole || status);
            assert_true(!whole || directory_remove("whole", &error));
        }
        assert_false(whole);
    }
}

/* What nothing could remove, the next export does; a directory of a similar name stays. */
static void a_killed_export_is_cleaned_up_by_the_next(void **state)
{
    (void)state;
    struct error error = {0};
    train("model.intermediate_size=40000");
    for (int tries = 0; tries < 20 && !count_partial(); tries++) {
        assert_true(directory_remove("whole", &error));
        export_signalled(SIGKILL);
    }
    assert_int_equal(count_partial(), 1);
    assert_int_equal(mkdir("whole.partial", 0777), 0);
    export_as("whole", "pretraining");
    assert_int_equal(count_partial(), 1);
    assert_int_equal(rmdir("whole.partial"), 0);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(each_class_has_its_tensors),
        TEST(the_card_says_what_is_known),
        TEST(commands_have_the_mask_token_of_the_model),
        TEST(the_card_has_no_figures_of_another_run),
        TEST(what_was_never_trained_is_said),
        TEST(foreign_files_are_never_replaced),
        TEST(an_interrupted_export_leaves_nothing),
        TEST(a_killed_export_is_cleaned_up_by_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

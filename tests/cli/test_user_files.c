/* What belongs to the user: files that stand where a run or a command writes, and runs that are
 * moved, copied, or resumed when their text has gone. */

#include "base/directory.h"
#include "base/file_writer.h"
#include "support/contents.h"
#include "support/program.h"
#include "support/run_config_files.h"
#include "support/sample_text.h"
#include "support/scratch.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char config_text[] = "seed: 5\n"
                                  "output: run\n"
                                  "model: {size: tiny, hidden_size: 32, intermediate_size: 64,\n"
                                  "        num_hidden_layers: 1, num_attention_heads: 2}\n"
                                  "tokenizer: {vocab_size: 100}\n"
                                  "data: {train: [text.txt], sentences: line, seq_len: 32,\n"
                                  "       valid_fraction: 0.1}\n"
                                  "train: {steps: 4, batch_size: 8, learning_rate: 1e-3,\n"
                                  "        schedule: constant, warmup_steps: 2, save_every: 2,\n"
                                  "        threads: 1}\n";

/* In the directory proj of the scratch directory, which becomes the working directory. */
static int set_up(void **state)
{
    struct error error = {0};
    int status = scratch_set_up(state);
    struct scratch *scratch = *state;
    if (status || chdir(scratch->directory) != 0 || !directory_make("proj", &error))
        return -1;
    sample_text_write(scratch, "proj/text.txt", 200);
    sample_text_write(scratch, "proj/other.txt", 150);
    scratch_write_text(scratch, "proj/e.yaml", config_text);
    return 0;
}

static int tear_down(void **state)
{
    return chdir("/") == 0 ? scratch_tear_down(state) : -1;
}

/* ---- files of the user ---- */

static void write_mine(void *scratch, const char *path)
{
    scratch_write_text(scratch, path, "mine");
}

static void assert_mine(const char *path)
{
    struct buffer text = contents_of(path);
    if (strcmp(text.data, "mine") != 0)
        fail_msg("%s: %s", path, text.data);
    buffer_free(&text);
}

/* ---- moved runs ---- */

static void a_copied_project_is_resumed_without_its_text(void **state)
{
    struct error error = {0};
    SUCCEED("train", "proj/e.yaml", "--set", "output=whole", "--set", "train.steps=6");
    SUCCEED("train", "proj/e.yaml");
    assert_int_equal(rename("proj", "proj2"), 0);
    SUCCEED("train", "proj2/e.yaml", "--resume", "--set", "train.steps=5");
    assert_int_equal(unlink("proj2/text.txt"), 0);
    ASSERT_CLOZE_SAYS(0, "going on with the data in proj2/run/data", "train", "proj2/e.yaml",
                      "--resume", "--set", "train.steps=6");
    scratch_assert_same_file(*state, "whole/checkpoints/step-00000006/model.safetensors",
                             "proj2/run/checkpoints/step-00000006/model.safetensors");
    /* Without text and without shards there is nothing to go on with. */
    assert_true(directory_remove("proj2/run/data", &error));
    ASSERT_CLOZE_SAYS(2, "text.txt: cannot read: No such file", "train", "proj2/e.yaml", "--resume",
                      "--set", "train.steps=8");
}

static void assert_output_is(const char *path, const char *expected)
{
    struct buffer text = contents_of(path);
    if (!strstr(text.data, expected))
        fail_msg("%s has no line %s:\n%s", path, expected, text.data);
    buffer_free(&text);
}

/* Its own configuration means the run that it stands in. */
static void a_moved_or_copied_run_is_resumed_by_its_own_configuration(void **state)
{
    (void)state;
    SUCCEED("train", "proj/e.yaml");
    assert_output_is("proj/run/config.yaml", "\noutput: \".\"\n");
    assert_int_equal(system("cp -r proj/run copy"), 0);
    SUCCEED("train", "copy/config.yaml", "--resume", "--set", "train.steps=6");
    assert_true(path_exists("copy/checkpoints/step-00000006"));
    assert_false(path_exists("proj/run/checkpoints/step-00000006"));
    assert_int_equal(rename("copy", "moved"), 0);
    SUCCEED("train", "moved/config.yaml", "--resume", "--set", "train.steps=7");
    assert_true(path_exists("moved/checkpoints/step-00000007"));
    assert_false(path_exists("copy"));
    assert_false(path_exists("moved/copy"));
    assert_false(path_exists("proj/run/checkpoints/step-00000007"));
}

/* As older versions wrote it, with the path of the directory. */
static void name_output(const char *path, const char *output)
{
    struct error error = {0};
    struct buffer text = contents_of(path), changed = {0};
    const char *key = strstr(text.data, "\noutput: ");
    assert_non_null(key);
    assert_true(buffer_print(&changed, &error, "%.*s\noutput: %s%s", (int)(key - text.data),
                             text.data, output, strchr(key + 1, '\n')));
    assert_true(file_write(path, changed.data, changed.size, &error));
    buffer_free(&changed);
    buffer_free(&text);
}

static void the_configuration_of_a_copied_run_resumes_no_other(void **state)
{
    struct scratch *scratch = *state;
    SUCCEED("train", "proj/e.yaml");
    char *output = scratch_path_copy(scratch, "proj/run");
    name_output("proj/run/config.yaml", output);
    free(output);
    SUCCEED("train", "proj/run/config.yaml", "--resume", "--set", "train.steps=5");
    assert_int_equal(system("cp -r proj/run copy"), 0);
    ASSERT_CLOZE_SAYS(2, "proj/run, but the run in copy was probably moved or copied", "train",
                      "copy/config.yaml", "--resume", "--set", "train.steps=6");
    ASSERT_CLOZE_SAYS(2, "add --set output=copy", "train", "copy/config.yaml", "--resume");
    assert_false(path_exists("proj/run/checkpoints/step-00000006"));
    assert_int_equal(rename("proj/run", "moved"), 0);
    ASSERT_CLOZE_SAYS(2, "add --set output=moved", "train", "moved/config.yaml", "--resume");
    assert_false(path_exists("proj/run"));
    SUCCEED("train", "moved/config.yaml", "--resume", "--set", "train.steps=6", "--set",
            "output=moved");
    assert_true(path_exists("moved/checkpoints/step-00000006"));
}

static void a_touched_text_is_the_same(void **state)
{
    struct scratch *scratch = *state;
    SUCCEED("batches", "proj/e.yaml", "--steps", "1", "--output", "b");
    sample_text_write(scratch, "proj/text.txt", 200);
    struct program_result result = RUN_CLOZE("train", "proj/e.yaml");
    assert_int_equal(result.status, 0);
    assert_null(strstr(result.err, "vocabulary of"));
    assert_null(strstr(result.err, "prepar"));
    program_result_free(&result);
}

static void other_text_is_refused_with_both_names(void **state)
{
    (void)state;
    SUCCEED("train", "proj/e.yaml");
    ASSERT_CLOZE_SAYS(2, "proj/other.txt holds other text than ", "train", "proj/e.yaml",
                      "--resume", "--set", "data.train=[proj/other.txt]");
    ASSERT_CLOZE_SAYS(2, "data.train", "train", "proj/e.yaml", "--resume", "--set",
                      "data.train=[proj/other.txt]");
    SUCCEED("train", "proj/e.yaml", "--set", "data.train=[proj/other.txt]", "--set", "output=two");
}

static void other_vocabularies_are_refused(void **state)
{
    (void)state;
    SUCCEED("vocab", "--input", "proj/other.txt", "--size", "90", "--output", "v.txt");
    SUCCEED("train", "proj/e.yaml", "--set", "tokenizer.vocab=proj/run/../../v.txt");
    /* The same under another name, or gone. */
    SUCCEED("train", "proj/e.yaml", "--resume", "--set", "tokenizer.vocab=proj/run/vocab.txt");
    SUCCEED("train", "proj/e.yaml", "--resume", "--set", "tokenizer.vocab=nowhere.txt");
    SUCCEED("vocab", "--input", "proj/text.txt", "--size", "90", "--output", "v.txt");
    ASSERT_CLOZE_SAYS(2, "tokenizer.vocab: cannot resume with another vocabulary: ", "train",
                      "proj/e.yaml", "--resume", "--set", "tokenizer.vocab=v.txt");
}

/* As older versions wrote it. */
static void set_vocabulary_size(const char *path)
{
    struct error error = {0};
    struct buffer text = contents_of(path), changed = {0};
    const char *key = strstr(text.data, "\n  vocab_size:");
    assert_non_null(key);
    const char *rest = strchr(key + 1, '\n');
    assert_true(buffer_print(&changed, &error, "%.*s\n  vocab_size: 30522%s",
                             (int)(key - text.data), text.data, rest));
    assert_true(file_write(path, changed.data, changed.size, &error));
    buffer_free(&changed);
    buffer_free(&text);
}

/* Those had the positions of model.size, and a size next to a vocabulary that was given. */
static void runs_of_older_versions_are_resumed(void **state)
{
    static const char rest[] = "data: {train: [text.txt], sentences: line, seq_len: 32}\n"
                               "train: {steps: 2, batch_size: 8, threads: 1}\n";
    char text[512];
    SUCCEED("train", "proj/e.yaml", "--set", "model.max_position_embeddings=64");
    SUCCEED("train", "proj/e.yaml", "--resume", "--set", "train.steps=6");
    struct program_result result = RUN_CLOZE("config", "proj/e.yaml");
    assert_non_null(strstr(result.out, "max_position_embeddings: 64"));
    assert_non_null(strstr(result.out, "# the run in output"));
    program_result_free(&result);

    snprintf(text, sizeof text, "output: run2\nmodel: {init_from: run}\n%s", rest);
    scratch_write_text(*state, "proj/2.yaml", text);
    SUCCEED("train", "proj/2.yaml");
    set_vocabulary_size("proj/run2/config.yaml");
    SUCCEED("train", "proj/2.yaml", "--resume", "--set", "train.steps=4");

    snprintf(text, sizeof text, "output: run3\ntokenizer: {vocab: run/vocab.txt}\n%s", rest);
    scratch_write_text(*state, "proj/3.yaml", text);
    SUCCEED("train", "proj/3.yaml");
    set_vocabulary_size("proj/run3/config.yaml");
    SUCCEED("train", "proj/3.yaml", "--resume", "--set", "train.steps=4");
}

/* Whose vocab.txt alone is no vocabulary: a run that has a copy of it knows it as its own. */
static void a_model_with_other_special_tokens_is_continued(void **state)
{
    struct error error = {0};
    SUCCEED("train", "proj/e.yaml");
    SUCCEED("export", "proj/run", "m");
    struct buffer lines = contents_of("m/vocab.txt");
    char *mask = strstr(lines.data, "[MASK]");
    assert_non_null(mask);
    memcpy(mask, "<mask>", 6);
    assert_true(file_write("m/vocab.txt", lines.data, lines.size, &error));
    buffer_free(&lines);
    assert_int_equal(unlink("m/tokenizer.json"), 0);
    assert_int_equal(unlink("m/special_tokens_map.json"), 0);
    scratch_write_text(*state, "m/tokenizer_config.json",
                       "{\"do_lower_case\": true, \"mask_token\": \"<mask>\"}");
    scratch_write_text(*state, "proj/m.yaml",
                       "output: run4\nmodel: {init_from: ../m}\n"
                       "data: {train: [text.txt], sentences: line, seq_len: 32}\n"
                       "train: {steps: 2, batch_size: 8, threads: 1}\n");
    SUCCEED("train", "proj/m.yaml");
    struct program_result result =
        RUN_CLOZE("train", "proj/m.yaml", "--resume", "--set", "train.steps=4");
    assert_int_equal(result.status, 0);
    assert_null(strstr(result.err, "is not the vocabulary of the run"));
    program_result_free(&result);
    assert_true(directory_remove("proj/run4/checkpoints", &error));
    SUCCEED("train", "proj/m.yaml");
}

static void resuming_nothing_says_so_first(void **state)
{
    (void)state;
    static const char first[] =
        "warning: nothing to resume, starting a new run: no checkpoint in proj/run";
    struct program_result result = RUN_CLOZE("train", "proj/e.yaml", "--resume");
    assert_int_equal(result.status, 0);
    if (strncmp(result.err, first, sizeof first - 1) != 0)
        fail_msg("%s", result.err);
    program_result_free(&result);
}

/* ---- where a run is written ---- */

/* A run that would write into proj is refused for this file. */
static void expect_kept(const char *name, const char *content, const char *setting)
{
    char path[100];
    snprintf(path, sizeof path, "proj/%s", name);
    struct error error = {0};
    assert_true(file_write(path, content, strlen(content), &error));
    struct buffer before = contents_of(path);
    const char *more = setting ? setting : "seed=5";
    ASSERT_CLOZE_SAYS(2, setting ? "which the run writes" : name, "train", "proj/e.yaml", "--set",
                      "output=proj", "--set", more);
    assert_contents(path, &before);
    buffer_free(&before);
    assert_false(path_exists("proj/.lock"));
    assert_int_equal(unlink(path), 0);
}

static void a_run_replaces_no_foreign_file(void **state)
{
    (void)state;
    struct error error = {0};
    expect_kept("config.yaml", "mine: true\n", NULL);
    expect_kept("vocab.txt", "mine\n", NULL);
    expect_kept("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nmine\n", NULL);
    expect_kept("vocabulary.json", "{\"mine\": true}\n", NULL);
    expect_kept("metrics.jsonl", "{\"step\": 5}\n", NULL);
    expect_kept("fills.jsonl", "{\"step\": 5}\n", NULL);
    expect_kept("warnings.jsonl", "{\"step\": 5}\n", NULL);
    assert_true(directory_make("proj/data", &error));
    expect_kept("data/manifest.json", "{\"name\": \"mine\"}\n", NULL);
    expect_kept("data/train-00000.shard", "mine\n", NULL);
    /* Patterns that would take what the run writes for text the next time. */
    expect_kept("data/corpus.txt", "a b c\n", "data.train=[proj/data/*]");
    expect_kept("corpus.txt", "a b c\n", "data.train=[proj/*.txt]");
    SUCCEED("train", "proj/e.yaml", "--set", "output=proj");
    assert_true(path_exists("proj/text.txt"));
}

static void the_configuration_and_the_vocabulary_given_stay(void **state)
{
    (void)state;
    SUCCEED("vocab", "--input", "proj/other.txt", "--size", "90", "--output", "proj/vocab.txt");
    struct buffer config = contents_of("proj/e.yaml"), vocabulary = contents_of("proj/vocab.txt");
    assert_int_equal(link("proj/e.yaml", "proj/config.yaml"), 0);
    ASSERT_CLOZE_SAYS(2, "config.yaml: is not as a run wrote it", "train", "proj/config.yaml",
                      "--set", "output=proj");
    assert_contents("proj/config.yaml", &config);
    assert_int_equal(unlink("proj/config.yaml"), 0);
    SUCCEED("train", "proj/e.yaml", "--set", "output=proj", "--set",
            "tokenizer.vocab=proj/vocab.txt");
    assert_contents("proj/e.yaml", &config);
    assert_contents("proj/vocab.txt", &vocabulary);
    buffer_free(&config);
    buffer_free(&vocabulary);
}

static void an_edited_configuration_of_a_run_stays(void **state)
{
    struct error error = {0};
    (void)state;
    SUCCEED("train", "proj/e.yaml");
    struct buffer config = contents_of("proj/run/config.yaml");
    assert_true(buffer_append(&config, "# a remark\n", 11, &error));
    assert_true(file_write("proj/run/config.yaml", config.data, config.size, &error));
    ASSERT_CLOZE_SAYS(0,
                      "warning: not as a run wrote it, so left as it is:\n  proj/run/config.yaml",
                      "train", "proj/e.yaml", "--resume", "--set", "train.steps=6");
    assert_contents("proj/run/config.yaml", &config);
    buffer_free(&config);
}

/* It names everything absolutely, and is not written while it is read. */
static void a_run_is_resumed_by_its_own_configuration(void **state)
{
    (void)state;
    SUCCEED("train", "proj/e.yaml");
    struct buffer config = contents_of("proj/run/config.yaml");
    SUCCEED("train", "proj/run/config.yaml", "--resume", "--set", "train.steps=6");
    assert_contents("proj/run/config.yaml", &config);
    buffer_free(&config);
}

/* ---- runs that cannot begin ---- */

static void refuse(const char *output, const char *setting)
{
    ASSERT_CLOZE_SAYS(2, "this JSON object has no", "train", "proj/e.yaml", "--set", output,
                      "--set", setting);
}

static void a_run_that_cannot_begin_leaves_nothing(void **state)
{
    struct scratch *scratch = *state;
    scratch_write_text(scratch, "bad.jsonl", "{\"body\": \"a cat\"}\n");
    SUCCEED("vocab", "--input", "proj/text.txt", "--size", "90", "--output", "v.txt");
    refuse("output=new/deep/run", "data.train=bad.jsonl");
    assert_false(path_is_taken("new"));
    ASSERT_CLOZE_SAYS(2, "this JSON object has no", "batches", "proj/e.yaml", "--set",
                      "output=new/deep/run", "--set", "data.train=bad.jsonl", "--steps", "1",
                      "--output", "b");
    assert_false(path_is_taken("new"));
    /* Neither the copy of a vocabulary nor the directory of the data. */
    ASSERT_CLOZE_SAYS(2, "this JSON object has no", "train", "proj/e.yaml", "--set", "output=new",
                      "--set", "data.train=bad.jsonl", "--set", "tokenizer.vocab=v.txt");
    assert_false(path_is_taken("new"));
}

static void what_was_there_before_a_run_stays(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    scratch_write_text(scratch, "bad.jsonl", "{\"body\": \"a cat\"}\n");
    assert_true(directory_make("empty", &error) && directory_make("new/mine", &error));
    write_mine(scratch, "new/mine/notes.txt");
    write_mine(scratch, "new/mine/.lock");
    refuse("output=empty", "data.train=bad.jsonl");
    assert_int_equal(rmdir("empty"), 0);
    refuse("output=new/run", "data.train=bad.jsonl");
    refuse("output=new/mine", "data.train=bad.jsonl");
    assert_mine("new/mine/notes.txt");
    assert_int_equal(unlink("new/mine/notes.txt"), 0);
    assert_int_equal(unlink("new/mine/.lock"), 0);
    assert_int_equal(rmdir("new/mine"), 0);
    assert_int_equal(rmdir("new"), 0);
    /* A vocabulary that was trained is there for the next attempt, also when that fails. */
    for (int i = 0; i < 2; i++) {
        refuse("output=kept", "data.valid=bad.jsonl");
        assert_true(path_exists("kept/config.yaml") && path_exists("kept/vocab.txt"));
    }
    refuse("output=kept", "data.train=bad.jsonl");
    assert_true(path_exists("kept/config.yaml") && path_exists("kept/vocab.txt"));
    SUCCEED("train", "proj/e.yaml", "--set", "output=kept");
}

/* ---- what commands write ---- */

/* By another spelling, a symbolic link and a hard link. */
static void no_command_writes_over_its_input(void **state)
{
    (void)state;
    struct buffer text = contents_of("proj/text.txt");
    assert_int_equal(symlink("proj/text.txt", "soft"), 0);
    assert_int_equal(link("proj/text.txt", "hard"), 0);
    static const char *const names[] = {"proj/text.txt", "./proj/../proj/text.txt", "soft", "hard"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ASSERT_CLOZE_SAYS(2, "is also an input", "vocab", "--input", "proj/*.txt", "--size", "90",
                          "--output", names[i]);
        assert_contents("proj/text.txt", &text);
    }
    SUCCEED("batches", "proj/e.yaml", "--steps", "1", "--output", "b");
    SUCCEED("train", "proj/e.yaml");
    struct buffer batch = contents_of("b/step-00000001.safetensors");
    ASSERT_CLOZE_SAYS(2, "is also an input", "score", "proj/run", "--batch",
                      "b/step-00000001.safetensors", "--output",
                      "b/../b/step-00000001.safetensors");
    assert_contents("b/step-00000001.safetensors", &batch);
    buffer_free(&batch);
    buffer_free(&text);
}

/* What is written has another name than NAME.partial until it is complete. */
static void a_partial_file_of_the_user_stays(void **state)
{
    static const char *const names[] = {"v.txt.partial",
                                        "b/step-00000001.safetensors.partial",
                                        "out.safetensors.partial",
                                        "proj/run/config.yaml.partial",
                                        "proj/run/vocab.txt.partial",
                                        "proj/run/vocabulary.json.partial",
                                        "proj/run/data/manifest.json.partial",
                                        "proj/run/data/train-00000.shard.partial",
                                        "proj/run/data/train-00000.shard.sentences.partial",
                                        "proj/run/checkpoints/.latest.partial",
                                        "whole.partial"};
    struct error error = {0};
    assert_true(directory_make("proj/run/data", &error) &&
                directory_make("proj/run/checkpoints", &error) && directory_make("b", &error));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        write_mine(*state, names[i]);
    SUCCEED("vocab", "--input", "proj/text.txt", "--size", "90", "--output", "v.txt");
    SUCCEED("train", "proj/e.yaml");
    SUCCEED("batches", "proj/e.yaml", "--steps", "1", "--output", "b");
    SUCCEED("score", "proj/run", "--batch", "b/step-00000001.safetensors", "--output",
            "out.safetensors");
    SUCCEED("export", "proj/run", "whole");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_mine(names[i]);
}

static void a_command_replaces_only_what_it_makes(void **state)
{
    struct error error = {0};
    SUCCEED("train", "proj/e.yaml");
    static const char model[] = "proj/run/checkpoints/step-00000004/model.safetensors";
    struct buffer weights = contents_of(model), notes = contents_of("proj/e.yaml");
    ASSERT_CLOZE_SAYS(2, "proj/e.yaml already exists and is not a vocabulary", "vocab", "--input",
                      "proj/text.txt", "--size", "90", "--output", "proj/e.yaml");
    assert_contents("proj/e.yaml", &notes);
    SUCCEED("batches", "proj/e.yaml", "--steps", "2", "--output", "b");
    ASSERT_CLOZE_SAYS(2, "model.safetensors already exists and is not a result of 'cloze score'",
                      "score", "proj/run", "--batch", "b/step-00000001.safetensors", "--output",
                      model);
    assert_contents(model, &weights);
    assert_int_equal(unlink("b/step-00000002.safetensors"), 0);
    assert_int_equal(link(model, "b/step-00000002.safetensors"), 0);
    ASSERT_CLOZE_SAYS(2, "step-00000002.safetensors already exists and is not a batch", "batches",
                      "proj/e.yaml", "--steps", "2", "--output", "b");
    assert_contents(model, &weights);
    buffer_free(&weights);
    buffer_free(&notes);
    /* What belongs to a model or a run is not replaced either, be it of the same kind. */
    SUCCEED("vocab", "--input", "proj/text.txt", "--size", "80", "--output", "old.txt");
    ASSERT_CLOZE_SAYS(2, "old.txt is also an input", "vocab", "--input", "proj/text.txt", "--size",
                      "90", "--extend", "old.txt", "--output", "./old.txt");
    static const char *const vocabularies[] = {"proj/run/vocab.txt",
                                               "proj/run/checkpoints/latest/vocab.txt"};
    for (int i = 0; i < 2; i++)
        ASSERT_CLOZE_SAYS(2, "is the vocabulary of a model or a run", "vocab", "--input",
                          "proj/other.txt", "--size", "90", "--output", vocabularies[i]);
    assert_true(directory_make("tok", &error));
    scratch_write_text(*state, "tok/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nlow\n");
    scratch_write_text(*state, "tok/tokenizer_config.json", "{}");
    ASSERT_CLOZE_SAYS(2, "is the vocabulary of a model or a run (tok/tokenizer_config.json",
                      "vocab", "--input", "proj/other.txt", "--size", "90", "--extend", "tok",
                      "--output", "tok/vocab.txt");
    ASSERT_CLOZE_SAYS(2, "proj/run/data is in a run directory", "prepare", "--input",
                      "proj/other.txt", "--vocab", "old.txt", "--output", "proj/run/data");
    /* Their own they replace. */
    for (int i = 0; i < 2; i++) {
        SUCCEED("vocab", "--input", "proj/text.txt", "--size", "90", "--output", "v.txt");
        SUCCEED("batches", "proj/e.yaml", "--steps", "1", "--output", "b");
        SUCCEED("score", "proj/run", "--batch", "b/step-00000001.safetensors", "--output", "s");
    }
}

static void prepared_data_are_not_taken_for_text(void **state)
{
    (void)state;
    SUCCEED("vocab", "--input", "proj/text.txt", "--size", "90", "--output", "v.txt");
    SUCCEED("prepare", "--input", "proj/*", "--vocab", "v.txt", "--output", "proj");
    ASSERT_CLOZE_SAYS(2, "proj/manifest.json: is prepared data, not text", "prepare", "--input",
                      "proj/*", "--vocab", "v.txt", "--output", "proj");
    assert_true(path_exists("proj/text.txt"));
}

#define USER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        USER_TEST(a_copied_project_is_resumed_without_its_text),
        USER_TEST(a_moved_or_copied_run_is_resumed_by_its_own_configuration),
        USER_TEST(the_configuration_of_a_copied_run_resumes_no_other),
        USER_TEST(a_touched_text_is_the_same),
        USER_TEST(other_text_is_refused_with_both_names),
        USER_TEST(other_vocabularies_are_refused),
        USER_TEST(runs_of_older_versions_are_resumed),
        USER_TEST(a_model_with_other_special_tokens_is_continued),
        USER_TEST(resuming_nothing_says_so_first),
        USER_TEST(a_run_replaces_no_foreign_file),
        USER_TEST(the_configuration_and_the_vocabulary_given_stay),
        USER_TEST(an_edited_configuration_of_a_run_stays),
        USER_TEST(a_run_is_resumed_by_its_own_configuration),
        USER_TEST(a_run_that_cannot_begin_leaves_nothing),
        USER_TEST(what_was_there_before_a_run_stays),
        USER_TEST(no_command_writes_over_its_input),
        USER_TEST(a_partial_file_of_the_user_stays),
        USER_TEST(a_command_replaces_only_what_it_makes),
        USER_TEST(prepared_data_are_not_taken_for_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

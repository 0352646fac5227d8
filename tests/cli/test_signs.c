/* What a training says that guessing would give, and its warnings of what is unusual: each where it
 * belongs, and none where nothing is. */
#include "base/buffer.h"
#include "base/directory.h"
#include "base/file.h"
#include "support/contents.h"
#include "support/program.h"
#include "support/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char config_text[] = "output: run\n"
                                  "model: {size: tiny, hidden_size: 16, intermediate_size: 16,\n"
                                  "        num_hidden_layers: 1, num_attention_heads: 2}\n"
                                  "tokenizer: {vocab_size: 110}\n"
                                  "data: {train: [text.txt], seq_len: 32, valid_fraction: 0.2}\n"
                                  "train: {steps: 2, batch_size: 8, threads: 1}\n";

/* Writes documents of three sentences; every `copied`-th is a copy of the first one. */
static void write_text(struct scratch *scratch, int copied)
{
    struct buffer text = {0};
    struct error error = {0};
    for (int i = 0; i < 120; i++) {
        const int number = copied && i % copied == 0 ? 0 : i;
        assert_true(buffer_print(&text, &error,
                                 "The king saw %d ships there. The queen saw %d of them. So they "
                                 "went home again on the day %d.\n\n",
                                 number, number * 7 % 13, number * 5 % 31));
    }
    scratch_write(scratch, "text.txt", text.data, text.size);
    buffer_free(&text);
}

static int set_up(void **state)
{
    int status = scratch_set_up(state);
    struct scratch *scratch = *state;
    write_text(scratch, 0);
    scratch_write_text(scratch, "e.yaml", config_text);
    return status || chdir(scratch->directory);
}

static int tear_down(void **state)
{
    return chdir("/") == 0 ? scratch_tear_down(state) : -1;
}

static void an_ordinary_run_has_no_warning(void **state)
{
    (void)state;
    struct program_result result = RUN_CLOZE("train", "e.yaml");
    assert_int_equal(result.status, 0);
    if (strstr(result.err, "warning"))
        fail_msg("%s", result.err);
    assert_false(path_is_taken("run/warnings.jsonl"));
    program_result_free(&result);
}

/* After a resume at an earlier step, those of later steps are gone. */
static void warnings_are_kept(void **state)
{
    (void)state;
    struct error error = {0};
    SUCCEED("train", "e.yaml", "--set", "train.batch_size=2");
    struct buffer first = contents_of("run/warnings.jsonl");
    assert_memory_equal(first.data, "{\"step\": 0, \"warning\": \"", 24);
    assert_non_null(strstr(first.data, "a step has only 64 tokens for 1 thread: most of"));
    SUCCEED("train", "e.yaml", "--set", "train.batch_size=2", "--set", "train.steps=4", "--resume");
    assert_in_file("run/warnings.jsonl", "{\"step\": 2, \"warning\": \"a step has only");
    assert_true(directory_remove("run/checkpoints/step-00000002", &error) &&
                directory_remove("run/checkpoints/step-00000004", &error));
    SUCCEED("train", "e.yaml", "--set", "train.batch_size=2", "--set", "train.steps=4", "--resume");
    struct buffer again = contents_of("run/warnings.jsonl");
    assert_null(strstr(again.data, "\"step\": 2"));
    buffer_free(&again);
    buffer_free(&first);
}

static void a_run_that_begins_again_has_its_own_warnings(void **state)
{
    (void)state;
    struct error error = {0};
    SUCCEED("train", "e.yaml", "--set", "train.batch_size=2");
    assert_in_file("run/warnings.jsonl", "a step has only");
    assert_true(directory_remove("run/checkpoints", &error));
    SUCCEED("train", "e.yaml");
    struct buffer text = contents_of("run/warnings.jsonl");
    assert_null(strstr(text.size ? text.data : "", "a step has only"));
    buffer_free(&text);
}

/* The same numbers as at the end; a new model's is the logarithm of its tokens. */
static void guessing_is_said_at_the_start(void **state)
{
    double loss, accuracy, end_loss, new_loss, tokens;
    (void)state;
    struct program_result result = RUN_CLOZE("train", "e.yaml");
    const char *start = strstr(result.err, "guessing    "),
               *end = strstr(result.err, "compared with guessing");
    const char *fresh = strstr(result.err, "(a new model has MLM loss ");
    const char *heads = strstr(result.err, " heads, ");
    assert_true(start && end && fresh && heads && start < end);
    assert_int_equal(sscanf(start, "guessing MLM loss %lf, accuracy %lf", &loss, &accuracy), 2);
    assert_int_equal(sscanf(end,
                            "compared with guessing by token frequency: MLM loss %*f guessing %lf",
                            &end_loss),
                     1);
    assert_int_equal(sscanf(fresh, "(a new model has MLM loss %lf", &new_loss), 1);
    assert_int_equal(sscanf(heads, " heads, %lf tokens", &tokens), 1);
    assert_true(fabs(loss - end_loss) < 1e-3);
    assert_true(fabs(new_loss - log(tokens)) < 0.01);
    assert_non_null(strstr(start, "by token frequency; NSP 50 %\n"));
    program_result_free(&result);
}

static void more_threads_than_processors_are_named(void **state)
{
    char setting[64];
    (void)state;
    snprintf(setting, sizeof setting, "train.threads=%ld", sysconf(_SC_NPROCESSORS_ONLN) + 1);
    ASSERT_CLOZE_SAYS(0, "they wait for each other", "train", "e.yaml", "--set", setting);
}

static void a_small_batch_is_named(void **state)
{
    (void)state;
    ASSERT_CLOZE_SAYS(0, "a step has only 64 tokens for 1 thread", "train", "e.yaml", "--set",
                      "train.batch_size=2");
}

static void a_vocabulary_of_another_text_is_named(void **state)
{
    scratch_write_text(*state, "other.txt",
                       "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nking\n.\nsaw\n");
    ASSERT_CLOZE_SAYS(0, "% of the tokens) is lost as [UNK]", "train", "e.yaml", "--set",
                      "tokenizer.vocab=other.txt");
}

static void short_documents_are_named(void **state)
{
    (void)state;
    ASSERT_CLOZE_SAYS(0, "documents have 1.0 sentences on average, too few for sentence pairs",
                      "train", "e.yaml", "--set", "data.sentences=line");
    ASSERT_CLOZE_SAYS(0, "most sequences are shorter than", "train", "e.yaml", "--set",
                      "output=long", "--set", "data.seq_len=128");
    scratch_write_text(*state, "phases.yaml",
                       "output: phases\n"
                       "model: {hidden_size: 16, intermediate_size: 16, num_attention_heads: 2}\n"
                       "tokenizer: {vocab_size: 110}\n"
                       "data: {train: [text.txt], valid_fraction: 0.2}\n"
                       "train: {phases: [{seq_len: 32, steps: 1}, {seq_len: 128, steps: 1}],\n"
                       "        batch_size: 8, threads: 1}\n");
    ASSERT_CLOZE_SAYS(0, "the 128 tokens that they may have", "train", "phases.yaml");
}

static void copies_are_named(void **state)
{
    write_text(*state, 4);
    /* Equal documents would all be held out, or none of them. */
    ASSERT_CLOZE_SAYS(0, "% of the documents begin as another one does", "train", "e.yaml", "--set",
                      "data.valid_fraction=0");
}

/* Adam with steps of 3 leaves nothing of what the model has learned before. */
static void a_loss_that_rises_is_named(void **state)
{
    (void)state;
    ASSERT_CLOZE_SAYS(0, "the learning rate may be too high, or the text is learned by heart",
                      "train", "e.yaml", "--set", "train.steps=40", "--set", "train.eval_every=1",
                      "--set", "train.learning_rate=3", "--set", "train.warmup_steps=30");
}

static void longer_sequences_count_for_more_of_an_epoch(void **state)
{
    double epochs, examples;
    (void)state;
    struct program_result result =
        RUN_CLOZE("train", "e.yaml", "--set", "train.steps=", "--set",
                  "train.phases=[{seq_len: 16, steps: 20}, {seq_len: 64, steps: 20}]");
    const char *line = strstr(result.err, "training    40 steps, about ");
    assert_non_null(line);
    assert_int_equal(sscanf(line, "training 40 steps, about %lf epochs of %lf", &epochs, &examples),
                     2);
    assert_true(fabs(epochs - 8 * (20 + 20 * 4) / examples) < 0.06);
    program_result_free(&result);
}

static void expect_plateau(const char *output, const char *held_out)
{
    static const char message[] = "is still that of guessing by token\n";
    struct program_result result =
        RUN_CLOZE("train", "e.yaml", "--set", "train.steps=5001", "--set", "train.eval_every=2500",
                  "--set", "train.learning_rate=1e-9", "--set", "train.batch_size=4", "--set",
                  "train.save_every=0", "--set", output, "--set", held_out);
    assert_int_equal(result.status, 0);
    const char *said = strstr(result.err, message);
    assert_non_null(said);
    assert_non_null(strstr(result.err, "after 5,000 steps the MLM loss, "));
    assert_null(strstr(said + 1, message));
    program_result_free(&result);
}

static void a_loss_that_does_not_move_is_named_once(void **state)
{
    (void)state;
    expect_plateau("output=a", "data.valid_fraction=0.2");
    expect_plateau("output=b", "data.valid_fraction=0");
}

static void tokens_that_cannot_occur_are_named(void **state)
{
    scratch_write_text(*state, "cased.txt",
                       "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nThe\nKing\nthe\nking\n.\nsaw\n");
    ASSERT_CLOZE_SAYS(0, "33 % of the words of the vocabulary can never occur", "train", "e.yaml",
                      "--set", "tokenizer.vocab=cased.txt", "--set", "tokenizer.vocab_size=");
}

static void a_rate_far_above_the_usual_one_is_named(void **state)
{
    scratch_write_text(*state, "rate.yaml",
                       "output: run\n"
                       "model: {size: tiny}\n"
                       "tokenizer: {vocab_size: 110}\n"
                       "data: {train: [text.txt], seq_len: 32, valid_fraction: 0}\n"
                       "train: {steps: 1, batch_size: 8, threads: 1, learning_rate: 4e-3}\n");
    ASSERT_CLOZE_SAYS(0, "train.learning_rate is 0.004, far above the 0.001 that suits tiny",
                      "train", "rate.yaml");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_ordinary_run_has_no_warning, set_up, tear_down),
        cmocka_unit_test_setup_teardown(warnings_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_run_that_begins_again_has_its_own_warnings, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(guessing_is_said_at_the_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_threads_than_processors_are_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_small_batch_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_vocabulary_of_another_text_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(short_documents_are_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(copies_are_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_loss_that_rises_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(longer_sequences_count_for_more_of_an_epoch, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_loss_that_does_not_move_is_named_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tokens_that_cannot_occur_are_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_rate_far_above_the_usual_one_is_named, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* `cloze eval --minimal-pairs`: what it prints, and what it refuses. */

#include "support/compressed.h"
#include "support/program.h"
#include "support/scratch.h"
#include "support/trained_run.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int set_up(void **state)
{
    return trained_run_set_up(state, 32);
}

#define PAIR(good, bad, uid, field)                                                                \
    "{\"sentence_good\": \"" good "\", \"sentence_bad\": \"" bad "\", \"UID\": \"" uid             \
    "\", \"field\": \"" field "\", \"pairID\": \"0\"}\n"

static json_t *evaluate(const char *file)
{
    struct program_result result = RUN_CLOZE("eval", "run", "--minimal-pairs", file, "--json");
    json_t *report = json_loads(result.out, 0, NULL);
    if (result.status || !report)
        fail_msg("status %d: %s%s", result.status, result.out, result.err);
    program_result_free(&result);
    return report;
}

static double number(const json_t *report, const char *key)
{
    const json_t *value = json_object_get(report, key);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

/* A pair and its reverse: one of the two is right. A sentence beside itself is a tie, also where
 * only the case differs. */
static void pairs_are_counted_by_field_and_uid(void **state)
{
    struct scratch *scratch = *state;
    scratch_write_text(
        scratch, "pairs.jsonl",
        PAIR("the king saw a ship", "the king saw ship a", "order", "syntax")
            PAIR("the king saw ship a", "the king saw a ship", "order", "syntax") "  \n" PAIR(
                "The King", "the king", "case",
                "form") "{\"sentence_good\": \"a ship\", \"sentence_bad\": \"a ship\"}\n");
    json_t *report = evaluate("pairs.jsonl");
    const json_t *fields = json_object_get(report, "by_field");
    const json_t *uids = json_object_get(report, "by_uid");
    assert_int_equal(json_integer_value(json_object_get(report, "pairs")), 4);
    assert_int_equal(json_integer_value(json_object_get(report, "ties")), 2);
    assert_true(number(report, "accuracy") == 0.5);
    assert_int_equal(json_object_size(fields), 2);
    assert_int_equal(json_object_size(uids), 2);
    assert_true(number(fields, "syntax") == 0.5 && number(fields, "form") == 0.5);
    assert_true(number(uids, "order") == 0.5 && number(uids, "case") == 0.5);
    json_decref(report);
}

/* One block of pairs and more, in a compressed file. */
static void the_same_pairs_give_the_same(void **state)
{
    struct scratch *scratch = *state;
    static const char pair[] = PAIR("the king saw a ship", "the king saw ship a", "u", "f");
    enum { PAIRS = 300 };
    char *text = calloc(PAIRS + 1, sizeof pair);
    assert_non_null(text);
    for (int i = 0; i < PAIRS; i++)
        memcpy(text + (size_t)i * (sizeof pair - 1), pair, sizeof pair - 1);
    write_compressed(scratch, "pairs.jsonl.gz", 0, text, strlen(text));
    json_t *report = evaluate("pairs.jsonl.gz");
    const double accuracy = number(report, "accuracy");
    assert_int_equal(json_integer_value(json_object_get(report, "pairs")), PAIRS);
    assert_true(accuracy == 0 || accuracy == 1);
    json_decref(report);
    free(text);
}

static void a_table_for_people(void **state)
{
    struct scratch *scratch = *state;
    scratch_write_text(scratch, "pairs.jsonl",
                       PAIR("the king saw a ship", "the king saw ship a", "order", "syntax")
                           PAIR("the king saw ship a", "the king saw a ship", "order", "syntax")
                               PAIR("a ship", "a ship", "same", "syntax"));
    struct program_result result = RUN_CLOZE("eval", "run", "--minimal-pairs", "pairs.jsonl");
    assert_int_equal(result.status, 0);
    assert_string_equal(
        result.out,
        "accuracy of preferring the good sentence; guessing would give 50 %\n"
        "                                                      pairs accuracy 95 % interval\n"
        "all                                                       3   50.0 % [12.5, 87.5]\n"
        "syntax                                                    3   50.0 % [12.5, 87.5]\n"
        "  order                                                   2   50.0 % [9.5, 90.5]\n"
        "  same                                                    1   50.0 % [5.5, 94.5]\n"
        "1 tie; each counts half\n");
    program_result_free(&result);
}

static void expect_refusal(struct scratch *scratch, const char *text, const char *message)
{
    scratch_write_text(scratch, "bad.jsonl", text);
    ASSERT_CLOZE_SAYS(2, message, "eval", "run", "--minimal-pairs", "bad.jsonl");
}

static void bad_files_are_refused_with_their_line(void **state)
{
    static const char good[] = PAIR("a ship", "ship a", "u", "f");
    const size_t size = strlen(good), length = 2 * size - 2 + (16 << 20);
    struct scratch *scratch = *state;
    char text[1000];
    expect_refusal(scratch, "", "bad.jsonl: has no pairs");
    expect_refusal(scratch, "a ship,ship a\n", "bad.jsonl:1: is not JSON (");
    snprintf(text, sizeof text, "%s\n[1]\n", good);
    expect_refusal(scratch, text,
                   "bad.jsonl:3: found an array; expected a JSON object with "
                   "\"sentence_good\" and \"sentence_bad\"");
    snprintf(text, sizeof text, "%s{\"sentence_good\": \"a\"}\n", good);
    expect_refusal(scratch, text, "bad.jsonl:2: this JSON object has no \"sentence_bad\"");
    expect_refusal(scratch, "{\"sentence_good\": 5, \"sentence_bad\": \"a\"}\n",
                   "bad.jsonl:1: the \"sentence_good\" field is not a string but a number");
    expect_refusal(scratch, "{\"sentence_good\": \"a\", \"sentence_bad\": \"b\", \"UID\": [1]}\n",
                   "bad.jsonl:1: the \"UID\" field is not a string but an array");
    snprintf(text, sizeof text, "%s%s", good, PAIR("a ship", " ", "u", "f"));
    expect_refusal(scratch, text, "bad.jsonl:2: \"sentence_bad\" has no word");
    expect_refusal(
        scratch,
        PAIR("a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a", "a", "u", "f"),
        "bad.jsonl:1: \"sentence_good\" has 33 tokens with [CLS] and [SEP]; the model "
        "takes 32");
    expect_refusal(scratch, "\xff\xfe{\0", "bad.jsonl: is ");
    /* A line that comes in parts, the second one blank. */
    char *long_line = malloc(length + 1);
    assert_non_null(long_line);
    memset(long_line, ' ', length);
    long_line[length] = 0;
    memcpy(long_line, good, size);
    memcpy(long_line + size, good, size);
    long_line[2 * size - 1] = '\r'; /* instead of "\n" */
    expect_refusal(scratch, long_line, "bad.jsonl:2: the line is longer than 16 MiB");
    free(long_line);
    ASSERT_CLOZE_SAYS(2, "absent.jsonl: ", "eval", "run", "--minimal-pairs", "absent.jsonl");
}

/* Words that the model does not know, and sentences longer than those of its training. */
static void what_the_model_cannot_judge_is_said(void **state)
{
    struct scratch *scratch = *state;
    SUCCEED("train", "config.yaml", "--set", "output=short", "--set", "data.seq_len=8");
    scratch_write_text(scratch, "odd.jsonl",
                       PAIR("a \u2603", "\u2603 a", "u", "f")
                           PAIR("a a a a a a a", "a", "control \\u001b[31m", "f"));
    struct program_result result = RUN_CLOZE("eval", "short", "--minimal-pairs", "odd.jsonl");
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.err, "warning: 16.7 % of the tokens are [UNK]"));
    assert_non_null(strstr(
        result.err, "warning: 1 sentence of more than the 8 tokens of the model's training"));
    assert_non_null(strstr(result.out, "  control ?[31m "));
    assert_null(strchr(result.out, '\033'));
    program_result_free(&result);
}

static void options_that_do_not_go_together(void **state)
{
    (void)state;
    ASSERT_CLOZE_SAYS(2, "--data and --minimal-pairs do not go together", "eval", "run", "--data",
                      "text.txt", "--minimal-pairs", "pairs.jsonl");
    ASSERT_CLOZE_SAYS(2, "--data or --minimal-pairs is missing", "eval", "run");
    ASSERT_CLOZE_SAYS(2, "--seed and --minimal-pairs do not go together", "eval", "run", "--seed",
                      "0", "--minimal-pairs", "pairs.jsonl");
    ASSERT_CLOZE_SAYS(2, "--sentences and --minimal-pairs do not go together", "eval", "run",
                      "--minimal-pairs", "pairs.jsonl", "--sentences", "line");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_are_counted_by_field_and_uid),
        cmocka_unit_test(the_same_pairs_give_the_same),
        cmocka_unit_test(a_table_for_people),
        cmocka_unit_test(bad_files_are_refused_with_their_line),
        cmocka_unit_test(what_the_model_cannot_judge_is_said),
        cmocka_unit_test(options_that_do_not_go_together),
    };
    return cmocka_run_group_tests(tests, set_up, trained_run_tear_down);
}

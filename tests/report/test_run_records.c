#include "report/run_records.h"

#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Reads a file of this text and returns the curves of the updates, or with `eval` of the
 * evaluations. */
static json_t *curves_of(struct scratch *scratch, const char *text, bool eval, size_t limit)
{
    struct run_records records;
    struct error error = {0};
    const char *path = scratch_write_text(scratch, "metrics.jsonl", text);
    bool read = run_records_read(path, &records, &error);
    assert_string_equal(error.message, "");
    assert_true(read);
    json_t *curves = record_table_json(eval ? &records.eval : &records.train, limit);
    assert_non_null(curves);
    run_records_free(&records);
    return curves;
}

/* Asserts on a column; "" stands for one that is not there. */
static void assert_column(const json_t *curves, const char *name, const char *expected)
{
    const json_t *column = json_object_get(curves, name);
    char *text = column ? json_dumps(column, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;
    assert_string_equal(text ? text : "", expected);
    free(text);
}

static void a_column_has_the_values_of_its_key(void **state)
{
    json_t *curves = curves_of(*state,
                               "{\"step\": 10, \"eval\": false, \"loss\": 9.5, \"f1\": null}\n"
                               "{\"step\": 20, \"eval\": false, \"loss\": null, \"tokens\": 7}\n"
                               "{\"step\": 20, \"eval\": true, \"loss\": 8.25}\n",
                               false, 100);
    assert_column(curves, "step", "[10,20]");
    assert_column(curves, "loss", "[9.5,null]");
    assert_column(curves, "tokens", "[null,7]");
    assert_column(curves, "f1", "");
    assert_column(curves, "grad_norm", "");
    json_decref(curves);
}

/* The run was resumed after step 2, and evaluates after steps 2 and 4. */
static const char twice[] = "{\"step\": 1, \"eval\": false, \"loss\": 1}\n"
                            "{\"step\": 2, \"eval\": false, \"loss\": 2}\n"
                            "{\"step\": 2, \"eval\": true, \"loss\": 20}\n"
                            "{\"step\": 3, \"eval\": false, \"loss\": 3}\n"
                            "{\"step\": 4, \"eval\": false, \"loss\": 4}\n"
                            "{\"step\": 4, \"eval\": true, \"loss\": 40}\n"
                            "{\"step\": 3, \"eval\": false, \"loss\": 33}\n";

static void steps_that_were_trained_again_count_once(void **state)
{
    json_t *train = curves_of(*state, twice, false, 100), *eval = curves_of(*state, twice, true, 9);
    assert_column(train, "step", "[1,2,3]");
    assert_column(train, "loss", "[1,2,33]");
    assert_column(eval, "step", "[2]");
    assert_column(eval, "loss", "[20]");
    json_decref(train);
    json_decref(eval);
}

/* Seven records in three groups: of two, two and three. */
static void groups_stand_for_long_runs(void **state)
{
    json_t *curves = curves_of(*state,
                               "{\"step\": 1, \"eval\": false, \"loss\": 1, \"grad_norm\": 9}\n"
                               "{\"step\": 2, \"eval\": false, \"loss\": 2, \"grad_norm\": 1}\n"
                               "{\"step\": 3, \"eval\": false, \"loss\": null}\n"
                               "{\"step\": 4, \"eval\": false, \"loss\": 8, \"grad_norm\": 3}\n"
                               "{\"step\": 5, \"eval\": false, \"loss\": 1, \"tokens\": 50}\n"
                               "{\"step\": 6, \"eval\": false, \"loss\": 4, \"tokens\": 60}\n"
                               "{\"step\": 7, \"eval\": false, \"loss\": 1, \"tokens\": 70}\n",
                               false, 3);
    assert_column(curves, "step", "[2,4,7]");
    assert_column(curves, "loss", "[1.5,8,2]");
    assert_column(curves, "grad_norm", "[9,3,null]");
    assert_column(curves, "tokens", "[null,null,70]");
    json_decref(curves);
}

static void a_line_that_is_being_written_is_left_out(void **state)
{
    json_t *curves = curves_of(*state,
                               "{\"step\": 1, \"eval\": false, \"loss\": 1}\n"
                               "{\"step\": 2, \"eval\": false, \"lo",
                               false, 100);
    assert_column(curves, "step", "[1]");
    json_decref(curves);
}

static void without_a_file_there_are_no_records(void **state)
{
    struct run_records records;
    struct error error = {0};
    assert_true(run_records_read(scratch_path(*state, "none"), &records, &error));
    assert_true(records.train.count == 0 && records.eval.count == 0);
    run_records_free(&records);
}

static void expect_failure(struct scratch *scratch, const char *text, const char *message)
{
    struct run_records records;
    struct error error = {0};
    const char *path = scratch_write_text(scratch, "metrics.jsonl", text);
    assert_false(run_records_read(path, &records, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    if (!strstr(error.message, message))
        fail_msg("%s", error.message);
    run_records_free(&records);
}

static void damaged_lines_are_errors_with_their_numbers(void **state)
{
    expect_failure(*state, "{\"step\": 1, \"eval\": false}\nloss 5\n",
                   "metrics.jsonl:2: expected a JSON object with an integer \"step\"; found "
                   "\"loss 5\"");
    expect_failure(*state, "{\"step\": 1}\n",
                   "metrics.jsonl:1: expected a record of a run, with the key \"eval\"");
    expect_failure(*state, "{\"step\": 1, \"eval\": 0}\n",
                   "metrics.jsonl:1: expected true or false as \"eval\"; found a number");
    expect_failure(*state, "{\"step\": 1, \"eval\": true, \"loss\": \"5\"}\n",
                   "metrics.jsonl:1: expected a number or null as \"loss\"; found a string");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(a_column_has_the_values_of_its_key),
        SCRATCH_TEST(steps_that_were_trained_again_count_once),
        SCRATCH_TEST(groups_stand_for_long_runs),
        SCRATCH_TEST(a_line_that_is_being_written_is_left_out),
        SCRATCH_TEST(without_a_file_there_are_no_records),
        SCRATCH_TEST(damaged_lines_are_errors_with_their_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The parts of the document that do not need a run: predictions, fill-ins, warnings, reference
 * curves; and the page. tests/cli/test_report.c has the rest. */

#include "report/page_assets.h"
#include "report/report_curves.h"
#include "report/report_fills.h"
#include "report/report_page.h"
#include "report/report_predictions.h"
#include "report/report_warnings.h"
#include "support/contents.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_json(json_t *value, const char *expected)
{
    json_t *wanted = json_loads(expected, JSON_DECODE_ANY, NULL);
    char *text = json_dumps(value, JSON_ENCODE_ANY);
    assert_non_null(wanted);
    if (!json_equal(value, wanted))
        fail_msg("%s", text);
    free(text);
    json_decref(wanted);
    json_decref(value);
}

static void assert_message(const json_t *value, const struct error *error, const char *message)
{
    assert_null(value);
    assert_int_equal(error->kind, ERROR_INPUT);
    if (!strstr(error->message, message))
        fail_msg("%s", error->message);
}

/* ---- predictions.tsv ---- */

static json_t *predictions_of(struct scratch *scratch, const char *text, struct error *error)
{
    *error = (struct error){0};
    return report_predictions_read(scratch_write_text(scratch, "predictions.tsv", text), error);
}

#define CLASSES "file\tline\tlabel\tpredicted\tprobability\n"
#define NUMBERS "file\tline\tlabel\tpredicted\n"
#define WORDS   "file\tline\tword\tlabel\tpredicted\tprobability\n"

/* The name of a file may hold a tab. */
static void labels_are_counted_in_pairs(void **state)
{
    struct error error;
    assert_json(predictions_of(*state,
                               CLASSES "a\t1\tgood\tbad\t0.5\na\t2\tgood\tgood\t0.9\n"
                                       "b\tc\t9\tgood\tbad\t0.5\n",
                               &error),
                "{\"pairs\": {\"good\\tbad\": 2, \"good\\tgood\": 1}}");
    assert_json(predictions_of(*state, WORDS "a\t1\t1\tO\tB-X\t0.5\na\t1\t2\tO\t\t\n", &error),
                "{\"pairs\": {\"O\\tB-X\": 1, \"O\\t\": 1}}");
    assert_json(predictions_of(*state, CLASSES "a\t1\t\xff\tb\t0.5\n", &error),
                "{\"pairs\": {\"\xef\xbf\xbd\\tb\": 1}}");
}

static void numbers_are_points(void **state)
{
    struct error error;
    assert_json(predictions_of(*state, NUMBERS "a\t1\t0.5\t-1e3\na\t2\t4\t2.5\n", &error),
                "{\"points\": [[0.5, -1000.0], [4.0, 2.5]], \"count\": 2}");
    assert_json(predictions_of(*state, NUMBERS "a\t1\t0.5\tnan\na\t2\t4\t2.5\n", &error),
                "{\"points\": [[4.0, 2.5]], \"count\": 1}");
}

static void many_points_are_thinned(void **state)
{
    struct error error = {0};
    struct buffer text = {0};
    assert_true(buffer_print(&text, &error, NUMBERS));
    for (int i = 0; i < 4001; i++)
        assert_true(buffer_print(&text, &error, "a\t%d\t%d\t1\n", i, i));
    json_t *result = predictions_of(*state, text.data, &error);
    const json_t *points = json_object_get(result, "points");
    assert_int_equal(json_integer_value(json_object_get(result, "count")), 4001);
    assert_int_equal(json_array_size(points), 1334); /* every third one */
    assert_true(json_number_value(json_array_get(json_array_get(points, 1333), 0)) == 3999);
    json_decref(result);
    buffer_free(&text);
}

static void other_predictions_are_errors(void **state)
{
    struct error error;
    assert_message(predictions_of(*state, "a\tb\n", &error), &error,
                   "predictions.tsv:1: expected the names of the columns of predictions.tsv");
    assert_message(predictions_of(*state, "", &error), &error, "predictions.tsv:1: ");
    assert_message(predictions_of(*state, CLASSES "a\t1\tgood\tbad\t0.5\na\t2\tgood\n", &error),
                   &error, "predictions.tsv:3: expected 5 columns separated by tabs");
    assert_message(predictions_of(*state, CLASSES "a\t1\tgood\tbad\t0.5", &error), &error,
                   "predictions.tsv:2: ");
    assert_message(predictions_of(*state, NUMBERS "a\t1\tx\t0.5\n", &error), &error,
                   "predictions.tsv:2: expected 4 columns separated by tabs, label and prediction "
                   "being numbers");
    assert_message(predictions_of(*state, NUMBERS "a\t1\t2\t\n3\t4\n", &error), &error,
                   "predictions.tsv:2: ");
}

/* ---- fills.jsonl ---- */

#define FILL(step, text, score)                                                                    \
    "{\"step\": " #step ", \"text\": \"" text "\", \"word\": \"w\", \"fill\": [{\"score\": " score \
    ", \"token_str\": \"t\"}]}\n"

static json_t *fills_of(struct scratch *scratch, const char *text, size_t steps,
                        struct error *error)
{
    *error = (struct error){0};
    return report_fills_read(scratch_write_text(scratch, "fills.jsonl", text), steps, error);
}

static json_int_t step_of(const json_t *fills, size_t index)
{
    return json_integer_value(json_object_get(json_array_get(fills, index), "step"));
}

static double score_of(const json_t *fills, size_t index)
{
    const json_t *fill = json_object_get(json_array_get(fills, index), "fill");
    return json_number_value(json_object_get(json_array_get(fill, 0), "score"));
}

static void later_fills_of_a_step_count(void **state)
{
    struct error error;
    json_t *fills =
        fills_of(*state,
                 FILL(2, "a", "0.1") FILL(2, "b", "0.2") FILL(4, "a", "0.3") FILL(4, "b", "0.4")
                     FILL(6, "a", "0.5") FILL(4, "a", "0.6") FILL(4, "b", "0.7"),
                 10, &error);
    assert_int_equal(json_array_size(fills), 4);
    assert_int_equal(step_of(fills, 1), 2);
    assert_int_equal(step_of(fills, 2), 4);
    assert_true(score_of(fills, 1) == 0.2);
    assert_true(score_of(fills, 2) == 0.6);
    assert_true(score_of(fills, 3) == 0.7);
    json_decref(fills);
}

static void the_first_and_the_last_of_many_steps_are_kept(void **state)
{
    struct error error;
    json_t *fills = fills_of(*state,
                             FILL(1, "a", "1") FILL(1, "b", "1") FILL(2, "a", "1") FILL(2, "b", "1")
                                 FILL(3, "a", "1") FILL(4, "a", "1") FILL(5, "a", "1")
                                     FILL(6, "a", "1") FILL(6, "b", "1"),
                             3, &error);
    assert_int_equal(json_array_size(fills), 5);
    assert_int_equal(step_of(fills, 1), 1);
    assert_int_equal(step_of(fills, 2), 3);
    assert_int_equal(step_of(fills, 4), 6);
    json_decref(fills);
}

static void other_fills_are_errors(void **state)
{
    struct error error;
    json_t *none = report_fills_read(scratch_path(*state, "none"), 3, &error);
    assert_int_equal(json_array_size(none), 0);
    json_decref(none);
    assert_message(fills_of(*state, FILL(1, "a", "\"x\""), 3, &error), &error,
                   "fills.jsonl:1: expected \"text\", \"word\" and, in \"fill\", objects with "
                   "\"score\" and \"token_str\"");
    assert_message(fills_of(*state, FILL(1, "a", "1") "{\"step\": 2}\n", 3, &error), &error,
                   "fills.jsonl:2: expected \"text\"");
    assert_message(fills_of(*state, "mine\n", 3, &error), &error, "fills.jsonl:1: ");
}

/* ---- warnings.jsonl ---- */

static json_t *warnings_of(struct scratch *scratch, const char *text, struct error *error)
{
    *error = (struct error){0};
    return report_warnings_read(scratch_write_text(scratch, "warnings.jsonl", text), error);
}

static void equal_warnings_are_one(void **state)
{
    struct error error;
    assert_json(warnings_of(*state,
                            "{\"step\": 0, \"warning\": \"a\\nb\"}\n"
                            "{\"step\": 3, \"warning\": \"c\"}\n"
                            "{\"step\": 3, \"warning\": \"a\\nb\"}\n"
                            "{\"step\": 4, \"warn",
                            &error),
                "[{\"step\": 0, \"warning\": \"a\\nb\"}, {\"step\": 3, \"warning\": \"c\"}]");
    assert_json(report_warnings_read("absent.jsonl", &error), "[]");
}

static void other_warnings_are_errors(void **state)
{
    struct error error;
    assert_message(warnings_of(*state, "{\"step\": 0}\n", &error), &error,
                   "warnings.jsonl:1: expected a text as \"warning\"; found none");
    assert_message(warnings_of(*state, "{\"step\": 0, \"warning\": 7}\n", &error), &error,
                   "warnings.jsonl:1: expected a text as \"warning\"; found a number");
}

/* ---- reference curves ---- */

#define CURVE "step\ttokens\tmlm_loss\tmlm_accuracy\tnsp_loss\tnsp_accuracy\n"

static void a_curve_has_its_columns(void **state)
{
    struct error error = {0};
    (void)state;
    json_t *curve = report_curve_parse(
        "mini-wiki.tsv", CURVE "0\t0\t9.5\t0\t0.7\t0.5\n100\t3e5\t7.25\t0.0625\t\t\n", &error);
    assert_string_equal(error.message, "");
    assert_json(curve, "{\"name\": \"mini-wiki\", \"size\": \"mini\", \"step\": [0.0, 100.0], "
                       "\"tokens\": [0.0, 300000.0], \"mlm_loss\": [9.5, 7.25], "
                       "\"mlm_accuracy\": [0.0, 0.0625], \"nsp_loss\": [0.7, null], "
                       "\"nsp_accuracy\": [0.5, null]}");
}

static void other_curves_are_errors(void **state)
{
    struct error error = {0};
    (void)state;
    assert_message(report_curve_parse("a.tsv", "step\tloss\n", &error), &error,
                   "a.tsv:1: expected the names of the columns of a reference curve");
    assert_message(report_curve_parse("a.tsv", CURVE "0\t0\t9.5\n", &error), &error,
                   "a.tsv:2: expected 6 numbers separated by tabs");
    assert_message(report_curve_parse("a.tsv", CURVE "0\t0\t9.5\t0\t0.7\thalf\n", &error), &error,
                   "a.tsv:2: ");
    assert_message(report_curve_parse("a.tsv", CURVE "0\t0\t9.5\t0\t0.7\t0.5", &error), &error,
                   "a.tsv:2: ");
}

static void the_curves_of_the_program_can_be_read(void **state)
{
    struct error error = {0};
    size_t count = 0;
    (void)state;
    json_t *curves = report_curves(&error);
    assert_string_equal(error.message, "");
    while (page_curves[count].name)
        count++;
    assert_int_equal(json_array_size(curves), count);
    json_decref(curves);
}

/* ---- the page ---- */

/* The document as it stands in the page. */
static char *data_in(const char *page)
{
    static const char start[] = "<script type=\"application/json\" id=\"data\">";
    const char *begin = strstr(page, start);
    assert_non_null(begin);
    begin += sizeof start - 1;
    const char *end = strstr(begin, "</script>");
    assert_non_null(end);
    return strndup(begin, (size_t)(end - begin));
}

/* Names may hold anything; nothing in them ends the element that the document stands in, or is
 * taken for a place of the template. */
static void nothing_in_the_document_is_taken_for_html(void **state)
{
    struct error error = {0};
    const char *path = scratch_path(*state, "page.html");
    json_t *document = json_pack("{s:[s, s, s]}", "runs", "</script><script>alert(1)</script>",
                                 "@data@ <!-- & '", "\xd0\xb1\xd0\xb5\xd0\xb3 \xe2\x80\xa8 \"\\");
    assert_true(report_page_write(path, document, &error));
    struct buffer page = contents_of(path);
    assert_true(report_page_begins(page.data, page.size));
    assert_null(strstr(page.data, "alert(1)</script>"));
    char *text = data_in(page.data);
    assert_null(strchr(text, '<'));
    json_t *again = json_loads(text, 0, NULL);
    assert_true(json_equal(document, again));
    free(text);
    json_decref(again);
    json_decref(document);
    buffer_free(&page);
}

static void the_page_needs_nothing_else(void **state)
{
    struct error error = {0};
    const char *path = scratch_path(*state, "page.html");
    json_t *document = json_object();
    assert_true(report_page_write(path, document, &error));
    struct buffer page = contents_of(path);
    static const char *const loads[] = {" src=", "url(h", "@import", "<link", "fetch(", "https:"};
    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++)
        if (strstr(page.data, loads[i]))
            fail_msg("%s", loads[i]);
    for (const struct page_asset *asset = page_assets; asset->name; asset++)
        if (strcmp(asset->name, "page.html") != 0 && !strstr(page.data, asset->data))
            fail_msg("%s is not in the page", asset->name);
    json_decref(document);
    buffer_free(&page);
}

static void other_files_are_no_pages(void **state)
{
    (void)state;
    assert_false(report_page_begins("", 0));
    assert_false(report_page_begins("<!DOCTYPE html>\n<html>\n", 23));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(labels_are_counted_in_pairs),
        SCRATCH_TEST(numbers_are_points),
        SCRATCH_TEST(many_points_are_thinned),
        SCRATCH_TEST(other_predictions_are_errors),
        SCRATCH_TEST(later_fills_of_a_step_count),
        SCRATCH_TEST(the_first_and_the_last_of_many_steps_are_kept),
        SCRATCH_TEST(other_fills_are_errors),
        SCRATCH_TEST(equal_warnings_are_one),
        SCRATCH_TEST(other_warnings_are_errors),
        cmocka_unit_test(a_curve_has_its_columns),
        cmocka_unit_test(other_curves_are_errors),
        cmocka_unit_test(the_curves_of_the_program_can_be_read),
        SCRATCH_TEST(nothing_in_the_document_is_taken_for_html),
        SCRATCH_TEST(the_page_needs_nothing_else),
        cmocka_unit_test(other_files_are_no_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

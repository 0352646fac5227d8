#include "report/spans.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char *const names[] = {"B-LOC", "B-ORG", "B-PER", "I-LOC", "I-ORG", "I-PER", "O"};
enum { B_LOC, B_ORG, B_PER, I_LOC, I_ORG, I_PER, O, NAMES };
enum { NONE = -1, MAX_WORDS = 8 };

static struct span_labels *open_labels(void)
{
    struct error error = {0};
    struct span_labels *labels = span_labels_create(names, NAMES, &error);
    assert_non_null(labels);
    return labels;
}

static void expect_span(const struct word_span *span, size_t first, size_t end, const char *type)
{
    assert_int_equal(span->first, first);
    assert_int_equal(span->end, end);
    assert_string_equal(span->type, type);
}

static void spans_begin_and_end_as_in_conlleval(void **state)
{
    (void)state;
    struct span_labels *labels = open_labels();
    struct word_span spans[MAX_WORDS];
    static const int32_t plain[] = {B_PER, I_PER, O, B_LOC};
    assert_int_equal(spans_find(labels, plain, 4, spans), 2);
    expect_span(&spans[0], 0, 2, "PER");
    expect_span(&spans[1], 3, 4, "LOC");
    /* I- begins a span after O, at the beginning and after another type. */
    static const int32_t loose[] = {I_PER, I_PER, O, B_ORG, I_LOC, I_LOC};
    assert_int_equal(spans_find(labels, loose, 6, spans), 3);
    expect_span(&spans[0], 0, 2, "PER");
    expect_span(&spans[1], 3, 4, "ORG");
    expect_span(&spans[2], 4, 6, "LOC");
    /* B- begins another span of the same type. */
    static const int32_t next[] = {B_PER, B_PER, I_PER};
    assert_int_equal(spans_find(labels, next, 3, spans), 2);
    expect_span(&spans[1], 1, 3, "PER");
    /* A word without a prediction is outside. */
    static const int32_t cut[] = {B_PER, NONE, I_PER};
    assert_int_equal(spans_find(labels, cut, 3, spans), 2);
    assert_int_equal(spans_find(labels, cut, 0, spans), 0);
    span_labels_free(labels);
}

static void expect_counts(const struct span_labels *labels, const int32_t *labelled,
                          const int32_t *predicted, size_t words, struct span_counts expected)
{
    struct span_counts counts = span_counts_of(labels, labelled, predicted, words);
    assert_int_equal(counts.labelled, expected.labelled);
    assert_int_equal(counts.predicted, expected.predicted);
    assert_int_equal(counts.correct, expected.correct);
}

/* The counts are those of get_entities of seqeval 1.2.2. */
static void spans_are_correct_if_words_and_type_are(void **state)
{
    (void)state;
    struct span_labels *labels = open_labels();
    expect_counts(labels, (int32_t[]){B_PER, I_PER, O, B_LOC}, (int32_t[]){B_PER, I_PER, O, I_LOC},
                  4, (struct span_counts){2, 2, 2});
    expect_counts(labels, (int32_t[]){I_PER, I_PER, O, B_ORG, I_LOC},
                  (int32_t[]){B_PER, I_PER, I_PER, B_ORG, I_ORG}, 5, (struct span_counts){3, 2, 0});
    expect_counts(labels, (int32_t[]){O, B_PER, B_PER, I_PER}, (int32_t[]){O, B_PER, I_PER, I_PER},
                  4, (struct span_counts){2, 1, 0});
    expect_counts(labels, (int32_t[]){O, O}, (int32_t[]){B_LOC, O}, 2,
                  (struct span_counts){0, 1, 0});
    expect_counts(labels, (int32_t[]){B_PER, O}, (int32_t[]){B_LOC, O}, 2,
                  (struct span_counts){1, 1, 0});
    span_labels_free(labels);
}

static void labels_that_are_not_of_spans_are_an_error(void **state)
{
    (void)state;
    static const char *const wrong[] = {"NOUN", "B-", "S-PER", "o", "B", ""};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *const list[] = {"O", wrong[i]};
        struct error error = {0};
        assert_null(span_labels_create(list, 2, &error));
        assert_int_equal(error.kind, ERROR_INPUT);
        assert_non_null(strstr(error.message, "is not of spans in IOB2; expected O, or B- or I-"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_begin_and_end_as_in_conlleval),
        cmocka_unit_test(spans_are_correct_if_words_and_type_are),
        cmocka_unit_test(labels_that_are_not_of_spans_are_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

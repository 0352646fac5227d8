#include "data/labelled_set.h"

#include "support/scratch.h"
#include "support/tokenizer_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PAD, UNK, CLS, SEP, MASK, A, B, C, D, AB, CD, TOKENS };

static const char *const vocabulary_tokens[TOKENS] = {
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "d", "ab", "##cd"};

/* A set of one file, with what it is read with. */
struct fixture {
    struct scratch *scratch;
    struct tokenizer_fixture tokenizer;
    struct labelled_settings settings;
    struct labelled_reading reading;
    struct label_list labels;
    struct labelled_set set;
    struct error error;
};

static struct fixture open_fixture(void **state, enum task_kind kind)
{
    struct error error = {0};
    struct fixture fixture = {.scratch = *state};
    fixture.tokenizer =
        tokenizer_fixture_open(vocabulary_create(vocabulary_tokens, TOKENS, "test", &error), true);
    fixture.settings = (struct labelled_settings){.kind = kind,
                                                  .text = "1",
                                                  .label = kind == TASK_TOKENS ? "" : "2",
                                                  .names = &labelled_key_names};
    fixture.reading = (struct labelled_reading){
        .tokenizer = fixture.tokenizer.tokenizer, .max_length = 8, .training = true};
    return fixture;
}

static void close_fixture(struct fixture *fixture)
{
    labelled_set_free(&fixture->set);
    label_list_free(&fixture->labels);
    tokenizer_fixture_close(fixture->tokenizer);
}

static bool read_set(struct fixture *fixture, const char *name, const char *text)
{
    const char *path = scratch_write_text(fixture->scratch, name, text);
    struct corpus_files files;
    assert_true(corpus_files_expand(&files, &path, 1, &fixture->error));
    labelled_set_free(&fixture->set);
    fixture->reading.settings = &fixture->settings;
    fixture->error = (struct error){0};
    const bool regression = fixture->settings.kind == TASK_REGRESSION;
    const bool done = labelled_set_read(&fixture->set, &files, &fixture->reading,
                                        regression ? NULL : &fixture->labels, &fixture->error);
    corpus_files_free(&files);
    return done;
}

static void expect_set(struct fixture *fixture, const char *name, const char *text)
{
    if (!read_set(fixture, name, text))
        fail_msg("%s", fixture->error.message);
}

/* Asserts that the file gives this error after its path. */
static void expect_error(struct fixture *fixture, const char *name, const char *text,
                         const char *expected)
{
    char path[600];
    snprintf(path, sizeof path, "%s", scratch_path(fixture->scratch, name));
    assert_false(read_set(fixture, name, text));
    assert_int_equal(fixture->error.kind, ERROR_INPUT);
    assert_memory_equal(fixture->error.message, path, strlen(path));
    assert_string_equal(fixture->error.message + strlen(path), expected);
}

static void expect_ids(const struct labelled_set *set, size_t example, int length,
                       const int32_t *ids, int first_segment)
{
    assert_true(example < set->count);
    const struct labelled_example *found = &set->examples[example];
    assert_int_equal(found->length, length);
    assert_int_equal(found->first_segment, first_segment);
    assert_memory_equal(set->ids + found->first_token, ids, (size_t)length * sizeof *ids);
}

static void expect_labels(const struct label_list *labels, const char *expected)
{
    struct error error = {0};
    struct buffer text = {0};
    assert_true(label_list_describe(labels, &text, &error));
    assert_string_equal(text.data, expected);
    buffer_free(&text);
}

/* ---- texts ---- */

static void texts_stand_between_cls_and_sep(void **state)
{
    struct fixture fixture = open_fixture(state, TASK_CLASSIFICATION);
    expect_set(&fixture, "a.tsv", "A b\t1\nabcd x\t0\n");
    assert_int_equal(fixture.set.count, 2);
    expect_ids(&fixture.set, 0, 4, (int32_t[]){CLS, A, B, SEP}, 4);
    expect_ids(&fixture.set, 1, 5, (int32_t[]){CLS, AB, CD, UNK, SEP}, 5);
    assert_int_equal(fixture.set.examples[0].label, 1);
    assert_int_equal(fixture.set.examples[1].label, 0);
    assert_int_equal(fixture.set.examples[1].line, 2);
    assert_int_equal(fixture.set.max_length, 5);
    assert_int_equal(fixture.set.counts.tokens, 5);
    assert_int_equal(fixture.set.counts.unknown, 1);
    assert_int_equal(fixture.set.counts.cut.count, 0);
    close_fixture(&fixture);
}

static void long_texts_are_cut_at_their_end(void **state)
{
    struct fixture fixture = open_fixture(state, TASK_CLASSIFICATION);
    fixture.reading.max_length = 5;
    expect_set(&fixture, "a.tsv", "a b c\t1\na b c d\t0\nd c b a a\t0\n");
    expect_ids(&fixture.set, 0, 5, (int32_t[]){CLS, A, B, C, SEP}, 5);
    expect_ids(&fixture.set, 1, 5, (int32_t[]){CLS, A, B, C, SEP}, 5);
    expect_ids(&fixture.set, 2, 5, (int32_t[]){CLS, D, C, B, SEP}, 5);
    assert_int_equal(fixture.set.counts.cut.count, 2);
    assert_non_null(strstr(fixture.set.counts.cut.first, "a.tsv:2"));
    assert_int_equal(fixture.set.counts.tokens, 12);
    close_fixture(&fixture);
}

/* However many bytes fit, what is left begins with a whole character. */
static void long_paths_are_cut_between_characters(void **state)
{
    enum { CHARACTERS = 83 }; /* a name has at most 255 bytes */
    struct fixture fixture = open_fixture(state, TASK_CLASSIFICATION);
    for (int shift = 0; shift < 3; shift++) {
        char name[4 * CHARACTERS] = "";
        for (int i = 0; i < CHARACTERS; i++)
            strcat(name, "\u65e5");
        for (int i = 0; i < shift; i++)
            strcat(name, "a");
        strcat(name, ".tsv");
        expect_set(&fixture, name, "\t1\nb\t0\n");
        const char *first = fixture.set.counts.empty.first;
        assert_memory_equal(first, "...\u65e5", 6);
        assert_string_equal(first + strlen(first) - 6, ".tsv:1");
    }
    close_fixture(&fixture);
}

static void texts_without_a_token_are_kept(void **state)
{
    struct fixture fixture = open_fixture(state, TASK_CLASSIFICATION);
    expect_set(&fixture, "a.tsv", "\t1\n \xE2\x80\x8B \t0\na\t1\n");
    assert_int_equal(fixture.set.count, 3);
    expect_ids(&fixture.set, 0, 2, (int32_t[]){CLS, SEP}, 2);
    expect_ids(&fixture.set, 1, 2, (int32_t[]){CLS, SEP}, 2);
    assert_int_equal(fixture.set.counts.empty.count, 2);
    assert_non_null(strstr(fixture.set.counts.empty.first, "a.tsv:1"));
    close_fixture(&fixture);
}

static void pairs_have_two_segments(void **state)
{
    struct fixture fixture = open_fixture(state, TASK_CLASSIFICATION);
    fixture.settings.text_pair = "3";
    expect_set(&fixture, "a.tsv", "a b\t1\tc\n\t0\td\na\t0\t\n");
    expect_ids(&fixture.set, 0, 6, (int32_t[]){CLS, A, B, SEP, C, SEP}, 4);
    expect_ids(&fixture.set, 1, 4, (int32_t[]){CLS, SEP, D, SEP}, 2);
    expect_ids(&fixture.set, 2, 4, (int32_t[]){CLS, A, SEP, SEP}, 3);
    assert_int_equal(fixture.set.counts.empty.count, 0);
    close_fixture(&fixture);
}

/* The lengths left are those of "longest_first" in tokenizers 0.23.3. */
static void long_pairs_are_cut_from_the_longer_text(void **state)
{
    static const struct {
        int first, second, room, first_left, second_left;
    } rows[] = {
        {3, 9, 8, 3, 5},  {9, 3, 8, 5, 3},  {9, 9, 8, 4, 4}, {9, 9, 7, 3, 4},
        {10, 9, 7, 4, 3}, {9, 10, 7, 3, 4}, {4, 4, 7, 3, 4}, {0, 9, 5, 0, 5},
        {9, 0, 5, 5, 0},  {1, 1, 1, 0, 1},  {2, 1, 1, 1, 0}, {4, 3, 7, 4, 3},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture fixture = open_fixture(state, TASK_CLASSIFICATION);
        char text[80] = "", *end = text;
        for (int j = 0; j < rows[i].first; j++)
            end += sprintf(end, "a ");
        end += sprintf(end, "\t1\t");
        for (int j = 0; j < rows[i].second; j++)
            end += sprintf(end, "b ");
        sprintf(end, "\na\t0\tb\n");
        fixture.settings.text_pair = "3";
        fixture.reading.max_length = rows[i].room + 3;
        expect_set(&fixture, "a.tsv", text);
        const struct labelled_example *example = &fixture.set.examples[0];
        assert_int_equal(example->first_segment, rows[i].first_left + 2);
        assert_int_equal(example->length, rows[i].first_left + rows[i].second_left + 3);
        for (int j = 0; j < example->length; j++) {
            const int32_t id = fixture.set.ids[example->first_token + (size_t)j];
            const bool special =
                j == 0 || j == example->first_segment - 1 || j == example->length - 1;
            assert_int_equal(id, special ? (j ? SEP : CLS) : j < example->first_segment ? A : B);
        }
        close_fixture(&fixture);
    }
}

/* ---- labels ---- */

static void labels_of_the_file_are_sorted(void **state)
{
    struct fixture fixture = open_fixture(state, TASK_CLASSIFICATION);
    expect_set(&fixture, "a.tsv", "a\t10\nb\t9\nc\t-1\nd\t10\n");
    expect_labels(&fixture.labels, "\"-1\", \"9\", \"10\"");
    assert_int_equal(fixture.set.examples[0].label, 2);
    assert_int_equal(fixture.set.examples[1].label, 1);
    assert_int_equal(fixture.set.examples[2].label, 0);
    assert_int_equal(fixture.set.examples[3].label, 2);
    label_list_free(&fixture.labels);
    expect_set(&fixture, "a.tsv", "a\t10\nb\t9\nc\tx\nd\t9.5\n");
    expect_labels(&fixture.labels, "\"10\", \"9\", \"9.5\", \"x\"");
    close_fixture(&fixture);
}

static void known_labels_keep_their_order(void **state)
{
    static const char *const given[] = {"yes", "no", "maybe"};
    struct fixture fixture = open_fixture(state, TASK_CLASSIFICATION);
    assert_true(label_list_set(&fixture.labels, given, 3, "task.labels", &fixture.error));
    expect_set(&fixture, "a.tsv", "a\tno\nb\tyes\n");
    expect_labels(&fixture.labels, "\"yes\", \"no\", \"maybe\"");
    assert_int_equal(fixture.set.examples[0].label, 1);
    assert_int_equal(fixture.set.examples[1].label, 0);
    expect_error(&fixture, "b.tsv", "a\tno\nb\tno!\n",
                 ":2: the label \"no!\" is unknown; expected \"yes\", \"no\", \"maybe\"");
    close_fixture(&fixture);
}

static void many_known_labels_are_shortened(void **state)
{
    struct fixture fixture = open_fixture(state, TASK_CLASSIFICATION);
    expect_set(&fixture, "a.tsv",
               "a\t1\na\t2\na\t3\na\t4\na\t5\na\t6\na\t7\na\t8\na\t9\na\t10\na\t11\na\t12\n");
    expect_error(&fixture, "b.tsv", "a\t13\n",
                 ":1: the label \"13\" is unknown; expected \"1\", \"2\", \"3\", \"4\", \"5\", "
                 "\"6\", \"7\", \"8\", \"9\", \"10\" and 2 others");
    close_fixture(&fixture);
}

static void one_class_is_too_few_to_train(void **state)
{
    struct fixture fixture = open_fixture(state, TASK_CLASSIFICATION);
    expect_error(&fixture, "a.tsv", "a\t1\nb\t1\n",
                 ": all labels are \"1\"; expected at least two classes");
    label_list_free(&fixture.labels);
    expect_error(&fixture, "a.tsv", "\n", ": is empty; expected a table");
    fixture.settings.header = true;
    fixture.settings.text = fixture.settings.label = NULL;
    expect_error(&fixture, "a.tsv", "text\tlabel\n", ": has no examples");
    expect_set(&fixture, "a.tsv", "text\tlabel\na\t1\nb\t0\n");
    expect_error(&fixture, "a.tsv", "text\tlabel\na\t0\n",
                 ": all labels are \"0\"; expected at least two classes");
    /* It is enough to evaluate. */
    fixture.reading.training = false;
    expect_set(&fixture, "a.tsv", "text\tlabel\na\t0\n");
    close_fixture(&fixture);
}

static void labels_must_be_names(void **state)
{
    struct fixture fixture = open_fixture(state, TASK_CLASSIFICATION);
    expect_error(&fixture, "a.tsv",
                 "a\tgood\nb\tb\xFF"
                 "ad\n",
                 ":2: the label \"b?ad\" is not UTF-8 without control characters");
    close_fixture(&fixture);
}

static void given_labels_are_checked(void **state)
{
    (void)state;
    static const char *const one[] = {"a"}, *const twice[] = {"a", "b", "a"};
    struct label_list labels = {0};
    struct error error = {0};
    assert_false(label_list_set(&labels, one, 1, "task.labels", &error));
    assert_string_equal(error.message, "task.labels: found 1 label; expected at least two");
    assert_false(label_list_set(&labels, twice, 3, "task.labels", &error));
    assert_string_equal(error.message, "task.labels: the label \"a\" is given twice");
    label_list_free(&labels);
}

/* ---- regression ---- */

static void numbers_are_read(void **state)
{
    struct fixture fixture = open_fixture(state, TASK_REGRESSION);
    expect_set(&fixture, "a.tsv", "a\t3\nb\t-0.5\nc\t 2.50 \nd\t.5\na\t1e-3\nb\t+4.\n");
    static const float expected[] = {3, -0.5F, 2.5F, 0.5F, 1e-3F, 4};
    for (size_t i = 0; i < 6; i++) {
        assert_memory_equal(&fixture.set.examples[i].value, &expected[i], sizeof(float));
        assert_int_equal(fixture.set.examples[i].label, NO_LABEL);
    }
    close_fixture(&fixture);
}

static void what_is_no_finite_number_is_an_error(void **state)
{
    static const char *const wrong[] = {"x",   "nan",   "inf", "-Infinity", "1e39", "0x10", "1 2",
                                        "1e+", "1,2,3", ".",   "-",         "1e",   "3.5%"};
    struct fixture fixture = open_fixture(state, TASK_REGRESSION);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[64], message[128];
        snprintf(text, sizeof text, "a\t1\nb\t%s\n", wrong[i]);
        snprintf(message, sizeof message,
                 ":2: the label is \"%s\"; expected a finite number such as 3.5", wrong[i]);
        expect_error(&fixture, "a.tsv", text, message);
    }
    expect_error(&fixture, "a.tsv", "a\t3,5\n",
                 ":1: the label is \"3,5\"; expected a number with a point: 3.5");
    expect_error(&fixture, "a.tsv", "a\t1\nb\t \n", ":2: the label is empty");
    close_fixture(&fixture);
}

/* ---- tokens ---- */

static void labels_of_words_are_at_their_first_pieces(void **state)
{
    struct fixture fixture = open_fixture(state, TASK_TOKENS);
    expect_set(&fixture, "a.conll", "abcd B-X\na O\n\nb O\n\xE2\x80\x8B O\nabcd I-X\n");
    expect_labels(&fixture.labels, "\"B-X\", \"I-X\", \"O\"");
    const struct labelled_set *set = &fixture.set;
    assert_int_equal(set->count, 2);
    expect_ids(set, 0, 5, (int32_t[]){CLS, AB, CD, A, SEP}, 5);
    expect_ids(set, 1, 5, (int32_t[]){CLS, B, AB, CD, SEP}, 5);
    assert_int_equal(set->word_count, 5);
    assert_memory_equal(set->word_tokens, ((int32_t[]){1, 3, 1, NO_PREDICTION, 2}), 20);
    assert_memory_equal(set->word_labels, ((int32_t[]){0, 2, 2, 2, 1}), 20);
    assert_int_equal(set->examples[1].first_word, 2);
    assert_int_equal(set->examples[1].words, 3);
    assert_int_equal(set->examples[1].predicted, 2);
    assert_int_equal(set->counts.words_no_token.count, 1);
    assert_int_equal(set->counts.cut_words.count, 0);
    assert_int_equal(set->max_predicted, 2);
    close_fixture(&fixture);
}

static void words_are_kept_if_that_is_asked_for(void **state)
{
    struct fixture fixture = open_fixture(state, TASK_TOKENS);
    static const char text[] = "a O\nabcd B\n\nzzz O\n";
    expect_set(&fixture, "a.conll", text);
    assert_int_equal(fixture.set.words.count, 0);
    const uint64_t without = labelled_set_bytes(&fixture.set);
    fixture.reading.keep_words = true;
    expect_set(&fixture, "a.conll", text);
    assert_int_equal(fixture.set.words.count, 3);
    assert_string_equal(cells_get(&fixture.set.words, 1).text, "abcd");
    assert_string_equal(cells_get(&fixture.set.words, 2).text, "zzz");
    /* Each word with a zero byte after it, and its end. */
    assert_int_equal(labelled_set_bytes(&fixture.set) - without, 2 + 5 + 4 + 3 * sizeof(size_t));
    close_fixture(&fixture);
}

static void words_that_are_cut_have_no_prediction(void **state)
{
    struct fixture fixture = open_fixture(state, TASK_TOKENS);
    fixture.reading.max_length = 4;
    expect_set(&fixture, "a.conll", "a O\nabcd B-X\nb O\n\xE2\x80\x8B O\nc O\n");
    const struct labelled_set *set = &fixture.set;
    expect_ids(set, 0, 4, (int32_t[]){CLS, A, AB, SEP}, 4);
    assert_memory_equal(set->word_tokens, ((int32_t[]){1, 2, -1, -1, -1}), 20);
    assert_int_equal(set->counts.cut.count, 1);
    assert_int_equal(set->counts.cut_words.count, 2);
    assert_int_equal(set->counts.words_no_token.count, 1);
    close_fixture(&fixture);
}

static void unknown_labels_of_words_have_a_line(void **state)
{
    struct fixture fixture = open_fixture(state, TASK_TOKENS);
    expect_set(&fixture, "a.conll", "a O\nb B-X\n");
    expect_error(&fixture, "b.conll", "a O\n\nb O\nc B-Y\n",
                 ":4: the label \"B-Y\" is unknown; expected \"B-X\", \"O\"");
    expect_error(&fixture, "b.conll", "a O\nb O\n",
                 ": all labels are \"O\"; expected at least two classes");
    close_fixture(&fixture);
}

/* ---- batches ---- */

static void batches_have_the_chosen_examples(void **state)
{
    struct fixture fixture = open_fixture(state, TASK_CLASSIFICATION);
    struct batch batch = {0};
    fixture.settings.text_pair = "3";
    expect_set(&fixture, "a.tsv", "a b\tx\tc\nd\ty\ta\n");
    const size_t indices[] = {1, 0, 1};
    assert_true(labelled_set_batch(&fixture.set, indices, 3, &batch, &fixture.error));
    assert_int_equal(batch.sequences, 3);
    assert_memory_equal(batch.starts, ((int32_t[]){0, 5, 11, 16}), 16);
    assert_memory_equal(
        batch.input_ids,
        ((int32_t[]){CLS, D, SEP, A, SEP, CLS, A, B, SEP, C, SEP, CLS, D, SEP, A, SEP}), 64);
    assert_memory_equal(batch.token_type_ids,
                        ((int32_t[]){0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1}), 64);
    assert_memory_equal(batch.sequence_labels, ((int32_t[]){1, 0, 1}), 12);
    assert_int_equal(batch.predicted, 0);
    assert_true(labelled_set_batch(&fixture.set, indices, 0, &batch, &fixture.error));
    assert_int_equal(batch.sequences, 0);
    batch_free(&batch);
    close_fixture(&fixture);
}

static void batches_of_numbers_have_values(void **state)
{
    struct fixture fixture = open_fixture(state, TASK_REGRESSION);
    struct batch batch = {0};
    expect_set(&fixture, "a.tsv", "a\t2.5\nb\t-1\n");
    assert_true(labelled_set_batch(&fixture.set, (size_t[]){1, 0}, 2, &batch, &fixture.error));
    assert_memory_equal(batch.sequence_values, ((float[]){-1, 2.5F}), 8);
    assert_int_equal(batch_labelled_sequences(&batch), 2);
    batch_free(&batch);
    close_fixture(&fixture);
}

static void batches_of_words_predict_first_pieces(void **state)
{
    struct fixture fixture = open_fixture(state, TASK_TOKENS);
    struct batch batch = {0};
    expect_set(&fixture, "a.conll", "abcd B-X\na O\n\nb O\n\xE2\x80\x8B O\nabcd B-X\n");
    assert_true(labelled_set_batch(&fixture.set, (size_t[]){1, 0}, 2, &batch, &fixture.error));
    assert_int_equal(batch.predicted, 4);
    assert_memory_equal(batch.predicted_starts, ((int32_t[]){0, 2, 4}), 12);
    assert_memory_equal(batch.predicted_tokens, ((int32_t[]){1, 2, 6, 8}), 16);
    assert_memory_equal(batch.predicted_labels, ((int32_t[]){1, 0, 0, 1}), 16);
    assert_int_equal(batch_labelled_sequences(&batch), 0);
    batch_free(&batch);
    close_fixture(&fixture);
}

static void short_lengths_are_refused(void **state)
{
    struct fixture fixture = open_fixture(state, TASK_CLASSIFICATION);
    fixture.reading.max_length = 2;
    assert_false(read_set(&fixture, "a.tsv", "a\t1\nb\t0\n"));
    assert_string_equal(fixture.error.message, "texts may have 2 tokens; expected at least 3");
    close_fixture(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(texts_stand_between_cls_and_sep),
        SCRATCH_TEST(long_texts_are_cut_at_their_end),
        SCRATCH_TEST(long_paths_are_cut_between_characters),
        SCRATCH_TEST(texts_without_a_token_are_kept),
        SCRATCH_TEST(pairs_have_two_segments),
        SCRATCH_TEST(long_pairs_are_cut_from_the_longer_text),
        SCRATCH_TEST(labels_of_the_file_are_sorted),
        SCRATCH_TEST(known_labels_keep_their_order),
        SCRATCH_TEST(many_known_labels_are_shortened),
        SCRATCH_TEST(one_class_is_too_few_to_train),
        SCRATCH_TEST(labels_must_be_names),
        cmocka_unit_test(given_labels_are_checked),
        SCRATCH_TEST(numbers_are_read),
        SCRATCH_TEST(what_is_no_finite_number_is_an_error),
        SCRATCH_TEST(labels_of_words_are_at_their_first_pieces),
        SCRATCH_TEST(words_are_kept_if_that_is_asked_for),
        SCRATCH_TEST(words_that_are_cut_have_no_prediction),
        SCRATCH_TEST(unknown_labels_of_words_have_a_line),
        SCRATCH_TEST(batches_have_the_chosen_examples),
        SCRATCH_TEST(batches_of_numbers_have_values),
        SCRATCH_TEST(batches_of_words_predict_first_pieces),
        SCRATCH_TEST(short_lengths_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

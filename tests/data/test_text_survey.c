/* What a survey says of texts whose documents, sentences and words can be counted by hand. */
#include "data/text_survey.h"
#include "support/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

/* Surveys files of the scratch directory. */
static bool survey(struct text_survey *result, const char *const *paths, size_t count,
                   struct error *error)
{
    struct corpus_files files;
    assert_true(corpus_files_expand(&files, paths, count, error));
    bool done = text_survey_take(result, &files, (struct text_field){0}, NULL, error);
    corpus_files_free(&files);
    return done;
}

static struct text_survey survey_text(struct scratch *scratch, const char *text)
{
    struct text_survey result;
    struct error error = {0};
    const char *path = scratch_write_text(scratch, "text.txt", text);
    if (!survey(&result, &path, 1, &error))
        fail_msg("%s", error.message);
    return result;
}

static void everything_is_counted(void **state)
{
    struct text_survey text = survey_text(*state, "One two. Three four!\nOne, two\n\n"
                                                  "Five.\n\n"
                                                  "Five.\n\n"
                                                  "\xD0\xB4\xD0\xBE\xD0\xBC.\n");
    assert_false(text.sampled);
    assert_true(text.read_share == 1);
    assert_int_equal(text.counts.documents, 4);
    assert_int_equal(text.lines, 5);
    assert_int_equal(text.sentences, 6);
    assert_int_equal(text.words, 15); /* punctuation too */
    assert_int_equal(text.equal_documents, 1);
    assert_int_equal(text.short_documents, 3);
    assert_int_equal(text.sentence_lines, 4);
    assert_int_equal(text.open_lines, 1);
    assert_int_equal(text.script_count, 2);
    assert_string_equal(text.scripts[0].name, "Latin");
    assert_string_equal(text.scripts[1].name, "Cyrillic");
    assert_true(text.scripts[1].share == 3.0 / 32);
}

static void accents_and_marks_are_counted(void **state)
{
    struct text_survey text = survey_text(*state, "one two 33.\n");
    assert_true(text.accent_share == 0);
    text = survey_text(*state, "caf\u00E9 no\n"); /* one letter of six */
    assert_true(text.accent_share == 1.0 / 6);
    text = survey_text(*state, "cafe\u0301 no\n");
    assert_true(text.accent_share == 1.0 / 6);
    /* Hindi "tum": two letters, and a vowel that is a mark. */
    text = survey_text(*state, "\u0924\u0941\u092E\n");
    assert_true(text.accent_share > 0.3);
}

/* Appends `count` numbered copies of a line, each followed by `end`. */
static char *lines(const char *line, const char *end, int count)
{
    char *text = calloc((size_t)count, strlen(line) + strlen(end) + 12);
    size_t length = 0;
    assert_non_null(text);
    for (int i = 0; i < count; i++)
        length += (size_t)sprintf(text + length, "%s %d%s", line, i, end);
    return text;
}

#define HOUSE  "\xD0\xB4\xD0\xBE\xD0\xBC " /* Cyrillic: two bytes a letter */
#define HOUSES HOUSE HOUSE HOUSE HOUSE HOUSE HOUSE HOUSE

static void habits_of_lines_are_recognized(void **state)
{
    char *sentences = lines("This is a sentence, number", ".\n", 50);
    char *wrapped = lines("and so the words of a paragraph go on over many lines of", " the\n", 50);
    char *cyrillic = lines(HOUSES HOUSES, " the\n", 50);
    char *paragraphs = lines("One sentence. And another one, number", ".\n", 50);
    struct text_survey text = survey_text(*state, sentences);
    assert_true(text_survey_has_sentence_lines(&text));
    assert_false(text_survey_has_wrapped_lines(&text));
    text = survey_text(*state, wrapped);
    assert_false(text_survey_has_sentence_lines(&text));
    assert_true(text_survey_has_wrapped_lines(&text));
    text = survey_text(*state, cyrillic);
    assert_true(text_survey_has_wrapped_lines(&text));
    text = survey_text(*state, paragraphs);
    assert_false(text_survey_has_sentence_lines(&text));
    assert_false(text_survey_has_wrapped_lines(&text));
    free(sentences);
    free(wrapped);
    free(cyrillic);
    free(paragraphs);
}

/* Of 100 equal files of 1 MiB, 64 are looked into, up to half a MiB each. */
static void a_large_text_is_sampled(void **state)
{
    enum { FILES = 100 };
    struct scratch *scratch = *state;
    char *text = lines("A line of a large file, which has the number", ".\n", 20000);
    char *paths[FILES];
    struct text_survey result;
    struct error error = {0};
    struct stat status;
    for (int i = 0; i < FILES; i++) {
        char name[32];
        snprintf(name, sizeof name, "%03d.txt", i);
        scratch_write_text(scratch, name, text);
        paths[i] = scratch_path_copy(scratch, name);
    }
    assert_int_equal(stat(paths[0], &status), 0);
    assert_true(survey(&result, (const char *const *)paths, FILES, &error));
    assert_true(result.sampled);
    assert_int_equal(result.file_bytes, FILES * status.st_size);
    assert_true(result.counts.bytes >= SURVEY_BYTES &&
                result.counts.bytes < SURVEY_BYTES / 2 * 3 * 2);
    double bytes = (double)text_survey_whole(&result, result.counts.bytes);
    assert_true(bytes > 0.7 * FILES * (double)status.st_size);
    assert_true(bytes < 1.3 * FILES * (double)status.st_size);
    assert_int_equal(result.cut_documents, 0);
    assert_int_equal(text_survey_documents(&result), FILES);
    for (int i = 0; i < FILES; i++)
        free(paths[i]);
    free(text);
}

/* The reader is some blocks ahead of the short documents that it has returned. */
static void a_sample_is_what_was_returned(void **state)
{
    enum { FILES = 100 };
    char *text = lines("A line of a large file, which has the number", ".\n\n", 20000);
    char *paths[FILES];
    struct text_survey result;
    struct error error = {0};
    for (int i = 0; i < FILES; i++) {
        char name[32];
        snprintf(name, sizeof name, "%03d.txt", i);
        scratch_write_text(*state, name, text);
        paths[i] = scratch_path_copy(*state, name);
    }
    assert_true(survey(&result, (const char *const *)paths, FILES, &error));
    const double bytes = (double)text_survey_whole(&result, result.counts.bytes);
    assert_true(fabs(bytes / (double)result.file_bytes - 1) < 0.1);
    for (int i = 0; i < FILES; i++)
        free(paths[i]);
    free(text);
}

/* However long it is, and however little of it was read. */
static void a_document_that_is_cut_is_one(void **state)
{
    struct scratch *scratch = *state;
    char *text =
        lines("A line of a large file, which has the number", ".\n", 2 * SURVEY_BYTES / 50);
    const char *path = scratch_write_text(scratch, "large.txt", text);
    struct text_survey result;
    struct error error = {0};
    assert_true(survey(&result, &path, 1, &error));
    assert_true(result.sampled && result.read_share < 0.6);
    assert_int_equal(result.cut_documents, 1);
    assert_int_equal(text_survey_documents(&result), 1);
    free(text);
}

static void a_text_without_words_is_refused(void **state)
{
    struct text_survey result;
    struct error error = {0};
    const char *path = scratch_write_text(*state, "empty.txt", "\n\n");
    assert_false(survey(&result, &path, 1, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_non_null(strstr(error.message, "empty.txt: no words in it"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(everything_is_counted),           SCRATCH_TEST(accents_and_marks_are_counted),
        SCRATCH_TEST(habits_of_lines_are_recognized),  SCRATCH_TEST(a_large_text_is_sampled),
        SCRATCH_TEST(a_document_that_is_cut_is_one),   SCRATCH_TEST(a_sample_is_what_was_returned),
        SCRATCH_TEST(a_text_without_words_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

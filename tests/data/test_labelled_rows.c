#include "data/labelled_rows.h"

#include "support/compressed.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct labelled_settings classes = {
    .kind = TASK_CLASSIFICATION, .header = true, .names = &labelled_key_names};
static const struct labelled_settings numbered = {
    .kind = TASK_CLASSIFICATION, .text = "2", .label = "1", .names = &labelled_key_names};
static const struct labelled_settings tokens = {.kind = TASK_TOKENS, .names = &labelled_key_names};

static struct labelled_settings with_labels(struct labelled_settings settings,
                                            enum labels_wanted labels)
{
    settings.labels = labels;
    return settings;
}

static struct labelled_settings with_pair(struct labelled_settings settings, const char *column)
{
    settings.text_pair = column;
    return settings;
}

static struct labelled_settings with_format(struct labelled_settings settings,
                                            enum labelled_format format)
{
    settings.format = format;
    return settings;
}

/* ---- what a file gives ---- */

static void print_cell(struct buffer *out, struct cell cell, char before)
{
    struct error error = {0};
    if (!cell.text)
        return;
    assert_true(cell.text[cell.size] == '\0' || before == '='); /* not after a trimmed label */
    assert_true(buffer_append(out, &before, 1, &error) &&
                buffer_append(out, cell.text, cell.size, &error));
}

/* "[3: text+pair=label]", or with words "[3: a/O b/B-X]". */
static void print_row(struct buffer *out, const struct labelled_row *row)
{
    struct error error = {0};
    assert_true(buffer_print(out, &error, "[%d:", (int)row->line));
    if (!row->words) {
        print_cell(out, row->text, ' ');
        print_cell(out, row->text_pair, '+');
        print_cell(out, row->label, '=');
    }
    for (size_t i = 0; row->words && i < row->words->count; i++) {
        print_cell(out, cells_get(row->words, i), ' ');
        if (row->word_labels)
            print_cell(out, cells_get(row->word_labels, i), '/');
    }
    assert_true(buffer_append(out, "]", 1, &error));
}

static bool read_rows(const char *path, const struct labelled_settings *settings,
                      struct buffer *out, struct error *error)
{
    struct labelled_rows *rows = labelled_rows_open(path, settings, error);
    struct labelled_row row;
    bool end = false, done = rows;
    while (done && !end) {
        done = labelled_rows_next(rows, &row, &end, error);
        if (done && !end)
            print_row(out, &row);
    }
    labelled_rows_close(rows);
    return done;
}

static void expect_rows_of(const char *path, struct labelled_settings settings,
                           const char *expected)
{
    struct error error = {0};
    struct buffer out = {0};
    assert_true(buffer_append(&out, "", 0, &error));
    if (!read_rows(path, &settings, &out, &error))
        fail_msg("%s", error.message);
    assert_string_equal(out.data, expected);
    buffer_free(&out);
}

static void expect_rows(struct scratch *scratch, const char *name,
                        struct labelled_settings settings, const char *text, const char *expected)
{
    expect_rows_of(scratch_write_text(scratch, name, text), settings, expected);
}

/* Asserts that the file gives this error, in which "@" stands for its path. */
static void expect_error(struct scratch *scratch, const char *name,
                         struct labelled_settings settings, const char *text, const char *expected)
{
    struct error error = {0};
    struct buffer out = {0}, message = {0};
    const char *path = scratch_write_text(scratch, name, text);
    assert_false(read_rows(path, &settings, &out, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_true(*expected == '@');
    assert_true(buffer_print(&message, &error, "%s%s", path, expected + 1));
    assert_string_equal(error.message, message.data);
    buffer_free(&out);
    buffer_free(&message);
}

/* ---- tables ---- */

static void columns_of_tables_have_names(void **state)
{
    expect_rows(*state, "a.tsv", classes, "label\tid\ttext\n1\t7\tone text\n0\t8\tanother\n",
                "[2: one text=1][3: another=0]");
    expect_rows(*state, "a.csv", classes, "label,id,text\n1,7,one text\n0,8,another\n",
                "[2: one text=1][3: another=0]");
    struct labelled_settings pairs = classes;
    pairs.text = "#1 String";
    pairs.text_pair = "#2 String";
    pairs.label = "Quality";
    expect_rows(*state, "a.tsv", pairs, "Quality\t#1 String\t#2 String\n1\tone\tuno\n",
                "[2: one+uno=1]");
}

static void columns_without_a_header_have_numbers(void **state)
{
    expect_rows(*state, "a.tsv", numbered, "1\tone\n0\ttwo", "[1: one=1][2: two=0]");
    expect_rows(*state, "a.csv", numbered, "1,one\n\n0,two\n", "[1: one=1][3: two=0]");
    expect_rows(*state, "a.tsv", with_pair(numbered, "3"), "1\tone\tuno\n", "[1: one+uno=1]");
}

static void quotes_are_text_in_tsv(void **state)
{
    expect_rows(*state, "a.tsv", numbered, "1\t\" one\n0\ttwo \"\"2\"\n",
                "[1: \" one=1][2: two \"\"2\"=0]");
}

static void quotes_enclose_fields_in_csv(void **state)
{
    expect_rows(*state, "a.csv", numbered,
                "1,\"one, \"\"first\"\"\"\n\"0\",\"two\nlines\"\r\n1, blanks \n1,\"\"\n",
                "[1: one, \"first\"=1][2: two\nlines=0][4:  blanks =1][5: =1]");
    expect_rows(*state, "a.csv", numbered, "1,\"a\r\n\r\nb\"\r\n\r\n0,c", "[1: a\n\nb=1][5: c=0]");
}

static void lines_end_in_any_way(void **state)
{
    static const char *const expected = "[2: one=1][3: two=0]";
    expect_rows(*state, "a.tsv", classes, "text\tlabel\r\none\t1\r\ntwo\t0\r\n", expected);
    expect_rows(*state, "a.tsv", classes, "text\tlabel\rone\t1\rtwo\t0\r", expected);
    expect_rows(*state, "a.tsv", classes, "\xEF\xBB\xBFtext\tlabel\none\t1\ntwo\t0", expected);
    expect_rows(*state, "a.csv", classes, "\xEF\xBB\xBF\"text\",label\r\none,1\r\ntwo,0", expected);
}

static void files_may_be_compressed(void **state)
{
    static const char table[] = "text\tlabel\none\t1\n";
    for (int i = 0; i < COMPRESSIONS; i++) {
        char name[32];
        snprintf(name, sizeof name, "a.tsv.%s", compression_endings[i]);
        expect_rows_of(write_compressed(*state, name, i, table, sizeof table - 1), classes,
                       "[2: one=1]");
    }
}

static void the_format_may_be_given(void **state)
{
    expect_rows(*state, "a.data", with_format(classes, LABELLED_CSV), "text,label\none,1\n",
                "[2: one=1]");
    expect_rows(*state, "A.TSV", classes, "text\tlabel\none\t1\n", "[2: one=1]");
    expect_error(*state, "a.data", classes, "text,label\n",
                 "@: the ending does not say how the file is read; expected .tsv, .csv, .jsonl, "
                 ".conll or .txt, or one of these as task.format");
    expect_error(*state, "a.conll", classes, "one O\n",
                 "@: is read as conll, which has no texts; expected tsv, csv or jsonl "
                 "(task.format)");
    expect_error(*state, "a.csv", tokens, "one,O\n",
                 "@: is read as csv, which has no lists of words; expected conll or jsonl "
                 "(task.format)");
}

static void empty_texts_are_rows(void **state)
{
    expect_rows(*state, "a.tsv", numbered, "1\t\n0\t two\n", "[1: =1][2:  two=0]");
    expect_rows(*state, "a.jsonl", classes, "{\"text\": \"\", \"label\": 1}", "[1: =1]");
}

static void white_space_around_labels_is_left_out(void **state)
{
    expect_rows(*state, "a.tsv", numbered, " 1 \tone\n", "[1: one=1]");
    expect_rows(*state, "a.csv", numbered, " very good ,one\n", "[1: one=very good]");
}

static void missing_columns_are_errors(void **state)
{
    expect_error(*state, "a.tsv", classes, "sentence\tlabel\none\t1\n",
                 "@:1: there is no column \"text\" (task.text); the columns are \"sentence\", "
                 "\"label\"");
    expect_error(*state, "a.csv", classes, "label,text,label\n1,one,1\n",
                 "@:1: two columns are \"label\" (task.label)");
    struct labelled_settings with_number = classes;
    with_number.label = "2";
    expect_error(*state, "a.csv", with_number, "text,label\none,1\n",
                 "@:1: there is no column \"2\" (task.label); the columns are \"text\", \"label\"; "
                 "a file without names in its first line is read with task.header: false");
    expect_error(*state, "a.tsv", with_pair(numbered, "4"), "1\tone\tuno\n",
                 "@:1: there is no column 4 (task.text_pair); expected a number up to 3");
    struct labelled_settings unnumbered = classes;
    unnumbered.header = false;
    expect_error(*state, "a.tsv", unnumbered, "1\tone\n",
                 "@: task.text is \"text\"; expected the number of a column from 1, because the "
                 "file is read without a header");
    unnumbered.text = "0";
    expect_error(*state, "a.tsv", unnumbered, "1\tone\n",
                 "@: task.text is \"0\"; expected the number of a column from 1, because the "
                 "file is read without a header");
}

static void rows_of_another_width_are_errors(void **state)
{
    expect_error(*state, "a.tsv", classes, "text\tlabel\none\t1\nt\two\t0\n",
                 "@:3: found 3 columns; expected 2 as in line 1");
    expect_error(*state, "a.csv", classes, "text,label\n\none\n",
                 "@:3: found 1 column; expected 2 as in line 1");
    expect_error(*state, "a.conll", tokens, "one O\n\ntwo NN O\n",
                 "@:3: found 3 columns; expected 2 as in line 1");
}

static void wrong_rows_are_errors(void **state)
{
    expect_error(*state, "a.tsv", numbered, "1\tone\n \ttwo\n", "@:2: the label is empty");
    expect_error(*state, "a.tsv", classes, "", "@: is empty; expected a table");
    expect_error(*state, "a.csv", numbered, "1,one\n0,two \"2\"\n",
                 "@:2: a double quote within a field; expected the whole field in quotes and the "
                 "quotes in it doubled (RFC 4180); a file whose quotes are text is tsv, with tabs "
                 "between the columns");
    expect_error(*state, "a.csv", numbered, "1,\"one\" more\n",
                 "@:1: a double quote within a field; expected the whole field in quotes and the "
                 "quotes in it doubled (RFC 4180); a file whose quotes are text is tsv, with tabs "
                 "between the columns");
    expect_error(*state, "a.csv", numbered, "1,one\n0,\"two\n1,three\n",
                 "@:2: the row has a quote that is not closed");
}

static void what_is_not_text_is_an_error(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    static const char png[] = "\x89PNG\r\n\x1A\n\0\0\0\rIHDR";
    assert_null(
        labelled_rows_open(scratch_write(scratch, "a.tsv", png, sizeof png), &classes, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_non_null(strstr(error.message, "a.tsv: is a PNG image, not UTF-8 text"));
    assert_null(labelled_rows_open(scratch_path(scratch, "none.tsv"), &classes, &error));
    assert_non_null(strstr(error.message, "none.tsv"));
}

/* ---- files with and without labels ---- */

static void labels_may_be_left_out(void **state)
{
    const struct labelled_settings optional = with_labels(classes, LABELS_OPTIONAL);
    const struct labelled_settings ignored = with_labels(classes, LABELS_IGNORED);
    expect_rows(*state, "a.tsv", optional, "text\tlabel\none\t1\n", "[2: one=1]");
    expect_rows(*state, "a.tsv", optional, "text\tid\none\t1\n", "[2: one]");
    expect_rows(*state, "a.tsv", ignored, "text\tlabel\none\t1\n", "[2: one]");
    expect_rows(*state, "a.jsonl", optional, "{\"text\": \"one\"}\n{\"text\": \"two\"}",
                "[1: one][2: two]");
    expect_error(*state, "a.jsonl", optional, "{\"text\": \"one\", \"label\": 1}\n{\"text\": \"\"}",
                 "@:2: this JSON object has no \"label\" (task.label); its keys are \"text\"");
    struct labelled_settings without_header = with_labels(numbered, LABELS_OPTIONAL);
    without_header.text = "1";
    without_header.label = "2";
    expect_rows(*state, "a.tsv", without_header, "one\n", "[1: one]");
    without_header.label = NULL; /* "label", which is no number */
    expect_rows(*state, "a.tsv", without_header, "one\n", "[1: one]");
    struct labelled_settings fourth = with_labels(tokens, LABELS_OPTIONAL);
    fourth.label = "4";
    expect_rows(*state, "a.conll", fourth, "one NN B-NP\n", "[1: one]");
    expect_rows(*state, "a.conll", with_labels(tokens, LABELS_OPTIONAL), "one\ntwo\n\nthree\n",
                "[1: one two][4: three]");
    expect_rows(*state, "a.conll", with_labels(tokens, LABELS_OPTIONAL), "one O\n", "[1: one/O]");
    expect_rows(*state, "a.conll", with_labels(tokens, LABELS_IGNORED), "one O\n", "[1: one]");
}

static void lines_of_text_have_no_labels(void **state)
{
    const struct labelled_settings ignored = with_labels(classes, LABELS_IGNORED);
    expect_rows(*state, "a.txt", ignored, "one\ttext\n\n \"two\r\n",
                "[1: one\ttext][2: ][3:  \"two]");
    expect_rows(*state, "a.txt", with_labels(tokens, LABELS_OPTIONAL), " two  words\n\n.\n",
                "[1: two words][2:][3: .]");
    expect_error(*state, "a.txt", classes, "one\n",
                 "@: is read as lines of text, which have no labels; expected tsv, csv or jsonl, "
                 "by the ending or task.format");
    expect_error(*state, "a.txt", with_pair(ignored, "second"), "one\n",
                 "@: is read as lines of text, which have no pairs; expected tsv, csv or jsonl, "
                 "by the ending or task.format");
    expect_error(*state, "a.txt", tokens, "one\n",
                 "@: is read as lines of text, which have no labels; expected conll or jsonl, by "
                 "the ending or task.format");
}

/* ---- JSON lines ---- */

static void json_objects_are_rows(void **state)
{
    expect_rows(*state, "a.jsonl", with_pair(classes, "b"),
                "{\"text\": \"one\\ttext \\u00e9\", \"b\": \"uno\", \"label\": \"good\"}\r\n \n"
                "{\"label\": 1, \"b\": \"\", \"text\": \"two\"}\n",
                "[1: one\ttext \xC3\xA9+uno=good][3: two+=1]");
    expect_rows(*state, "a.jsonl", classes,
                "{\"text\": \"\", \"label\": true}\n{\"text\": \"\", \"label\": -2.5}",
                "[1: =true][2: =-2.5]");
    /* The same numbers as in a table. */
    expect_rows(*state, "a.jsonl", classes,
                "{\"text\": \"\", \"label\": 0.1}\n{\"text\": \"\", \"label\": 1e6}\n"
                "{\"text\": \"\", \"label\": -1.0}\n{\"text\": \"\", \"label\": 1e16}",
                "[1: =0.1][2: =1000000.0][3: =-1.0][4: =1e+16]");
    expect_rows(*state, "a.jsonl", tokens,
                "{\"tokens\": [\"one\", \"two words\"], \"labels\": [\"O\", 3]}\n"
                "{\"tokens\": [], \"labels\": []}",
                "[1: one/O two words/3][2:]");
}

static void wrong_json_is_an_error(void **state)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"[1]", "@:1: found an array; expected a JSON object"},
        {"{\"label\": 1}",
         "@:1: this JSON object has no \"text\" (task.text); its keys are \"label\""},
        {"{}", "@:1: this JSON object has no \"text\" (task.text); it has no keys"},
        {"\n{\"text\": \"one\"}",
         "@:2: this JSON object has no \"label\" (task.label); its keys are \"text\""},
        {"{\"text\": 1, \"label\": 1}", "@:1: \"text\" is a number; expected a string"},
        {"{\"text\": null, \"label\": 1}", "@:1: \"text\" is null; expected a string"},
        {"{\"text\": \"\", \"label\": null}",
         "@:1: \"label\" is null; expected a string or a number"},
        {"{\"text\": \"\", \"label\": \" \"}", "@:1: the label is empty"},
        {"{\"text\": \"\", \"label\": [1]}",
         "@:1: \"label\" is an array; expected a string or a number"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_error(*state, "a.jsonl", classes, rows[i].text, rows[i].message);
    expect_error(*state, "a.jsonl", tokens, "{\"tokens\": \"one\", \"labels\": []}",
                 "@:1: \"tokens\" is a string; expected an array of strings");
    expect_error(*state, "a.jsonl", tokens, "{\"tokens\": [\"one\", 2], \"labels\": [1, 1]}",
                 "@:1: word 2 is a number; expected a string");
    expect_error(*state, "a.jsonl", tokens, "{\"tokens\": [\"one\"], \"labels\": [\"O\", \"O\"]}",
                 "@:1: found 2 labels of 1 words; expected one of each");
}

static void malformed_json_is_an_error(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    struct buffer out = {0};
    const char *path = scratch_write_text(scratch, "a.jsonl", "{\"text\": \"one\", \"label\": 1\n");
    assert_false(read_rows(path, &classes, &out, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_non_null(strstr(error.message, "a.jsonl:1: is not JSON ("));
    assert_non_null(strstr(error.message, "); expected an object on each line"));
}

/* Of these only the first 64 KiB have been looked at when the first row is read. */
static void what_follows_json_is_not_ignored(void **state)
{
    enum { ROWS = 5000, ZEROS = 1000 };
    struct scratch *scratch = *state;
    struct error error = {0};
    struct buffer text = {0}, out = {0};
    for (int i = 0; i < ROWS; i++)
        assert_true(buffer_print(&text, &error, "{\"text\": \"a line\", \"label\": 1}\n"));
    for (int i = 0; i < ZEROS; i++)
        assert_true(buffer_append(&text, "", 1, &error));
    const char *path = scratch_write(scratch, "a.jsonl", text.data, text.size);
    assert_false(read_rows(path, &classes, &out, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_non_null(strstr(error.message, "a.jsonl:5001: "));
    buffer_free(&text);
    buffer_free(&out);
}

/* ---- columns of words ---- */

static void blank_lines_end_texts_of_words(void **state)
{
    expect_rows(*state, "a.conll", tokens,
                "\n-DOCSTART- -X- O\n\none\tNN\tO\ntwo NN  B-X\r\n \t\nthree NN O\n\t\n\n",
                "[4: one/O two/B-X][7: three/O]");
    expect_rows(*state, "a.conll", tokens, "one O\n-DOCSTART- O\ntwo O", "[1: one/O][3: two/O]");
    expect_rows(*state, "a.conll", tokens, "", "");
    expect_rows(*state, "a.conll", tokens, "-DOCSTART- -X- O\n", "");
}

static void columns_of_words_are_chosen(void **state)
{
    struct labelled_settings chosen = tokens;
    chosen.text = "2";
    chosen.label = "1";
    expect_rows(*state, "a.conll", chosen, "O one x\nB-X two x\n", "[1: one/O two/B-X]");
    chosen.label = "4";
    expect_error(*state, "a.conll", chosen, "O one x\n",
                 "@:1: there is no column 4 (task.label); expected a number up to 3");
    expect_error(*state, "a.conll", tokens, "\none\n",
                 "@:2: found 1 column and no label; expected a word and its label, between blanks "
                 "or tabs");
    /* Labels of tokens have no other use for tabs. */
    expect_rows(*state, "a.tsv", tokens, "one\tO\n\ntwo\tB-X\n", "[1: one/O][3: two/B-X]");
}

static void words_have_lines(void **state)
{
    struct error error = {0};
    struct labelled_row row;
    bool end;
    struct labelled_rows *rows = labelled_rows_open(
        scratch_write_text(*state, "a.conll", "\none O\n\ntwo O\nthree O\n"), &tokens, &error);
    assert_true(rows && labelled_rows_next(rows, &row, &end, &error));
    assert_int_equal(labelled_rows_word_line(rows, 0), 2);
    assert_true(labelled_rows_next(rows, &row, &end, &error));
    assert_int_equal(labelled_rows_word_line(rows, 1), 5);
    labelled_rows_close(rows);
}

/* ---- streams ---- */

static bool next_block(void *context, const void **bytes, size_t *size, struct error *error)
{
    const char **left = context;
    (void)error;
    *bytes = *left;
    *size = strnlen(*left, 3);
    *left += *size;
    return true;
}

static void streams_are_read_like_files(void **state)
{
    (void)state;
    struct error error = {0};
    struct labelled_row row;
    bool end = false;
    const char *left = "text,label\n\"one\ntext\",1\n";
    const struct byte_stream stream = {.next = next_block, .context = &left};
    const struct labelled_settings csv = with_format(classes, LABELLED_CSV);
    struct labelled_rows *rows = labelled_rows_open_stream(stream, "standard input", &csv, &error);
    assert_true(rows && labelled_rows_next(rows, &row, &end, &error) && !end);
    assert_string_equal(row.text.text, "one\ntext");
    assert_true(labelled_rows_next(rows, &row, &end, &error) && end);
    labelled_rows_close(rows);
    left = "text,label\n";
    assert_null(labelled_rows_open_stream(stream, "standard input", &classes, &error));
    assert_non_null(strstr(error.message, "standard input: the ending does not say"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(columns_of_tables_have_names),
        SCRATCH_TEST(columns_without_a_header_have_numbers),
        SCRATCH_TEST(quotes_are_text_in_tsv),
        SCRATCH_TEST(quotes_enclose_fields_in_csv),
        SCRATCH_TEST(lines_end_in_any_way),
        SCRATCH_TEST(files_may_be_compressed),
        SCRATCH_TEST(the_format_may_be_given),
        SCRATCH_TEST(empty_texts_are_rows),
        SCRATCH_TEST(white_space_around_labels_is_left_out),
        SCRATCH_TEST(missing_columns_are_errors),
        SCRATCH_TEST(rows_of_another_width_are_errors),
        SCRATCH_TEST(wrong_rows_are_errors),
        SCRATCH_TEST(what_is_not_text_is_an_error),
        SCRATCH_TEST(labels_may_be_left_out),
        SCRATCH_TEST(lines_of_text_have_no_labels),
        SCRATCH_TEST(json_objects_are_rows),
        SCRATCH_TEST(wrong_json_is_an_error),
        SCRATCH_TEST(malformed_json_is_an_error),
        SCRATCH_TEST(what_follows_json_is_not_ignored),
        SCRATCH_TEST(blank_lines_end_texts_of_words),
        SCRATCH_TEST(columns_of_words_are_chosen),
        SCRATCH_TEST(words_have_lines),
        cmocka_unit_test(streams_are_read_like_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

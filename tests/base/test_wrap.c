#include "base/wrap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void columns_are_those_of_a_terminal(void **state)
{
    (void)state;
    assert_int_equal(text_columns("", 0), 0);
    assert_int_equal(text_columns("naïve", strlen("naïve")), 5);
    assert_int_equal(text_columns("nai\xCC\x88ve", strlen("nai\xCC\x88ve")), 5); /* combining */
    assert_int_equal(text_columns("猫", strlen("猫")), 2);
    assert_int_equal(text_columns("a\xFFz", 3), 3);
}

static void expect(const char *text, int column, int indent, int width, const char *wrapped)
{
    struct buffer out = {0};
    struct error error = {0};
    assert_true(wrap_words(&out, text, column, indent, width, &error));
    assert_string_equal(out.size ? out.data : "", wrapped);
    buffer_free(&out);
}

static void words_move_to_the_next_line(void **state)
{
    (void)state;
    expect("", 0, 2, 10, "");
    expect("one", 0, 2, 10, "one");
    expect("one two four", 0, 2, 8, "one two\n  four");
    expect("one two four", 0, 2, 7, "one two\n  four");
    expect("one two four", 0, 2, 6, "one\n  two\n  four");
    expect(" one\n two ", 0, 0, 80, "one two");
}

static void the_first_line_begins_in_its_column(void **state)
{
    (void)state;
    expect("one two", 3, 4, 10, "one two");
    expect("one two", 4, 4, 10, "one\n    two");
}

static void a_long_word_stays_whole(void **state)
{
    (void)state;
    expect("a extraordinary b", 0, 0, 5, "a\nextraordinary\nb");
    expect("extraordinary", 3, 0, 5, "extraordinary");
}

static void brackets_are_one_word(void **state)
{
    (void)state;
    expect("a [b c] d", 0, 0, 5, "a\n[b c]\nd");
    expect("[{a: [1, 2]}, {b: 3}] c", 0, 1, 4, "[{a: [1, 2]}, {b: 3}]\n c");
}

static void expect_message(const char *text, int width, const char *expected)
{
    struct buffer out = {0};
    struct error error = {0};
    assert_true(wrap_message(&out, text, width, &error));
    assert_string_equal(out.data, expected);
    buffer_free(&out);
}

static void a_message_is_broken_at_spaces(void **state)
{
    (void)state;
    expect_message("one", 80, "one");
    expect_message("one two four", 8, "one two\n  four");
    expect_message("one two four", 7, "one two\n  four");
    expect_message("one two four", 6, "one\n  two\n  four");
    expect_message("one  two   four", 8, "one  two\n  four");
    expect_message("extraordinary b", 5, "extraordinary\n  b");
    expect_message("a extraordinary", 5, "a\n  extraordinary");
    expect_message("one\ntwo four\n", 6, "one\ntwo\n  four\n");
}

static void columns_count_in_a_message(void **state)
{
    (void)state;
    expect_message("\xC3\xA4\xC3\xB6\xC3\xBC \xC3\xA4\xC3\xB6\xC3\xBC", 7,
                   "\xC3\xA4\xC3\xB6\xC3\xBC \xC3\xA4\xC3\xB6\xC3\xBC");
    /* Two for each character of Chinese, none for a combining accent, one for a wrong byte. */
    expect_message("\xE6\x96\x87\xE6\x9C\xAC a b", 6, "\xE6\x96\x87\xE6\x9C\xAC a\n  b");
    expect_message("\xE6\x96\x87\xE6\x9C\xAC a b", 8, "\xE6\x96\x87\xE6\x9C\xAC a b");
    expect_message("e\xCC\x81"
                   "e\xCC\x81 e b",
                   4,
                   "e\xCC\x81"
                   "e\xCC\x81 e\n  b");
    expect_message("e\xCC\x81"
                   "e\xCC\x81 e b",
                   6,
                   "e\xCC\x81"
                   "e\xCC\x81 e b");
    expect_message("\xFF\xFF a b", 4, "\xFF\xFF a\n  b");
}

static void a_path_is_not_broken(void **state)
{
    (void)state;
    expect_message("cloze train: /my long book.txt: is a book", 25,
                   "cloze train:\n  /my long book.txt: is a\n  book");
    expect_message("warning: my book.txt: is a book", 20, "warning:\n  my book.txt: is a\n  book");
    expect_message("my book.txt: is a book", 14, "my book.txt:\n  is a book");
    expect_message("cloze train: /my long book.txt: is a book", 10,
                   "cloze\n  train:\n  /my long book.txt:\n  is a\n  book");
    /* A sentence before a colon is none. */
    expect_message("warning: that is not so: it is long", 12,
                   "warning:\n  that is\n  not so: it\n  is long");
}

static void what_is_copied_is_not_broken(void **state)
{
    (void)state;
    expect_message("cloze train: run: goes on: cloze train run/config.yaml --resume", 40,
                   "cloze train: run: goes on:\n  cloze train run/config.yaml --resume");
    expect_message("in: is UTF-16; convert it: iconv -f UTF-16 -t UTF-8 IN > OUT", 30,
                   "in: is UTF-16; convert it:\n  iconv -f UTF-16 -t UTF-8 IN > OUT");
    expect_message("a: b: expected BERT: cloze has no other. Start one", 24,
                   "a: b: expected BERT:\n  cloze has no other.\n  Start one");
    expect_message("a: choose another (--set output=DIR) or go on", 20,
                   "a: choose another\n  (--set output=DIR)\n  or go on");
    expect_message("a: see 'cloze config --help' for all", 20,
                   "a: see\n  'cloze config --help'\n  for all");
    expect_message("a: found \"my own file\", not it", 18,
                   "a: found\n  \"my own file\",\n  not it");
    expect_message("a: the runs' own and what isn't ours", 16,
                   "a: the runs' own\n  and what isn't\n  ours");
}

/* It is typed, or copied, as it is: a line break in quotes is part of a name. */
static void a_command_in_a_message_is_not_broken(void **state)
{
    (void)state;
    expect_message("  one two", 4, "  one two");
    expect_message("one two\n  four five\nsix seven", 5, "one\n  two\n  four five\nsix seven");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_those_of_a_terminal),
        cmocka_unit_test(words_move_to_the_next_line),
        cmocka_unit_test(the_first_line_begins_in_its_column),
        cmocka_unit_test(a_long_word_stays_whole),
        cmocka_unit_test(brackets_are_one_word),
        cmocka_unit_test(a_message_is_broken_at_spaces),
        cmocka_unit_test(columns_count_in_a_message),
        cmocka_unit_test(a_path_is_not_broken),
        cmocka_unit_test(what_is_copied_is_not_broken),
        cmocka_unit_test(a_command_in_a_message_is_not_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

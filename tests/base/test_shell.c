#include "base/shell.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void plain_words_stay_as_they_are(void **state)
{
    (void)state;
    struct error error = {0};
    struct buffer line = {0};
    assert_true(shell_put(&line, "build/cloze", &error));
    assert_true(shell_put(&line, "train", &error));
    assert_true(shell_put(&line, "train.steps=10", &error));
    assert_string_equal(line.data, "build/cloze train train.steps=10");
    buffer_free(&line);
}

/* What /bin/sh makes of each word is the word. */
static void a_shell_reads_back_every_word(void **state)
{
    (void)state;
    static const char *const words[] = {"",
                                        "two words",
                                        "it's",
                                        "'",
                                        "data.train=[a.txt, 'b.txt']",
                                        "$HOME `id` \\ \"x\"",
                                        "~",
                                        "*",
                                        "a\nb",
                                        "#x;y&z|(w)",
                                        "\xC3\xA4.yaml"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct error error = {0};
        struct buffer line = {0};
        char read[200];
        assert_true(shell_put(&line, "printf", &error));
        assert_true(shell_put(&line, "%s", &error));
        assert_true(shell_put(&line, words[i], &error));
        FILE *shell = popen(line.data, "r");
        assert_non_null(shell);
        size_t size = fread(read, 1, sizeof read - 1, shell);
        read[size] = 0;
        assert_int_equal(pclose(shell), 0);
        assert_string_equal(read, words[i]);
        buffer_free(&line);
    }
}

/* VARIABLE=value in front is no program. */
static void an_equals_sign_in_the_program_is_quoted(void **state)
{
    (void)state;
    struct error error = {0};
    struct buffer line = {0};
    assert_true(shell_put(&line, "a=b/cloze", &error));
    assert_string_equal(line.data, "'a=b/cloze'");
    buffer_free(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_words_stay_as_they_are),
        cmocka_unit_test(a_shell_reads_back_every_word),
        cmocka_unit_test(an_equals_sign_in_the_program_is_quoted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Paths in a configuration and on the command line. */
#include "base/file.h"
#include "support/run_config_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static void test_a_path_is_a_list_of_one(void **state)
{
    (void)state;
    struct error error;
    write_config("run.yaml", "output: run\ndata:\n  train: my text.txt\n  valid: '1'\n");
    struct run_config *config = load_config("run.yaml", NULL, &error);
    assert_non_null(config);
    assert_int_equal(config->data.train.count, 1);
    assert_path_is(config->data.train.items[0], "my text.txt");
    assert_int_equal(config->data.valid.count, 1);
    assert_path_is(config->data.valid.items[0], "1");
    run_config_free(config);
    config = load_config("run.yaml", (const char *[]){"data.train=b.txt", NULL}, &error);
    assert_non_null(config);
    assert_path_is(config->data.train.items[0], "b.txt");
    run_config_free(config);
}

/* As the shell gives it, and as the same text in quotes; but a list of paths is YAML. */
static void test_paths_in_settings_are_literal(void **state)
{
    (void)state;
    struct error error;
    static const char *const paths[] = {"a #b",  "a\nb",    " lead", "trail ", "[x]/o", "{y}",
                                        "a: b",  "*",       "@x",    "%y",     "!",     "&z",
                                        "'q'/o", "\"q\"/o", "- a",   "it's",   "null/o"};
    write_config("run.yaml", "output: run\ndata: {train: text.txt}\n");
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char output[64], train[64];
        snprintf(output, sizeof output, "output=%s", paths[i]);
        snprintf(train, sizeof train, "data.train=./%s", paths[i]);
        struct run_config *config =
            load_config("run.yaml", (const char *[]){output, train, NULL}, &error);
        if (!config)
            fail_msg("%s", error.message);
        assert_path_is(config->output, paths[i]);
        assert_int_equal(config->data.train.count, 1);
        assert_path_is(config->data.train.items[0], paths[i]);
        run_config_free(config);
    }
    static const char *const patterns[] = {"[ab]*.txt", "[x]/a.txt",   "[0-9]*.tx[t]", "[ab] #.txt",
                                           "- a",       "[x].txt, b]", "*.[ab]",       "[x]"};
    assert_int_equal(mkdir("[x]", 0777), 0);
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        char train[64];
        snprintf(train, sizeof train, "data.train=%s", patterns[i]);
        struct run_config *config = load_config("run.yaml", (const char *[]){train, NULL}, &error);
        if (!config)
            fail_msg("%s: %s", patterns[i], error.message);
        assert_int_equal(config->data.train.count, 1);
        assert_path_is(config->data.train.items[0], patterns[i]);
        run_config_free(config);
    }
    static const char *const lists[] = {"[a, b]", " [a, b] ", "['a]', b]", "[\n a,\n b\n]"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        char train[64];
        snprintf(train, sizeof train, "data.train=%s", lists[i]);
        struct run_config *config = load_config("run.yaml", (const char *[]){train, NULL}, &error);
        if (!config)
            fail_msg("%s: %s", lists[i], error.message);
        assert_int_equal(config->data.train.count, 2);
        assert_path_is(config->data.train.items[1], "b");
        run_config_free(config);
    }
    struct run_config *config = load_config(
        "run.yaml", (const char *[]){"output='a b'", "data.train=[a.txt, 'b #.txt']", NULL},
        &error);
    assert_non_null(config);
    assert_path_is(config->output, "a b");
    assert_int_equal(config->data.train.count, 2);
    assert_path_is(config->data.train.items[1], "b #.txt");
    run_config_free(config);
    config = load_config("run.yaml", (const char *[]){"data.train=*.txt", "tokenizer.vocab=", NULL},
                         &error);
    assert_non_null(config);
    assert_path_is(config->data.train.items[0], "*.txt");
    assert_null(config->tokenizer.vocab);
    run_config_free(config);
}

#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, run_config_enter_directory, run_config_leave_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_path_is_a_list_of_one),
        TEST(test_paths_in_settings_are_literal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

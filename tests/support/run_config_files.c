#include "support/run_config_files.h"

#include "base/directory.h"
#include "base/file_writer.h"
#include "model/heads.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

int run_config_enter_directory(void **state)
{
    if (scratch_set_up(state) != 0)
        return -1;
    struct scratch *scratch = *state;
    return chdir(scratch->directory);
}

int run_config_leave_directory(void **state)
{
    return chdir("/") == 0 ? scratch_tear_down(state) : -1;
}

void assert_path_is(const char *path, const char *relative)
{
    char expected[8192];
    char *directory = realpath(".", NULL);
    assert_non_null(directory);
    snprintf(expected, sizeof expected, "%s/%s", directory, relative);
    free(directory);
    assert_string_equal(path, expected);
}

void write_config(const char *path, const char *text)
{
    struct error error;
    if (!file_write(path, text, strlen(text), &error))
        fail_msg("%s", error.message);
}

struct run_config *load_config(const char *path, const char *const *settings, struct error *error)
{
    size_t count = 0;
    while (settings && settings[count])
        count++;
    *error = (struct error){0};
    const struct config_schema *schema = run_config_schema_of(path, error);
    return schema ? run_config_load(schema, path, settings, count, NULL, error) : NULL;
}

struct run_config *load_config_text(const char *text, const char *const *settings)
{
    struct error error;
    write_config("run.yaml", text);
    struct run_config *config = load_config("run.yaml", settings, &error);
    if (!config)
        fail_msg("%s", error.message);
    return config;
}

void expect_config_differences(const char *const *settings, const char *expected)
{
    struct error error = {0};
    struct buffer differences = {0};
    struct run_config *a = load_config_text(MINIMAL_CONFIG, NULL);
    struct run_config *b = load_config_text(MINIMAL_CONFIG, settings);
    assert_true(buffer_print(&differences, &error, "%s", ""));
    assert_true(run_config_differences(a, b, &differences, &error));
    assert_string_equal(differences.data, expected);
    buffer_free(&differences);
    run_config_free(a);
    run_config_free(b);
}

void make_init_from(void)
{
    struct error error;
    struct model_config model;
    assert_true(model_config_size("tiny", &model));
    model.hidden_size = 96;
    model.num_attention_heads = 3;
    model.hidden_dropout_prob = 0;
    assert_true(directory_make("bert", &error));
    assert_true(
        model_config_save_as("bert/config.json", &model, model.heads->architecture, &error));
}

void make_init_from_tokenizer(void)
{
    write_config("bert/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n");
    write_config("bert/tokenizer_config.json",
                 "{\"do_lower_case\": false, \"tokenize_chinese_chars\": false}\n");
}

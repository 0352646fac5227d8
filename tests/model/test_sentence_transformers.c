#include "model/sentence_transformers.h"

#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MODULE(name, path, type)                                                                   \
    "{\"idx\": 0, \"name\": \"" name "\", \"path\": \"" path "\", \"type\": \"" type "\"}"
#define MODELS "sentence_transformers.models."

static char said[400];

/* Returns the model that is found, without the path of the directory; "(none)" if there is no
 * list. */
static const char *find(struct scratch *scratch)
{
    static char found[600];
    struct error error = {0};
    char *model;
    memset(said, 0, sizeof said);
    FILE *stream = fmemopen(said, sizeof said, "w");
    struct log log = log_open(stream);
    bool done = sentence_transformers_find(scratch->directory, &model, &log, &error);
    fclose(stream);
    if (!done)
        snprintf(found, sizeof found, "%s", error.message + strlen(scratch->directory));
    else
        snprintf(found, sizeof found, "%s", model ? model + strlen(scratch->directory) : "(none)");
    free(model);
    return found;
}

static void other_directories_are_left_alone(void **state)
{
    assert_string_equal(find(*state), "(none)");
    assert_string_equal(said, "");
}

static void the_model_is_in_a_directory_of_its_own(void **state)
{
    struct scratch *scratch = *state;
    char expected[500];
    scratch_write_text(
        scratch, "modules.json",
        "[" MODULE("0", "0_Transformer", MODELS "Transformer") ", " MODULE(
            "1", "1_Pooling", MODELS "Pooling") ", " MODULE("2", "2_Dense", MODELS "Dense") "]");
    assert_string_equal(find(scratch), "/0_Transformer");
    snprintf(expected, sizeof expected,
             "sentence-transformers: the model in 0_Transformer is used, of\n  %s\n"
             "not used of sentence-transformers: Pooling, Dense\n",
             scratch->directory);
    assert_string_equal(said, expected);
}

static void the_model_is_at_the_top(void **state)
{
    struct scratch *scratch = *state;
    scratch_write_text(
        scratch, "modules.json",
        "[" MODULE("0", "",
                   "sentence_transformers.sparse_encoder.models."
                   "MLMTransformer") ", " MODULE("1", "1_SpladePooling", "a.SpladePooling") "]");
    assert_string_equal(find(scratch), "");
    assert_string_equal(said, "not used of sentence-transformers: SpladePooling\n");
}

static void a_list_without_a_model_is_refused(void **state)
{
    struct scratch *scratch = *state;
    scratch_write_text(scratch, "modules.json",
                       "[" MODULE("0", "0_StaticEmbedding", MODELS "StaticEmbedding") "]");
    assert_string_equal(find(scratch), "/modules.json: has no Transformer; found StaticEmbedding");
    scratch_write_text(scratch, "modules.json", "[]");
    assert_string_equal(find(scratch), "/modules.json: has no Transformer; found nothing");
    scratch_write_text(scratch, "modules.json", "{}");
    assert_string_equal(find(scratch), "/modules.json: holds a JSON object; expected an array");
}

static void a_list_does_not_lead_out_of_its_directory(void **state)
{
    static const char *const places[] = {"../x", "/etc", "a/../../b", ".."};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char text[200], expected[300];
        snprintf(text, sizeof text, "[{\"type\": \"Transformer\", \"path\": \"%s\"}]", places[i]);
        scratch_write_text(*state, "modules.json", text);
        snprintf(expected, sizeof expected,
                 "/modules.json: the path of the Transformer is \"%s\"; expected a directory "
                 "within that of the file, or \"\"",
                 places[i]);
        assert_string_equal(find(*state), expected);
    }
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, scratch_set_up, scratch_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(other_directories_are_left_alone),
        TEST(the_model_is_in_a_directory_of_its_own),
        TEST(the_model_is_at_the_top),
        TEST(a_list_without_a_model_is_refused),
        TEST(a_list_does_not_lead_out_of_its_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

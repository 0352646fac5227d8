/* libcloze.so as another program uses it. These tests call every function of the header, so that a
 * library that lacks one fails to link. tests/library/test_inference.c tests the results. */
#include "cloze/cloze.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char absent[] = "/nonexistent/model";

static void a_missing_directory_is_bad_input(void **state)
{
    (void)state;
    struct cloze_error error;
    assert_null(cloze_open(absent, &error));
    assert_true(error.bad_input);
    assert_string_equal(error.message, "/nonexistent/model: no such directory; expected a model "
                                       "directory, a checkpoint or a run directory");
}

static void the_version_is_that_of_the_header(void **state)
{
    (void)state;
    char expected[32];
    snprintf(expected, sizeof expected, "%d.%d.%d", CLOZE_VERSION_MAJOR, CLOZE_VERSION_MINOR,
             CLOZE_VERSION_PATCH);
    assert_string_equal(CLOZE_VERSION, expected);
    assert_string_equal(cloze_version(), expected);
}

static void nothing_is_freed_for_null(void **state)
{
    (void)state;
    cloze_close(NULL);
    cloze_fill_free(NULL);
    cloze_trainer_close(NULL);
}

/* The example in cloze.h, line by line; returns whether it has succeeded. */
static bool example(const char *directory)
{
    struct cloze_error error;
    struct cloze_fill *fill = NULL;
    struct cloze_model *model = cloze_open(directory, &error);
    if (model)
        fill = cloze_fill(model, "how are [MASK] doing?", 5, &error);
    if (fill)
        printf("%s\n", fill->masks[0].candidates[0].text);
    else
        fprintf(stderr, "%s\n", error.message);
    cloze_fill_free(fill);
    cloze_close(model);
    return fill != NULL;
}

static void the_example_compiles_and_reports_a_missing_directory(void **state)
{
    (void)state;
    assert_false(example(absent));
}

/* Calls the functions of the header; here it ends at the missing directory. */
static bool use_model(const char *directory, struct cloze_error *error)
{
    struct cloze_model *model = cloze_open(directory, error);
    if (!model)
        return false;
    double probability;
    size_t rows;
    struct cloze_fill *fill = cloze_fill(model, "[MASK]", 1, error);
    float *states = cloze_hidden_states(model, "a", &rows, error);
    bool done = fill && states && cloze_hidden_size(model) > 0 && cloze_max_length(model) > 0 &&
                cloze_next_sentence(model, "a", "b", &probability, error) &&
                cloze_input_length(model) > 0 && cloze_input_unknown(model) >= 0 &&
                cloze_trained_length(model) > 0 && cloze_note(model) != NULL;
    const char *const texts[] = {"a"};
    const struct cloze_words words = {texts, 1};
    float *vectors = cloze_embed(model, texts, 1, CLOZE_POOLING_MEAN, true, error);
    float *values = cloze_classify(model, texts, NULL, 1, error);
    struct cloze_word_label *labels = cloze_label_words(model, &words, 1, error);
    done = done && vectors && values && labels && cloze_label_count(model) > 0 &&
           cloze_task(model) != CLOZE_TASK_NONE && cloze_label_name(model, 0) != NULL;
    free(vectors);
    free(values);
    free(labels);
    free(states);
    cloze_fill_free(fill);
    cloze_close(model);
    return done;
}

static bool use_trainer(const char *directory, struct cloze_error *error)
{
    const struct cloze_batch batch = {0};
    struct cloze_trainer *trainer = cloze_trainer_open(directory, NULL, 1, error);
    if (!trainer)
        return false;
    const bool done = cloze_trainer_note(trainer) &&
                      cloze_trainer_task(trainer) == CLOZE_TASK_NONE &&
                      cloze_trainer_step(trainer, &batch, 1e-3, NULL, error) &&
                      cloze_trainer_save(trainer, directory, error);
    cloze_trainer_close(trainer);
    return done;
}

static void every_function_is_exported(void **state)
{
    (void)state;
    struct cloze_error error;
    assert_false(use_model(absent, &error));
    assert_false(use_trainer(absent, &error));
    assert_null(cloze_train(absent, NULL, 0, false, NULL, &error));
    assert_true(error.bad_input);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_directory_is_bad_input),
        cmocka_unit_test(the_version_is_that_of_the_header),
        cmocka_unit_test(nothing_is_freed_for_null),
        cmocka_unit_test(the_example_compiles_and_reports_a_missing_directory),
        cmocka_unit_test(every_function_is_exported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

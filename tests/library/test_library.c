/* libcloze.so as another program uses it. Every function of the header is named here, so a library
 * that does not export it fails to link. Results are the subject of tests/model/test_inference.c.
 */
#include "cloze/cloze.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const char absent[] = "/nonexistent/model";

static void a_missing_directory_is_bad_input(void **state)
{
    (void)state;
    struct cloze_error error;
    assert_null(cloze_open(absent, &error));
    assert_true(error.bad_input);
    assert_string_equal(error.message, "/nonexistent/model/config.json: cannot open: No such file "
                                       "or directory");
}

static void nothing_is_freed_for_null(void **state)
{
    (void)state;
    cloze_close(NULL);
    cloze_fill_free(NULL);
}

/* What a program does with a model; compiled and linked, and run up to the missing directory. */
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
                cloze_next_sentence(model, "a", "b", &probability, error);
    free(states);
    cloze_fill_free(fill);
    cloze_close(model);
    return done;
}

static void every_function_is_exported(void **state)
{
    (void)state;
    struct cloze_error error;
    assert_false(use_model(absent, &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_directory_is_bad_input),
        cmocka_unit_test(nothing_is_freed_for_null),
        cmocka_unit_test(every_function_is_exported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

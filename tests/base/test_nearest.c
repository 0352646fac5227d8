#include "base/nearest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void distances_are_those_of_damerau_and_levenshtein(void **state)
{
    (void)state;
    assert_int_equal(edit_distance("", ""), 0);
    assert_int_equal(edit_distance("", "abc"), 3);
    assert_int_equal(edit_distance("abc", ""), 3);
    assert_int_equal(edit_distance("train", "train"), 0);
    assert_int_equal(edit_distance("kitten", "sitting"), 3);
    assert_int_equal(edit_distance("tokenzie", "tokenize"), 1);
    assert_int_equal(edit_distance("ca", "abc"), 3);
}

static void the_nearest_word_is_near(void **state)
{
    (void)state;
    const char *const candidates[] = {"train", "eval", "tokenize"};
    assert_string_equal(nearest_word("trian", candidates, 3), "train");
    assert_string_equal(nearest_word("tokenise", candidates, 3), "tokenize");
    assert_null(nearest_word("zzzzzz", candidates, 3));
    assert_null(nearest_word("train", candidates, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances_are_those_of_damerau_and_levenshtein),
        cmocka_unit_test(the_nearest_word_is_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The configuration of no command of cloze: a schema of its own with a key of each type. */
#include "base/directory.h"
#include "config/config_print.h"
#include "support/run_config_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum roast { ROAST_LIGHT, ROAST_DARK };

struct pour {
    int grams;
    double seconds;
};

struct coffee {
    struct config common;
    int64_t beans;
    char *output;
    struct {
        bool paper_filter;
        int cups;
        double degrees;
        enum roast roast;
        char grind[CONFIG_NAME_SIZE];
        char name[CONFIG_TEXT_SIZE];
        struct strings waters;
        struct {
            struct pour *items;
            size_t count;
        } pours;
        int64_t rest_seconds; /* -1: absent */
        struct strings guests;
        struct integers tables;
    } brew;
    int untouched; /* no key */
};

#define AT(member) offsetof(struct coffee, member)

static const char *const sections[] = {"brew", NULL};
static const char *const roasts[] = {"light", "dark", NULL};
static const char *const grinds[] = {"", "fine", "coarse", NULL};

static const struct config_key pour_keys[] = {
    {"grams", CONFIG_INT, offsetof(struct pour, grams), .minimum = 1, .maximum = 500,
     .required = true},
    {"seconds", CONFIG_REAL, offsetof(struct pour, seconds), .maximum = 60, .required = true},
};
static const struct config_schema pour_schema = {pour_keys, 2, sizeof(struct pour),
                                                 .title = "pour"};

static const struct config_key keys[] = {
    {"beans", CONFIG_INT64, AT(beans), "20", "how many", .maximum = 9007199254740992.0},
    {"output", CONFIG_PATH, AT(output), NULL, "the pot", .required = true},
    {"brew.paper_filter", CONFIG_BOOL, AT(brew.paper_filter), "true",
     .help = "whether paper filters"},
    {"brew.cups", CONFIG_INT, AT(brew.cups), "2", "cups", .minimum = 1, .maximum = 12,
     .changes_on_resume = true},
    {"brew.degrees", CONFIG_REAL, AT(brew.degrees), "92.5", "of the water", .above_minimum = true,
     .maximum = 100, .below_maximum = true},
    {"brew.roast", CONFIG_CHOICE, AT(brew.roast), "dark", "of the beans", .choices = roasts},
    {"brew.grind", CONFIG_NAME, AT(brew.grind), NULL, "of the beans", .choices = grinds,
     .when_absent = "as it comes"},
    {"brew.name", CONFIG_TEXT, AT(brew.name), "house", .help = "on the menu"},
    {"brew.waters", CONFIG_PATHS, AT(brew.waters), NULL, "files", .when_absent = "tap",
     .names_content = true},
    {"brew.pours", CONFIG_LIST, AT(brew.pours), NULL, "how to pour it", .when_absent = "at once",
     .example = "[{grams: 40, seconds: 30}]", .element = &pour_schema},
    {"brew.rest_seconds", CONFIG_INT64, AT(brew.rest_seconds), NULL, "before the first cup",
     .maximum = 600, .absent = -1, .when_absent = "until it is cold", .set_by = "by the barista"},
    {"brew.guests", CONFIG_TEXTS, AT(brew.guests), NULL, "who drinks it", .when_absent = "you"},
    {"brew.tables", CONFIG_INTEGERS, AT(brew.tables), NULL, "where", .minimum = -1, .maximum = 40,
     .when_absent = "the bar"},
};

static const struct config_schema schema = {
    keys,
    sizeof keys / sizeof *keys,
    sizeof(struct coffee),
    .title = "The pot",
    .sections = sections,
    .command = "coffee make",
    .list_command = "coffee keys",
    .example_entry = "beans: 20",
    .example_setting = "brew.cups=3",
    .use_input = {"To brew it, name it in brew.waters: ", "."},
    .introduction = "# Coffee\n",
};

static struct coffee *load(const char *text, const char *setting, struct error *error)
{
    *error = (struct error){0};
    write_config("coffee.yaml", text);
    return config_load(&schema, "coffee.yaml", &setting, setting != NULL, NULL, error);
}

static struct coffee *expect_load(const char *text, const char *setting)
{
    struct error error;
    struct coffee *coffee = load(text, setting, &error);
    if (!coffee)
        fail_msg("%s", error.message);
    return coffee;
}

/* Text of printing functions, owned; they cannot fail here. */
static char *print(const struct coffee *coffee, bool origins)
{
    struct error error = {0};
    struct buffer text = {0};
    assert_true(config_print(coffee, origins, &text, &error));
    return text.data;
}

#define EVERY_KEY                                                                                  \
    "beans: 7\noutput: /pot\nbrew:\n  paper_filter: false\n  cups: 3\n  degrees: 8.75e+01\n"       \
    "  roast: 'light'\n  grind: coarse\n  name: \"7\"\n  waters: [a.txt, /b*.txt]\n"               \
    "  pours: [{grams: 40, seconds: 30}, {seconds: .5, grams: 1}]\n  rest_seconds: 0\n"            \
    "  guests: [yes, '2', /b, \"a, b\"]\n  tables: [7, -1]\n"

/* ---- loading ---- */

static void test_defaults(void **state)
{
    (void)state;
    struct coffee *coffee = expect_load("output: pot\n", NULL);
    assert_int_equal(coffee->beans, 20);
    assert_path_is(coffee->output, "pot");
    assert_true(coffee->brew.paper_filter);
    assert_int_equal(coffee->brew.cups, 2);
    assert_true(coffee->brew.degrees == 92.5);
    assert_int_equal(coffee->brew.roast, ROAST_DARK);
    assert_string_equal(coffee->brew.grind, "");
    assert_string_equal(coffee->brew.name, "house");
    assert_int_equal(coffee->brew.waters.count, 0);
    assert_int_equal(coffee->brew.pours.count, 0);
    assert_int_equal(coffee->brew.rest_seconds, -1);
    assert_int_equal(coffee->untouched, 0);
    config_free(coffee);
}

static void test_file(void **state)
{
    (void)state;
    struct coffee *coffee = expect_load(EVERY_KEY, NULL);
    assert_int_equal(coffee->beans, 7);
    assert_string_equal(coffee->output, "/pot");
    assert_false(coffee->brew.paper_filter);
    assert_int_equal(coffee->brew.cups, 3);
    assert_true(coffee->brew.degrees == 87.5);
    assert_int_equal(coffee->brew.roast, ROAST_LIGHT);
    assert_string_equal(coffee->brew.grind, "coarse");
    assert_string_equal(coffee->brew.name, "7");
    assert_int_equal(coffee->brew.waters.count, 2);
    assert_path_is(coffee->brew.waters.items[0], "a.txt");
    assert_string_equal(coffee->brew.waters.items[1], "/b*.txt");
    assert_int_equal(coffee->brew.pours.count, 2);
    assert_int_equal(coffee->brew.pours.items[0].grams, 40);
    assert_int_equal(coffee->brew.pours.items[1].grams, 1);
    assert_true(coffee->brew.pours.items[1].seconds == 0.5);
    assert_int_equal(coffee->brew.rest_seconds, 0);
    assert_int_equal(coffee->brew.guests.count, 4);
    assert_string_equal(coffee->brew.guests.items[0], "yes");
    assert_string_equal(coffee->brew.guests.items[1], "2");
    assert_string_equal(coffee->brew.guests.items[3], "a, b");
    assert_int_equal(coffee->brew.tables.count, 2);
    assert_int_equal(coffee->brew.tables.items[0], 7);
    assert_int_equal(coffee->brew.tables.items[1], -1);
    config_free(coffee);
}

/* A list of one needs no brackets; a text is taken as the shell gives it. */
static void test_lists_of_one(void **state)
{
    (void)state;
    struct coffee *coffee = expect_load("brew: {guests: Ann, tables: 3}\n", NULL);
    assert_int_equal(coffee->brew.guests.count, 1);
    assert_string_equal(coffee->brew.guests.items[0], "Ann");
    assert_int_equal(coffee->brew.tables.count, 1);
    assert_int_equal(coffee->brew.tables.items[0], 3);
    config_free(coffee);
    coffee = expect_load("output: pot\n", "brew.guests=* #1: x");
    assert_int_equal(coffee->brew.guests.count, 1);
    assert_string_equal(coffee->brew.guests.items[0], "* #1: x");
    config_free(coffee);
    coffee = expect_load("brew: {guests: [a, b]}\n", "brew.guests=");
    assert_int_equal(coffee->brew.guests.count, 0);
    config_free(coffee);
}

/* Each value of the file is replaced, and what it owned is freed (leak checkers see that). */
static void test_settings(void **state)
{
    (void)state;
    const char *const settings[] = {"beans=8",
                                    "output=a b: #c",
                                    "brew.paper_filter=true",
                                    "brew.cups=12",
                                    "brew.degrees=1e1",
                                    "brew.roast=dark",
                                    "brew.grind=",
                                    "brew.name=a #b",
                                    "brew.waters=[x, y, z]",
                                    "brew.pours=[{grams: 9, seconds: 0}]",
                                    "brew.rest_seconds=~",
                                    "brew.guests=[x, y]",
                                    "brew.tables=[1, 2, 3]"};
    struct error error = {0};
    write_config("coffee.yaml", EVERY_KEY);
    struct coffee *coffee = config_load(&schema, "coffee.yaml", settings,
                                        sizeof settings / sizeof *settings, NULL, &error);
    assert_non_null(coffee);
    assert_int_equal(coffee->beans, 8);
    assert_path_is(coffee->output, "a b: #c");
    assert_true(coffee->brew.paper_filter);
    assert_int_equal(coffee->brew.cups, 12);
    assert_true(coffee->brew.degrees == 10);
    assert_int_equal(coffee->brew.roast, ROAST_DARK);
    assert_string_equal(coffee->brew.grind, "");
    assert_string_equal(coffee->brew.name, "a #b");
    assert_int_equal(coffee->brew.waters.count, 3);
    assert_path_is(coffee->brew.waters.items[2], "z");
    assert_int_equal(coffee->brew.pours.count, 1);
    assert_int_equal(coffee->brew.pours.items[0].grams, 9);
    assert_int_equal(coffee->brew.rest_seconds, -1);
    assert_int_equal(coffee->brew.guests.count, 2);
    assert_string_equal(coffee->brew.guests.items[1], "y");
    assert_int_equal(coffee->brew.tables.count, 3);
    assert_int_equal(coffee->brew.tables.items[2], 3);
    config_free(coffee);
}

/* ---- errors ---- */

struct refusal {
    const char *text, *setting, *message;
};

static void expect_refusals(const struct refusal *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct error error;
        struct coffee *coffee = load(cases[i].text, cases[i].setting, &error);
        bool loaded = coffee != NULL;
        if (coffee)
            config_free(coffee);
        assert_false(loaded);
        assert_string_equal(error.message, cases[i].message);
        assert_int_equal(error.kind, ERROR_INPUT);
    }
}

static void test_wrong_values(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"beans: 9007199254740993", NULL,
         "coffee.yaml:1: beans: found \"9007199254740993\"; expected an integer from 0 to "
         "9007199254740992"},
        {"output: [a]", NULL, "coffee.yaml:1: output: found a list; expected a path"},
        {"brew:\n  paper_filter: 'true'", NULL,
         "coffee.yaml:2: brew.paper_filter: found the string \"true\"; expected false or true"},
        {"brew:\n  cups: 13", NULL,
         "coffee.yaml:2: brew.cups: found \"13\"; expected an integer from 1 to 12"},
        {"brew:\n  degrees: 100", NULL,
         "coffee.yaml:2: brew.degrees: found \"100\"; expected a number above 0 and below 100"},
        {"brew:\n  roast: burnt", NULL,
         "coffee.yaml:2: brew.roast: found \"burnt\"; expected light or dark"},
        {"brew:\n  grind: 5", NULL,
         "coffee.yaml:2: brew.grind: found \"5\"; expected fine or coarse"},
        {"brew:\n  name:", NULL,
         "coffee.yaml:2: brew.name: found nothing; expected a text of 1 to 127 bytes"},
        {"brew:\n  waters:\n  - a\n  - {b: c}", NULL,
         "coffee.yaml:4: brew.waters: found a mapping; expected a path, or a list such as [a.txt, "
         "b.txt]"},
        {"brew:\n  pours: 40", NULL,
         "coffee.yaml:2: brew.pours: found \"40\"; expected a list such as [{grams: 40, seconds: "
         "30}]"},
        {"brew:\n  pours:\n  - {grams: 1, seconds: 61}", NULL,
         "coffee.yaml:3: brew.pours: seconds: found \"61\"; expected a number of at least 0 and at "
         "most 60"},
        {"brew:\n  pours:\n  - {grams: 1}", NULL,
         "coffee.yaml:3: brew.pours: a pour has no seconds"},
        {"brew:\n  pours:\n  - {gram: 1}", NULL,
         "coffee.yaml:3: brew.pours: unknown key gram; expected grams and seconds"},
        {"brew:\n  pours:\n  - {grams: 1, grams: 1}", NULL,
         "coffee.yaml:3: brew.pours: grams is given twice"},
        {"brew:\n  guests:\n  - a\n  - [b]", NULL,
         "coffee.yaml:4: brew.guests: found a list; expected a text, or a list such as [no, yes]"},
        {"brew:\n  tables:\n  - 1\n  - 41", NULL,
         "coffee.yaml:4: brew.tables: found \"41\"; expected a list of integers from -1 to 40"},
        {"brew:\n  tables: ['1']", NULL,
         "coffee.yaml:2: brew.tables: found the string \"1\"; expected a list of integers from -1 "
         "to 40"},
        {"output: pot", "brew.guests=[a, b",
         "--set brew.guests=[a, b: YAML syntax error: did not find "
         "expected ',' or ']'"},
        {"output: pot", "brew.rest_seconds=601",
         "--set brew.rest_seconds=601: brew.rest_seconds: found \"601\"; expected an integer from "
         "0 to 600"},
    };
    expect_refusals(cases, sizeof cases / sizeof *cases);
}

static void test_wrong_keys(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"output: pot\nbrew:\n  cusp: 1", NULL,
         "coffee.yaml:3: unknown key brew.cusp; did you mean brew.cups?"},
        {"rest: 1", NULL, "coffee.yaml:1: unknown key rest; did you mean brew.rest_seconds?"},
        {"brwe: 1", NULL, "coffee.yaml:1: unknown key brwe; did you mean brew?"},
        {"tea.leaves: 1", NULL,
         "coffee.yaml:1: unknown key tea.leaves; 'coffee keys' lists the keys"},
        {"beans: 1\nbeans: 1", NULL, "coffee.yaml:2: beans is given twice; first on line 1"},
        {"brew: {cups: 1,\n cups: 1}", NULL,
         "coffee.yaml:2: brew.cups is given twice; first on line 1"},
        {"brew.cups: 1", NULL, "coffee.yaml:1: brew.cups: expected cups in the section brew"},
        {"brew: 1", NULL, "coffee.yaml:1: brew is a section; expected its keys below it, indented"},
        {"", NULL, "coffee.yaml: the file is empty; expected keys, at least output"},
        {"[]", NULL, "coffee.yaml:1: expected keys with values, such as \"beans: 20\""},
        {"output: pot", "cups", "--set cups: expected KEY=VALUE, such as brew.cups=3"},
        {"output: pot", "brew=1",
         "--set brew=1: brew is a section; expected a key, such as brew.KEY"},
    };
    expect_refusals(cases, sizeof cases / sizeof *cases);
}

/* A file that is not a configuration, and a directory: what to do is the schema's to say. */
static void test_wrong_files(void **state)
{
    (void)state;
    struct error error = {0};
    write_config("water.txt", "clear and cold\n");
    assert_null(config_load(&schema, "water.txt", NULL, 0, NULL, &error));
    assert_string_equal(error.message, "water.txt: is not a configuration. To brew it, name it in "
                                       "brew.waters: \"water.txt\".");
    assert_true(directory_make("pot", &error));
    write_config("pot/config.yaml", "output: pot\n");
    assert_null(config_load(&schema, "pot", NULL, 0, NULL, &error));
    assert_string_equal(error.message,
                        "pot: is a directory; expected a configuration, such as pot/config.yaml, "
                        "with which the run goes on: coffee make pot/config.yaml --resume");
}

static void expect_key_error(const struct coffee *coffee, size_t offset, const char *message)
{
    struct error error = {0};
    assert_false(fail_key(coffee, config_key_at(&schema, offset), &error, "is %d", 1));
    assert_string_equal(error.message, message);
}

static void test_errors_name_where_a_key_was_given(void **state)
{
    (void)state;
    struct coffee *coffee = expect_load("beans: 1\n", "brew.cups=1");
    expect_key_error(coffee, AT(beans), "coffee.yaml:1: beans: is 1");
    expect_key_error(coffee, AT(brew.cups), "--set brew.cups: is 1");
    expect_key_error(coffee, AT(brew.degrees), "coffee.yaml: brew.degrees: is 1");
    config_free(coffee);
}

static void test_required_keys(void **state)
{
    (void)state;
    struct error error = {0};
    struct coffee *coffee = expect_load("beans: 1\n", NULL);
    assert_false(config_check_required(coffee, &error));
    assert_string_equal(error.message,
                        "coffee.yaml: output: is missing; expected a path (the pot)");
    config_free(coffee);
    coffee = expect_load("output: pot\n", NULL);
    assert_true(config_check_required(coffee, &error));
    config_free(coffee);
}

/* ---- printing ---- */

static void test_printing(void **state)
{
    (void)state;
    struct coffee *coffee = expect_load(EVERY_KEY, "brew.waters=/b*.txt");
    char *text = print(coffee, false);
    assert_string_equal(text, "beans: 7\noutput: /pot\nbrew:\n  paper_filter: false\n  cups: 3\n"
                              "  degrees: 87.5\n  roast: light\n  grind: coarse\n  name: \"7\"\n"
                              "  waters: [/b*.txt]\n"
                              "  pours: [{grams: 40, seconds: 30.0}, {grams: 1, seconds: 0.5}]\n"
                              "  rest_seconds: 0\n"
                              "  guests: [\"yes\", \"2\", /b, \"a, b\"]\n"
                              "  tables: [7, -1]\n");
    struct coffee *again = expect_load(text, NULL);
    char *second = print(again, false);
    assert_string_equal(second, text);
    for (size_t i = 0; i < schema.count; i++)
        assert_true(config_value_equal(coffee, again, &keys[i]));
    free(text);
    free(second);
    config_free(coffee);
    config_free(again);
}

static void test_origins(void **state)
{
    (void)state;
    struct coffee *coffee = expect_load("output: /pot\nbrew:\n  cups: 4\n", "brew.roast=light");
    config_set_origin(coffee, config_key_at(&schema, AT(brew.degrees)), "the kettle");
    assert_true(config_is_given(coffee, config_key_at(&schema, AT(brew.cups))));
    assert_true(config_is_given(coffee, config_key_at(&schema, AT(brew.roast))));
    assert_false(config_is_given(coffee, config_key_at(&schema, AT(brew.degrees))));
    char *text = print(coffee, true);
    assert_string_equal(text, "beans: 20                                   # default\n"
                              "output: /pot                                # coffee.yaml:1\n"
                              "brew:\n"
                              "  paper_filter: true                        # default\n"
                              "  cups: 4                                   # coffee.yaml:3\n"
                              "  degrees: 92.5                             # the kettle\n"
                              "  roast: light                              # --set\n"
                              "  grind:                                    # default\n"
                              "  name: \"house\"                             # default\n"
                              "  waters:                                   # default\n"
                              "  pours:                                    # default\n"
                              "  rest_seconds:                             # default\n"
                              "  guests:                                   # default\n"
                              "  tables:                                   # default\n");
    free(text);
    config_free(coffee);
}

static bool differs(const void *a, const void *b, const struct config_key *key)
{
    return !key->changes_on_resume && !config_value_equal(a, b, key);
}

static void test_differences(void **state)
{
    (void)state;
    struct error error = {0};
    struct buffer text = {0};
    struct coffee *a = expect_load("output: /a\nbrew: {cups: 3, waters: [/x, /y]}\n", NULL);
    struct coffee *b = expect_load(EVERY_KEY, "brew.waters=[/x, /z]");
    assert_true(config_print_differences(a, a, differs, &text, &error));
    assert_int_equal(text.size, 0);
    assert_true(config_print_differences(a, b, differs, &text, &error));
    assert_string_equal(
        text.data,
        "beans is 7, was 20; output is /pot, was /a; brew.paper_filter is false, was true; "
        "brew.degrees is 87.5, was 92.5; brew.roast is light, was dark; brew.grind is coarse, was "
        "absent; brew.name is \"7\", was \"house\"; brew.waters is [/x, /z], was [/x, /y]; "
        "brew.pours is [{grams: 40, seconds: 30.0}, {grams: 1, seconds: 0.5}], was absent; "
        "brew.rest_seconds is 0, was absent; brew.guests is [\"yes\", \"2\", /b, \"a, b\"], was "
        "absent; brew.tables is [7, -1], was absent");
    buffer_free(&text);
    config_free(a);
    config_free(b);
}

/* Lists differ in their lengths and in any item. */
static void test_lists_that_differ(void **state)
{
    (void)state;
    const struct config_key *pours = config_key_at(&schema, AT(brew.pours));
    const char *const others[] = {"[{grams: 41, seconds: 3}]", "[{grams: 40, seconds: 4}]",
                                  "[{grams: 40, seconds: 3}, {grams: 40, seconds: 3}]", "[]"};
    struct coffee *a = expect_load("brew: {pours: [{grams: 40, seconds: 3}]}\n", NULL);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char setting[128];
        snprintf(setting, sizeof setting, "brew.pours=%s", others[i]);
        struct coffee *b = expect_load("output: pot\n", setting);
        assert_false(config_value_equal(a, b, pours));
        config_free(b);
    }
    struct coffee *b = expect_load("brew: {pours: [{seconds: 3.0, grams: 40}]}\n", NULL);
    assert_true(config_value_equal(a, b, pours));
    config_free(a);
    config_free(b);
}

/* ---- the reference ---- */

static void test_reference(void **state)
{
    (void)state;
    struct error error = {0};
    struct buffer text = {0}, page = {0};
    assert_true(config_reference(&schema, false, &text, &error));
    assert_non_null(strstr(text.data, "  output: a path; required\n      the pot\n"));
    assert_non_null(strstr(text.data, "  brew.grind: fine or coarse; default: absent\n"
                                      "      of the beans; absent: as it comes\n"));
    assert_true(config_reference(&schema, true, &page, &error));
    static const char start[] = "# Coffee\n"
                                "\n"
                                "## The pot\n"
                                "\n"
                                "| key | value | default | meaning | on resume |\n"
                                "| --- | --- | --- | --- | --- |\n"
                                "| `beans` | an integer from 0 to 9007199254740992 | 20 | how many "
                                "|  |\n";
    assert_memory_equal(page.data, start, sizeof start - 1);
    assert_non_null(strstr(page.data, "\n\n## brew\n\n| key |"));
    assert_non_null(
        strstr(page.data, "\n| `cups` | an integer from 1 to 12 | 2 | cups | may change |"));
    assert_non_null(strstr(page.data, "| absent | files; absent: tap | may be moved |\n"));
    assert_non_null(
        strstr(page.data, "| `rest_seconds` | an integer from 0 to 600 | by the barista |"));
    buffer_free(&text);
    buffer_free(&page);
}

#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, run_config_enter_directory, run_config_leave_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),          TEST(test_file),
        TEST(test_lists_of_one),      TEST(test_settings),
        TEST(test_wrong_values),      TEST(test_wrong_keys),
        TEST(test_wrong_files),       TEST(test_errors_name_where_a_key_was_given),
        TEST(test_required_keys),     TEST(test_printing),
        TEST(test_origins),           TEST(test_differences),
        TEST(test_lists_that_differ), TEST(test_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

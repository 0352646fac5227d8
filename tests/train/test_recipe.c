/* The recipes for texts and machines that differ. */
#include "train/recipe.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const double HOUR = 3600;

static struct text_survey text_of(uint64_t words, uint64_t documents)
{
    return (struct text_survey){
        .files = 1,
        .read_share = 1,
        .words = words,
        .sentences = words / 20,
        .lines = words / 100 + 1,
        .counts = {.bytes = words * 6, .documents = documents},
    };
}

static struct recipe recipe_for(uint64_t words, uint64_t documents, const char *size, double speed,
                                double seconds)
{
    const struct text_survey text = text_of(words, documents);
    struct recipe recipe = recipe_of_text(&text);
    recipe_choose(&recipe, size, true, speed, seconds);
    return recipe;
}

/* English Wikipedia of 30 MB, as configs/mini-wiki.yaml is for. */
static void two_hours_of_wikipedia(void **state)
{
    (void)state;
    struct recipe recipe = recipe_for(5912599, 1710, "mini", 15500, 2 * HOUR);
    assert_int_equal(recipe.vocab_size, 14600);
    assert_int_equal(recipe.seq_len, 128);
    assert_int_equal(recipe.batch_size, 32);
    assert_true(recipe.pairs && recipe.enough);
    assert_int_equal(recipe.limit, RECIPE_HOURS);
    assert_true(recipe.learning_rate == 5e-4);
    assert_true(fabs(recipe.seconds - 2 * HOUR) < 0.01 * 2 * HOUR);
    assert_true(recipe.steps % 100 == 0 && recipe.steps > 26000 && recipe.steps < 26600);
}

static void a_size_needs_tokens_for_its_weights(void **state)
{
    (void)state;
    const struct text_survey text = text_of(5912599, 1710), short_text = text_of(100000, 100);
    const struct recipe recipe = recipe_of_text(&text), short_recipe = recipe_of_text(&short_text);
    struct model_config mini, small;
    assert_true(model_config_size("mini", &mini) && model_config_size("small", &small));
    assert_true(recipe_size_is_fed(&recipe, &mini, 15500, 2 * HOUR));
    assert_false(recipe_size_is_fed(&recipe, &mini, 15500, HOUR / 2));
    assert_false(recipe_size_is_fed(&recipe, &small, 5000, 2 * HOUR));
    assert_true(recipe_size_is_fed(&recipe, &small, 5000, 20 * HOUR));
    /* However long it is read. */
    assert_false(recipe_size_is_fed(&short_recipe, &mini, 15500, 1000 * HOUR));
}

static void a_small_text_is_not_learned_by_heart(void **state)
{
    (void)state;
    struct recipe recipe = recipe_for(100000, 100, "tiny", 80000, 2 * HOUR);
    assert_int_equal(recipe.limit, RECIPE_TEXT);
    assert_false(recipe.enough);
    assert_true(recipe.epochs > RECIPE_EPOCHS - 1 && recipe.epochs <= RECIPE_EPOCHS);
    assert_true(recipe.seconds < 2 * HOUR);
    assert_int_equal(recipe.vocab_size, 2000);
    assert_true(recipe.valid_fraction == 0.1);
}

/* Whatever the rounding: 100,000 words are 115,000 tokens, of which 40 epochs take longer. */
static void the_time_decides_where_the_text_would_do(void **state)
{
    (void)state;
    for (int speed = 1000; speed < 20000; speed += 7)
        assert_int_equal(recipe_for(100000, 100, "tiny", speed, 0.05 * HOUR).limit, RECIPE_HOURS);
}

/* A tenth of a small text is held out: if it were measured 35 times, that would take as long as the
 * training. */
static void evaluations_leave_time_for_the_steps(void **state)
{
    (void)state;
    const double speed = 20000, seconds = 0.01 * HOUR;
    const struct text_survey text = text_of(100000, 100);
    const struct recipe recipe = recipe_for(100000, 100, "tiny", speed, seconds);
    struct buffer out = {0};
    struct error error = {0};
    assert_true(recipe_print(&recipe, &text, NULL, 0, "runs/a", NULL, &out, &error));
    const char *every = strstr(out.data, "  eval_every: ");
    assert_non_null(every);
    const double count = (double)recipe.steps / atoi(every + strlen("  eval_every: "));
    buffer_free(&out);
    assert_true(count >= 10 && count < 26);
    const double steps = (double)recipe.steps * recipe.batch_size * recipe.seq_len / speed;
    const double evaluations = count * recipe.valid_fraction * recipe.text_tokens / speed / 3;
    assert_true(fabs(steps + evaluations - seconds) < 0.1 * seconds);
    assert_true(fabs(recipe.seconds - seconds) < 0.02 * seconds);
}

static void a_month_gets_batches_of_bert(void **state)
{
    (void)state;
    struct recipe recipe = recipe_for(1000000000, 1000000, "base", 1400, 30 * 24 * HOUR);
    assert_int_equal(recipe.batch_size, 256);
    assert_int_equal(recipe.vocab_size, 30522);
    assert_true(recipe.learning_rate == 1e-4);
    assert_true(recipe.valid_fraction == 0.001);
}

static void pairs_need_documents_of_several_sentences(void **state)
{
    (void)state;
    struct text_survey text = text_of(100000, 1000);
    assert_true(recipe_of_text(&text).pairs);
    text.short_documents = 900;
    assert_false(recipe_of_text(&text).pairs);
    text.short_documents = 0;
    text.sentences = 1900; /* of 1,000 documents */
    assert_false(recipe_of_text(&text).pairs);
    text = text_of(100000, 5);
    assert_true(recipe_of_text(&text).pairs);
    text.short_documents = 4;
    assert_false(recipe_of_text(&text).pairs);
    text = text_of(100000, 1);
    assert_false(recipe_of_text(&text).pairs);
    assert_true(recipe_of_text(&text).valid_fraction == 0);
}

static void short_documents_get_short_sequences(void **state)
{
    (void)state;
    struct text_survey text = text_of(100000, 5000);
    const struct recipe recipe = recipe_of_text(&text);
    assert_int_equal(recipe.seq_len, 32);
    assert_true(recipe.text_tokens / 5000 >= recipe.seq_len / 2.0); /* no warning in training */
}

static void many_threads_get_larger_batches(void **state)
{
    (void)state;
    const struct text_survey text = text_of(5912599, 1710);
    struct recipe recipe = recipe_of_text(&text);
    recipe.threads = 64;
    recipe_choose(&recipe, "mini", true, 15500, 2 * HOUR);
    assert_int_equal(recipe.batch_size, 64);
}

/* A gigabyte without an empty line, of which a thirtieth was read. */
static void a_document_that_was_cut_is_one(void **state)
{
    (void)state;
    struct text_survey text = text_of(6000000, 1);
    text.sampled = true;
    text.read_share = 0.032;
    text.cut_documents = 1;
    assert_true(recipe_of_text(&text).valid_fraction == 0);
}

static void accents_that_tell_words_apart_are_kept(void **state)
{
    (void)state;
    struct text_survey text = text_of(100000, 100);
    text.accent_share = 0.001;
    assert_false(recipe_of_text(&text).accents);
    text.accent_share = 0.1;
    assert_true(recipe_of_text(&text).accents);
    struct recipe recipe = recipe_of_text(&text);
    recipe_choose(&recipe, "tiny", true, 15500, HOUR);
    struct buffer out = {0};
    struct error error = {0};
    assert_true(recipe_print(&recipe, &text, NULL, 0, "runs/a", NULL, &out, &error));
    assert_non_null(
        strstr(out.data, "  strip_accents: false              # 10.0 % of the letters"));
    buffer_free(&out);
}

static void every_value_has_a_reason(void **state)
{
    (void)state;
    const struct text_survey text = text_of(5912599, 1710);
    const struct recipe recipe = recipe_for(5912599, 1710, "mini", 15500, 2 * HOUR);
    const char *const files[] = {"a \"quoted\".txt"};
    struct buffer out = {0};
    struct error error = {0};
    assert_true(recipe_print(&recipe, &text, files, 1, "runs/a", "body", &out, &error));
    for (const char *line = out.data; line && *line; line = strchr(line, '\n') + 1) {
        const char *end = strchr(line, '\n'), *colon = memchr(line, ':', (size_t)(end - line));
        if (line[0] == ' ' && colon && colon + 1 < end && !memchr(line, '"', (size_t)(end - line)))
            assert_non_null(memchr(colon, '#', (size_t)(end - colon)));
    }
    assert_non_null(strstr(out.data, "    - \"a \\\"quoted\\\".txt\"\n"));
    assert_non_null(strstr(out.data, "  text_field: \"body\"\n"));
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_hours_of_wikipedia),
        cmocka_unit_test(a_size_needs_tokens_for_its_weights),
        cmocka_unit_test(a_small_text_is_not_learned_by_heart),
        cmocka_unit_test(the_time_decides_where_the_text_would_do),
        cmocka_unit_test(evaluations_leave_time_for_the_steps),
        cmocka_unit_test(a_month_gets_batches_of_bert),
        cmocka_unit_test(pairs_need_documents_of_several_sentences),
        cmocka_unit_test(short_documents_get_short_sequences),
        cmocka_unit_test(many_threads_get_larger_batches),
        cmocka_unit_test(a_document_that_was_cut_is_one),
        cmocka_unit_test(accents_that_tell_words_apart_are_kept),
        cmocka_unit_test(every_value_has_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Reads files of GLUE, STS and WNUT-17 as they are. These are not part of this project; they are
 * read from $CLOZE_SHARED or ../shared/data. Numbers of rows are those that the tasks publish. */
#include "data/labelled_set.h"

#include "support/skipping.h"
#include "support/tokenizer_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct shared_set {
    struct labelled_set set;
    struct label_list labels;
};

/* Writes the path of a shared file; skips the test if it is missing. */
static void find_shared(char path[512], const char *name)
{
    const char *shared = getenv("CLOZE_SHARED");
    snprintf(path, 512, "%s/%s", shared ? shared : TEST_SHARED, name);
    require_file(path);
}

static struct tokenizer_fixture open_uncased(void)
{
    struct error error = {0};
    char path[512];
    find_shared(path, "vocab/bert-base-uncased.txt");
    return tokenizer_fixture_open(vocabulary_load(path, &error), true);
}

/* Reads a file into `shared`, with the labels that it has or gets them. */
static void read_shared(struct shared_set *shared, const char *name,
                        struct labelled_settings settings, size_t count)
{
    char path[512];
    const char *pattern = path;
    struct error error = {0};
    struct corpus_files files;
    find_shared(path, name);
    const struct tokenizer_fixture fixture = open_uncased();
    settings.names = &labelled_key_names;
    const struct labelled_reading reading = {
        .settings = &settings,
        .tokenizer = fixture.tokenizer,
        .max_length = 512,
        .training = true,
    };
    labelled_set_free(&shared->set);
    assert_true(corpus_files_expand(&files, &pattern, 1, &error));
    if (!labelled_set_read(&shared->set, &files, &reading,
                           settings.kind == TASK_REGRESSION ? NULL : &shared->labels, &error))
        fail_msg("%s", error.message);
    corpus_files_free(&files);
    tokenizer_fixture_close(fixture);
    assert_int_equal(shared->set.count, count);
    assert_int_equal(shared->set.counts.empty.count, 0);
}

static void close_shared(struct shared_set *shared)
{
    labelled_set_free(&shared->set);
    label_list_free(&shared->labels);
}

/* Asserts on the number of examples of the class. */
static void expect_class(const struct shared_set *shared, const char *name, size_t count)
{
    size_t found = 0;
    const int32_t label = label_list_find(&shared->labels, name, strlen(name));
    for (size_t i = 0; i < shared->set.count; i++)
        found += shared->set.examples[i].label == label;
    assert_int_equal(found, count);
}

static void sst_2_has_a_header(void **state)
{
    (void)state;
    struct shared_set shared = {0};
    const struct labelled_settings settings = {.header = true, .text = "sentence"};
    read_shared(&shared, "glue/SST-2/train.tsv", settings, 67349);
    assert_int_equal(label_list_count(&shared.labels), 2);
    read_shared(&shared, "glue/SST-2/dev.tsv", settings, 872);
    expect_class(&shared, "0", 428);
    expect_class(&shared, "1", 444);
    close_shared(&shared);
}

static void cola_has_no_header(void **state)
{
    (void)state;
    struct shared_set shared = {0};
    const struct labelled_settings settings = {.text = "4", .label = "2"};
    read_shared(&shared, "glue/CoLA/train.tsv", settings, 8551);
    read_shared(&shared, "glue/CoLA/dev.tsv", settings, 1043);
    expect_class(&shared, "0", 322);
    expect_class(&shared, "1", 721);
    close_shared(&shared);
}

/* Unbalanced quotes and a byte-order mark; another reader of tables loses rows or the label. */
static void mrpc_has_quotes_and_a_mark(void **state)
{
    (void)state;
    struct shared_set shared = {0};
    const struct labelled_settings settings = {
        .header = true, .text = "#1 String", .text_pair = "#2 String", .label = "Quality"};
    read_shared(&shared, "glue/MRPC/train.tsv", settings, 3667);
    expect_class(&shared, "0", 1194);
    expect_class(&shared, "1", 2473);
    read_shared(&shared, "glue/MRPC/dev.tsv", settings, 408);
    expect_class(&shared, "0", 129);
    expect_class(&shared, "1", 279);
    close_shared(&shared);
}

static void sts_has_numbers(void **state)
{
    (void)state;
    struct shared_set shared = {0};
    const struct labelled_settings settings = {
        .kind = TASK_REGRESSION, .text = "2", .text_pair = "3", .label = "1"};
    read_shared(&shared, "sts/train.tsv", settings, 3000);
    read_shared(&shared, "sts/dev.tsv", settings, 750);
    read_shared(&shared, "sts/test.tsv", settings, 3000);
    for (size_t i = 0; i < shared.set.count; i++)
        assert_true(shared.set.examples[i].value >= 0 && shared.set.examples[i].value <= 5);
    close_shared(&shared);
}

static void wnut_17_has_words(void **state)
{
    (void)state;
    struct shared_set shared = {0};
    const struct labelled_settings settings = {.kind = TASK_TOKENS};
    read_shared(&shared, "ner/wnut17/train.conll", settings, 3394);
    assert_int_equal(shared.set.word_count, 62730);
    assert_int_equal(label_list_count(&shared.labels), 13);
    assert_string_equal(label_list_name(&shared.labels, 12), "O");
    read_shared(&shared, "ner/wnut17/dev.conll", settings, 1009);
    assert_int_equal(shared.set.word_count, 15733);
    assert_int_equal(shared.set.counts.words_no_token.count, 4);
    read_shared(&shared, "ner/wnut17/test.conll", settings, 1287);
    close_shared(&shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sst_2_has_a_header),         cmocka_unit_test(cola_has_no_header),
        cmocka_unit_test(mrpc_has_quotes_and_a_mark), cmocka_unit_test(sts_has_numbers),
        cmocka_unit_test(wnut_17_has_words),
    };
    return group_status(cmocka_run_group_tests(tests, NULL, NULL), sizeof tests / sizeof *tests);
}

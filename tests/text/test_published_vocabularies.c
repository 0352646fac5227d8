/* Tests the published vocabularies and other projects' golden files. These are not part of this
 * project; they are read from $CLOZE_SHARED or ../shared/data. */
#include "base/file.h"
#include "support/skipping.h"
#include "support/tokenizer_fixture.h"
#include "text/tokenizer.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Writes the path of a shared file; skips the test if the file is missing. */
static void find_shared(char path[512], const char *directory, const char *name)
{
    const char *shared = getenv("CLOZE_SHARED");
    snprintf(path, 512, "%s/%s/%s", shared ? shared : TEST_SHARED, directory, name);
    require_file(path);
}

static struct vocabulary *load_published(const char *name)
{
    struct error error = {0};
    char file[64], path[512];
    snprintf(file, sizeof file, "bert-base-%s.txt", name);
    find_shared(path, "vocab", file);
    struct vocabulary *vocabulary = vocabulary_load(path, &error);
    assert_non_null(vocabulary);
    return vocabulary;
}

static void published_vocabularies_load(void **state)
{
    static const struct {
        const char *name;
        int32_t size, mask;
    } published[] = {{"uncased", 30522, 103},
                     {"cased", 28996, 103},
                     {"multilingual-cased", 119547, 103},
                     {"chinese", 21128, 103}};

    (void)state;
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        struct vocabulary *vocabulary = load_published(published[i].name);
        assert_int_equal(vocabulary_size(vocabulary), published[i].size);
        assert_int_equal(vocabulary_special(vocabulary, SPECIAL_MASK), published[i].mask);
        vocabulary_free(vocabulary);
    }
}

static struct tokenizer_fixture open_uncased(void)
{
    return tokenizer_fixture_open(load_published("uncased"), true);
}

static void read_shared(const char *name, struct buffer *file)
{
    struct error error = {0};
    char path[512];
    find_shared(path, "tokenization", name);
    assert_true(file_read(path, 1 << 24, file, &error));
}

static json_t *read_records(const char *name)
{
    struct buffer file = {0};
    json_t *records = json_array();
    read_shared(name, &file);
    for (char *line = strtok(file.data, "\n"); line; line = strtok(NULL, "\n"))
        assert_int_equal(json_array_append_new(records, json_loads(line, 0, NULL)), 0);
    buffer_free(&file);
    return records;
}

static void expect_ids(struct tokenizer_fixture fixture, const char *text, size_t size,
                       const json_t *expected)
{
    const int32_t *ids;
    size_t count = tokenizer_fixture_encode(fixture, text, size, &ids);

    assert_int_equal(count, json_array_size(expected));
    for (size_t i = 0; i < count; i++)
        assert_int_equal(ids[i], json_integer_value(json_array_get(expected, i)));
}

/* Texts and ids from the golden file of Hugging Face tokenizers. */
static void golden_texts_of_hugging_face(void **state)
{
    struct tokenizer_fixture fixture = open_uncased();
    json_t *records = read_records("hf_golden_uncased.jsonl");
    size_t index, checked = 0;
    const json_t *record;

    (void)state;
    json_array_foreach (records, index, record) {
        const json_t *text = json_object_get(record, "text");
        const json_t *ids = json_object_get(record, "ids_no_specials");
        if (!text || !ids)
            continue;
        expect_ids(fixture, json_string_value(text), json_string_length(text), ids);
        checked++;
    }
    assert_in_range(checked, 10, 1000);
    json_decref(records);
    tokenizer_fixture_close(fixture);
}

/* Texts between separators and a line of ids for each, from llama.cpp's tests of the uncased
 * vocabulary. */
static void golden_texts_of_llama_cpp(void **state)
{
    static const char separator[] = "\n__ggml_vocab_test__\n";
    struct tokenizer_fixture fixture = open_uncased();
    struct buffer texts = {0}, lines = {0};
    size_t checked = 0;

    (void)state;
    read_shared("ggml-vocab-bert-bge.gguf.inp", &texts);
    read_shared("ggml-vocab-bert-bge.gguf.out", &lines);
    const char *text = texts.data, *line = lines.data;
    for (const char *end; (end = strstr(text, separator)) != NULL;
         text = end + sizeof separator - 1, checked++) {
        const int32_t *ids;
        size_t count = tokenizer_fixture_encode(fixture, text, (size_t)(end - text), &ids);

        for (size_t i = 0; i < count; i++) {
            char *next;
            assert_int_equal(ids[i], strtol(line, &next, 10));
            line = next;
        }
        assert_int_equal(*line++, '\n');
    }
    assert_int_equal(checked, 46);
    buffer_free(&texts);
    buffer_free(&lines);
    tokenizer_fixture_close(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vocabularies_load),
        cmocka_unit_test(golden_texts_of_hugging_face),
        cmocka_unit_test(golden_texts_of_llama_cpp),
    };
    return group_status(cmocka_run_group_tests(tests, NULL, NULL), sizeof tests / sizeof *tests);
}

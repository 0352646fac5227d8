#include "data/prepare.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/random.h"
#include "data/dataset.h"
#include "support/scratch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- support ---- */

static const char *const words[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a",
                                    "b",     "c",     "d",     "##a",   ".",      "!"};

struct bench {
    struct scratch scratch;
    struct tokenizer *tokenizer;
    char output[200];
    FILE *messages; /* where the log goes */
    struct log log;
};

static struct tokenizer *small_tokenizer(size_t tokens, bool lowercase)
{
    struct error error = {0};
    struct tokenizer_options options = tokenizer_default_options;
    options.lowercase = lowercase;
    struct vocabulary *vocabulary = vocabulary_create(words, tokens, "test", &error);
    return vocabulary ? tokenizer_create(vocabulary, options, &error) : NULL;
}

static int set_up(void **state)
{
    struct scratch *scratch = NULL;
    struct bench *bench = calloc(1, sizeof *bench);
    if (!bench || scratch_set_up((void **)&scratch) != 0)
        return -1;
    bench->scratch = *scratch;
    free(scratch);
    bench->tokenizer = small_tokenizer(sizeof words / sizeof *words, true);
    snprintf(bench->output, sizeof bench->output, "%s/out", bench->scratch.directory);
    bench->messages = tmpfile();
    *state = bench;
    if (!bench->tokenizer || !bench->messages)
        return -1;
    bench->log = log_open(bench->messages);
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    struct error error = {0};
    tokenizer_free(bench->tokenizer);
    fclose(bench->messages);
    bool removed = directory_remove(bench->scratch.directory, &error);
    free(bench);
    return removed ? 0 : -1;
}

static struct prepare_options options_of(const char *const *train, const char *const *valid)
{
    return (struct prepare_options){
        .train = train,
        .train_count = 1,
        .valid = valid,
        .valid_count = valid ? 1 : 0,
        .threads = 2,
    };
}

static struct prepare_summary prepare(struct bench *bench, const struct prepare_options *options)
{
    struct error error = {0};
    struct prepare_summary summary = {0};
    if (!prepare_dataset(bench->output, bench->tokenizer, options, &summary, &bench->log, &error))
        fail_msg("%s", error.message);
    return summary;
}

static void expect_failure(struct bench *bench, const struct prepare_options *options,
                           const char *message)
{
    struct error error = {0};
    struct prepare_summary summary;
    assert_false(
        prepare_dataset(bench->output, bench->tokenizer, options, &summary, &bench->log, &error));
    if (!strstr(error.message, message))
        fail_msg("found: %s; expected: %s", error.message, message);
}

/* Whether the log says this; what it said is forgotten. */
static bool was_said(struct bench *bench, const char *text)
{
    char said[4096];
    rewind(bench->messages);
    size_t size = fread(said, 1, sizeof said - 1, bench->messages);
    said[size] = 0;
    rewind(bench->messages);
    assert_int_equal(ftruncate(fileno(bench->messages), 0), 0);
    return strstr(said, text);
}

/* The ids of a dataset as text: "(5 6)(7)" are the sentences of one document, "|" stands between
 * two. */
static void expect_dataset(struct bench *bench, const char *prefix, const char *expected)
{
    struct error error = {0};
    struct buffer found = {0};
    struct dataset *dataset = dataset_open(bench->output, prefix, 0, 0, &error);
    if (!dataset)
        fail_msg("%s", error.message);
    for (uint64_t i = 0; i < dataset_documents(dataset); i++) {
        struct document document = dataset_document(dataset, i);
        assert_true(buffer_print(&found, &error, "%s", i ? "|" : ""));
        for (uint32_t j = 0; j < document.sentences; j++) {
            int32_t ids[64];
            uint64_t first = document.sentence_starts[j], last = document.sentence_starts[j + 1];
            dataset_read(dataset, document.shard, first, last, ids);
            for (uint64_t k = 0; k < last - first; k++)
                assert_true(buffer_print(&found, &error, "%c%d", k ? ' ' : '(', ids[k]));
            assert_true(buffer_print(&found, &error, ")"));
        }
    }
    assert_string_equal(found.data, expected);
    buffer_free(&found);
    dataset_close(dataset);
}

static char *path_in(const struct bench *bench, const char *name)
{
    struct error error = {0};
    char *path = path_join(bench->output, name, &error);
    assert_non_null(path);
    return path;
}

static uint64_t hash_output(const struct bench *bench, const char *name)
{
    struct error error = {0};
    uint64_t size, hash;
    char *path = path_in(bench, name);
    if (!hash_file(path, &size, &hash, &error))
        fail_msg("%s", error.message);
    free(path);
    return hash;
}

static bool output_exists(const struct bench *bench, const char *name)
{
    char *path = path_in(bench, name);
    bool exists = path_exists(path);
    free(path);
    return exists;
}

static void write_output(const struct bench *bench, const char *name, const char *text)
{
    struct error error = {0};
    char *path = path_in(bench, name);
    assert_true(file_write(path, text, strlen(text), &error));
    free(path);
}

/* ---- what comes out ---- */

static void text_becomes_documents_and_sentences(void **state)
{
    struct bench *bench = *state;
    const char *path =
        scratch_write_text(&bench->scratch, "in", "A aa. B!  C\nd\n\n\n\xC2\xAD\n\nb x\n");
    struct prepare_options options = options_of(&path, NULL);
    struct prepare_summary summary = prepare(bench, &options);
    expect_dataset(bench, "train", "(5 5 9 10)(6 11)(7)(8)|(6 1)");
    assert_int_equal(summary.counts.documents, 3);
    assert_int_equal(summary.train_documents, 2); /* the soft hyphen leaves nothing */
    assert_int_equal(summary.train_sentences, 5);
    assert_int_equal(summary.train_tokens, 10);
    assert_int_equal(summary.valid_documents, 0);
    assert_int_equal(summary.unknown_tokens, 1);
    assert_true(summary.seconds > 0);
    assert_false(output_exists(bench, "valid-00000.shard"));
    assert_true(was_said(bench, ": 2 documents, 5 sentences, 10 tokens (10.000 % [UNK])"));
}

static void a_line_may_be_a_sentence(void **state)
{
    struct bench *bench = *state;
    const char *path = scratch_write_text(&bench->scratch, "in", "a. b.\n. c\n");
    struct prepare_options options = options_of(&path, NULL);
    options.sentences = SENTENCES_LINE;
    prepare(bench, &options);
    expect_dataset(bench, "train", "(5 10 6 10)(10 7)");
}

static void held_out_files_are_valid(void **state)
{
    struct bench *bench = *state;
    char train[200];
    snprintf(train, sizeof train, "%s", scratch_write_text(&bench->scratch, "train", "a\n\nb\n"));
    const char *train_path = train;
    const char *valid = scratch_write_text(&bench->scratch, "valid", "c\n\nd\n");
    struct prepare_options options = options_of(&train_path, &valid);
    options.valid_fraction = 0.5; /* has no say */
    struct prepare_summary summary = prepare(bench, &options);
    expect_dataset(bench, "train", "(5)|(6)");
    expect_dataset(bench, "valid", "(7)|(8)");
    assert_int_equal(summary.valid_documents, 2);
    assert_int_equal(summary.counts.documents, 4);
}

/* Random documents of the words a to d, some of them longer than a block. */
static const char *write_corpus(struct bench *bench, int documents)
{
    struct random random = random_begin(1, RANDOM_TEST, 0, 0);
    FILE *file = fopen(scratch_path(&bench->scratch, "corpus"), "w");
    assert_non_null(file);
    for (int i = 0; i < documents; i++) {
        int lines = i % 100 == 50 ? 20000 : 1 + (int)random_below(&random, 10);
        for (int j = 0; j < lines; j++) {
            for (uint32_t k = 0, size = 1 + random_below(&random, 20); k < size; k++)
                fprintf(file, "%c%s", "abcd"[random_below(&random, 4)], k % 7 == 6 ? ". " : " ");
            putc('\n', file);
        }
        putc('\n', file);
    }
    assert_int_equal(fclose(file), 0);
    return bench->scratch.path;
}

static void threads_do_not_matter(void **state)
{
    struct bench *bench = *state;
    struct error error = {0};
    const char *path = write_corpus(bench, 400);
    struct prepare_options options = options_of(&path, NULL);
    options.valid_fraction = 0.2;
    uint64_t train[3], valid[3];
    for (int i = 0; i < 3; i++) {
        options.threads = i * 2 + 1;
        struct prepare_summary summary = prepare(bench, &options);
        assert_int_equal(summary.train_documents + summary.valid_documents, 400);
        train[i] = hash_output(bench, "train-00000.shard");
        valid[i] = hash_output(bench, "valid-00000.shard");
        assert_true(directory_remove(bench->output, &error));
    }
    assert_true(train[0] == train[1] && train[1] == train[2]);
    assert_true(valid[0] == valid[1] && valid[1] == valid[2]);
}

/* A document of 20,000 lines goes through several blocks and is one document still. */
static void a_long_document_stays_whole(void **state)
{
    struct bench *bench = *state;
    struct error error = {0};
    const char *path = write_corpus(bench, 51);
    struct prepare_options options = options_of(&path, NULL);
    options.sentences = SENTENCES_LINE;
    prepare(bench, &options);
    struct dataset *dataset = dataset_open(bench->output, "train", 0, 0, &error);
    assert_non_null(dataset);
    assert_int_equal(dataset_documents(dataset), 51);
    assert_int_equal(dataset_document(dataset, 50).sentences, 20000);
    dataset_close(dataset);
}

static void about_the_fraction_is_held_out(void **state)
{
    struct bench *bench = *state;
    const char *path = write_corpus(bench, 4000);
    struct prepare_options options = options_of(&path, NULL);
    options.valid_fraction = 0.1;
    struct prepare_summary summary = prepare(bench, &options);
    /* 4000 * 0.1, and five times the standard deviation, 19 */
    assert_in_range(summary.valid_documents, 400 - 95, 400 + 95);
    assert_int_equal(summary.valid_documents + summary.train_documents, 4000);
}

static void equal_documents_are_on_the_same_side(void **state)
{
    struct bench *bench = *state;
    char text[200] = "";
    for (int i = 0; i < 20; i++)
        strcat(text, "a b c\n\n");
    const char *path = scratch_write_text(&bench->scratch, "in", text);
    struct prepare_options options = options_of(&path, NULL);
    uint64_t hash = hash_bytes("a b c", 5);
    options.valid_fraction = (double)hash / 0x1p64 * (1 - 1e-9);
    assert_int_equal(prepare(bench, &options).train_documents, 20);
    assert_true(was_said(bench, "warning: no document was held out: valid_fraction 0."));
    options.valid_fraction = (double)hash / 0x1p64 * (1 + 1e-9);
    expect_failure(bench, &options, "all 20 documents were held out (valid_fraction 0.");
}

static void invalid_utf8_is_counted_or_refused(void **state)
{
    struct bench *bench = *state;
    const char *path = scratch_write_text(&bench->scratch, "in", "a\nb\xFF\n");
    struct prepare_options options = options_of(&path, NULL);
    assert_int_equal(prepare(bench, &options).counts.invalid_utf8, 1);
    expect_dataset(bench, "train", "(5)(6)");
    assert_true(was_said(bench, "/in:2"));
    options.strict = true;
    expect_failure(bench, &options, "/in:2: invalid UTF-8 at byte 2 of the line: 0xFF");
}

/* ---- refusals ---- */

static void a_corpus_without_text_is_refused(void **state)
{
    struct bench *bench = *state;
    char empty[200];
    snprintf(empty, sizeof empty, "%s", scratch_write_text(&bench->scratch, "empty", " \n\n"));
    const char *empty_path = empty;
    struct prepare_options options = options_of(&empty_path, NULL);
    expect_failure(bench, &options, "there is no text in ");
    assert_false(output_exists(bench, "manifest.json"));
    const char *path = scratch_write_text(&bench->scratch, "in", "a\n");
    options = options_of(&path, &empty_path);
    expect_failure(bench, &options, "there is no text in the held-out files: ");
    options.train_count = 0;
    expect_failure(bench, &options, "there are no files to prepare");
}

static void a_file_for_both_purposes_is_refused(void **state)
{
    struct bench *bench = *state;
    const char *path = scratch_write_text(&bench->scratch, "in", "a\n");
    struct prepare_options options = options_of(&path, &path);
    expect_failure(bench, &options, "/in: is given both for training and as held out");
}

static void a_locked_directory_is_refused(void **state)
{
    struct bench *bench = *state;
    struct error error = {0};
    const char *path = scratch_write_text(&bench->scratch, "in", "a\n");
    struct prepare_options options = options_of(&path, NULL);
    assert_true(directory_make(bench->output, &error));
    write_output(bench, ".lock", "4711\n");
    char *lock = path_in(bench, ".lock");
    int file = open(lock, O_RDONLY);
    assert_int_equal(flock(file, LOCK_EX), 0);
    expect_failure(bench, &options, "is in use by another process (number 4711, from ");
    close(file);
    free(lock);
    prepare(bench, &options);
}

/* ---- staleness ---- */

static void what_is_up_to_date_is_left(void **state)
{
    struct bench *bench = *state;
    const char *path = scratch_write_text(&bench->scratch, "in", "a x\xFF\n\nb\n");
    struct prepare_options options = options_of(&path, NULL);
    struct prepare_summary first = prepare(bench, &options);
    assert_true(was_said(bench, "prepared "));
    options.threads = 1;
    struct prepare_summary second = prepare(bench, &options);
    assert_false(was_said(bench, "prepar"));
    assert_true(second.seconds == 0);
    second.seconds = first.seconds;
    assert_memory_equal(&first, &second, sizeof first);
}

static void every_change_prepares_anew(void **state)
{
    struct bench *bench = *state;
    const char *path = scratch_write_text(&bench->scratch, "in", "a\n\nb\n");
    struct prepare_options options = options_of(&path, NULL);
    prepare(bench, &options);

    options.sentences = SENTENCES_LINE;
    prepare(bench, &options);
    assert_true(was_said(bench, "anew: \"sentences\" has changed"));

    options.valid_fraction = 1e-9;
    prepare(bench, &options);
    assert_true(was_said(bench, "anew: \"valid_fraction\" has changed"));

    tokenizer_free(bench->tokenizer);
    bench->tokenizer = small_tokenizer(sizeof words / sizeof *words, false);
    prepare(bench, &options);
    assert_true(was_said(bench, "anew: \"tokenizer\" has changed"));

    tokenizer_free(bench->tokenizer);
    bench->tokenizer = small_tokenizer(8, false);
    prepare(bench, &options);
    assert_true(was_said(bench, "anew: \"vocabulary\" has changed"));

    scratch_write_text(&bench->scratch, "in", "a\n\nb\n\nc\n");
    assert_int_equal(prepare(bench, &options).train_documents, 3);
    assert_true(was_said(bench, "/in has changed"));

    char both[2][200];
    snprintf(both[0], sizeof both[0], "%s", path);
    snprintf(both[1], sizeof both[1], "%s", scratch_write_text(&bench->scratch, "more", "d\n"));
    const char *const paths[] = {both[0], both[1]};
    options.train = paths;
    options.train_count = 2;
    prepare(bench, &options);
    assert_true(was_said(bench, "/more is new in the list of input files"));

    options.train_count = 1;
    prepare(bench, &options);
    assert_true(was_said(bench, "the list of input files is shorter"));
}

static void lost_and_damaged_files_prepare_anew(void **state)
{
    struct bench *bench = *state;
    const char *path = scratch_write_text(&bench->scratch, "in", "a\n");
    struct prepare_options options = options_of(&path, NULL);
    prepare(bench, &options);
    uint64_t hash = hash_output(bench, "train-00000.shard");

    write_output(bench, "train-00000.shard", "cut");
    prepare(bench, &options);
    assert_true(was_said(bench, "anew: train-00000.shard is missing or has another size"));
    assert_int_equal(hash_output(bench, "train-00000.shard"), hash);

    write_output(bench, "manifest.json", "{");
    prepare(bench, &options);
    assert_true(was_said(bench, "manifest.json: is damaged: it does not end with its checksum"));
}

static void leftovers_are_removed_and_other_files_kept(void **state)
{
    struct bench *bench = *state;
    struct error error = {0};
    const char *path = scratch_write_text(&bench->scratch, "in", "a\n");
    struct prepare_options options = options_of(&path, NULL);
    assert_true(directory_make(bench->output, &error));
    const char *const leftovers[] = {
        "train-00007.shard", "valid-00000.shard", "train-00008.shard.partial",
        "train-00008.shard.sentences.partial", "manifest.json.partial"};
    for (size_t i = 0; i < sizeof leftovers / sizeof *leftovers; i++)
        write_output(bench, leftovers[i], "old");
    write_output(bench, "train-notes.txt", "mine");
    write_output(bench, "other.shard", "mine");
    prepare(bench, &options);
    for (size_t i = 0; i < sizeof leftovers / sizeof *leftovers; i++)
        assert_false(output_exists(bench, leftovers[i]));
    assert_true(output_exists(bench, "train-notes.txt"));
    assert_true(output_exists(bench, "other.shard"));
}

static void a_failure_leaves_no_manifest(void **state)
{
    struct bench *bench = *state;
    const char *path = scratch_write_text(&bench->scratch, "in.jsonl", "{\"text\": \"a\"}\n");
    struct prepare_options options = options_of(&path, NULL);
    prepare(bench, &options);
    scratch_write_text(&bench->scratch, "in.jsonl", "{\"text\": \"a\"}\n{}\n");
    expect_failure(bench, &options, "/in.jsonl:2: the record has no \"text\"");
    assert_false(output_exists(bench, "manifest.json"));
    assert_false(output_exists(bench, "train-00000.shard"));
    assert_false(output_exists(bench, "train-00000.shard.partial"));
}

/* ---- vocabulary ---- */

static void a_vocabulary_is_trained_on_files(void **state)
{
    struct bench *bench = *state;
    struct error error = {0};
    scratch_write_text(&bench->scratch, "1.txt", "ab\nab\n");
    scratch_write_text(&bench->scratch, "2.txt", "ab");
    scratch_write_text(&bench->scratch, "3.jsonl", "{\"text\": \"ac\\nac\"}\n");
    const char *pattern = scratch_path(&bench->scratch, "[123].*");
    for (int threads = 1; threads <= 3; threads++) {
        struct vocabulary *vocabulary = prepare_vocabulary(
            &pattern, 1, 100, tokenizer_default_options, true, threads, &bench->log, &error);
        assert_non_null(vocabulary);
        const char *const expected[] = {"a", "b", "c", "##b", "##c", "ab", "ac"};
        assert_int_equal(vocabulary_size(vocabulary), SPECIAL_COUNT + 7);
        for (int32_t i = 0; i < 7; i++)
            assert_string_equal(vocabulary_token(vocabulary, SPECIAL_COUNT + i), expected[i]);
        vocabulary_free(vocabulary);
    }
    assert_true(was_said(bench, "trained a vocabulary of 12 tokens"));
}

static void a_vocabulary_needs_words_and_valid_files(void **state)
{
    struct bench *bench = *state;
    struct error error = {0};
    const char *path = scratch_write_text(&bench->scratch, "in", " \n");
    assert_null(
        prepare_vocabulary(&path, 1, 100, tokenizer_default_options, false, 2, NULL, &error));
    assert_string_equal(error.message, "the text has no words to make a vocabulary of");
    path = scratch_path(&bench->scratch, "missing");
    assert_null(
        prepare_vocabulary(&path, 1, 100, tokenizer_default_options, false, 2, NULL, &error));
    assert_non_null(strstr(error.message, "missing: cannot read: No such file or directory"));
    path = scratch_write_text(&bench->scratch, "in", "a\xFF");
    assert_null(
        prepare_vocabulary(&path, 1, 100, tokenizer_default_options, true, 2, NULL, &error));
    assert_non_null(strstr(error.message, "in:1: invalid UTF-8"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(text_becomes_documents_and_sentences),
        TEST(a_line_may_be_a_sentence),
        TEST(held_out_files_are_valid),
        TEST(threads_do_not_matter),
        TEST(a_long_document_stays_whole),
        TEST(about_the_fraction_is_held_out),
        TEST(equal_documents_are_on_the_same_side),
        TEST(invalid_utf8_is_counted_or_refused),
        TEST(a_corpus_without_text_is_refused),
        TEST(a_file_for_both_purposes_is_refused),
        TEST(a_locked_directory_is_refused),
        TEST(what_is_up_to_date_is_left),
        TEST(every_change_prepares_anew),
        TEST(lost_and_damaged_files_prepare_anew),
        TEST(leftovers_are_removed_and_other_files_kept),
        TEST(a_failure_leaves_no_manifest),
        TEST(a_vocabulary_is_trained_on_files),
        TEST(a_vocabulary_needs_words_and_valid_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

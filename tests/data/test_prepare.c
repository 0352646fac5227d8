#include "base/directory.h"
#include "data/prepare.h"

#include "base/buffer.h"
#include "base/hash.h"
#include "base/random.h"
#include "data/dataset.h"
#include "support/preparation.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- what comes out ---- */

static void text_becomes_documents_and_sentences(void **state)
{
    struct bench *bench = *state;
    const char *path =
        scratch_write_text(&bench->scratch, "in", "A aa. B!  C\nd\n\n\n\xC2\xAD\n\nb x\n");
    struct prepare_options options = bench_options(&path, NULL);
    struct prepare_summary summary = bench_prepare(bench, &options);
    bench_expect_dataset(bench, "train", "(5 5 9 10)(6 11)(7)(8)|(6 1)");
    assert_int_equal(summary.counts.documents, 3);
    assert_int_equal(summary.train_documents, 2); /* a soft hyphen alone is no document */
    assert_int_equal(summary.train_sentences, 5);
    assert_int_equal(summary.train_tokens, 10);
    assert_int_equal(summary.valid_documents, 0);
    assert_int_equal(summary.unknown_tokens, 1);
    assert_true(summary.seconds > 0);
    assert_false(bench_has(bench, "valid-00000.shard"));
    assert_true(bench_was_logged(
        bench, "prepared 2 documents, 5 sentences,\n  10 tokens (10.000 % [UNK]) in "));
}

/* Short documents that blank lines end may be the paragraphs of a book; documents of three
 * sentences, or that files end, are intended. */
static void paragraphs_as_documents_are_logged(void **state)
{
    static const struct {
        const char *name, *document;
        int count;
        bool said;
    } cases[] = {{"in", "A a. B b.\n\n", 120, true},
                 {"in", "A a. B b.\n\n", 80, false},
                 {"in", "A a. B b. C c.\n\n", 120, false},
                 {"in", "A a. B b.\n", 120, false},
                 {"in.jsonl", "{\"text\": \"A a.\"}\n", 120, false}};
    struct bench *bench = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error error = {0};
        struct buffer text = {0};
        for (int n = 0; n < cases[i].count; n++)
            assert_true(buffer_print(&text, &error, "%s", cases[i].document));
        const char *path = scratch_write(&bench->scratch, cases[i].name, text.data, text.size);
        struct prepare_options options = bench_options(&path, NULL);
        bench_prepare(bench, &options);
        bool said = bench_was_logged(
            bench, "blank lines end documents: most of them have at most 2 sentences\n"
                   "  for one document a file: sed '/^[[:space:]]*$/d' IN > OUT\n");
        if (said != cases[i].said)
            fail_msg("case %zu", i);
        buffer_free(&text);
    }
}

static void a_line_may_be_a_sentence(void **state)
{
    struct bench *bench = *state;
    const char *path = scratch_write_text(&bench->scratch, "in", "a. b.\n. c\n");
    struct prepare_options options = bench_options(&path, NULL);
    options.sentences = SENTENCES_LINE;
    bench_prepare(bench, &options);
    bench_expect_dataset(bench, "train", "(5 10 6 10)(10 7)");
}

static void held_out_files_are_valid(void **state)
{
    struct bench *bench = *state;
    char train[200];
    snprintf(train, sizeof train, "%s", scratch_write_text(&bench->scratch, "train", "a\n\nb\n"));
    const char *train_path = train;
    const char *valid = scratch_write_text(&bench->scratch, "valid", "c\n\nd\n");
    struct prepare_options options = bench_options(&train_path, &valid);
    options.valid_fraction = 0.5; /* ignored */
    struct prepare_summary summary = bench_prepare(bench, &options);
    bench_expect_dataset(bench, "train", "(5)|(6)");
    bench_expect_dataset(bench, "valid", "(7)|(8)");
    assert_int_equal(summary.valid_documents, 2);
    assert_int_equal(summary.counts.documents, 4);
}

/* Writes random documents of the words a to d, some of them longer than a block. */
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
    struct prepare_options options = bench_options(&path, NULL);
    options.valid_fraction = 0.2;
    uint64_t train[3], valid[3];
    for (int i = 0; i < 3; i++) {
        options.threads = i * 2 + 1;
        struct prepare_summary summary = bench_prepare(bench, &options);
        assert_int_equal(summary.train_documents + summary.valid_documents, 400);
        train[i] = bench_hash(bench, "train-00000.shard");
        valid[i] = bench_hash(bench, "valid-00000.shard");
        assert_true(directory_remove(bench->output, &error));
    }
    assert_true(train[0] == train[1] && train[1] == train[2]);
    assert_true(valid[0] == valid[1] && valid[1] == valid[2]);
}

/* A document of 20,000 lines takes several blocks, but is one document. */
static void a_long_document_stays_whole(void **state)
{
    struct bench *bench = *state;
    const char *path = write_corpus(bench, 51);
    struct prepare_options options = bench_options(&path, NULL);
    options.sentences = SENTENCES_LINE;
    bench_prepare(bench, &options);
    struct dataset *dataset = bench_open_dataset(bench, "train");
    assert_int_equal(dataset_documents(dataset), 51);
    assert_int_equal(dataset_document(dataset, 50).sentences, 20000);
    dataset_close(dataset);
}

static void about_the_fraction_is_held_out(void **state)
{
    struct bench *bench = *state;
    const char *path = write_corpus(bench, 4000);
    struct prepare_options options = bench_options(&path, NULL);
    options.valid_fraction = 0.1;
    struct prepare_summary summary = bench_prepare(bench, &options);
    /* 4000 * 0.1, within five standard deviations of 19. */
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
    struct prepare_options options = bench_options(&path, NULL);
    uint64_t hash = hash_bytes("a b c", 5);
    options.valid_fraction = (double)hash / 0x1p64 * (1 - 1e-9);
    assert_int_equal(bench_prepare(bench, &options).train_documents, 20);
    options.valid_fraction = (double)hash / 0x1p64 * (1 + 1e-9);
    struct prepare_summary summary = bench_prepare(bench, &options);
    assert_int_equal(summary.train_documents, 20); /* to hold out all would leave none */
    assert_int_equal(summary.valid_documents, 0);
}

/* Most small corpora used to be refused after their preparation, because exactly one document was
 * held out. */
static void two_documents_are_held_out_or_none(void **state)
{
    struct bench *bench = *state;
    const char *path = write_corpus(bench, 72);
    struct prepare_options options = bench_options(&path, NULL);
    options.min_documents = 2;
    int none = 0, some = 0;
    for (int i = 1; i < 20; i++) {
        options.valid_fraction = 0.005 * i;
        struct prepare_summary summary = bench_prepare(bench, &options);
        assert_int_equal(summary.train_documents + summary.valid_documents, 72);
        assert_int_not_equal(summary.valid_documents, 1);
        none += summary.valid_documents == 0;
        some += summary.valid_documents >= 2;
    }
    assert_true(none > 0 && some > 0);
    options.valid_fraction = 0.999; /* would leave at most one document for training */
    assert_int_equal(bench_prepare(bench, &options).train_documents, 72);
    assert_true(
        bench_was_logged(bench, "too few documents to hold some out: reading the text again\n"));
}

static void invalid_utf8_is_counted_or_refused(void **state)
{
    struct bench *bench = *state;
    const char *path = scratch_write_text(&bench->scratch, "in", "a\nb\xFF\n");
    struct prepare_options options = bench_options(&path, NULL);
    assert_int_equal(bench_prepare(bench, &options).counts.invalid_utf8, 1);
    bench_expect_dataset(bench, "train", "(5)(6)");
    assert_true(bench_was_logged(bench, "/in:2"));
    options.strict = true;
    bench_expect_failure(bench, &options, "/in:2: invalid UTF-8 at byte 2 of the line: 0xFF");
}

/* The field is a setting, so data prepared with another field are stale. */
static void the_field_of_a_record_is_named(void **state)
{
    struct bench *bench = *state;
    const char *path =
        scratch_write_text(&bench->scratch, "in.jsonl", "{\"text\": \"a\", \"body\": \"b b\"}\n");
    struct prepare_options options = bench_options(&path, NULL);
    bench_prepare(bench, &options);
    bench_expect_dataset(bench, "train", "(5)");
    options.text_field.name = "text";
    assert_true(bench_prepare(bench, &options).seconds == 0);
    options.text_field.name = "body";
    bench_prepare(bench, &options);
    bench_expect_dataset(bench, "train", "(6 6)");
    assert_true(bench_was_logged(bench, "\"text_field\" has changed"));
    options.text_field.name = "none";
    bench_expect_failure(
        bench, &options,
        "/in.jsonl:1: this JSON object has no \"none\" field, only \"text\", \"body\"");
}

static void what_was_decided_is_said(void **state)
{
    static const struct {
        const char *name, *text, *message;
    } cases[] = {
        {"1.txt", "{\"text\": \"a\"}", "read as JSON by their contents: 1 file, the first:\n  "},
        {"2.html", "a<br>b\n", "warning: markup is read as text in 1 file, the first:\n  "},
        {"2.csv", "a,b\n", "warning: CSV or TSV is read as text in 1 file, the first:\n  "},
        {"3.json", "[\"a \\ud83d\"]",
         "warning: replaced 1 lone surrogate of JSON\n  the first is at "},
        {"4.txt", "a\xFF\n",
         "warning: replaced 1 invalid character (33.3 % of the text); is the text UTF-8?\n  the "
         "first is at "},
        {"6.jsonl", "{\"text\": null}\n\"\"\n\"a\"",
         "warning: 2 JSON records without text (1 null), the first:\n  "},
        {"5.txt", "a\rb\r", "CR ends lines, up to the first LF, in 1 file, the first:\n  "},
    };
    struct bench *bench = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = scratch_write_text(&bench->scratch, cases[i].name, cases[i].text);
        struct prepare_options options = bench_options(&path, NULL);
        bench_prepare(bench, &options);
        assert_true(bench_was_logged(bench, cases[i].message));
    }
}

/* ---- refusals ---- */

static void a_corpus_without_text_is_refused(void **state)
{
    struct bench *bench = *state;
    char empty[200];
    snprintf(empty, sizeof empty, "%s", scratch_write_text(&bench->scratch, "empty", " \n\n"));
    const char *empty_path = empty;
    struct prepare_options options = bench_options(&empty_path, NULL);
    bench_expect_failure(bench, &options, "there is no text in ");
    assert_false(bench_has(bench, "manifest.json"));
    const char *path = scratch_write_text(&bench->scratch, "in", "a\n");
    options = bench_options(&path, &empty_path);
    bench_expect_failure(bench, &options, "there is no text in the held-out files: ");
    options.train_count = 0;
    bench_expect_failure(bench, &options, "there are no files to prepare");
}

static void a_file_for_both_purposes_is_refused(void **state)
{
    struct bench *bench = *state;
    const char *path = scratch_write_text(&bench->scratch, "in", "a\n");
    struct prepare_options options = bench_options(&path, &path);
    bench_expect_failure(bench, &options,
                         "/in: is given both as training text and as held-out text");
}

static void a_locked_directory_is_refused(void **state)
{
    struct bench *bench = *state;
    struct error error = {0};
    const char *path = scratch_write_text(&bench->scratch, "in", "a\n");
    struct prepare_options options = bench_options(&path, NULL);
    assert_true(directory_make(bench->output, &error));
    bench_write(bench, ".lock", "4711\n");
    char *lock = bench_path(bench, ".lock");
    int file = open(lock, O_RDONLY);
    assert_int_equal(flock(file, LOCK_EX), 0);
    bench_expect_failure(bench, &options, "is in use by another process (number 4711, from ");
    close(file);
    free(lock);
    bench_prepare(bench, &options);
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
        const struct vocabulary_request request = {.files = &pattern,
                                                   .count = 1,
                                                   .size = 100,
                                                   .options = tokenizer_default_options,
                                                   .strict = true,
                                                   .threads = threads};
        struct vocabulary *vocabulary = prepare_vocabulary(&request, &bench->log, &error);
        assert_non_null(vocabulary);
        const char *const expected[] = {"a", "b", "c", "##b", "##c", "ab", "ac"};
        assert_int_equal(vocabulary_size(vocabulary), SPECIAL_COUNT + 7);
        for (int32_t i = 0; i < 7; i++)
            assert_string_equal(vocabulary_token(vocabulary, SPECIAL_COUNT + i), expected[i]);
        vocabulary_free(vocabulary);
    }
    assert_true(bench_was_logged(bench, "trained a vocabulary of 12 tokens"));
}

static void a_vocabulary_needs_words_and_valid_files(void **state)
{
    struct bench *bench = *state;
    struct error error = {0};
    const char *path = scratch_write_text(&bench->scratch, "in", " \n");
    struct vocabulary_request request = {.files = &path,
                                         .count = 1,
                                         .size = 100,
                                         .options = tokenizer_default_options,
                                         .threads = 2};
    assert_null(prepare_vocabulary(&request, NULL, &error));
    assert_string_equal(error.message,
                        "the text is empty: there are no words to build a vocabulary from");
    path = scratch_path(&bench->scratch, "missing");
    assert_null(prepare_vocabulary(&request, NULL, &error));
    assert_non_null(strstr(error.message, "missing: cannot read: No such file or directory"));
    path = scratch_write_text(&bench->scratch, "in", "a\xFF");
    request.strict = true;
    assert_null(prepare_vocabulary(&request, NULL, &error));
    assert_non_null(strstr(error.message, "in:1: invalid UTF-8"));
}

/* 3,000 words that occur once take half a megabyte; a word that occurs as often stays. */
static void words_that_do_not_fit_in_memory_are_dropped_and_said(void **state)
{
    struct bench *bench = *state;
    struct buffer text = {0};
    struct error error = {0};
    for (int i = 0; i < 3000; i++)
        assert_true(buffer_print(&text, &error, "w%d king\n", 1000 + i));
    const char *path = scratch_write_text(&bench->scratch, "in", text.data);
    struct vocabulary_request request = {.files = &path,
                                         .count = 1,
                                         .size = 100,
                                         .options = tokenizer_default_options,
                                         .memory = 200000,
                                         .threads = 2};
    struct vocabulary *vocabulary = prepare_vocabulary(&request, &bench->log, &error);
    assert_non_null(vocabulary);
    assert_true(vocabulary_find(vocabulary, "king", 4) >= 0);
    assert_true(bench_was_logged(bench, " rare words (each seen 1 time at most) were dropped"));
    vocabulary_free(vocabulary);
    request.memory = 10 << 20;
    vocabulary = prepare_vocabulary(&request, &bench->log, &error);
    assert_non_null(vocabulary);
    assert_false(bench_was_logged(bench, "were dropped"));
    vocabulary_free(vocabulary);
    buffer_free(&text);
}

/* The long word is one [UNK] among 51 tokens, but most of the text. */
static void the_lost_share_of_the_text_is_logged(void **state)
{
    struct bench *bench = *state;
    char text[1024];
    size_t size = 0;
    for (int i = 0; i < 50; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, "%s ",
                                 vocabulary_token(tokenizer_vocabulary(bench->tokenizer), 5));
    memset(text + size, 'x', 150);
    text[size + 150] = 0;
    const char *path = scratch_write_text(&bench->scratch, "in", text);
    const struct prepare_options options = bench_options(&path, NULL);
    bench_prepare(bench, &options);
    assert_true(bench_was_logged(
        bench, "is lost as [UNK]\nwarning: 1 word over 100 characters became [UNK]"));
}

/* Thai has no spaces, so that a long sequence of letters is a word, and a single [UNK]. */
static void lost_letters_count_where_there_are_few_tokens(void **state)
{
    struct bench *bench = *state;
    const char *word = vocabulary_token(tokenizer_vocabulary(bench->tokenizer), 5);
    char text[2048];
    size_t size = 0;
    for (int i = 0; i < 199; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, "%s ", word);
    /* 90 of 289 letters are lost, but one of 200 tokens. */
    for (int i = 0; i < 90; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, "\xe0\xb8\x81");
    const char *path = scratch_write_text(&bench->scratch, "in", text);
    const struct prepare_options options = bench_options(&path, NULL);
    assert_int_equal(strlen(word), 1);
    bench_prepare(bench, &options);
    assert_true(
        bench_was_logged(bench, "31.1 % of the text (0.5 % of the tokens) is lost as [UNK]"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(text_becomes_documents_and_sentences),
        BENCH_TEST(paragraphs_as_documents_are_logged),
        BENCH_TEST(a_line_may_be_a_sentence),
        BENCH_TEST(held_out_files_are_valid),
        BENCH_TEST(threads_do_not_matter),
        BENCH_TEST(a_long_document_stays_whole),
        BENCH_TEST(about_the_fraction_is_held_out),
        BENCH_TEST(equal_documents_are_on_the_same_side),
        BENCH_TEST(two_documents_are_held_out_or_none),
        BENCH_TEST(invalid_utf8_is_counted_or_refused),
        BENCH_TEST(the_field_of_a_record_is_named),
        BENCH_TEST(what_was_decided_is_said),
        BENCH_TEST(a_corpus_without_text_is_refused),
        BENCH_TEST(a_file_for_both_purposes_is_refused),
        BENCH_TEST(a_locked_directory_is_refused),
        BENCH_TEST(a_vocabulary_is_trained_on_files),
        BENCH_TEST(a_vocabulary_needs_words_and_valid_files),
        BENCH_TEST(words_that_do_not_fit_in_memory_are_dropped_and_said),
        BENCH_TEST(the_lost_share_of_the_text_is_logged),
        BENCH_TEST(lost_letters_count_where_there_are_few_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

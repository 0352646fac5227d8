/* Tests directories that already have data: current, of other text, foreign, lost or damaged. */
#include "base/directory.h"
#include "data/prepare.h"

#include "base/partial.h"
#include "data/dataset.h"
#include "support/preparation.h"

#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- staleness ---- */

static void what_is_up_to_date_is_left(void **state)
{
    struct bench *bench = *state;
    const char *path = scratch_write_text(&bench->scratch, "in", "a x\xFF\n\nb\n");
    struct prepare_options options = bench_options(&path, NULL);
    struct prepare_summary first = bench_prepare(bench, &options);
    assert_true(bench_was_logged(bench, "prepared "));
    options.threads = 1;
    struct prepare_summary second = bench_prepare(bench, &options);
    assert_false(bench_was_logged(bench, "prepar"));
    assert_true(second.seconds == 0);
    second.seconds = first.seconds;
    assert_memory_equal(&first, &second, sizeof first);
}

static void every_change_prepares_again(void **state)
{
    struct bench *bench = *state;
    const char *path = scratch_write_text(&bench->scratch, "in", "a\n\nb\n");
    struct prepare_options options = bench_options(&path, NULL);
    bench_prepare(bench, &options);

    options.sentences = SENTENCES_LINE;
    bench_prepare(bench, &options);
    assert_true(bench_was_logged(bench, "again:\n"
                                        "  \"sentences\" has changed"));

    options.valid_fraction = 1e-9;
    bench_prepare(bench, &options);
    assert_true(bench_was_logged(bench, "again:\n"
                                        "  \"valid_fraction\" has changed"));

    tokenizer_free(bench->tokenizer);
    bench->tokenizer = bench_tokenizer(BENCH_TOKENS, false);
    bench_prepare(bench, &options);
    assert_true(bench_was_logged(bench, "again:\n"
                                        "  \"tokenizer\" has changed"));

    tokenizer_free(bench->tokenizer);
    bench->tokenizer = bench_tokenizer(8, false);
    bench_prepare(bench, &options);
    assert_true(bench_was_logged(bench, "again:\n"
                                        "  \"vocabulary\" has changed"));

    scratch_write_text(&bench->scratch, "in", "a\n\nb\n\nc\n");
    assert_int_equal(bench_prepare(bench, &options).train_documents, 3);
    assert_true(bench_was_logged(bench, "/in has changed"));

    char both[2][200];
    snprintf(both[0], sizeof both[0], "%s", path);
    snprintf(both[1], sizeof both[1], "%s", scratch_write_text(&bench->scratch, "more", "d\n"));
    const char *const paths[] = {both[0], both[1]};
    options.train = paths;
    options.train_count = 2;
    bench_prepare(bench, &options);
    assert_true(bench_was_logged(bench, "/more is new in the list of input files"));

    options.train_count = 1;
    bench_prepare(bench, &options);
    assert_true(bench_was_logged(bench, "files were removed from the list of input files"));
}

/* A file that is touched, copied or renamed has the same bytes, so nothing is prepared again. */
static void content_decides(void **state)
{
    struct bench *bench = *state;
    char here[200], there[200];
    snprintf(here, sizeof here, "%s", scratch_write_text(&bench->scratch, "in.txt", "a\n\nb\n"));
    snprintf(there, sizeof there, "%s", scratch_write_text(&bench->scratch, "as.txt", "a\n\nb\n"));
    const char *paths[] = {here};
    struct prepare_options options = bench_options(paths, NULL);
    bench_prepare(bench, &options);
    bench_was_logged(bench, "");
    assert_int_equal(utimensat(AT_FDCWD, here, (struct timespec[]){{1, 0}, {1, 0}}, 0), 0);
    assert_true(bench_prepare(bench, &options).seconds == 0);
    paths[0] = there;
    assert_true(bench_prepare(bench, &options).seconds == 0);
    assert_false(bench_was_logged(bench, "prepar"));
    /* A file of the same size and time with other bytes. */
    struct stat before;
    assert_int_equal(stat(there, &before), 0);
    scratch_write_text(&bench->scratch, "as.txt", "a\n\nc\n");
    const struct timespec times[] = {before.st_atim, before.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, there, times, 0), 0);
    bench_prepare(bench, &options);
    assert_true(bench_was_logged(bench, "/as.txt holds other text than "));
    /* The ending of the name decides how a file is read. */
    paths[0] = scratch_write_text(&bench->scratch, "as.jsonl", "a\n\nc\n");
    bench_expect_failure(bench, &options, "/as.jsonl:1: ");
}

/* Data of older versions are recognized by the names of the keys under "made_from". */
static void the_names_in_the_manifest_stay(void **state)
{
    struct bench *bench = *state;
    const char *path = scratch_write_text(&bench->scratch, "in", "a\n\nb\n");
    const struct prepare_options options = bench_options(&path, NULL);
    bench_prepare(bench, &options);
    char *file = bench_path(bench, "manifest.json");
    json_t *manifest = json_load_file(file, 0, NULL);
    const json_t *made_from = json_object_get(manifest, "made_from");
    static const char *const names[] = {"format",          "vocabulary", "tokenizer", "sentences",
                                        "valid_fraction",  "text_field", "strict",    "train",
                                        "least_documents", "valid"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_non_null(json_object_get(made_from, names[i]));
    assert_int_equal(json_object_size(made_from), sizeof names / sizeof *names);
    json_decref(manifest);
    free(file);
}

/* ---- a run that goes on ---- */

static uint64_t hash_of(const struct bench *bench, const char *prefix)
{
    struct dataset *dataset = bench_open_dataset(bench, prefix);
    uint64_t hash = dataset_hash(dataset);
    dataset_close(dataset);
    return hash;
}

static void a_run_goes_on_without_its_text(void **state)
{
    struct bench *bench = *state;
    const char *path = scratch_write_text(&bench->scratch, "in", "a\n\nb\n");
    struct prepare_options options = bench_options(&path, NULL);
    struct prepare_summary first = bench_prepare(bench, &options);
    assert_int_equal(unlink(path), 0);
    bench_expect_failure(bench, &options, "/in: cannot read: No such file");
    options.continued = true;
    struct prepare_summary second = bench_prepare(bench, &options);
    assert_true(bench_was_logged(bench, "going on with the data in "));
    second.seconds = first.seconds;
    assert_memory_equal(&first, &second, sizeof first);
    char *shard = bench_path(bench, "train-00000.shard");
    assert_int_equal(truncate(shard, 64), 0);
    free(shard);
    bench_expect_failure(
        bench, &options,
        " cannot be used instead: train-00000.shard is missing or has a different ");
    bench_write(bench, "manifest.json", "{");
    bench_expect_failure(bench, &options, "/in: cannot read: No such file");
}

static void other_text_of_a_run_is_refused_and_nothing_touched(void **state)
{
    struct bench *bench = *state;
    const char *path = scratch_write_text(&bench->scratch, "in", "a\n\nb\n");
    struct prepare_options options = bench_options(&path, NULL);
    bench_prepare(bench, &options);
    scratch_write_text(&bench->scratch, "in", "a\n\nc\n");
    options.continued = true;
    bench_expect_failure(bench, &options, "was prepared from other text: ");
    bench_expect_dataset(bench, "train", "(5)|(6)");
    options.continued = false;
    bench_prepare(bench, &options);
    bench_expect_dataset(bench, "train", "(5)|(7)");
}

/* The directory has no manifest. */
static void the_shards_of_a_run_are_recognized_by_their_hashes(void **state)
{
    struct bench *bench = *state;
    char *train = scratch_path_copy(&bench->scratch, "in"),
         *valid = scratch_path_copy(&bench->scratch, "held");
    const char *const trains[] = {train}, *const valids[] = {valid};
    scratch_write_text(&bench->scratch, "in", "a\n\nb\n");
    scratch_write_text(&bench->scratch, "held", "c\n\nd\n");
    struct prepare_options options = bench_options(trains, valids);
    bench_prepare(bench, &options);
    options.continued = true;
    options.run_hashes = (struct data_hashes){hash_of(bench, "train"), hash_of(bench, "valid")};
    for (int known = 1; known >= 0; known--) {
        bench_write(bench, "manifest.json", "{");
        options.run_hashes.held_out *= (uint64_t)known;
        struct prepare_summary summary = bench_prepare(bench, &options);
        assert_int_equal(summary.valid_documents, 2);
        rewind(bench->messages);
        char said[1000] = {0};
        assert_true(fread(said, 1, sizeof said - 1, bench->messages) > 0);
        assert_non_null(strstr(said, "going on with the shards, which are those of the run"));
        assert_int_equal(strstr(said, "held-out text: the run has no record") == NULL, known);
        assert_true(bench_was_logged(bench, "going on with the shards"));
    }
    options.run_hashes.held_out = 1;
    bench_prepare(bench, &options);
    assert_true(bench_was_logged(bench, "preparing the data again:\n"));
    free(train);
    free(valid);
}

/* ---- foreign files ---- */

static void foreign_files_are_never_replaced(void **state)
{
    struct bench *bench = *state;
    struct error error = {0};
    const char *path = scratch_write_text(&bench->scratch, "in", "a\n");
    struct prepare_options options = bench_options(&path, NULL);
    static const char *const names[] = {"manifest.json", "train-00000.shard", "valid-00003.shard"};
    assert_true(directory_make(bench->output, &error));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char kept[300];
        bench_write(bench, names[i], "{\"name\": \"mine\"}");
        bench_expect_failure(bench, &options,
                             "is not a file of prepared data, and would be replaced");
        assert_true(bench_has(bench, names[i]));
        snprintf(kept, sizeof kept, "%s/%s", bench->output, names[i]);
        assert_int_equal(unlink(kept), 0);
    }
    bench_prepare(bench, &options);
}

static void lost_and_damaged_files_prepare_again(void **state)
{
    struct bench *bench = *state;
    const char *path = scratch_write_text(&bench->scratch, "in", "a\n");
    struct prepare_options options = bench_options(&path, NULL);
    bench_prepare(bench, &options);
    uint64_t hash = bench_hash(bench, "train-00000.shard");

    char *shard = bench_path(bench, "train-00000.shard");
    assert_int_equal(truncate(shard, 64), 0);
    free(shard);
    bench_prepare(bench, &options);
    assert_true(bench_was_logged(bench, "again:\n"
                                        "  train-00000.shard is missing or has a different size"));
    assert_int_equal(bench_hash(bench, "train-00000.shard"), hash);

    bench_write(bench, "manifest.json", "{");
    bench_prepare(bench, &options);
    assert_true(
        bench_was_logged(bench, "manifest.json: is damaged: it does not end with its checksum"));
}

static char *partial_name(const char *name)
{
    struct error error = {0};
    char *partial = partial_path(name, &error);
    assert_non_null(partial);
    return partial;
}

static void write_partial(struct bench *bench, const char *name)
{
    char *partial = partial_name(name);
    bench_write(bench, partial, "half");
    free(partial);
}

static bool has_partial(struct bench *bench, const char *name)
{
    char *partial = partial_name(name);
    bool has = bench_has(bench, partial);
    free(partial);
    return has;
}

static void leftovers_are_removed_and_other_files_kept(void **state)
{
    struct bench *bench = *state;
    struct error error = {0};
    const char *path = scratch_write_text(&bench->scratch, "in", "a\n");
    struct prepare_options options = bench_options(&path, NULL);
    assert_true(directory_make(bench->output, &error));
    const char *const shards[] = {"train-00007.shard", "valid-00000.shard"};
    const char *const partial[] = {"train-00008.shard", "train-00008.shard.sentences",
                                   "manifest.json"};
    const char *const mine[] = {"train-notes.txt", "other.shard", "train-00000.shard.partial",
                                "train-00000.shard.sentences.partial", "manifest.json.partial"};
    for (size_t i = 0; i < sizeof shards / sizeof *shards; i++)
        bench_write(bench, shards[i], "CLZSHARD, of an earlier preparation");
    for (size_t i = 0; i < sizeof partial / sizeof *partial; i++)
        write_partial(bench, partial[i]);
    for (size_t i = 0; i < sizeof mine / sizeof *mine; i++)
        bench_write(bench, mine[i], "mine");
    bench_prepare(bench, &options);
    for (size_t i = 0; i < sizeof shards / sizeof *shards; i++)
        assert_false(bench_has(bench, shards[i]));
    for (size_t i = 0; i < sizeof partial / sizeof *partial; i++)
        assert_false(has_partial(bench, partial[i]));
    for (size_t i = 0; i < sizeof mine / sizeof *mine; i++)
        assert_true(bench_has(bench, mine[i]));
}

static void a_failure_leaves_no_manifest(void **state)
{
    struct bench *bench = *state;
    const char *path = scratch_write_text(&bench->scratch, "in.jsonl", "{\"text\": \"a\"}\n");
    struct prepare_options options = bench_options(&path, NULL);
    bench_prepare(bench, &options);
    scratch_write_text(&bench->scratch, "in.jsonl", "{\"text\": \"a\"}\n{}\n");
    bench_expect_failure(bench, &options, "/in.jsonl:2: this JSON object has no \"text\" field");
    assert_false(bench_has(bench, "manifest.json"));
    assert_false(bench_has(bench, "train-00000.shard"));
    assert_false(has_partial(bench, "train-00000.shard"));
}

static void a_run_without_held_out_text_keeps_its_shards(void **state)
{
    struct bench *bench = *state;
    const char *path = scratch_write_text(&bench->scratch, "in", "a\n\nb\n");
    struct prepare_options options = bench_options(&path, NULL);
    options.valid_fraction = 1e-9;
    bench_prepare(bench, &options);
    options.continued = true;
    options.run_hashes.train = hash_of(bench, "train");
    scratch_write_text(&bench->scratch, "in", "a\n\nc\n");
    bench_write(bench, "manifest.json", "{");
    bench_prepare(bench, &options);
    bench_expect_dataset(bench, "train", "(5)|(6)");
    assert_int_equal(unlink(path), 0);
    bench_prepare(bench, &options); /* also without the text */
    bench_expect_dataset(bench, "train", "(5)|(6)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(what_is_up_to_date_is_left),
        BENCH_TEST(every_change_prepares_again),
        BENCH_TEST(content_decides),
        BENCH_TEST(the_names_in_the_manifest_stay),
        BENCH_TEST(a_run_goes_on_without_its_text),
        BENCH_TEST(other_text_of_a_run_is_refused_and_nothing_touched),
        BENCH_TEST(the_shards_of_a_run_are_recognized_by_their_hashes),
        BENCH_TEST(a_run_without_held_out_text_keeps_its_shards),
        BENCH_TEST(foreign_files_are_never_replaced),
        BENCH_TEST(lost_and_damaged_files_prepare_again),
        BENCH_TEST(leftovers_are_removed_and_other_files_kept),
        BENCH_TEST(a_failure_leaves_no_manifest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

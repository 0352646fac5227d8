/* Several loaders, each of which makes a share of the sequences of a step. */
#include "data/loader.h"

#include "support/loader_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- support ---- */

static void assert_same_ids(const int32_t *a, const int32_t *b, int count)
{
    assert_memory_equal(a, b, (size_t)count * sizeof *a);
}

/* Asserts that a batch is the sequences of another one from `first` on. */
static void assert_part_of(const struct batch *part, const struct batch *whole, int first)
{
    const int token = whole->starts[first], prediction = whole->predicted_starts[first];
    assert_true(first + part->sequences <= whole->sequences);
    for (int i = 0; i <= part->sequences; i++) {
        assert_int_equal(part->starts[i], whole->starts[first + i] - token);
        assert_int_equal(part->predicted_starts[i],
                         whole->predicted_starts[first + i] - prediction);
    }
    assert_int_equal(part->tokens, part->starts[part->sequences]);
    assert_int_equal(part->predicted, part->predicted_starts[part->sequences]);
    assert_same_ids(part->input_ids, whole->input_ids + token, part->tokens);
    assert_same_ids(part->position_ids, whole->position_ids + token, part->tokens);
    assert_same_ids(part->token_type_ids, whole->token_type_ids + token, part->tokens);
    for (int i = 0; i < part->predicted; i++)
        assert_int_equal(part->predicted_tokens[i],
                         whole->predicted_tokens[prediction + i] - token);
    assert_same_ids(part->predicted_labels, whole->predicted_labels + prediction, part->predicted);
    assert_same_ids(part->sequence_labels, whole->sequence_labels + first, part->sequences);
}

enum { SHARES = 3 };

/* A loader of all sequences, and one for each share of them. */
struct shared {
    struct loader *whole, *parts[SHARES];
    struct batch_share shares[SHARES];
};

/* Divides batches into a ninth, two ninths and the rest. */
static struct shared open_shares(const struct loader_fixture *fixture,
                                 const struct loader_options *options)
{
    const int size = options->batch_size, ends[] = {0, size / 9, size / 3, size};
    struct shared shared = {.whole = loader_fixture_open(fixture, options)};
    for (int i = 0; i < SHARES; i++) {
        struct loader_options own = *options;
        own.share = (struct batch_share){ends[i], ends[i + 1] - ends[i]};
        assert_true(own.share.count > 0);
        shared.shares[i] = own.share;
        shared.parts[i] = loader_fixture_open(fixture, &own);
        assert_int_equal(loader_batches(shared.parts[i]), loader_batches(shared.whole));
    }
    return shared;
}

static void close_shares(struct shared *shared)
{
    loader_close(shared->whole);
    for (int i = 0; i < SHARES; i++)
        loader_close(shared->parts[i]);
}

/* Asserts that the shares of the next batch put together are the whole batch. Returns how many of
 * them are empty. */
static int check_next_shares(struct shared *shared)
{
    const struct batch *whole = loader_fixture_next(shared->whole);
    int sequences = 0, empty = 0;
    for (int i = 0; i < SHARES; i++) {
        const struct batch *part = loader_fixture_next(shared->parts[i]);
        assert_true(part->sequences <= shared->shares[i].count);
        assert_true(part->sequences == 0 || sequences == shared->shares[i].first);
        assert_part_of(part, whole, sequences);
        sequences += part->sequences;
        empty += part->sequences == 0;
    }
    assert_int_equal(sequences, whole->sequences);
    return empty;
}

static void check_shares(const struct loader_fixture *fixture, const struct loader_options *options)
{
    struct shared shared = open_shares(fixture, options);
    const uint64_t batches = loader_batches(shared.whole);
    for (uint64_t i = 0; i < batches; i++)
        assert_int_equal(check_next_shares(&shared), 0);
    close_shares(&shared);
}

/* ---- what the shares are ---- */

static void shares_of_batches_are_the_whole_batches(void **state)
{
    (void)state;
    struct loader_fixture fixture = loader_fixture_begin(60);
    struct loader_options options = loader_fixture_options(37, 30);
    const uint64_t starts[] = {1, 2, 13, 30};
    assert_true(loader_fixture_examples(&fixture, &options) < 10 * 37); /* epochs end on the way */
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        options.first_step = starts[i];
        check_shares(&fixture, &options);
    }
    options.step_base = 4;
    options.first_step = 20;
    check_shares(&fixture, &options);
    loader_fixture_end(&fixture);
}

/* Between two batches of a share whole epochs may go by. */
static void shares_of_a_batch_of_several_epochs(void **state)
{
    (void)state;
    struct loader_fixture fixture = loader_fixture_begin(3);
    struct loader_options options = loader_fixture_options(200, 4);
    assert_true(loader_fixture_examples(&fixture, &options) < 200 / 3);
    check_shares(&fixture, &options);
    options.first_step = 3;
    check_shares(&fixture, &options);
    loader_fixture_end(&fixture);
}

/* Each batch size leaves another number of sequences for the last batch. */
static void shares_of_one_epoch_have_every_example_once(void **state)
{
    (void)state;
    struct loader_fixture fixture = loader_fixture_begin(12);
    struct loader_options options = loader_fixture_options(9, 1);
    options.one_epoch = true;
    const int examples = loader_fixture_examples(&fixture, &options);
    int last_batches[SHARES] = {0}; /* by how many of their shares are empty */
    for (; options.batch_size < examples + 40; options.batch_size++) {
        struct shared shared = open_shares(&fixture, &options);
        const int batches = (examples + options.batch_size - 1) / options.batch_size;
        assert_int_equal(loader_batches(shared.whole), batches);
        for (int i = 0; i + 1 < batches; i++)
            assert_int_equal(check_next_shares(&shared), 0);
        const int empty = check_next_shares(&shared);
        assert_in_range(empty, 0, SHARES - 1);
        last_batches[empty]++;
        close_shares(&shared);
    }
    for (int empty = 0; empty < SHARES; empty++)
        assert_true(last_batches[empty] > 0);
    loader_fixture_end(&fixture);
}

static void shares_of_a_limited_epoch(void **state)
{
    (void)state;
    struct loader_fixture fixture = loader_fixture_begin(60);
    struct loader_options options = loader_fixture_options(18, 1);
    options.one_epoch = true;
    for (options.max_examples = 1; options.max_examples <= 40; options.max_examples++) {
        struct shared shared = open_shares(&fixture, &options);
        const uint64_t batches = loader_batches(shared.whole);
        for (uint64_t i = 0; i < batches; i++)
            check_next_shares(&shared);
        close_shares(&shared);
    }
    loader_fixture_end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_of_batches_are_the_whole_batches),
        cmocka_unit_test(shares_of_a_batch_of_several_epochs),
        cmocka_unit_test(shares_of_one_epoch_have_every_example_once),
        cmocka_unit_test(shares_of_a_limited_epoch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

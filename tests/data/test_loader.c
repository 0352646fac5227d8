#include "data/loader.h"

#include "base/machine.h"
#include "support/loader_fixture.h"
#include "support/statistics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum {
    CLS = SPECIAL_CLS, /* the vocabulary begins with the special tokens in their order */
    SEP = SPECIAL_SEP,
    MASK = SPECIAL_MASK,
};

/* ---- support ---- */

static void assert_same_ids(const int32_t *a, const int32_t *b, int count)
{
    assert_memory_equal(a, b, (size_t)count * sizeof *a);
}

static void assert_same_batch(const struct batch *a, const struct batch *b)
{
    assert_int_equal(a->sequences, b->sequences);
    assert_int_equal(a->tokens, b->tokens);
    assert_int_equal(a->predicted, b->predicted);
    assert_int_equal(a->max_length, b->max_length);
    assert_same_ids(a->starts, b->starts, a->sequences + 1);
    assert_same_ids(a->input_ids, b->input_ids, a->tokens);
    assert_same_ids(a->position_ids, b->position_ids, a->tokens);
    assert_same_ids(a->token_type_ids, b->token_type_ids, a->tokens);
    assert_same_ids(a->predicted_starts, b->predicted_starts, a->sequences + 1);
    assert_same_ids(a->predicted_tokens, b->predicted_tokens, a->predicted);
    assert_same_ids(a->predicted_labels, b->predicted_labels, a->predicted);
    assert_same_ids(a->sequence_labels, b->sequence_labels, a->sequences);
}

/* The epochs of a run, opened one after another, which give the expected next example. */
struct replay {
    const struct loader_fixture *fixture;
    struct example_options options;
    struct epoch *epoch;
    uint32_t number;
    uint64_t position;
};

static struct example replay_next(struct replay *replay)
{
    struct error error = {0};
    if (replay->epoch && replay->position == epoch_examples(replay->epoch)) {
        epoch_close(replay->epoch);
        replay->epoch = NULL;
        replay->number++;
        replay->position = 0;
    }
    if (!replay->epoch)
        replay->epoch = epoch_open(replay->fixture->dataset, replay->fixture->vocabulary,
                                   replay->options, replay->number, 1, &error);
    assert_non_null(replay->epoch);
    return epoch_example(replay->epoch, replay->position++);
}

/* Restores the sequence before masking; returns its length. */
static int unmasked(const struct batch *batch, int sequence, int32_t *ids)
{
    int first = batch->starts[sequence], length = batch->starts[sequence + 1] - first;
    memcpy(ids, batch->input_ids + first, (size_t)length * sizeof *ids);
    for (int m = batch->predicted_starts[sequence]; m < batch->predicted_starts[sequence + 1]; m++)
        ids[batch->predicted_tokens[m] - first] = batch->predicted_labels[m];
    return length;
}

/* Expects [CLS] A [SEP] B [SEP] with types 0 and 1, or [CLS] A [SEP] without B. */
static void check_sequence(const struct loader_fixture *fixture, const struct batch *batch,
                           int sequence, const struct example *example)
{
    int32_t expected[600] = {CLS}, found[600];
    int a = (int)(example->a.last - example->a.first),
        b = (int)(example->b.last - example->b.first);
    bool pair = example->next_sentence_label != NO_LABEL;
    dataset_read(fixture->dataset, example->a.shard, example->a.first, example->a.last,
                 expected + 1);
    expected[a + 1] = SEP;
    dataset_read(fixture->dataset, example->b.shard, example->b.first, example->b.last,
                 expected + a + 2);
    if (pair)
        expected[a + b + 2] = SEP;
    int length = unmasked(batch, sequence, found);
    assert_int_equal(length, a + b + (pair ? 3 : 2));
    assert_same_ids(found, expected, length);
    assert_int_equal(batch->sequence_labels[sequence], example->next_sentence_label);
    for (int i = 0; i < length; i++) {
        assert_int_equal(batch->position_ids[batch->starts[sequence] + i], i);
        assert_int_equal(batch->token_type_ids[batch->starts[sequence] + i], i > a + 1);
    }
}

/* ---- batches ---- */

static void check_batches(const struct loader_fixture *fixture,
                          const struct loader_options *options)
{
    struct replay replay = {.fixture = fixture, .options = options->examples};
    struct loader *loader = loader_fixture_open(fixture, options);
    for (uint64_t step = 1; step <= options->last_step; step++) {
        const struct batch *batch = loader_fixture_next(loader);
        assert_int_equal(batch->sequences, options->batch_size);
        for (int i = 0; i < batch->sequences; i++) {
            struct example example = replay_next(&replay);
            check_sequence(fixture, batch, i, &example);
        }
    }
    assert_true(replay.number >= 2); /* otherwise epochs in sequence are not tested */
    epoch_close(replay.epoch);
    loader_close(loader);
}

static void batches_hold_the_examples_of_the_epochs_in_order(void **state)
{
    (void)state;
    struct loader_fixture fixture = loader_fixture_begin(100);
    struct loader_options options = loader_fixture_options(37, 40);
    check_batches(&fixture, &options);
    options.examples.nsp = false;
    check_batches(&fixture, &options);
    loader_fixture_end(&fixture);
}

static void one_batch_may_hold_several_epochs(void **state)
{
    (void)state;
    struct loader_fixture fixture = loader_fixture_begin(3);
    struct loader_options options = loader_fixture_options(200, 3);
    check_batches(&fixture, &options);
    loader_fixture_end(&fixture);
}

static void one_epoch_gives_every_example_once(void **state)
{
    (void)state;
    struct loader_fixture fixture = loader_fixture_begin(60);
    struct loader_options options = loader_fixture_options(37, 1); /* last_step is not used */
    options.one_epoch = true;
    struct replay replay = {.fixture = &fixture, .options = options.examples};
    struct loader *loader = loader_fixture_open(&fixture, &options);
    uint64_t batches = loader_batches(loader), sequences = 0;
    for (uint64_t i = 0; i < batches; i++) {
        const struct batch *batch = loader_fixture_next(loader);
        assert_true(i + 1 < batches ? batch->sequences == 37 : batch->sequences > 0);
        sequences += (uint64_t)batch->sequences;
        for (int row = 0; row < batch->sequences; row++) {
            struct example example = replay_next(&replay);
            check_sequence(&fixture, batch, row, &example);
        }
    }
    assert_int_equal(replay.number, 0);
    assert_int_equal(sequences, epoch_examples(replay.epoch));
    assert_true(sequences % 37 != 0); /* otherwise the short last batch is not tested */
    loader_close(loader);

    options.batch_size = (int)sequences; /* one batch of all, and no empty batch after it */
    loader = loader_fixture_open(&fixture, &options);
    assert_int_equal(loader_batches(loader), 1);
    assert_int_equal(loader_fixture_next(loader)->sequences, sequences);
    loader_close(loader);
    epoch_close(replay.epoch);
    loader_fixture_end(&fixture);
}

static void starting_late_gives_the_same_batches(void **state)
{
    (void)state;
    enum { STEPS = 30 };
    struct loader_fixture fixture = loader_fixture_begin(60);
    struct loader_options options = loader_fixture_options(16, STEPS);
    const uint64_t starts[] = {1, 2, 13, STEPS};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        struct loader *all = loader_fixture_open(&fixture, &options);
        struct loader_options late_options = options;
        late_options.first_step = starts[i];
        late_options.threads = 1;
        struct loader *late = loader_fixture_open(&fixture, &late_options);
        for (uint64_t step = 1; step <= STEPS; step++) {
            const struct batch *expected = loader_fixture_next(all);
            if (step >= starts[i])
                assert_same_batch(loader_fixture_next(late), expected);
        }
        loader_close(all);
        loader_close(late);
    }
    loader_fixture_end(&fixture);
}

static void a_phase_begins_with_the_first_epoch(void **state)
{
    (void)state;
    struct loader_fixture fixture = loader_fixture_begin(60);
    struct loader_options options = loader_fixture_options(16, 10);
    struct loader *first = loader_fixture_open(&fixture, &options);
    options.step_base = 1000;
    options.first_step = 1004;
    options.last_step = 1010;
    struct loader *second = loader_fixture_open(&fixture, &options);
    for (int step = 1; step <= 10; step++) {
        const struct batch *expected = loader_fixture_next(first);
        if (step >= 4)
            assert_same_batch(loader_fixture_next(second), expected);
    }
    loader_close(first);
    loader_close(second);
    loader_fixture_end(&fixture);
}

/* ---- the first examples of an epoch ---- */

static void check_first_examples(const struct loader_fixture *fixture,
                                 const struct loader_options *options, int expected)
{
    struct replay replay = {.fixture = fixture, .options = options->examples};
    struct loader *loader = loader_fixture_open(fixture, options);
    const uint64_t batches = loader_batches(loader);
    for (uint64_t i = 0; i < batches; i++) {
        const struct batch *batch = loader_fixture_next(loader);
        assert_true(i + 1 < batches ? batch->sequences == options->batch_size
                                    : batch->sequences > 0);
        for (int row = 0; row < batch->sequences; row++) {
            struct example example = replay_next(&replay);
            check_sequence(fixture, batch, row, &example);
        }
    }
    assert_int_equal(replay.number, 0);
    assert_int_equal(replay.position, expected);
    epoch_close(replay.epoch);
    loader_close(loader);
}

static void an_epoch_may_be_limited_to_its_first_examples(void **state)
{
    (void)state;
    struct loader_fixture fixture = loader_fixture_begin(60);
    struct loader_options options = loader_fixture_options(16, 1);
    options.one_epoch = true;
    const int all = loader_fixture_examples(&fixture, &options);
    const int limits[] = {1, 15, 16, 17, 32, all - 1, all};
    assert_true(all > 33 && all % 16 > 1);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        options.max_examples = (uint64_t)limits[i];
        check_first_examples(&fixture, &options, limits[i]);
    }
    options.max_examples = (uint64_t)all + 1;
    check_first_examples(&fixture, &options, all);
    options.max_examples = UINT64_MAX;
    check_first_examples(&fixture, &options, all);
    loader_fixture_end(&fixture);
}

/* ---- what is in a batch ---- */

static void achieved_rates_are_those_asked_for(void **state)
{
    (void)state;
    struct loader_fixture fixture = loader_fixture_begin(500);
    for (int whole_word = 0; whole_word < 2; whole_word++) {
        struct loader_options options = loader_fixture_options(256, 40);
        options.masking.whole_word = whole_word;
        struct loader *loader = loader_fixture_open(&fixture, &options);
        struct batch_rates rates = {0};
        for (uint64_t step = 1; step <= options.last_step; step++)
            batch_rates_count(&rates, loader_fixture_next(loader), MASK);
        loader_close(loader);
        assert_int_equal(rates.sequences, 40 * 256);
        assert_int_equal(rates.selected, rates.shown_mask + rates.shown_random + rates.shown_same);
        assert_int_equal(rates.pairs, rates.sequences);
        assert_true(agrees_with_rate(rates.is_next, rates.pairs, 0.5));
        assert_true(agrees_with_rate(rates.shown_mask, rates.selected, 0.8));
        assert_true(agrees_with_rate(rates.shown_random, rates.selected, 0.1));
        /* The expected rate is exact, except that sequences of at most six tokens have one
         * prediction. */
        double selected = (double)rates.selected / (double)rates.tokens;
        double shown_mask = (double)rates.shown_mask / (double)rates.tokens;
        assert_true(selected > 0.149 && selected < 0.151);
        assert_true(shown_mask > 0.119 && shown_mask < 0.121);
    }
    loader_fixture_end(&fixture);
}

static void masks_differ_from_epoch_to_epoch(void **state)
{
    (void)state;
    struct loader_fixture fixture = loader_fixture_begin(3);
    struct loader_options options = loader_fixture_options(1, UINT64_MAX);
    options.examples.nsp = false; /* so that all epochs have the same tokens before masking */
    options.one_epoch = true;
    struct loader *loader = loader_fixture_open(&fixture, &options);
    options.batch_size = 4 * (int)loader_batches(loader);
    options.one_epoch = false;
    loader_close(loader);
    loader = loader_fixture_open(&fixture, &options);
    const struct batch *batch = loader_fixture_next(loader);
    int32_t first[64], other[64];
    int same_text = 0, same_mask = 0;
    int length = unmasked(batch, 0, first);
    for (int i = 1; i < batch->sequences; i++) {
        if (unmasked(batch, i, other) != length || memcmp(first, other, (size_t)length * 4) != 0)
            continue;
        same_text++;
        same_mask +=
            memcmp(batch->input_ids, batch->input_ids + batch->starts[i], (size_t)length * 4) == 0;
    }
    assert_int_equal(same_text, 3);
    assert_int_equal(same_mask, 0);
    loader_close(loader);
    loader_fixture_end(&fixture);
}

/* ---- the thread ---- */

static void pause_ms(long milliseconds)
{
    nanosleep(&(struct timespec){.tv_nsec = milliseconds * 1000000}, NULL);
}

static void a_batch_stays_until_the_next_call(void **state)
{
    (void)state;
    struct loader_fixture fixture = loader_fixture_begin(60);
    struct loader_options options = loader_fixture_options(16, 20);
    struct loader *slow = loader_fixture_open(&fixture, &options);
    struct loader *fast = loader_fixture_open(&fixture, &options);
    for (uint64_t step = 1; step <= options.last_step; step++) {
        const struct batch *batch = loader_fixture_next(slow);
        pause_ms(2); /* long enough for the thread to overwrite it */
        assert_same_batch(batch, loader_fixture_next(fast));
    }
    loader_close(slow);
    loader_close(fast);
    loader_fixture_end(&fixture);
}

static void closing_is_prompt(void **state)
{
    (void)state;
    struct loader_fixture fixture = loader_fixture_begin(60);
    struct loader_options options = loader_fixture_options(16, UINT64_MAX);
    double before = machine_seconds();
    for (int taken = 0; taken < 8; taken++) {
        struct loader *loader = loader_fixture_open(&fixture, &options);
        for (int i = 0; i < taken; i++)
            loader_fixture_next(loader);
        if (taken % 2)
            pause_ms(5); /* the thread waits for a free batch */
        assert_true(loader_waited(loader) >= 0 && loader_waited(loader) < 60);
        loader_close(loader);
    }
    assert_true(machine_seconds() - before < 30);
    loader_close(NULL);
    loader_fixture_end(&fixture);
}

/* ---- errors ---- */

static void an_id_outside_the_vocabulary_is_reported_by_next(void **state)
{
    (void)state;
    struct loader_fixture fixture = {
        .vocabulary = synthetic_vocabulary(LOADER_FIXTURE_WORDS, LOADER_FIXTURE_PIECES),
        .synthetic = synthetic_begin(LOADER_FIXTURE_VOCABULARY + 1, 4000)};
    for (int document = 0; document < 2; document++) {
        for (int32_t i = 0; i < 2; i++)
            synthetic_sentence(&fixture.synthetic, 2, SPECIAL_COUNT);
        synthetic_document(&fixture.synthetic);
    }
    synthetic_sentence(&fixture.synthetic, 1, LOADER_FIXTURE_VOCABULARY);
    synthetic_document(&fixture.synthetic);
    fixture.dataset = synthetic_open(&fixture.synthetic);

    struct loader_options options = loader_fixture_options(4, 1000);
    struct loader *loader = loader_fixture_open(&fixture, &options);
    struct error error = {0};
    int steps = 0;
    while (steps < 1000 && loader_next(loader, &error))
        steps++;
    assert_string_equal(error.message, "shard 0, token 8: id 1005; the vocabulary has 1005 tokens");
    assert_int_equal(error.kind, ERROR_INPUT);
    /* The next call fails too. */
    error = (struct error){0};
    assert_null(loader_next(loader, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    loader_close(loader);
    loader_fixture_end(&fixture);
}

static void opening_reports_the_errors_of_an_epoch(void **state)
{
    (void)state;
    struct error error = {0};
    struct loader_fixture fixture = loader_fixture_begin(1);
    struct loader_options options = loader_fixture_options(4, 10);
    assert_null(loader_open(fixture.dataset, fixture.vocabulary, &options, &error));
    assert_non_null(strstr(error.message, "needs at least 2 documents"));
    options.examples.nsp = false;
    options.batch_size = INT32_MAX;
    assert_null(loader_open(fixture.dataset, fixture.vocabulary, &options, &error));
    assert_non_null(strstr(error.message, "expected less than 2^31"));
    loader_fixture_end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_hold_the_examples_of_the_epochs_in_order),
        cmocka_unit_test(one_batch_may_hold_several_epochs),
        cmocka_unit_test(one_epoch_gives_every_example_once),
        cmocka_unit_test(starting_late_gives_the_same_batches),
        cmocka_unit_test(a_phase_begins_with_the_first_epoch),
        cmocka_unit_test(an_epoch_may_be_limited_to_its_first_examples),
        cmocka_unit_test(achieved_rates_are_those_asked_for),
        cmocka_unit_test(masks_differ_from_epoch_to_epoch),
        cmocka_unit_test(a_batch_stays_until_the_next_call),
        cmocka_unit_test(closing_is_prompt),
        cmocka_unit_test(an_id_outside_the_vocabulary_is_reported_by_next),
        cmocka_unit_test(opening_reports_the_errors_of_an_epoch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

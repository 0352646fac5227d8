/* Tests the inputs that an epoch depends on, its completeness, examples without pairs, and errors;
 * test_examples.c tests the pairs themselves. */
#include "data/examples.h"

#include "data/batch.h"
#include "support/documents.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- the inputs of an epoch ---- */

static void the_number_of_threads_changes_nothing(void **state)
{
    (void)state;
    struct documents documents = documents_make((struct documents_shape){5000, 1, 12, 1, 40});
    struct epoch *one = require_epoch(&documents, pair_options(64, 0.1), 4, 1);
    struct epoch *three = require_epoch(&documents, pair_options(64, 0.1), 4, 3);
    assert_int_equal(epoch_number(one), 4);
    assert_int_equal(epoch_examples(one), epoch_examples(three));
    /* Examples are made in opposite orders, because an epoch must have no state. */
    uint64_t count = epoch_examples(one);
    struct example *examples = calloc(count, sizeof *examples);
    assert_non_null(examples);
    for (uint64_t i = 0; i < count; i++)
        examples[i] = epoch_example(one, i);
    for (uint64_t i = count; i-- > 0;) {
        struct example example = epoch_example(three, i);
        assert_true(same_example(&example, &examples[i]));
    }
    free(examples);
    epoch_close(one);
    epoch_close(three);
    documents_free(&documents);
}

/* Counts the examples that have the same A in both epochs, among the first ones in the order of the
 * text and among the first ones in the shuffled order. */
static void count_same(const struct epoch *a, const struct epoch *b, int *in_text, int *shuffled)
{
    struct examples a_text = collect_examples(a), b_text = collect_examples(b);
    *in_text = *shuffled = 0;
    for (uint64_t i = 0; i < 300; i++) {
        *in_text += same_span(a_text.list[i].a, b_text.list[i].a);
        struct example at_a = epoch_example(a, i), at_b = epoch_example(b, i);
        *shuffled += same_span(at_a.a, at_b.a);
    }
    free(a_text.list);
    free(b_text.list);
}

static void epochs_and_seeds_differ(void **state)
{
    (void)state;
    struct documents documents = documents_make((struct documents_shape){300, 5, 12, 1, 40});
    struct example_options options = pair_options(64, 0.1), other_seed = options;
    other_seed.seed++;
    struct epoch *first = require_epoch(&documents, options, 0, 1);
    struct epoch *others[] = {
        require_epoch(&documents, options, 1, 1),
        require_epoch(&documents, other_seed, 0, 1),
    };
    for (int i = 0; i < 2; i++) {
        int in_text, shuffled;
        count_same(first, others[i], &in_text, &shuffled);
        assert_in_range(in_text, 0, 100);
        assert_in_range(shuffled, 0, 10);
        epoch_close(others[i]);
    }
    epoch_close(first);
    documents_free(&documents);
}

static void equal_documents_are_walked_differently(void **state)
{
    (void)state;
    enum { DOCUMENTS = 20, SENTENCES = 200 };
    struct documents documents =
        documents_make((struct documents_shape){DOCUMENTS, SENTENCES, SENTENCES, 1, 1});
    struct examples examples = collect_epoch(&documents, pair_options(20, 0.1), 0);
    uint64_t counts[DOCUMENTS] = {0};
    for (size_t i = 0; i < examples.count; i++)
        counts[examples.list[i].a_document]++;
    int same = 0;
    for (int i = 1; i < DOCUMENTS; i++)
        same += counts[i] == counts[0];
    assert_in_range(same, 0, DOCUMENTS / 2);
    free(examples.list);
    documents_free(&documents);
}

/* A document's chunks do not depend on the other documents. */
static void added_documents_do_not_change_the_others(void **state)
{
    (void)state;
    struct documents small = documents_make((struct documents_shape){200, 1, 12, 1, 40});
    struct documents large = documents_begin();
    documents_add(&large, (struct documents_shape){200, 1, 12, 1, 40});
    documents_add(&large, (struct documents_shape){400, 3, 6, 5, 9});
    documents_finish(&large);
    struct examples before = collect_epoch(&small, pair_options(1000, 0.9), 0);
    struct examples after = collect_epoch(&large, pair_options(1000, 0.9), 0);
    assert_true(after.count > before.count);
    for (size_t i = 0; i < before.count; i++) {
        const struct example *a = &before.list[i], *b = &after.list[i];
        assert_true(same_span(a->a, b->a));
        assert_int_equal(a->next_sentence_label, b->next_sentence_label);
        assert_true(a->next_sentence_label == NOT_NEXT || same_example(a, b));
    }
    free(before.list);
    free(after.list);
    documents_free(&small);
    documents_free(&large);
}

/* Epochs with more examples than saved walks, of many small documents and of a few long ones. */
static void large_epochs_are_complete(void **state)
{
    (void)state;
    const struct documents_shape shapes[] = {{60000, 2, 3, 1, 1}, {3, 60000, 70000, 1, 1}};
    for (int i = 0; i < 2; i++) {
        struct documents documents = documents_make(shapes[i]);
        struct examples examples = collect_epoch(&documents, pair_options(5, 0), 0);
        assert_true(examples.count > 65536);
        check_everything_used(&documents, &examples);
        for (size_t e = 1; e < examples.count; e++)
            assert_true(examples.list[e - 1].a_document <= examples.list[e].a_document);
        free(examples.list);
        documents_free(&documents);
    }
}

/* ---- without next-sentence prediction ---- */

static void runs_tile_the_documents(void **state)
{
    (void)state;
    enum { SEQ_LEN = 20, RUN = SEQ_LEN - 2 };
    struct documents documents = documents_make((struct documents_shape){300, 1, 12, 1, 10});
    struct example_options options = {.seed = 5, .seq_len = SEQ_LEN};
    struct examples examples = collect_epoch(&documents, options, 0);
    size_t next = 0;
    for (uint64_t i = 0; i < dataset_documents(documents.dataset); i++) {
        struct document document = dataset_document(documents.dataset, i);
        uint64_t end = document.sentence_starts[document.sentences];
        for (uint64_t first = document.sentence_starts[0]; first < end; first += RUN) {
            const struct example *example = &examples.list[next++];
            uint64_t last = first + RUN < end ? first + RUN : end;
            assert_int_equal(example->a_document, i);
            assert_true(same_span(example->a, (struct span){document.shard, first, last}));
            assert_int_equal(length_of(example->b), 0);
            assert_int_equal(example->next_sentence_label, NO_LABEL);
        }
    }
    assert_int_equal(next, examples.count);
    free(examples.list);
    documents_free(&documents);
}

/* ---- errors ---- */

static void expect_error(const struct documents *documents, struct example_options options,
                         const char *message)
{
    struct error error = {0};
    assert_null(epoch_open(documents->dataset, documents->vocabulary, options, 0, 1, &error));
    assert_string_equal(error.message, message);
    assert_int_equal(error.kind, ERROR_INPUT);
}

static void impossible_epochs_are_refused(void **state)
{
    (void)state;
    struct documents one = documents_make((struct documents_shape){1, 50, 50, 9, 9});
    expect_error(&one, pair_options(64, 0),
                 "next-sentence prediction needs at least 2 documents, and there is only 1; "
                 "separate documents by empty lines, or set data.nsp: false");
    expect_error(&one, pair_options(4, 0), "seq_len is 4; expected at least 5");
    struct example_options spans = {.seq_len = 2};
    expect_error(&one, spans, "seq_len is 2; expected at least 3");
    spans.seq_len = 3;
    epoch_close(require_epoch(&one, spans, 0, 1));
    epoch_close(NULL);
    documents_free(&one);

    struct documents tokens = documents_make((struct documents_shape){5, 1, 1, 1, 1});
    expect_error(&tokens, pair_options(64, 0),
                 "the text is too short to train on: no document has two tokens");
    documents_free(&tokens);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_number_of_threads_changes_nothing),
        cmocka_unit_test(epochs_and_seeds_differ),
        cmocka_unit_test(equal_documents_are_walked_differently),
        cmocka_unit_test(added_documents_do_not_change_the_others),
        cmocka_unit_test(large_epochs_are_complete),
        cmocka_unit_test(runs_tile_the_documents),
        cmocka_unit_test(impossible_epochs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

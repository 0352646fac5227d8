#include "data/examples.h"

#include "data/batch.h"
#include "support/documents.h"
#include "support/statistics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { WORD = DOCUMENTS_WORD, PIECE = DOCUMENTS_PIECE };

/* ---- pairs ---- */

static void half_of_the_pairs_are_next_whatever_the_documents(void **state)
{
    (void)state;
    const struct documents_shape shapes[] = {
        {3000, 1, 30, 3, 60},   /* ordinary */
        {9000, 1, 1, 2, 40},    /* one sentence each */
        {9000, 2, 2, 2, 40},    /* two sentences each */
        {3000, 3, 3, 2, 40},    /* three sentences each */
        {2000, 1, 5, 400, 900}, /* every sentence longer than a sequence */
        {3000, 1, 40, 1, 1},    /* sentences of one token; some documents have only one */
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct documents documents = documents_make(shapes[i]);
        struct examples examples = collect_epoch(&documents, pair_options(64, 0.1), 0);
        uint64_t is_next = 0;
        for (size_t e = 0; e < examples.count; e++) {
            check_pair(&documents, &examples.list[e], 64);
            is_next += examples.list[e].next_sentence_label == IS_NEXT;
        }
        assert_true(examples.count > 1000);
        assert_true(agrees_with_rate(is_next, examples.count, 0.5));
        free(examples.list);
        documents_free(&documents);
    }
}

static void every_token_is_used_when_nothing_is_too_long(void **state)
{
    (void)state;
    const struct {
        struct documents_shape shape;
        int seq_len;
        double short_seq_prob;
    } cases[] = {
        {{500, 2, 12, 1, 40},
         1000,
         0.9}, /* a document fits in any chunk, and most targets are smaller */
        {{500, 1, 1, 2, 40}, 1000, 0.5},
        {{200, 2, 300, 1, 1}, 20, 0.1}, /* sentences of one token reach every target exactly */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct documents documents = documents_make(cases[i].shape);
        struct example_options options = pair_options(cases[i].seq_len, cases[i].short_seq_prob);
        for (uint32_t number = 0; number < 3; number++) {
            struct examples examples = collect_epoch(&documents, options, number);
            check_everything_used(&documents, &examples);
            for (size_t e = 0; e < examples.count; e++)
                if (examples.list[e].next_sentence_label == IS_NEXT)
                    assert_int_equal(examples.list[e].a.last, examples.list[e].b.first);
            free(examples.list);
        }
        documents_free(&documents);
    }
}

/* In the order of the text the A of a pair begins where the previous pair ended: after its B, or
 * after its A when its B came from another document; only the last pair of a document may begin one
 * sentence earlier. */
static void unused_sentences_are_used_next(void **state)
{
    (void)state;
    struct documents documents = documents_make((struct documents_shape){100, 2, 300, 1, 1});
    struct examples examples = collect_epoch(&documents, pair_options(20, 0.1), 0);
    for (size_t i = 1; i < examples.count; i++) {
        const struct example *before = &examples.list[i - 1], *example = &examples.list[i];
        if (example->a_document != before->a_document)
            continue;
        bool is_next = before->next_sentence_label == IS_NEXT;
        uint64_t end = is_next ? before->b.last : before->a.last;
        bool last =
            i + 1 == examples.count || examples.list[i + 1].a_document != example->a_document;
        assert_true(example->a.first == end || (last && example->a.first == end - 1));
    }
    free(examples.list);
    documents_free(&documents);
}

static void unrelated_text_is_uniform_over_documents_then_sentences(void **state)
{
    (void)state;
    enum { DOCUMENTS = 4, EPOCHS = 6000 };
    struct documents documents = documents_begin();
    for (uint32_t document = 0; document < DOCUMENTS; document++) {
        for (uint32_t i = 0; i < 2 + document; i++)
            synthetic_sentence(&documents.synthetic, 3, WORD);
        synthetic_document(&documents.synthetic);
    }
    documents_finish(&documents);
    uint64_t drawn[DOCUMENTS] = {0}, sentence[DOCUMENTS][DOCUMENTS + 1] = {{0}}, total = 0;
    for (uint32_t number = 0; number < EPOCHS; number++) {
        struct examples examples = collect_epoch(&documents, pair_options(128, 0), number);
        for (size_t i = 0; i < examples.count; i++) {
            const struct example *example = &examples.list[i];
            if (example->next_sentence_label == IS_NEXT || example->a_document != 1)
                continue;
            struct document from = dataset_document(documents.dataset, example->b_document);
            uint64_t offset = example->b.first - from.sentence_starts[0];
            assert_int_equal(offset % 3, 0);
            /* No pair reaches the target here, so B extends to the end of its document. */
            assert_int_equal(example->b.last, from.sentence_starts[from.sentences]);
            drawn[example->b_document]++;
            sentence[example->b_document][offset / 3]++;
            total++;
        }
        free(examples.list);
    }
    for (uint64_t document = 0; document < DOCUMENTS; document++) {
        if (document == 1) {
            assert_int_equal(drawn[document], 0);
            continue;
        }
        assert_true(agrees_with_rate(drawn[document], total, 1.0 / (DOCUMENTS - 1)));
        for (uint64_t i = 0; i < 2 + document; i++)
            assert_true(agrees_with_rate(sentence[document][i], drawn[document],
                                         1.0 / (double)(2 + document)));
    }
    documents_free(&documents);
}

static void pairs_have_the_target_length(void **state)
{
    (void)state;
    enum { MAX_LENGTH = 17, TARGETS = MAX_LENGTH - 1 };
    struct documents documents = documents_make((struct documents_shape){20, 4000, 6000, 1, 1});
    struct examples examples = collect_epoch(&documents, pair_options(MAX_LENGTH + 3, 1), 0);
    uint64_t lengths[MAX_LENGTH + 1] = {0}, total = 0;
    for (size_t i = 0; i < examples.count; i++) {
        const struct example *example = &examples.list[i];
        struct document from = dataset_document(documents.dataset, example->b_document);
        if (example->b.last + MAX_LENGTH > from.sentence_starts[from.sentences])
            continue; /* the end of the document may have shortened B */
        lengths[length_of(example->a) + length_of(example->b)]++;
        total++;
    }
    assert_int_equal(lengths[0] + lengths[1], 0);
    for (int length = 2; length <= MAX_LENGTH; length++)
        assert_true(agrees_with_rate(lengths[length], total, 1.0 / TARGETS));
    free(examples.list);

    examples = collect_epoch(&documents, pair_options(MAX_LENGTH + 3, 0.25), 0);
    uint64_t full = 0;
    for (size_t i = 0; i < examples.count; i++)
        full += length_of(examples.list[i].a) + length_of(examples.list[i].b) == MAX_LENGTH;
    /* The full target is also among the short ones; the end of a document shortens a few pairs. */
    double rate = (double)full / (double)examples.count;
    assert_true(rate > 0.74 && rate < 0.78);
    free(examples.list);
    documents_free(&documents);
}

static void a_ends_at_any_sentence(void **state)
{
    (void)state;
    enum { MAX_LENGTH = 9 };
    struct documents documents = documents_make((struct documents_shape){20, 4000, 6000, 1, 1});
    struct examples examples = collect_epoch(&documents, pair_options(MAX_LENGTH + 3, 0), 0);
    uint64_t lengths[MAX_LENGTH] = {0}, total = 0;
    for (size_t i = 0; i < examples.count; i++) {
        uint64_t a = length_of(examples.list[i].a), b = length_of(examples.list[i].b);
        if (a + b < MAX_LENGTH)
            continue; /* at the end of a document */
        lengths[a]++;
        total++;
    }
    for (int length = 1; length < MAX_LENGTH; length++)
        assert_true(agrees_with_rate(lengths[length], total, 1.0 / (MAX_LENGTH - 1)));
    free(examples.list);
    documents_free(&documents);
}

/* Computes the lengths by the loop of Google's program, which removes one token at a time. */
static void truncate_slowly(uint64_t *a, uint64_t *b, uint64_t max)
{
    while (*a + *b > max) {
        if (*a > *b)
            --*a;
        else
            --*b;
    }
}

static void long_pairs_lose_tokens_from_the_longer_side(void **state)
{
    (void)state;
    struct documents documents = documents_make((struct documents_shape){4000, 2, 2, 1, 400});
    struct examples examples = collect_epoch(&documents, pair_options(128, 0), 0);
    uint64_t front = 0, removed = 0;
    for (size_t i = 0; i < examples.count; i++) {
        const struct example *example = &examples.list[i];
        if (example->next_sentence_label != IS_NEXT)
            continue;
        const uint64_t *starts =
            dataset_document(documents.dataset, example->a_document).sentence_starts;
        uint64_t a = starts[1] - starts[0], b = starts[2] - starts[1];
        truncate_slowly(&a, &b, 125);
        assert_int_equal(length_of(example->a), a);
        assert_int_equal(length_of(example->b), b);
        front += example->a.first - starts[0] + example->b.first - starts[1];
        removed += starts[2] - starts[0] - a - b;
    }
    assert_true(removed > 100000);
    assert_true(agrees_with_rate(front, removed, 0.5));
    free(examples.list);
    documents_free(&documents);
}

/* ---- small documents ---- */

static void a_single_sentence_is_divided_at_the_start_of_a_word(void **state)
{
    (void)state;
    const struct {
        int32_t ids[8];
        size_t count;
        uint64_t cut;
    } cases[] = {
        {{WORD, WORD, WORD, WORD}, 4, 2},
        {{WORD, WORD, WORD, PIECE, PIECE, WORD, WORD}, 7, 2},
        {{WORD, PIECE, PIECE, PIECE, PIECE, WORD, WORD, WORD}, 8, 5},
        {{WORD, PIECE, PIECE, PIECE, WORD}, 5, 4},
        {{WORD, WORD, PIECE, PIECE, PIECE, PIECE}, 6, 1},
        {{WORD, PIECE, PIECE, PIECE}, 4, 2}, /* one word */
        {{WORD, WORD}, 2, 1},
    };
    enum { CASES = sizeof cases / sizeof *cases };
    struct documents documents = documents_begin();
    for (size_t i = 0; i < CASES; i++) {
        synthetic_ids(&documents.synthetic, cases[i].ids, cases[i].count);
        synthetic_document(&documents.synthetic);
    }
    documents_finish(&documents);
    int checked[CASES] = {0};
    for (uint32_t number = 0; number < 30; number++) {
        struct examples examples = collect_epoch(&documents, pair_options(128, 0), number);
        for (size_t i = 0; i < examples.count; i++) {
            const struct example *example = &examples.list[i];
            struct document document = dataset_document(documents.dataset, example->a_document);
            uint64_t cut = document.sentence_starts[0] + cases[example->a_document].cut;
            assert_true(example->a.last == cut || example->a.first == cut);
            if (example->next_sentence_label != IS_NEXT)
                continue;
            assert_int_equal(example->b.first, cut);
            assert_int_equal(example->b.last, document.sentence_starts[1]);
            checked[example->a_document]++;
        }
        free(examples.list);
    }
    for (size_t i = 0; i < CASES; i++)
        assert_true(checked[i] > 0);
    documents_free(&documents);
}

static void a_single_token_is_never_a(void **state)
{
    (void)state;
    struct documents documents = documents_begin();
    documents_add(&documents, (struct documents_shape){50, 1, 1, 1, 1});
    documents_add(&documents, (struct documents_shape){50, 2, 3, 2, 5});
    documents_add(&documents, (struct documents_shape){50, 1, 1, 1, 1});
    documents_finish(&documents);
    struct examples examples = collect_epoch(&documents, pair_options(128, 0.1), 0);
    int single_b = 0;
    for (size_t i = 0; i < examples.count; i++) {
        assert_in_range(examples.list[i].a_document, 50, 99);
        single_b += length_of(examples.list[i].b) == 1;
        check_pair(&documents, &examples.list[i], 128);
    }
    assert_true(single_b > 0);
    free(examples.list);
    documents_free(&documents);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_of_the_pairs_are_next_whatever_the_documents),
        cmocka_unit_test(every_token_is_used_when_nothing_is_too_long),
        cmocka_unit_test(unused_sentences_are_used_next),
        cmocka_unit_test(unrelated_text_is_uniform_over_documents_then_sentences),
        cmocka_unit_test(pairs_have_the_target_length),
        cmocka_unit_test(a_ends_at_any_sentence),
        cmocka_unit_test(long_pairs_lose_tokens_from_the_longer_side),
        cmocka_unit_test(a_single_sentence_is_divided_at_the_start_of_a_word),
        cmocka_unit_test(a_single_token_is_never_a),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* How a block is divided among ranks. tests/mpi has what is sent. */
#include "train/buckets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ALIGNMENT = 16 }; /* of pieces, as of tensors: the totals of tables are multiples of it */

static const size_t totals[] = {ALIGNMENT,
                                5 * ALIGNMENT,
                                BUCKET_ELEMENTS - ALIGNMENT,
                                BUCKET_ELEMENTS,
                                BUCKET_ELEMENTS + ALIGNMENT,
                                3 * BUCKET_ELEMENTS + 11 * ALIGNMENT};

enum { TOTALS = sizeof totals / sizeof *totals };

static struct buckets create(size_t total)
{
    struct error error = {0};
    struct buckets buckets;
    assert_true(buckets_create(&buckets, NULL, total, false, &error));
    return buckets;
}

static void test_buckets_go_from_the_end_to_the_beginning(void **state)
{
    (void)state;
    for (int i = 0; i < TOTALS; i++) {
        struct buckets buckets = create(totals[i]);
        size_t end = totals[i];
        for (int bucket = 0; bucket < buckets.count; bucket++) {
            const struct element_range range = buckets_range(&buckets, bucket);
            assert_int_equal(range.end, end);
            assert_in_range(range.end - range.begin, 1, BUCKET_ELEMENTS);
            end = range.begin;
        }
        assert_int_equal(end, 0);
        buckets_free(&buckets);
    }
}

static void check_pieces(const struct buckets *buckets, int bucket)
{
    const struct element_range range = buckets_range(buckets, bucket);
    const size_t even = (range.end - range.begin) / (size_t)buckets->ranks;
    size_t begin = range.begin;
    for (int rank = 0; rank < buckets->ranks; rank++) {
        const struct element_range piece = buckets_piece(buckets, bucket, rank);
        assert_int_equal(piece.begin, begin);
        assert_int_equal(piece.begin % ALIGNMENT, 0);
        assert_in_range(piece.end, piece.begin, range.end);
        assert_in_range(piece.end - piece.begin + ALIGNMENT, even, even + 2 * ALIGNMENT);
        begin = piece.end;
    }
    assert_int_equal(begin, range.end);
}

/* Some are empty where a bucket has fewer lines than there are ranks. */
static void test_pieces_divide_a_bucket_evenly(void **state)
{
    (void)state;
    for (int i = 0; i < TOTALS; i++) {
        struct buckets buckets = create(totals[i]);
        for (buckets.ranks = 1; buckets.ranks <= 70; buckets.ranks++)
            for (int bucket = 0; bucket < buckets.count; bucket++)
                check_pieces(&buckets, bucket);
        buckets_free(&buckets);
    }
}

static void test_the_planned_memory_is_what_is_bound(void **state)
{
    (void)state;
    for (int i = 0; i < TOTALS; i++)
        for (int narrow = 0; narrow <= 1; narrow++) {
            struct error error = {0};
            struct buckets buckets;
            assert_true(buckets_create(&buckets, NULL, totals[i], narrow, &error));
            assert_int_equal(buckets_bytes(totals[i], 1, narrow), buckets.memory.peak);
            buckets_free(&buckets);
        }
    /* Of two buckets under way, what other ranks have sent. */
    const uint64_t received = 2 * sizeof(real) * BUCKET_ELEMENTS;
    assert_in_range(buckets_bytes(10 * BUCKET_ELEMENTS, 4, false), received * 3 / 4,
                    received * 3 / 4 + 8192);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buckets_go_from_the_end_to_the_beginning),
        cmocka_unit_test(test_pieces_divide_a_bucket_evenly),
        cmocka_unit_test(test_the_planned_memory_is_what_is_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "optim/outer.h"

#include "support/real_arrays.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Elements that a thread updates at a time. */
enum { BLOCK = 16384 };

/* ---- the blocks of a rank ---- */

struct blocks {
    real *memory; /* of all three, which follow each other */
    real *values, *anchor, *momentum;
    size_t count;
};

static struct blocks blocks_create(size_t count)
{
    real *memory = zero_reals(3 * count);
    return (struct blocks){memory, memory, memory + count, memory + 2 * count, count};
}

/* Sets values to what the ranks have come to before a synchronization. */
static void come_to(struct blocks *blocks, uint32_t synchronization)
{
    real *random = random_reals(blocks->count, synchronization, 3);
    memcpy(blocks->values, random, blocks->count * sizeof *random);
    free(random);
}

static void begin(struct blocks *blocks)
{
    real *random = random_reals(blocks->count, 100, 3);
    memcpy(blocks->anchor, random, blocks->count * sizeof *random);
    memset(blocks->momentum, 0, blocks->count * sizeof *random);
    free(random);
}

static void step(struct blocks *blocks, const struct outer_options *options)
{
    outer_step(blocks->values, blocks->anchor, blocks->momentum, blocks->count, options);
}

/* ---- the oracle ---- */

/* The equations of the header, one scalar, in double. */
struct scalar {
    double p, m;
};

static void scalar_step(struct scalar *x, double a, const struct outer_options *options)
{
    const double d = x->p - a;
    x->m = options->momentum * x->m + d;
    x->p -= options->learning_rate * (d + options->momentum * x->m);
}

static void assert_scalars(const struct blocks *blocks, const struct scalar *scalars)
{
    double *p = malloc(blocks->count * sizeof *p), *m = malloc(blocks->count * sizeof *m);
    assert_non_null(p);
    assert_non_null(m);
    for (size_t i = 0; i < blocks->count; i++) {
        p[i] = scalars[i].p;
        m[i] = scalars[i].m;
    }
    assert_reals_near(blocks->values, p, blocks->count, 3e-6);
    assert_reals_near(blocks->momentum, m, blocks->count, 3e-6);
    assert_reals_identical(blocks->anchor, blocks->values, blocks->count);
    free(p);
    free(m);
}

static void compare_with_scalars(size_t count, const struct outer_options *options)
{
    struct blocks blocks = blocks_create(count);
    struct scalar *scalars = calloc(count, sizeof *scalars);
    assert_non_null(scalars);
    begin(&blocks);
    for (size_t i = 0; i < count; i++)
        scalars[i].p = (double)blocks.anchor[i];
    for (uint32_t synchronization = 1; synchronization <= 8; synchronization++) {
        come_to(&blocks, synchronization);
        for (size_t i = 0; i < count; i++)
            scalar_step(&scalars[i], (double)blocks.values[i], options);
        step(&blocks, options);
        assert_scalars(&blocks, scalars);
    }
    free(scalars);
    free(blocks.memory);
}

static void test_many_synchronizations_against_the_scalar_algorithm(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 15, BLOCK, BLOCK + 1, 3 * BLOCK - 7};
    const struct outer_options options[] = {{0.7, 0.9}, {1, 0.5}, {0.3, 0}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        for (size_t j = 0; j < sizeof options / sizeof *options; j++)
            compare_with_scalars(counts[i], &options[j]);
}

/* Three steps by hand, in numbers that are exact, with a rate and a momentum of 1/2:
 *   p 8, a 4:      d 4, m 4, p 8 - (4 + 2) / 2 = 5
 *   p 5, a 1:      d 4, m 6, p 5 - (4 + 3) / 2 = 1.5
 *   p 1.5, a 1.5:  d 0, m 3, p 1.5 - 1.5 / 2 = 0.75 */
static void test_three_steps_by_hand(void **state)
{
    (void)state;
    static const real a[] = {4, 1, 1.5f}, m[] = {4, 6, 3}, p[] = {5, 1.5f, 0.75f};
    const struct outer_options options = {0.5, 0.5};
    real value, anchor = 8, momentum = 0;
    for (int i = 0; i < 3; i++) {
        value = a[i];
        outer_step(&value, &anchor, &momentum, 1, &options);
        assert_true(momentum == m[i]);
        assert_true(value == p[i]);
        assert_true(anchor == p[i]);
    }
}

/* Also where parameters have changed so much that p - a is rounded. */
static void test_a_rate_of_1_without_momentum_takes_the_mean(void **state)
{
    (void)state;
    const struct outer_options options = {1, 0};
    struct blocks blocks = blocks_create(BLOCK + 3);
    begin(&blocks);
    for (uint32_t synchronization = 1; synchronization <= 3; synchronization++) {
        come_to(&blocks, synchronization);
        real *mean = copy_reals(blocks.values, blocks.count);
        step(&blocks, &options);
        assert_reals_identical(blocks.values, mean, blocks.count);
        assert_reals_identical(blocks.anchor, mean, blocks.count);
        free(mean);
    }
    free(blocks.memory);
}

static void test_elements_after_the_count_stay(void **state)
{
    (void)state;
    const struct outer_options options = {0.7, 0.9};
    real values[] = {1, 2, 3}, anchor[] = {4, 5, 6}, momentum[] = {7, 8, 9};
    outer_step(values, anchor, momentum, 2, &options);
    assert_true(values[1] == anchor[1] && values[1] != 2);
    assert_true(values[2] == 3 && anchor[2] == 6 && momentum[2] == 9);
    outer_step(values, anchor, momentum, 0, &options);
    assert_true(values[0] == anchor[0]);
}

static void take_steps(void *context)
{
    struct blocks *blocks = context;
    const struct outer_options options = {0.7, 0.9};
    begin(blocks);
    for (uint32_t synchronization = 1; synchronization <= 3; synchronization++) {
        come_to(blocks, synchronization);
        step(blocks, &options);
    }
}

static void test_the_result_does_not_depend_on_the_number_of_threads(void **state)
{
    (void)state;
    struct blocks blocks = blocks_create(5 * BLOCK + 13);
    assert_thread_counts_do_not_matter(take_steps, &blocks, blocks.memory, 3 * blocks.count);
    free(blocks.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_synchronizations_against_the_scalar_algorithm),
        cmocka_unit_test(test_three_steps_by_hand),
        cmocka_unit_test(test_a_rate_of_1_without_momentum_takes_the_mean),
        cmocka_unit_test(test_elements_after_the_count_stay),
        cmocka_unit_test(test_the_result_does_not_depend_on_the_number_of_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

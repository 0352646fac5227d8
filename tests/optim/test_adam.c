#include "optim/adam.h"

#include "base/memory.h"
#include "base/random.h"
#include "support/assert_near.h"

#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- a block of tensors under test ---- */

struct blocks {
    real *values, *gradients, *first_moment, *second_moment;
    size_t total;
};

static real *zeros(size_t count)
{
    struct error error = {0};
    real *block = allocate(count, sizeof *block, &error);
    assert_non_null(block);
    return block;
}

static struct blocks blocks_create(size_t total)
{
    return (struct blocks){zeros(total), zeros(total), zeros(total), zeros(total), total};
}

static void blocks_free(struct blocks *blocks)
{
    free(blocks->values);
    free(blocks->gradients);
    free(blocks->first_moment);
    free(blocks->second_moment);
}

static struct adam adam_of(const struct blocks *blocks)
{
    return (struct adam){.first_moment = blocks->first_moment,
                         .second_moment = blocks->second_moment,
                         .beta1 = 0.9,
                         .beta2 = 0.999,
                         .epsilon = 1e-6,
                         .weight_decay = 0.1,
                         .bias_correction = true,
                         .layer_decay = 1};
}

/* The largest tensor is in several of the optimizer's blocks, the small ones are all in one. */
enum { BIG = 300 * 211, NORM_AT = 63312, BIAS_AT = 63632, TOTAL = 63664 };

static const struct element_range whole = {0, TOTAL};

static struct parameter big_list[] = {
    {.name = "weight", .kind = PARAMETER_MATRIX, .rows = 300, .columns = 211, .offset = 0},
    {.name = "norm", .kind = PARAMETER_NORM, .columns = 307, .offset = NORM_AT},
    {.name = "bias", .kind = PARAMETER_BIAS, .columns = 21, .offset = BIAS_AT},
};

static const struct parameter_table big_table = {.list = big_list, .count = 3, .total = TOTAL};

static bool in_gap(size_t i)
{
    return (i >= BIG && i < NORM_AT) || (i >= NORM_AT + 307 && i < BIAS_AT) || i >= BIAS_AT + 21;
}

static void fill_normal(real *block, size_t total, uint64_t index)
{
    struct random random = random_begin(3, RANDOM_TEST, index, 0);
    for (size_t i = 0; i < total; i++)
        block[i] = in_gap(i) ? 0 : (real)random_truncated_normal(&random);
}

/* ---- the oracle ---- */

/* Kingma & Ba's algorithm 1 with decoupled decay, one scalar, in double. */
struct scalar {
    double value, first_moment, second_moment;
};

static void scalar_step(struct scalar *x, double gradient, const struct adam *adam, double decay,
                        const struct adam_update *update)
{
    double g = gradient * update->gradient_scale;
    double k = (double)update->step;
    x->first_moment = adam->beta1 * x->first_moment + (1 - adam->beta1) * g;
    x->second_moment = adam->beta2 * x->second_moment + (1 - adam->beta2) * g * g;
    double m = x->first_moment, v = x->second_moment;
    if (adam->bias_correction) {
        m /= 1 - pow(adam->beta1, k);
        v /= 1 - pow(adam->beta2, k);
    }
    x->value -= update->learning_rate * (m / (sqrt(v) + adam->epsilon) + decay * x->value);
}

static void compare_with_scalars(bool bias_correction)
{
    struct blocks blocks = blocks_create(TOTAL);
    struct scalar *scalars = calloc(TOTAL, sizeof *scalars);
    struct adam adam = adam_of(&blocks);
    adam.bias_correction = bias_correction;
    fill_normal(blocks.values, TOTAL, 0);
    for (size_t i = 0; i < TOTAL; i++)
        scalars[i].value = (double)blocks.values[i];
    for (int64_t step = 1; step <= 12; step++) {
        struct adam_update update = {
            .step = step, .learning_rate = 0.01 / (double)step, .gradient_scale = 0.37};
        fill_normal(blocks.gradients, TOTAL, (uint64_t)step);
        for (size_t i = 0; i < TOTAL; i++)
            scalar_step(&scalars[i], (double)blocks.gradients[i], &adam,
                        i < BIG ? adam.weight_decay : 0, &update);
        adam_step(&adam, blocks.values, blocks.gradients, &big_table, whole, update);
    }
    for (size_t i = 0; i < TOTAL; i++) {
        assert_near((double)blocks.values[i], scalars[i].value, 2e-6);
        assert_near((double)blocks.first_moment[i], scalars[i].first_moment, 1e-6);
        assert_near((double)blocks.second_moment[i], scalars[i].second_moment, 1e-6);
    }
    free(scalars);
    blocks_free(&blocks);
}

static void test_many_steps_against_the_scalar_algorithm(void **state)
{
    (void)state;
    compare_with_scalars(true);
}

static void test_without_bias_correction(void **state)
{
    (void)state;
    compare_with_scalars(false);
}

/* From torch.optim.AdamW (2.13, one thread, lr 0.01, eps 1e-6, weight_decay 0.1 on the matrix and 0
 * on the bias): matrix[i] = (i - 3) / 4, gradient of element i (counted on
 * into the bias) at step k ((7 k + 13 i) % 32 - 15) / 64. Exact inputs, so only the rounding of the
 * updates may differ. */
static void test_golden_values_of_pytorch(void **state)
{
    (void)state;
    static const float start[11] = {-0.75f, -0.5f, -0.25f, 0,      0.25f, 0.5f,
                                    0.75f,  1,     0.5f,   -0.25f, 1};
    static const float after_1[11] = {-0.739250064f, -0.509499907f, -0.239750043f, 0.00999935903f,
                                      0.239750057f,  0.509499907f,  0.739250124f,  1.00899994f,
                                      0.5f,          -0.259999961f, 1.00999987f};
    static const float after_5[11] = {-0.73164767f, -0.515403271f, -0.220781535f, -0.00482665794f,
                                      0.243706882f, 0.507423937f,  0.725139737f,  1.020226f,
                                      0.481353492f, -0.258912951f, 1.00502574f};
    struct parameter list[] = {
        {.name = "matrix", .kind = PARAMETER_MATRIX, .rows = 2, .columns = 4, .offset = 0},
        {.name = "bias", .kind = PARAMETER_BIAS, .columns = 3, .offset = 16},
    };
    struct parameter_table table = {.list = list, .count = 2, .total = 32};
    struct blocks blocks = blocks_create(table.total);
    struct adam adam = adam_of(&blocks);
    for (int i = 0; i < 11; i++)
        blocks.values[i < 8 ? i : i + 8] = start[i];
    for (int step = 1; step <= 5; step++) {
        for (int i = 0; i < 11; i++)
            blocks.gradients[i < 8 ? i : i + 8] = (real)((step * 7 + i * 13) % 32 - 15) / 64;
        adam_step(&adam, blocks.values, blocks.gradients, &table,
                  (struct element_range){0, table.total},
                  (struct adam_update){.step = step, .learning_rate = 0.01, .gradient_scale = 1});
        const float *expected = step == 1 ? after_1 : step == 5 ? after_5 : NULL;
        for (int i = 0; expected && i < 11; i++)
            assert_near(blocks.values[i < 8 ? i : i + 8], expected[i], 2e-7f);
    }
    blocks_free(&blocks);
}

/* ---- the rest of the contract ---- */

static void assert_decay_shrinks_matrices_only(const struct adam *adam, struct blocks *blocks)
{
    for (size_t i = 0; i < TOTAL; i++)
        blocks->values[i] = 2;
    adam_step(adam, blocks->values, blocks->gradients, &big_table, whole,
              (struct adam_update){.step = 1, .learning_rate = 0.5, .gradient_scale = 1});
    for (size_t i = 0; i < TOTAL; i++)
        assert_near(blocks->values[i], i < BIG ? 1.9f : 2.0f, 1e-6f);
}

static void test_decay_without_gradient_shrinks_matrices_only(void **state)
{
    (void)state;
    struct blocks blocks = blocks_create(TOTAL);
    struct adam adam = adam_of(&blocks);
    assert_decay_shrinks_matrices_only(&adam, &blocks);
    blocks_free(&blocks);
}

static void test_the_smallest_epsilon_is_not_zero(void **state)
{
    (void)state;
    struct blocks blocks = blocks_create(TOTAL);
    struct adam adam = adam_of(&blocks);
    adam.epsilon = 1e-46;
    assert_decay_shrinks_matrices_only(&adam, &blocks);
    blocks_free(&blocks);
}

static void test_gradients_are_cleared_only_if_asked(void **state)
{
    (void)state;
    struct blocks blocks = blocks_create(TOTAL);
    real *copy = zeros(TOTAL);
    struct adam adam = adam_of(&blocks);
    struct adam_update update = {.step = 1, .learning_rate = 0.1, .gradient_scale = 0.5};
    fill_normal(blocks.gradients, TOTAL, 9);
    memcpy(copy, blocks.gradients, TOTAL * sizeof *copy);
    adam_step(&adam, blocks.values, blocks.gradients, &big_table, whole, update);
    assert_memory_equal(copy, blocks.gradients, TOTAL * sizeof *copy);
    update.clear_gradients = true;
    adam_step(&adam, blocks.values, blocks.gradients, &big_table, whole, update);
    memset(copy, 0, TOTAL * sizeof *copy);
    assert_memory_equal(copy, blocks.gradients, TOTAL * sizeof *copy);
    free(copy);
    blocks_free(&blocks);
}

static void test_gaps_are_not_touched(void **state)
{
    (void)state;
    struct blocks blocks = blocks_create(TOTAL);
    struct adam adam = adam_of(&blocks);
    for (size_t i = 0; i < TOTAL; i++)
        blocks.values[i] = blocks.gradients[i] = 1;
    adam_step(&adam, blocks.values, blocks.gradients, &big_table, whole,
              (struct adam_update){.step = 1, .learning_rate = 0.1, .gradient_scale = 1});
    for (size_t i = 0; i < TOTAL; i++) {
        assert_true((blocks.values[i] == 1) == in_gap(i));
        assert_true((blocks.first_moment[i] == 0) == in_gap(i));
    }
    blocks_free(&blocks);
}

/* Processes that share a table update a range each. */
static void test_ranges_give_the_same_bits_as_the_whole(void **state)
{
    (void)state;
    static const size_t bounds[] = {0, 1, 16, 20003, BIG - 5, NORM_AT + 7, TOTAL};
    struct blocks once = blocks_create(TOTAL), ranges = blocks_create(TOTAL);
    struct adam adam = adam_of(&once), divided = adam_of(&ranges);
    const struct adam_update update = {
        .step = 1, .learning_rate = 0.1, .gradient_scale = 0.9, .clear_gradients = true};
    fill_normal(once.values, TOTAL, 4);
    fill_normal(ranges.values, TOTAL, 4);
    fill_normal(once.gradients, TOTAL, 5);
    fill_normal(ranges.gradients, TOTAL, 5);
    adam_step(&adam, once.values, once.gradients, &big_table, whole, update);
    for (size_t i = 0; i + 1 < sizeof bounds / sizeof *bounds; i++)
        adam_step(&divided, ranges.values, ranges.gradients, &big_table,
                  (struct element_range){bounds[i], bounds[i + 1]}, update);
    const size_t size = TOTAL * sizeof(real);
    assert_memory_equal(once.values, ranges.values, size);
    assert_memory_equal(once.gradients, ranges.gradients, size);
    assert_memory_equal(once.first_moment, ranges.first_moment, size);
    assert_memory_equal(once.second_moment, ranges.second_moment, size);
    blocks_free(&once);
    blocks_free(&ranges);
}

/* One element in each place of a model of three layers. */
enum { PLACES = 6, STRIDE = 16 };

static const struct {
    enum parameter_group group;
    int layer, layers_above;
} places[PLACES] = {{GROUP_ENCODER, -1, 3}, {GROUP_ENCODER, 0, 2}, {GROUP_ENCODER, 1, 1},
                    {GROUP_ENCODER, 2, 0},  {GROUP_POOLER, -1, 0}, {GROUP_NSP_HEAD, -1, 0}};

static struct parameter_table places_table(struct parameter list[PLACES])
{
    for (int i = 0; i < PLACES; i++)
        list[i] = (struct parameter){.kind = PARAMETER_MATRIX,
                                     .group = places[i].group,
                                     .layer = places[i].layer,
                                     .rows = 1,
                                     .columns = 1,
                                     .offset = (size_t)i * STRIDE};
    return (struct parameter_table){
        .list = list, .count = PLACES, .layers = 3, .total = PLACES * STRIDE};
}

/* Steps of a place have the learning rate times layer_decay for each layer above it, as torch's
 * parameter groups would have it. */
static void test_layer_decay(void **state)
{
    (void)state;
    struct parameter list[PLACES];
    const struct parameter_table table = places_table(list);
    struct blocks blocks = blocks_create(table.total);
    struct adam adam = adam_of(&blocks);
    adam.layer_decay = 0.5;
    for (int i = 0; i < PLACES; i++)
        blocks.values[i * STRIDE] = 1;
    for (int64_t step = 1; step <= 3; step++) {
        for (int i = 0; i < PLACES; i++)
            blocks.gradients[i * STRIDE] = (real)(step - 5);
        adam_step(&adam, blocks.values, blocks.gradients, &table,
                  (struct element_range){0, table.total},
                  (struct adam_update){.step = step, .learning_rate = 0.1, .gradient_scale = 1});
    }
    for (int i = 0; i < PLACES; i++) {
        struct scalar expected = {1, 0, 0};
        const double rate = 0.1 * pow(0.5, places[i].layers_above);
        for (int64_t step = 1; step <= 3; step++)
            scalar_step(
                &expected, (double)(step - 5), &adam, adam.weight_decay,
                &(struct adam_update){.step = step, .learning_rate = rate, .gradient_scale = 1});
        assert_near((double)blocks.values[i * STRIDE], expected.value, 1e-6);
    }
    blocks_free(&blocks);
}

static void test_frozen_layers_and_their_moments_stay(void **state)
{
    (void)state;
    struct parameter list[PLACES];
    const struct parameter_table table = places_table(list);
    for (int frozen = 0; frozen <= 3; frozen++) {
        struct blocks blocks = blocks_create(table.total);
        struct adam adam = adam_of(&blocks);
        adam.frozen_layers = frozen;
        for (int i = 0; i < PLACES; i++)
            blocks.values[i * STRIDE] = blocks.gradients[i * STRIDE] = 1;
        adam_step(&adam, blocks.values, blocks.gradients, &table,
                  (struct element_range){0, table.total},
                  (struct adam_update){.step = 1, .learning_rate = 0.1, .gradient_scale = 1});
        for (int i = 0; i < PLACES; i++) {
            bool stays = frozen && i <= frozen;
            assert_true((blocks.values[i * STRIDE] == 1) == stays);
            assert_true((blocks.first_moment[i * STRIDE] == 0) == stays);
        }
        blocks_free(&blocks);
    }
}

static void step_with_threads(struct blocks *blocks, int threads)
{
    int before = omp_get_max_threads();
    omp_set_num_threads(threads);
    struct adam adam = adam_of(blocks);
    fill_normal(blocks->values, TOTAL, 4);
    for (int64_t step = 1; step <= 3; step++) {
        fill_normal(blocks->gradients, TOTAL, 4 + (uint64_t)step);
        adam_step(&adam, blocks->values, blocks->gradients, &big_table, whole,
                  (struct adam_update){.step = step, .learning_rate = 0.1, .gradient_scale = 0.9});
    }
    omp_set_num_threads(before);
}

static void test_the_result_does_not_depend_on_the_number_of_threads(void **state)
{
    (void)state;
    struct blocks one = blocks_create(TOTAL), three = blocks_create(TOTAL);
    step_with_threads(&one, 1);
    step_with_threads(&three, 3);
    assert_memory_equal(one.values, three.values, TOTAL * sizeof(real));
    assert_memory_equal(one.first_moment, three.first_moment, TOTAL * sizeof(real));
    assert_memory_equal(one.second_moment, three.second_moment, TOTAL * sizeof(real));
    blocks_free(&one);
    blocks_free(&three);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_steps_against_the_scalar_algorithm),
        cmocka_unit_test(test_without_bias_correction),
        cmocka_unit_test(test_golden_values_of_pytorch),
        cmocka_unit_test(test_decay_without_gradient_shrinks_matrices_only),
        cmocka_unit_test(test_the_smallest_epsilon_is_not_zero),
        cmocka_unit_test(test_gradients_are_cleared_only_if_asked),
        cmocka_unit_test(test_gaps_are_not_touched),
        cmocka_unit_test(test_ranges_give_the_same_bits_as_the_whole),
        cmocka_unit_test(test_layer_decay),
        cmocka_unit_test(test_frozen_layers_and_their_moments_stay),
        cmocka_unit_test(test_the_result_does_not_depend_on_the_number_of_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

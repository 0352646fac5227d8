/* bf16 computes what fp32 computes, up to the rounding of its operands: a relative error of 2^-9 in
 * each, in some dozens of operands one after the other. */

#include "math/panels.h"
#include "model/pretraining.h"
#include "support/small_model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <omp.h>

static const double LOSS_TOLERANCE = 1e-2, GRADIENT_TOLERANCE = 5e-2;

struct result {
    struct pretraining_sums sums;
    struct parameter_block gradients;
};

/* Heads of 32, the least that bf16 takes. */
static struct model_config wide_config(const char *activation)
{
    struct model_config config = small_model_config(activation, 0.1);
    config.hidden_size = 64;
    config.intermediate_size = 96;
    return config;
}

static struct result run(const struct model *model, const struct batch *batch, int micro_batch,
                         int threads, bool halves)
{
    struct error error = {0};
    struct result result = {0};
    struct encoder_dropout dropout = encoder_dropout_begin(&model->config, 3, 5);
    struct workspace_limits limits =
        pretraining_limits(micro_batch, batch->max_length, batch->max_length, threads);
    limits.bf16 = halves;
    omp_set_num_threads(threads);
    struct workspace *workspace = workspace_create(&model->config, limits, true, &error);
    assert_non_null(workspace);
    assert_true(parameter_block_create(&result.gradients, &model->table, &model->config, &error));
    pretraining_gradients(model, &result.gradients.weights, workspace, batch, &dropout,
                          &result.sums);
    workspace_free(workspace);
    return result;
}

/* Of the two gradients of a tensor, relative to the norm of all. */
static double distance(const struct result *a, const struct result *b, size_t offset, size_t count,
                       size_t total)
{
    double difference = 0, norm = 0;
    for (size_t i = 0; i < total; i++)
        norm += (double)b->gradients.values[i] * (double)b->gradients.values[i];
    for (size_t i = offset; i < offset + count; i++) {
        double d = (double)a->gradients.values[i] - (double)b->gradients.values[i];
        difference += d * d;
    }
    return sqrt(difference / norm);
}

static void assert_near(const struct result *a, const struct result *b,
                        const struct parameter_table *table)
{
    assert_int_equal(a->sums.mlm.count, b->sums.mlm.count);
    assert_int_equal(a->sums.nsp.count, b->sums.nsp.count);
    assert_true(fabs(pretraining_loss(&a->sums) - pretraining_loss(&b->sums)) <=
                LOSS_TOLERANCE * pretraining_loss(&b->sums));
    assert_true(distance(a, b, 0, table->total, table->total) < GRADIENT_TOLERANCE);
    for (int i = 0; i < table->count; i++) {
        const struct parameter *parameter = &table->list[i];
        double d = distance(a, b, parameter->offset, parameter_elements(parameter), table->total);
        if (!(d < GRADIENT_TOLERANCE))
            fail_msg("%s: %g", parameter->name, d);
    }
}

static void require_bf16(void)
{
    if (!panels_bf16()) {
        print_message("SKIPPED: %s\n", panels_bf16_missing());
        skip();
    }
}

static void check(const char *activation, const int *lengths, int sequences)
{
    const struct model_config config = wide_config(activation);
    struct error error = {0};
    struct model *model = model_create(&config, &error);
    assert_non_null(model);
    parameters_initialize(model->parameters.values, &model->table, 0.1, 7, (1u << PART_COUNT) - 1);
    struct batch batch = small_batch(lengths, sequences, config.vocab_size, 9);
    struct result fp32 = run(model, &batch, sequences, 1, false);
    struct result bf16_once = run(model, &batch, sequences, 2, true);
    struct result bf16_again = run(model, &batch, sequences, 2, true);
    struct result bf16_split = run(model, &batch, 1, 1, true);
    assert_near(&bf16_once, &fp32, &model->table);
    assert_near(&bf16_split, &fp32, &model->table);
    assert_memory_equal(bf16_once.gradients.values, bf16_again.gradients.values,
                        model->table.total * sizeof(real));
    parameter_block_free(&fp32.gradients);
    parameter_block_free(&bf16_once.gradients);
    parameter_block_free(&bf16_again.gradients);
    parameter_block_free(&bf16_split.gradients);
    batch_free(&batch);
    model_free(model);
}

static void test_gradients_are_those_of_fp32(void **state)
{
    (void)state;
    require_bf16();
    const int lengths[] = {16, 5, 11, 16, 7};
    check("gelu", lengths, 5);
    check("gelu_new", lengths, 5);
    check("relu", lengths, 5);
}

static void test_one_sequence(void **state)
{
    (void)state;
    require_bf16();
    const int lengths[] = {13};
    check("gelu", lengths, 1);
}

static void test_what_bf16_cannot_divide_is_an_error(void **state)
{
    (void)state;
    require_bf16();
    struct error error = {0};
    struct model_config config = wide_config("gelu");
    assert_true(workspace_check_bf16(&config, &error));
    config.num_attention_heads = 4;
    assert_false(workspace_check_bf16(&config, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_string_equal(error.message, "bf16 needs a multiple of 32 for hidden_size / "
                                       "num_attention_heads; found 16");
    config = wide_config("gelu");
    config.intermediate_size = 100;
    assert_false(workspace_check_bf16(&config, &error));
    assert_string_equal(error.message,
                        "bf16 needs a multiple of 32 for intermediate_size; found 100");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients_are_those_of_fp32),
        cmocka_unit_test(test_one_sequence),
        cmocka_unit_test(test_what_bf16_cannot_divide_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

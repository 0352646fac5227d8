/* Tests that results depend neither on the choice of head tokens nor on the memory for logits and
 * layers. */

#include "model/workspace.h"

#include "model/encoder.h"
#include "model/mlm_head.h"
#include "model/objective.h"
#include "support/bf16_arrays.h"
#include "support/real_arrays.h"
#include "support/small_model.h"

#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { THREADS = 2 };

static struct workspace *create_workspace(const struct model_config *config,
                                          const struct batch *batch, bool is_bf16, bool training)
{
    struct error error = {0};
    struct workspace_limits limits =
        workspace_limits_of(batch->sequences, batch->max_length, batch->max_length, THREADS);
    limits.bf16 = is_bf16;
    omp_set_num_threads(THREADS);
    struct workspace *workspace = workspace_create(config, limits, training, &error);
    assert_non_null(workspace);
    return workspace;
}

/* ---- head tokens ---- */

/* The models have one layer, which is both the first and the last, and three. */
static void fewer_head_tokens_change_no_value(void **state)
{
    (void)state;
    const int lengths[] = {9, 1, 16, 5, 12};
    const struct encoder_dropout none = encoder_dropout_none();
    for (int layers = 1; layers <= 3; layers += 2) {
        struct model_config config = small_model_config("gelu", 0);
        config.num_hidden_layers = layers;
        struct model *model = small_model(&config, 3);
        struct batch batch = small_batch(lengths, 5, config.vocab_size, 4);
        struct workspace *workspace = create_workspace(&config, &batch, false, false);
        const size_t width = (size_t)config.hidden_size;
        micro_batch_load(&workspace->micro_batch, workspace->limits, &batch, 0, 5, 0);
        encoder_forward(model, workspace, &none);
        const int count = workspace->micro_batch.head_tokens.count;
        assert_true(count < batch.tokens);
        real *few = copy_reals(encoder_output(workspace, &config).reals, (size_t)count * width);
        micro_batch_load(&workspace->micro_batch, workspace->limits, &batch, 0, 5, 0);
        int32_t *rows = calloc((size_t)count, sizeof *rows);
        memcpy(rows, workspace->micro_batch.head_tokens.rows, (size_t)count * sizeof *rows);
        micro_batch_choose_all_tokens(&workspace->micro_batch, workspace->limits);
        encoder_forward(model, workspace, &none);
        for (int i = 0; i < count; i++)
            for (size_t j = 0; j < width; j++) {
                const real all =
                    encoder_output(workspace, &config).reals[(size_t)rows[i] * width + j];
                assert_true(fabs((double)(few[(size_t)i * width + j] - all)) < 2e-6);
            }
        free(rows), free(few);
        workspace_free(workspace);
        batch_free(&batch);
        model_free(model);
    }
}

/* ---- memory ---- */

struct result {
    struct objective_sums sums;
    struct parameter_block gradients;
};

static struct result gradients_of(const struct model *model, const struct batch *batch,
                                  struct workspace *workspace)
{
    struct error error = {0};
    struct result result = {0};
    const struct encoder_dropout dropout = encoder_dropout_begin(&model->config, 3, 5);
    assert_true(parameter_block_create(&result.gradients, &model->table, &model->config, &error));
    const struct objective_share share = objective_whole_step(&model->config, batch);
    objective_gradients(model, &result.gradients.weights, workspace, batch, &share, &dropout,
                        &result.sums);
    return result;
}

/* Checks with memory for the dlogits of 5 predictions and for the logits of 3 at a time. */
static void check_few_logits_at_a_time(struct model_config config, bool is_bf16)
{
    const int lengths[] = {16, 9, 14, 16, 3};
    struct model *model = small_model(&config, 3);
    struct batch batch = small_batch(lengths, 5, config.vocab_size, 4);
    struct workspace *workspace = create_workspace(&config, &batch, is_bf16, true);
    struct result whole = gradients_of(model, &batch, workspace);
    struct mlm_memory *memory = workspace->head_memory[HEAD_MLM];
    memory->dlogit_rows = 5;
    memory->logit_rows = 3;
    assert_true(batch.predicted > 2 * memory->dlogit_rows);
    struct result divided = gradients_of(model, &batch, workspace);
    double largest = 0, difference = 0;
    for (size_t i = 0; i < model->table.total; i++) {
        const double a = (double)whole.gradients.values[i], b = (double)divided.gradients.values[i];
        largest = fabs(a) > largest ? fabs(a) : largest;
        difference = fabs(a - b) > difference ? fabs(a - b) : difference;
    }
    assert_true(fabs(objective_loss(&whole.sums) - objective_loss(&divided.sums)) < 1e-6);
    assert_true(largest > 0 && difference < 2e-6 * largest);
    parameter_block_free(&whole.gradients);
    parameter_block_free(&divided.gradients);
    workspace_free(workspace);
    batch_free(&batch);
    model_free(model);
}

static void logits_may_be_few_at_a_time(void **state)
{
    (void)state;
    check_few_logits_at_a_time(small_model_config("gelu", 0.1), false);
}

static void logits_may_be_few_at_a_time_in_bf16(void **state)
{
    (void)state;
    require_bf16();
    check_few_logits_at_a_time(small_bf16_config("gelu", 0.1), true);
}

/* Fills the memory that the encoder and the heads share, which reaches to the end, with NaN. */
static void spoil_turns(const struct workspace *workspace)
{
    const struct rows first = workspace->encoder_memory.activated;
    char *begin = first.reals ? (char *)first.reals : (char *)first.bf16;
    assert_ptr_equal(begin, workspace->row_loss);
    memset(begin, 0xFF, workspace->memory.peak - (size_t)(begin - workspace->memory.base));
}

/* Checks that neither the encoder nor the heads read what the others have left in the shared
 * memory. */
static void check_turns(struct model_config config, bool is_bf16)
{
    const int lengths[] = {16, 9, 14, 16, 3};
    struct model *model = small_model(&config, 3);
    struct batch batch = small_batch(lengths, 5, config.vocab_size, 4);
    struct workspace *workspace = create_workspace(&config, &batch, is_bf16, true);
    const struct encoder_dropout dropout = encoder_dropout_begin(&config, 3, 5);
    const struct objective_share share = objective_whole_step(&config, &batch);
    struct result expected = gradients_of(model, &batch, workspace);
    struct result spoilt = {0};
    struct error error = {0};
    assert_true(parameter_block_create(&spoilt.gradients, &model->table, &config, &error));
    struct weights *gradients = &spoilt.gradients.weights;
    micro_batch_load(&workspace->micro_batch, workspace->limits, &batch, 0, 5, 0);
    encoder_forward(model, workspace, &dropout);
    memset(workspace->dencoder_output, 0,
           (size_t)workspace->micro_batch.head_tokens.count * (size_t)config.hidden_size *
               sizeof(real));
    spoil_turns(workspace);
    for (int i = 0; i < config.heads->count; i++) {
        const struct head_pass pass = head_pass_at(model, gradients, workspace, i);
        config.heads->heads[i]->backward(&pass, share.scales[i], &spoilt.sums.heads[i]);
    }
    spoil_turns(workspace);
    encoder_backward(model, gradients, workspace, &dropout, NULL);
    assert_true(objective_loss(&spoilt.sums) == objective_loss(&expected.sums));
    assert_reals_identical(spoilt.gradients.values, expected.gradients.values, model->table.total);
    parameter_block_free(&expected.gradients);
    parameter_block_free(&spoilt.gradients);
    workspace_free(workspace);
    batch_free(&batch);
    model_free(model);
}

static void encoder_and_heads_take_turns(void **state)
{
    (void)state;
    check_turns(small_model_config("gelu", 0.1), false);
}

static void encoder_and_heads_take_turns_in_bf16(void **state)
{
    (void)state;
    require_bf16();
    check_turns(small_bf16_config("gelu", 0.1), true);
}

/* A workspace without training shares memory among its layers; one for training does not. */
static void evaluation_is_the_same_in_both_workspaces(void **state)
{
    (void)state;
    const int lengths[] = {16, 9, 14, 1, 3};
    for (int layers = 1; layers <= 5; layers++) {
        struct model_config config = small_model_config("gelu", 0.1);
        config.num_hidden_layers = layers;
        struct model *model = small_model(&config, 3);
        struct batch batch = small_batch(lengths, 5, config.vocab_size, 4);
        struct workspace *training = create_workspace(&config, &batch, false, true);
        struct workspace *plain = create_workspace(&config, &batch, false, false);
        struct objective_sums expected = {0}, actual = {0};
        struct result before = gradients_of(model, &batch, training);
        objective_evaluate(model, training, &batch, &expected);
        objective_evaluate(model, plain, &batch, &actual);
        struct result after = gradients_of(model, &batch, training);
        assert_true(objective_loss(&expected) == objective_loss(&actual));
        assert_true(expected.heads[HEAD_MLM].count > 0 && expected.heads[HEAD_NSP].count > 0);
        assert_reals_identical(after.gradients.values, before.gradients.values, model->table.total);
        parameter_block_free(&before.gradients);
        parameter_block_free(&after.gradients);
        workspace_free(training);
        workspace_free(plain);
        batch_free(&batch);
        model_free(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fewer_head_tokens_change_no_value),
        cmocka_unit_test(logits_may_be_few_at_a_time),
        cmocka_unit_test(logits_may_be_few_at_a_time_in_bf16),
        cmocka_unit_test(encoder_and_heads_take_turns),
        cmocka_unit_test(encoder_and_heads_take_turns_in_bf16),
        cmocka_unit_test(evaluation_is_the_same_in_both_workspaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

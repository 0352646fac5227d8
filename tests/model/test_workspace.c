/* Which tokens a micro-batch's last layer computes, and that neither that nor how much memory there
 * is for logits and layers changes results. */

#include "model/workspace.h"

#include "model/encoder.h"
#include "model/heads.h"
#include "model/pretraining.h"
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
                                          const struct batch *batch, bool halves, bool training)
{
    struct error error = {0};
    struct workspace_limits limits =
        pretraining_limits(batch->sequences, batch->max_length, batch->max_length, THREADS);
    limits.bf16 = halves;
    omp_set_num_threads(THREADS);
    struct workspace *workspace = workspace_create(config, limits, training, &error);
    assert_non_null(workspace);
    return workspace;
}

/* ---- the tokens that are read ---- */

/* Puts a sequence with these masked places behind the batch's last one. */
static void append(struct batch *batch, int length, const int32_t *masked, int count)
{
    for (int i = 0; i < length; i++)
        batch->input_ids[batch->tokens + i] = 5 + i;
    for (int i = 0; i < count; i++) {
        batch->masked_tokens[batch->masked + i] = masked[i];
        batch->masked_labels[batch->masked + i] = 7;
    }
    batch_append(batch, length, length, count, 0);
}

/* The first token masked, nothing masked, the last one masked, everything masked. */
static struct batch marked_batch(void)
{
    struct batch batch = {0};
    struct error error = {0};
    assert_true(batch_reserve(&batch, 4, 16, 16, &error));
    append(&batch, 5, (const int32_t[]){0, 3}, 2);
    append(&batch, 1, NULL, 0);
    append(&batch, 7, (const int32_t[]){2, 6}, 2);
    append(&batch, 3, (const int32_t[]){0, 1, 2}, 3);
    return batch;
}

static void assert_numbers(const int32_t *actual, const int32_t *expected, int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(actual[i], expected[i]);
}

/* The parts' shares follow each other and are those of their sequences. */
static void assert_parts_divide_the_reads(const struct workspace *workspace)
{
    int next = 0;
    for (int i = 0; i < workspace->part_count; i++) {
        const struct workspace_part *part = &workspace->parts[i];
        assert_int_equal(part->first_read, next);
        assert_int_equal(part->first_read, workspace->reads.starts[part->first_sequence]);
        next += part->reads;
    }
    assert_int_equal(next, workspace->reads.count);
}

static void first_and_masked_tokens_are_read(void **state)
{
    (void)state;
    const struct model_config config = small_model_config("gelu", 0);
    struct batch batch = marked_batch();
    struct workspace *workspace = create_workspace(&config, &batch, false, true);
    const struct workspace_reads *reads = &workspace->reads;

    workspace_load(workspace, &batch, 0, 4);
    assert_int_equal(reads->count, 9);
    assert_numbers(reads->rows, (const int32_t[]){0, 3, 5, 6, 8, 12, 13, 14, 15}, 9);
    assert_numbers(reads->starts, (const int32_t[]){0, 2, 3, 6, 9}, 5);
    assert_numbers(reads->positions, (const int32_t[]){0, 3, 0, 0, 2, 6, 0, 1, 2}, 9);
    assert_numbers(reads->examples, (const int32_t[]){0, 0, 1, 2, 2, 2, 3, 3, 3}, 9);
    assert_numbers(reads->masked, (const int32_t[]){0, 1, 4, 5, 6, 7, 8}, 7);
    assert_true(workspace->part_count > 1);
    assert_parts_divide_the_reads(workspace);

    workspace_load(workspace, &batch, 1, 3);
    assert_int_equal(reads->count, 4);
    assert_numbers(reads->rows, (const int32_t[]){0, 1, 3, 7}, 4);
    assert_numbers(reads->starts, (const int32_t[]){0, 1, 4}, 3);
    assert_numbers(reads->examples, (const int32_t[]){1, 2, 2, 2}, 4);
    assert_numbers(reads->masked, (const int32_t[]){2, 3}, 2);
    assert_parts_divide_the_reads(workspace);

    workspace_read_all(workspace);
    assert_int_equal(reads->count, 8);
    assert_numbers(reads->rows, (const int32_t[]){0, 1, 2, 3, 4, 5, 6, 7}, 8);
    assert_numbers(reads->starts, (const int32_t[]){0, 1, 8}, 3);
    assert_numbers(reads->masked, (const int32_t[]){3, 7}, 2);
    assert_parts_divide_the_reads(workspace);
    workspace_free(workspace);
    batch_free(&batch);
}

/* Of one layer, where the last one is the first, and of three. */
static void reading_fewer_tokens_changes_none(void **state)
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
        workspace_load(workspace, &batch, 0, 5);
        encoder_forward(model, workspace, &none);
        const int count = workspace->reads.count;
        assert_true(count < batch.tokens);
        real *read = copy_reals(encoder_output(workspace, &config).reals, (size_t)count * width);
        workspace_load(workspace, &batch, 0, 5);
        int32_t *rows = calloc((size_t)count, sizeof *rows);
        memcpy(rows, workspace->reads.rows, (size_t)count * sizeof *rows);
        workspace_read_all(workspace);
        encoder_forward(model, workspace, &none);
        for (int i = 0; i < count; i++)
            for (size_t j = 0; j < width; j++) {
                const real all =
                    encoder_output(workspace, &config).reals[(size_t)rows[i] * width + j];
                assert_true(fabs((double)(read[(size_t)i * width + j] - all)) < 2e-6);
            }
        free(rows), free(read);
        workspace_free(workspace);
        batch_free(&batch);
        model_free(model);
    }
}

/* ---- memory ---- */

struct result {
    struct pretraining_sums sums;
    struct parameter_block gradients;
};

static struct result gradients_of(const struct model *model, const struct batch *batch,
                                  struct workspace *workspace)
{
    struct error error = {0};
    struct result result = {0};
    const struct encoder_dropout dropout = encoder_dropout_begin(&model->config, 3, 5);
    assert_true(parameter_block_create(&result.gradients, &model->table, &model->config, &error));
    pretraining_gradients(model, &result.gradients.weights, workspace, batch, &dropout,
                          &result.sums);
    return result;
}

/* The gradients over logits some predictions at a time, each time's logits fewer still. */
static void check_few_logits_at_a_time(struct model_config config, bool halves)
{
    const int lengths[] = {16, 9, 14, 16, 3};
    struct model *model = small_model(&config, 3);
    struct batch batch = small_batch(lengths, 5, config.vocab_size, 4);
    struct workspace *workspace = create_workspace(&config, &batch, halves, true);
    struct result whole = gradients_of(model, &batch, workspace);
    workspace->logit_gradient_rows = 5;
    workspace->logit_rows = 3;
    assert_true(batch.masked > 2 * workspace->logit_gradient_rows);
    struct result divided = gradients_of(model, &batch, workspace);
    double largest = 0, difference = 0;
    for (size_t i = 0; i < model->table.total; i++) {
        const double a = (double)whole.gradients.values[i], b = (double)divided.gradients.values[i];
        largest = fmax(largest, fabs(a));
        difference = fmax(difference, fabs(a - b));
    }
    assert_true(fabs(pretraining_loss(&whole.sums) - pretraining_loss(&divided.sums)) < 1e-6);
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

/* What encoder and heads use by turns, until the end. */
static void spoil_turns(const struct workspace *workspace)
{
    const struct rows first = workspace->activated;
    char *begin = first.reals ? (char *)first.reals : (char *)first.halves;
    assert_ptr_equal(begin, workspace->transform_panels);
    memset(begin, 0xFF, workspace->memory.most - (size_t)(begin - workspace->memory.base));
}

/* NaN where the other one worked before makes no difference. */
static void check_turns(struct model_config config, bool halves)
{
    const int lengths[] = {16, 9, 14, 16, 3};
    struct model *model = small_model(&config, 3);
    struct batch batch = small_batch(lengths, 5, config.vocab_size, 4);
    struct workspace *workspace = create_workspace(&config, &batch, halves, true);
    const struct encoder_dropout dropout = encoder_dropout_begin(&config, 3, 5);
    const real mlm_scale = 1 / (real)batch.masked;
    const real nsp_scale = 1 / (real)batch_labelled_pairs(&batch);
    struct result expected = gradients_of(model, &batch, workspace);
    struct result spoilt = {0};
    struct error error = {0};
    assert_true(parameter_block_create(&spoilt.gradients, &model->table, &config, &error));
    struct weights *gradients = &spoilt.gradients.weights;
    workspace_load(workspace, &batch, 0, 5);
    encoder_forward(model, workspace, &dropout);
    memset(workspace->read_gradient, 0,
           (size_t)workspace->reads.count * (size_t)config.hidden_size * sizeof(real));
    spoil_turns(workspace);
    mlm_head_backward(model, gradients, workspace, mlm_scale, &spoilt.sums.mlm);
    nsp_head_backward(model, gradients, workspace, nsp_scale, &spoilt.sums.nsp);
    spoil_turns(workspace);
    encoder_backward(model, gradients, workspace, &dropout);
    assert_true(pretraining_loss(&spoilt.sums) == pretraining_loss(&expected.sums));
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

/* Without training layers share their memory; with it evaluation passes through the training's. */
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
        struct pretraining_sums expected = {0}, actual = {0};
        struct result before = gradients_of(model, &batch, training);
        pretraining_evaluate(model, training, &batch, &expected);
        pretraining_evaluate(model, plain, &batch, &actual);
        struct result after = gradients_of(model, &batch, training);
        assert_true(pretraining_loss(&expected) == pretraining_loss(&actual));
        assert_true(expected.mlm.count > 0 && expected.nsp.count > 0);
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
        cmocka_unit_test(first_and_masked_tokens_are_read),
        cmocka_unit_test(reading_fewer_tokens_changes_none),
        cmocka_unit_test(logits_may_be_few_at_a_time),
        cmocka_unit_test(logits_may_be_few_at_a_time_in_bf16),
        cmocka_unit_test(encoder_and_heads_take_turns),
        cmocka_unit_test(encoder_and_heads_take_turns_in_bf16),
        cmocka_unit_test(evaluation_is_the_same_in_both_workspaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

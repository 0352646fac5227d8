/* A batch's loss and gradient do not depend on its division into micro-batches, the number of
 * threads or a sequence's index in the batch. */

#include "model/objective.h"
#include "support/heard_gradients.h"
#include "support/small_model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <omp.h>

struct result {
    struct objective_sums sums;
    struct parameter_block gradients;
};

static struct result run_within(const struct model *model, const struct batch *batch,
                                struct workspace_limits limits, double rate, int frozen_layers)
{
    struct error error = {0};
    struct result result = {0};
    struct model_config config = model->config;
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = rate;
    struct encoder_dropout dropout = encoder_dropout_begin(&config, 3, 5);
    omp_set_num_threads(limits.threads);
    struct workspace *workspace = workspace_create(&config, limits, true, &error);
    assert_non_null(workspace);
    assert_true(parameter_block_create(&result.gradients, &model->table, &config, &error));
    result.gradients.weights.frozen_layers = frozen_layers;
    const struct objective_share share = objective_whole_step(&model->config, batch);
    objective_gradients(model, &result.gradients.weights, workspace, batch, &share, &dropout,
                        &result.sums);
    workspace_free(workspace);
    return result;
}

static struct result run_frozen(const struct model *model, const struct batch *batch,
                                int micro_batch, int threads, double rate, int frozen_layers)
{
    const struct workspace_limits limits =
        workspace_limits_of(micro_batch, batch->max_length, batch->max_length, threads);
    return run_within(model, batch, limits, rate, frozen_layers);
}

static struct result run(const struct model *model, const struct batch *batch, int micro_batch,
                         int threads, double rate)
{
    return run_frozen(model, batch, micro_batch, threads, rate, 0);
}

static double distance(const struct result *a, const struct result *b, size_t total)
{
    double difference = 0, norm = 0;
    for (size_t i = 0; i < total; i++) {
        double x = (double)a->gradients.values[i], y = (double)b->gradients.values[i];
        difference += (x - y) * (x - y);
        norm += y * y;
    }
    return sqrt(difference / norm);
}

static void assert_same(const struct result *a, const struct result *b, size_t total)
{
    assert_int_equal(a->sums.heads[HEAD_MLM].count, b->sums.heads[HEAD_MLM].count);
    assert_int_equal(a->sums.heads[HEAD_NSP].count, b->sums.heads[HEAD_NSP].count);
    assert_true(fabs(objective_loss(&a->sums) - objective_loss(&b->sums)) <
                1e-6 * objective_loss(&b->sums));
    assert_true(distance(a, b, total) < 1e-5);
}

static void splits_and_threads_do_not_matter(void **state)
{
    (void)state;
    const int lengths[] = {5, 1, 9, 2, 16, 16, 3, 8, 11};
    struct model_config config = small_model_config("gelu", 0);
    struct model *model = small_model(&config, 7);
    struct batch batch = small_batch(lengths, 9, config.vocab_size, 11);
    struct result whole = run(model, &batch, 9, 1, 0.2);
    const int micro_batches[] = {1, 2, 4, 8, 9};
    for (size_t i = 0; i < sizeof micro_batches / sizeof *micro_batches; i++)
        for (int threads = 1; threads <= 3; threads++) {
            struct result split = run(model, &batch, micro_batches[i], threads, 0.2);
            assert_same(&split, &whole, model->table.total);
            parameter_block_free(&split.gradients);
        }
    parameter_block_free(&whole.gradients);
    batch_free(&batch);
    model_free(model);
}

static int most_predictions(const struct batch *batch)
{
    int most = 0;
    for (int i = 0; i < batch->sequences; i++) {
        const int predictions = batch->predicted_starts[i + 1] - batch->predicted_starts[i];
        most = predictions > most ? predictions : most;
    }
    return most;
}

/* Micro-batches have fewer sequences where these would have too many tokens or predictions. */
static void each_limit_divides_the_batch(void **state)
{
    (void)state;
    const int lengths[] = {5, 1, 9, 2, 16, 16, 3, 8, 11};
    struct model_config config = small_model_config("gelu", 0);
    struct model *model = small_model(&config, 7);
    struct batch batch = small_batch(lengths, 9, config.vocab_size, 11);
    struct result whole = run(model, &batch, 9, 1, 0.2);
    struct workspace_limits limits[] = {workspace_limits_of(9, 16, 16, 2),
                                        workspace_limits_of(9, 16, 16, 2)};
    limits[0].tokens = 20;
    limits[1].predicted = most_predictions(&batch);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct result split = run_within(model, &batch, limits[i], 0.2, 0);
        assert_same(&split, &whole, model->table.total);
        parameter_block_free(&split.gradients);
    }
    parameter_block_free(&whole.gradients);
    batch_free(&batch);
    model_free(model);
}

static void a_repeated_step_is_identical(void **state)
{
    (void)state;
    const int lengths[] = {5, 16, 9, 2};
    struct model_config config = small_model_config("gelu", 0);
    struct model *model = small_model(&config, 7);
    struct batch batch = small_batch(lengths, 4, config.vocab_size, 11);
    struct result first = run(model, &batch, 2, 2, 0.1), second = run(model, &batch, 2, 2, 0.1);
    assert_memory_equal(first.gradients.values, second.gradients.values,
                        model->table.total * sizeof(real));
    parameter_block_free(&first.gradients);
    parameter_block_free(&second.gradients);
    batch_free(&batch);
    model_free(model);
}

/* Returns the sequences [first, last) of a batch as a batch of their own. */
static struct batch part_of(const struct batch *batch, int first, int last)
{
    struct error error = {0};
    struct batch part = {0};
    assert_true(batch_reserve(&part, 16, 256, 256, &error));
    for (int i = first; i < last; i++) {
        const int32_t start = batch->starts[i], length = batch->starts[i + 1] - start;
        const int32_t begin = batch->predicted_starts[i];
        const int32_t predicted = batch->predicted_starts[i + 1] - begin;
        int first_segment = 0;
        for (int32_t j = 0; j < length; j++) {
            part.input_ids[part.tokens + j] = batch->input_ids[start + j];
            first_segment += batch->token_type_ids[start + j] == 0;
        }
        for (int32_t j = 0; j < predicted; j++) {
            part.predicted_tokens[part.predicted + j] = batch->predicted_tokens[begin + j] - start;
            part.predicted_labels[part.predicted + j] = batch->predicted_labels[begin + j];
        }
        batch_append(&part, length, first_segment, predicted, batch->sequence_labels[i]);
    }
    return part;
}

/* If the sequences of a step are divided among processes, which get the step's scales and the first
 * example of their share, losses and gradients add up to those of the whole step, also with
 * dropout. */
static void shares_of_a_step_add_up(void **state)
{
    (void)state;
    const int lengths[] = {5, 1, 9, 2, 16, 16, 3, 8, 11}, ends[] = {0, 4, 5, 9};
    struct error error = {0};
    struct model_config config = small_model_config("gelu", 0.2);
    struct model *model = small_model(&config, 7);
    struct batch batch = small_batch(lengths, 9, config.vocab_size, 11);
    struct result whole = run(model, &batch, 4, 2, 0.2), shares = {0};
    assert_true(parameter_block_create(&shares.gradients, &model->table, &config, &error));
    struct workspace *workspace =
        workspace_create(&config, workspace_limits_of(4, 16, 16, 2), true, &error);
    assert_non_null(workspace);
    const struct encoder_dropout dropout = encoder_dropout_begin(&config, 3, 5);
    struct objective_share share = objective_whole_step(&config, &batch);
    for (int i = 0; i < 3; i++) {
        struct batch part = part_of(&batch, ends[i], ends[i + 1]);
        struct objective_sums sums = {0};
        share.first_example = ends[i];
        objective_gradients(model, &shares.gradients.weights, workspace, &part, &share, &dropout,
                            &sums);
        objective_sums_add(&shares.sums, &sums);
        batch_free(&part);
    }
    assert_same(&shares, &whole, model->table.total);
    parameter_block_free(&whole.gradients);
    parameter_block_free(&shares.gradients);
    workspace_free(workspace);
    batch_free(&batch);
    model_free(model);
}

static void check_listener(const struct model *model, const struct batch *batch, int micro_batch,
                           int threads, int frozen_layers)
{
    struct error error = {0};
    struct parameter_block gradients;
    struct objective_sums sums = {0};
    struct heard_gradients heard;
    const struct workspace_limits limits =
        workspace_limits_of(micro_batch, batch->max_length, batch->max_length, threads);
    const struct encoder_dropout dropout = encoder_dropout_begin(&model->config, 3, 5);
    omp_set_num_threads(threads);
    struct workspace *workspace = workspace_create(&model->config, limits, true, &error);
    assert_non_null(workspace);
    assert_true(parameter_block_create(&gradients, &model->table, &model->config, &error));
    gradients.weights.frozen_layers = frozen_layers;
    heard_gradients_begin(&heard, &model->table, gradients.values);
    struct objective_share share = objective_whole_step(&model->config, batch);
    share.listener = &heard.listener;
    objective_gradients(model, &gradients.weights, workspace, batch, &share, &dropout, &sums);
    heard_gradients_check(&heard, frozen_layers);
    parameter_block_free(&gradients);
    workspace_free(workspace);
}

/* Those of a micro-batch before the last are not: later ones add to them. The larger model is
 * computed by cloze's own kernels, where there are any. */
static void a_listener_hears_of_gradients_that_are_complete(void **state)
{
    (void)state;
    const int lengths[] = {5, 1, 9, 2, 16, 16, 3, 8, 11}, micro_batches[] = {1, 4, 9};
    const struct model_config configs[] = {small_model_config("gelu", 0.2),
                                           small_bf16_config("gelu", 0.2)};
    for (size_t i = 0; i < 2; i++) {
        struct model *model = small_model(&configs[i], 7);
        struct batch batch = small_batch(lengths, 9, configs[i].vocab_size, 11);
        for (size_t j = 0; j < sizeof micro_batches / sizeof *micro_batches; j++)
            for (int threads = 1; threads <= 3; threads++)
                check_listener(model, &batch, micro_batches[j], threads, 0);
        for (int frozen = 1; frozen <= configs[i].num_hidden_layers; frozen++)
            check_listener(model, &batch, 4, 2, frozen);
        batch_free(&batch);
        model_free(model);
    }
}

static void a_share_has_the_scales_of_the_step(void **state)
{
    (void)state;
    const int64_t predictions[MAX_HEADS] = {8, 0, 3};
    const struct objective_share share = objective_share_of(predictions, 17);
    assert_true(share.scales[0] == (real)0.125);
    assert_true(share.scales[1] == 0);
    assert_true(share.scales[2] == 1 / (real)3);
    assert_true(share.scales[3] == 0);
    assert_int_equal(share.first_example, 17);
    assert_null(share.listener);
}

static void a_whole_step_is_the_share_of_its_own_predictions(void **state)
{
    (void)state;
    const int lengths[] = {5, 1, 9, 2, 16, 16, 3, 8, 11};
    const struct model_config config = small_model_config("gelu", 0);
    struct batch batch = small_batch(lengths, 9, config.vocab_size, 11);
    const int64_t predictions[MAX_HEADS] = {
        [HEAD_MLM] = batch.predicted, [HEAD_NSP] = batch_labelled_sequences(&batch)};
    const struct objective_share whole = objective_whole_step(&config, &batch),
                                 expected = objective_share_of(predictions, 0);
    assert_true(predictions[HEAD_MLM] > 1 && predictions[HEAD_NSP] > 1);
    assert_memory_equal(whole.scales, expected.scales, sizeof whole.scales);
    assert_int_equal(whole.first_example, 0);
    assert_null(whole.listener);
    batch_free(&batch);
}

/* A frozen tensor gets no gradient (but what the MLM head adds to the word embeddings), the others
 * the same bits as without freezing. */
static void freezing_changes_no_other_gradient(void **state)
{
    (void)state;
    const int lengths[] = {5, 16, 9, 2};
    struct model_config config = small_model_config("gelu", 0);
    struct model *model = small_model(&config, 7);
    struct batch batch = small_batch(lengths, 4, config.vocab_size, 11);
    struct result whole = run(model, &batch, 2, 2, 0.1);
    for (int frozen = 1; frozen <= config.num_hidden_layers; frozen++) {
        struct result result = run_frozen(model, &batch, 2, 2, 0.1, frozen);
        for (int i = 0; i < model->table.count; i++) {
            const struct parameter *parameter = &model->table.list[i];
            const real *gradient = result.gradients.values + parameter->offset;
            const size_t count = parameter_elements(parameter);
            if (!parameter_is_frozen(parameter, frozen))
                assert_memory_equal(gradient, whole.gradients.values + parameter->offset,
                                    count * sizeof(real));
            else if (!strstr(parameter->name, "word_embeddings"))
                for (size_t j = 0; j < count; j++)
                    assert_true(gradient[j] == 0);
        }
        parameter_block_free(&result.gradients);
    }
    parameter_block_free(&whole.gradients);
    batch_free(&batch);
    model_free(model);
}

/* Without predictions and labelled pairs loss and gradient are 0: nothing is divided by 0. */
static void a_batch_without_labels_has_no_gradient(void **state)
{
    (void)state;
    const int lengths[] = {6, 3};
    struct model_config config = small_model_config("gelu", 0);
    struct model *model = small_model(&config, 7);
    struct batch batch = small_batch(lengths, 2, config.vocab_size, 11);
    batch.predicted = 0;
    memset(batch.predicted_starts, 0, 3 * sizeof *batch.predicted_starts);
    batch.sequence_labels[0] = batch.sequence_labels[1] = NO_LABEL;
    struct result result = run(model, &batch, 2, 2, 0.1);
    assert_true(objective_loss(&result.sums) == 0);
    for (size_t i = 0; i < model->table.total; i++)
        assert_true(result.gradients.values[i] == 0);
    parameter_block_free(&result.gradients);
    batch_free(&batch);
    model_free(model);
}

/* Evaluation and training without dropout compute the same loss. */
static void evaluation_agrees_with_training(void **state)
{
    (void)state;
    const int lengths[] = {5, 16, 9};
    struct error error = {0};
    struct model_config config = small_model_config("gelu", 0);
    struct model *model = small_model(&config, 7);
    struct batch batch = small_batch(lengths, 3, config.vocab_size, 11);
    struct result trained = run(model, &batch, 3, 2, 0);
    struct objective_sums sums = {0};
    struct workspace *workspace =
        workspace_create(&config, workspace_limits_of(2, 16, 16, 2), false, &error);
    assert_non_null(workspace);
    objective_evaluate(model, workspace, &batch, &sums);
    assert_true(fabs(objective_loss(&sums) - objective_loss(&trained.sums)) < 1e-6);
    assert_int_equal(sums.heads[HEAD_MLM].correct, trained.sums.heads[HEAD_MLM].correct);
    workspace_free(workspace);
    parameter_block_free(&trained.gradients);
    batch_free(&batch);
    model_free(model);
}

static void the_planned_memory_is_what_is_bound(void **state)
{
    (void)state;
    struct error error = {0};
    struct model_config config = small_model_config("gelu", 0);
    struct workspace_limits limits = workspace_limits_of(3, 16, 16, 2);
    for (int training = 0; training < 2; training++) {
        struct workspace *workspace = workspace_create(&config, limits, training, &error);
        assert_non_null(workspace);
        assert_int_equal(workspace->memory.peak, workspace_bytes(&config, limits, training));
        workspace_free(workspace);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_and_threads_do_not_matter),
        cmocka_unit_test(each_limit_divides_the_batch),
        cmocka_unit_test(a_repeated_step_is_identical),
        cmocka_unit_test(shares_of_a_step_add_up),
        cmocka_unit_test(a_listener_hears_of_gradients_that_are_complete),
        cmocka_unit_test(a_share_has_the_scales_of_the_step),
        cmocka_unit_test(a_whole_step_is_the_share_of_its_own_predictions),
        cmocka_unit_test(freezing_changes_no_other_gradient),
        cmocka_unit_test(a_batch_without_labels_has_no_gradient),
        cmocka_unit_test(evaluation_agrees_with_training),
        cmocka_unit_test(the_planned_memory_is_what_is_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

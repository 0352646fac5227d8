/* A batch's loss and gradient in bf16, compared with fp32 and among divisions and threads. */

#include "model/objective.h"

#include "math/panels.h"
#include "model/mlm_head.h"
#include "support/bf16_arrays.h"
#include "support/heard_gradients.h"
#include "support/skipping.h"
#include "support/small_model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <omp.h>

struct result {
    struct objective_sums sums;
    struct parameter_block gradients;
};

/* The settings of a run of a batch. */
struct way {
    int micro_batch, threads;
    double dropout;
    bool bf16;
};

static struct workspace *create_workspace(const struct model_config *config,
                                          const struct batch *batch, struct way way, bool training)
{
    struct error error = {0};
    struct workspace_limits limits =
        workspace_limits_of(way.micro_batch, batch->max_length, batch->max_length, way.threads);
    limits.bf16 = way.bf16;
    omp_set_num_threads(way.threads);
    struct workspace *workspace = workspace_create(config, limits, training, &error);
    assert_non_null(workspace);
    return workspace;
}

static struct result run_in(struct workspace *workspace, const struct model *model,
                            const struct batch *batch, const struct encoder_dropout *dropout)
{
    struct error error = {0};
    struct result result = {0};
    assert_true(parameter_block_create(&result.gradients, &model->table, &model->config, &error));
    const struct objective_share share = objective_whole_step(&model->config, batch);
    objective_gradients(model, &result.gradients.weights, workspace, batch, &share, dropout,
                        &result.sums);
    return result;
}

static struct result run(const struct model *model, const struct batch *batch, struct way way)
{
    struct model_config config = model->config;
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = way.dropout;
    const struct encoder_dropout dropout = encoder_dropout_begin(&config, 3, 5);
    struct workspace *workspace = create_workspace(&config, batch, way, true);
    struct result result = run_in(workspace, model, batch, &dropout);
    workspace_free(workspace);
    return result;
}

static struct objective_sums evaluate(const struct model *model, const struct batch *batch,
                                      struct way way)
{
    struct objective_sums sums = {0};
    struct workspace *workspace = create_workspace(&model->config, batch, way, false);
    objective_evaluate(model, workspace, batch, &sums);
    workspace_free(workspace);
    return sums;
}

static double norm_of(const real *values, size_t count)
{
    double square = 0;
    for (size_t i = 0; i < count; i++)
        square += (double)values[i] * (double)values[i];
    return sqrt(square);
}

/* |a - b| / |b| */
static double distance(const real *a, const real *b, size_t count)
{
    double square = 0;
    for (size_t i = 0; i < count; i++)
        square += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return square == 0 ? 0 : sqrt(square) / norm_of(b, count);
}

static void assert_loss_near(const struct result *actual, const struct result *expected,
                             double tolerance)
{
    const double loss = objective_loss(&expected->sums);
    assert_int_equal(actual->sums.heads[HEAD_MLM].count, expected->sums.heads[HEAD_MLM].count);
    assert_int_equal(actual->sums.heads[HEAD_NSP].count, expected->sums.heads[HEAD_NSP].count);
    assert_true(fabs(objective_loss(&actual->sums) - loss) <= tolerance * loss);
}

/* Expects each tensor's gradient within a share of its norm, without NaN. A key's bias adds the
 * same number to all scores of a row, so its exact gradient is 0 and the computed one is rounding
 * error, small compared with that of the values. */
static void assert_gradients_near(const struct model *model, const struct result *actual,
                                  const struct result *expected, double tolerance)
{
    const double whole = norm_of(expected->gradients.values, model->table.total);
    for (int i = 0; i < model->table.count; i++) {
        const struct parameter *parameter = &model->table.list[i];
        const size_t count = parameter_elements(parameter);
        const real *a = actual->gradients.values + parameter->offset;
        const real *b = expected->gradients.values + parameter->offset;
        if (strstr(parameter->name, "key.bias")) {
            if (!(norm_of(a, count) <= tolerance * whole))
                fail_msg("%s: %g compared with %g", parameter->name, norm_of(a, count), whole);
        } else if (!(distance(a, b, count) <= tolerance)) {
            fail_msg("%s: relative distance %g", parameter->name, distance(a, b, count));
        }
    }
}

static void result_free(struct result *result)
{
    parameter_block_free(&result->gradients);
}

static const int lengths[] = {5, 1, 33, 64, 9, 40, 2, 64, 17};

enum { SEQUENCES = sizeof lengths / sizeof *lengths };

/* bf16 rounds numbers by up to 2^-8, at some dozen consecutive places, many independent numbers at
 * each. Measured: the loss within 4e-4, every tensor's gradient within 1.6 % of its norm. The
 * derivative of relu jumps: rounding moves a few inputs in a thousand across zero, and the error is
 * about the root of that share; measured 8 %. */
static void loss_and_gradient_are_near_those_in_fp32(void **state)
{
    (void)state;
    require_bf16();
    static const struct {
        const char *name;
        double tolerance;
    } activations[] = {{"gelu", 0.03}, {"gelu_new", 0.03}, {"relu", 0.15}};
    for (size_t i = 0; i < 3; i++) {
        struct model_config config = small_bf16_config(activations[i].name, 0);
        struct model *model = small_model(&config, 7);
        struct batch batch = small_batch(lengths, SEQUENCES, config.vocab_size, 11);
        for (int dropped = 0; dropped <= 1; dropped++) {
            struct way way = {SEQUENCES, 2, 0.2 * dropped, false};
            struct result reals = run(model, &batch, way);
            way.bf16 = true;
            struct result in_bf16 = run(model, &batch, way);
            assert_loss_near(&in_bf16, &reals, 1e-2);
            assert_gradients_near(model, &in_bf16, &reals, activations[i].tolerance);
            /* Otherwise the bf16 kernels did not run. */
            assert_true(objective_loss(&in_bf16.sums) != objective_loss(&reals.sums));
            result_free(&reals);
            result_free(&in_bf16);
        }
        batch_free(&batch);
        model_free(model);
    }
}

/* A row's values do not depend on the neighbouring rows; only sums over rows are taken in a
 * different order. */
static void splits_and_threads_do_not_matter(void **state)
{
    (void)state;
    require_bf16();
    struct model_config config = small_bf16_config("gelu", 0);
    struct model *model = small_model(&config, 7);
    struct batch batch = small_batch(lengths, SEQUENCES, config.vocab_size, 11);
    struct result whole = run(model, &batch, (struct way){SEQUENCES, 1, 0.2, true});
    const int micro_batches[] = {1, 2, 4, 8, SEQUENCES};
    for (size_t i = 0; i < sizeof micro_batches / sizeof *micro_batches; i++)
        for (int threads = 1; threads <= 3; threads++) {
            struct result split =
                run(model, &batch, (struct way){micro_batches[i], threads, 0.2, true});
            assert_loss_near(&split, &whole, 1e-6);
            assert_true(distance(split.gradients.values, whole.gradients.values,
                                 model->table.total) < 1e-5);
            result_free(&split);
        }
    result_free(&whole);
    batch_free(&batch);
    model_free(model);
}

static void a_repeated_step_is_identical(void **state)
{
    (void)state;
    require_bf16();
    struct model_config config = small_bf16_config("gelu", 0);
    struct model *model = small_model(&config, 7);
    struct batch batch = small_batch(lengths, SEQUENCES, config.vocab_size, 11);
    const struct way way = {4, 2, 0.1, true};
    struct result first = run(model, &batch, way), second = run(model, &batch, way);
    assert_memory_equal(first.gradients.values, second.gradients.values,
                        model->table.total * sizeof(real));
    assert_memory_equal(&first.sums, &second.sums, sizeof first.sums);
    result_free(&first);
    result_free(&second);
    batch_free(&batch);
    model_free(model);
}

static void a_listener_hears_of_gradients_that_are_complete(void **state)
{
    (void)state;
    require_bf16();
    struct model_config config = small_bf16_config("gelu", 0.2);
    struct model *model = small_model(&config, 7);
    struct batch batch = small_batch(lengths, SEQUENCES, config.vocab_size, 11);
    const struct encoder_dropout dropout = encoder_dropout_begin(&config, 3, 5);
    for (int threads = 1; threads <= 3; threads++) {
        struct error error = {0};
        struct result result = {0};
        struct heard_gradients heard;
        struct workspace *workspace =
            create_workspace(&config, &batch, (struct way){4, threads, 0.2, true}, true);
        assert_true(parameter_block_create(&result.gradients, &model->table, &config, &error));
        heard_gradients_begin(&heard, &model->table, result.gradients.values);
        struct objective_share share = objective_whole_step(&config, &batch);
        share.listener = &heard.listener;
        objective_gradients(model, &result.gradients.weights, workspace, &batch, &share, &dropout,
                            &result.sums);
        heard_gradients_check(&heard, 0);
        result_free(&result);
        workspace_free(workspace);
    }
    batch_free(&batch);
    model_free(model);
}

/* Each pass lays the weights out again. */
static void changed_parameters_are_seen_by_the_next_pass(void **state)
{
    (void)state;
    require_bf16();
    struct model_config config = small_bf16_config("gelu", 0);
    struct model *model = small_model(&config, 7), *other = small_model(&config, 8);
    struct batch batch = small_batch(lengths, SEQUENCES, config.vocab_size, 11);
    struct way way = {SEQUENCES, 2, 0, true};
    struct workspace *workspace = create_workspace(&config, &batch, way, false);
    struct objective_sums before = {0}, after = {0};
    objective_evaluate(model, workspace, &batch, &before);
    memcpy(model->parameters.values, other->parameters.values, model->table.total * sizeof(real));
    objective_evaluate(model, workspace, &batch, &after);
    const struct objective_sums expected = evaluate(other, &batch, way);
    assert_memory_equal(&after, &expected, sizeof after);
    assert_true(before.heads[HEAD_MLM].loss != after.heads[HEAD_MLM].loss);
    workspace_free(workspace);
    batch_free(&batch);
    model_free(model);
    model_free(other);
}

static bool same_step(const struct model *model, const struct result *a, const struct result *b)
{
    return memcmp(&a->sums, &b->sums, sizeof a->sums) == 0 &&
           memcmp(a->gradients.values, b->gradients.values, model->table.total * sizeof(real)) == 0;
}

/* The micro-batches of a step multiply by the same panels; the next step, after the parameters have
 * changed, by others. */
static void kept_panels_are_those_of_a_step(void **state)
{
    (void)state;
    require_bf16();
    struct error error = {0};
    struct model_config config = small_bf16_config("gelu", 0);
    struct model *models[] = {small_model(&config, 7), small_model(&config, 8)};
    struct batch batch = small_batch(lengths, SEQUENCES, config.vocab_size, 11);
    const struct way way = {4, 2, 0, true};
    const struct encoder_dropout dropout = encoder_dropout_none();
    struct workspace *without = create_workspace(&config, &batch, way, true);
    struct workspace_limits limits = without->limits;
    limits.keep_panels = true;
    struct workspace *keeping = workspace_create(&config, limits, true, &error);
    assert_non_null(keeping);
    for (int i = 0; i < 3; i++) {
        const struct model *model = models[i % 2];
        struct result expected = run_in(without, model, &batch, &dropout);
        struct result actual = run_in(keeping, model, &batch, &dropout);
        assert_true(same_step(model, &actual, &expected));
        /* As if it was still the step before: the panels are those of this one's parameters. */
        const struct model *changed = models[(i + 1) % 2];
        keeping->encoder_memory.laid_out = true;
        struct result stale = run_in(keeping, changed, &batch, &dropout);
        struct result other = run_in(without, changed, &batch, &dropout);
        assert_false(same_step(changed, &stale, &other));
        result_free(&expected);
        result_free(&actual);
        result_free(&stale);
        result_free(&other);
    }
    workspace_free(without);
    workspace_free(keeping);
    batch_free(&batch);
    model_free(models[0]);
    model_free(models[1]);
}

static void evaluation_agrees_with_training(void **state)
{
    (void)state;
    require_bf16();
    struct model_config config = small_bf16_config("gelu", 0);
    struct model *model = small_model(&config, 7);
    struct batch batch = small_batch(lengths, SEQUENCES, config.vocab_size, 11);
    struct result trained = run(model, &batch, (struct way){3, 2, 0, true});
    const struct objective_sums sums = evaluate(model, &batch, (struct way){4, 2, 0, true});
    assert_true(fabs(objective_loss(&sums) - objective_loss(&trained.sums)) < 1e-6);
    assert_int_equal(sums.heads[HEAD_MLM].correct, trained.sums.heads[HEAD_MLM].correct);
    const struct objective_sums reals = evaluate(model, &batch, (struct way){4, 2, 0, false});
    assert_true(fabs(objective_loss(&sums) - objective_loss(&reals)) <
                1e-2 * objective_loss(&reals));
    result_free(&trained);
    batch_free(&batch);
    model_free(model);
}

static void remove_predictions(struct batch *batch)
{
    batch->predicted = 0;
    memset(batch->predicted_starts, 0,
           (size_t)(batch->sequences + 1) * sizeof *batch->predicted_starts);
}

/* Without predictions, loss and gradient are only those of the pairs. */
static void a_batch_may_have_no_predictions(void **state)
{
    (void)state;
    require_bf16();
    struct model_config config = small_bf16_config("gelu", 0);
    struct model *model = small_model(&config, 7);
    struct batch batch = small_batch(lengths, 4, config.vocab_size, 11);
    remove_predictions(&batch);
    struct result reals = run(model, &batch, (struct way){2, 2, 0.1, false});
    struct result in_bf16 = run(model, &batch, (struct way){2, 2, 0.1, true});
    assert_int_equal(in_bf16.sums.heads[HEAD_MLM].count, 0);
    assert_loss_near(&in_bf16, &reals, 1e-2);
    assert_true(distance(in_bf16.gradients.values, reals.gradients.values, model->table.total) <
                0.04);
    const struct objective_sums sums = evaluate(model, &batch, (struct way){2, 2, 0, true});
    assert_int_equal(sums.heads[HEAD_MLM].count, 0);
    assert_true(sums.heads[HEAD_MLM].loss == 0 && sums.heads[HEAD_NSP].loss > 0);
    for (int i = 0; i < batch.sequences; i++)
        batch.sequence_labels[i] = NO_LABEL;
    struct result nothing = run(model, &batch, (struct way){2, 2, 0.1, true});
    assert_true(objective_loss(&nothing.sums) == 0);
    for (size_t i = 0; i < model->table.total; i++)
        assert_true(nothing.gradients.values[i] == 0);
    result_free(&reals);
    result_free(&in_bf16);
    result_free(&nothing);
    batch_free(&batch);
    model_free(model);
}

/* The lengths are 1, and less and more than the depth of a bf16 product. */
static void a_batch_may_be_one_sequence(void **state)
{
    (void)state;
    require_bf16();
    struct model_config config = small_bf16_config("gelu", 0);
    config.vocab_size = 23; /* one and a half panels */
    struct model *model = small_model(&config, 7);
    const int ones[] = {1, 2, 31, 32, 33, 64};
    for (size_t i = 0; i < sizeof ones / sizeof *ones; i++) {
        struct batch batch = small_batch(&ones[i], 1, config.vocab_size, 11 + i);
        for (int threads = 1; threads <= 3; threads++) {
            struct result reals = run(model, &batch, (struct way){1, threads, 0, false});
            struct result in_bf16 = run(model, &batch, (struct way){1, threads, 0, true});
            assert_loss_near(&in_bf16, &reals, 1e-2);
            assert_true(distance(in_bf16.gradients.values, reals.gradients.values,
                                 model->table.total) < 0.05);
            result_free(&reals);
            result_free(&in_bf16);
        }
        batch_free(&batch);
    }
    model_free(model);
}

/* Logits that do not fit into their memory are computed some rows at a time; their gradients are
 * collected in one matrix nevertheless. */
static void logits_may_be_computed_some_at_a_time(void **state)
{
    (void)state;
    require_bf16();
    int many[12];
    struct model_config config = small_bf16_config("gelu", 0);
    config.vocab_size = 30522;
    config.num_hidden_layers = 1;
    for (int i = 0; i < 12; i++)
        many[i] = 64;
    struct model *model = small_model(&config, 7);
    struct batch batch = small_batch(many, 12, config.vocab_size, 11);
    const struct way way = {12, 2, 0, true};
    struct workspace *workspace = create_workspace(&config, &batch, way, true);
    const struct mlm_memory *memory = workspace->head_memory[HEAD_MLM];
    assert_true(memory->logit_rows < batch.predicted); /* otherwise this tests nothing */
    workspace_free(workspace);
    struct result in_bf16 = run(model, &batch, way);
    struct result reals = run(model, &batch, (struct way){12, 2, 0, false});
    assert_loss_near(&in_bf16, &reals, 1e-2);
    assert_gradients_near(model, &in_bf16, &reals, 0.03);
    result_free(&reals);
    result_free(&in_bf16);
    batch_free(&batch);
    model_free(model);
}

static void the_planned_memory_is_what_is_bound(void **state)
{
    (void)state;
    require_bf16();
    struct error error = {0};
    struct model_config config = small_bf16_config("gelu", 0);
    struct workspace_limits limits = workspace_limits_of(3, 64, 10, 2);
    limits.bf16 = true;
    for (int way = 0; way < 4; way++) {
        const bool training = way & 1;
        limits.keep_panels = way & 2;
        struct workspace *workspace = workspace_create(&config, limits, training, &error);
        assert_non_null(workspace);
        assert_int_equal(workspace->memory.peak, workspace_bytes(&config, limits, training));
        workspace_free(workspace);
    }
}

/* ---- refused shapes and processors ---- */

static void assert_refused(const struct model_config *config, const char *message)
{
    struct error error = {0};
    assert_false(workspace_check_bf16(config, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_string_equal(error.message, message);
}

static void shapes_that_bf16_cannot_compute_are_named(void **state)
{
    (void)state;
    require_bf16();
    struct error error = {0};
    struct model_config config = small_bf16_config("gelu", 0);
    assert_true(workspace_check_bf16(&config, &error));
    config.vocab_size = 1;
    assert_true(workspace_check_bf16(&config, &error));
    config.num_attention_heads = 4;
    assert_refused(&config, "bf16 needs a multiple of 32 for hidden_size / num_attention_heads; "
                            "found 16");
    config.num_attention_heads = 2;
    config.intermediate_size = 100;
    assert_refused(&config, "bf16 needs a multiple of 32 for intermediate_size; found 100");
    config.hidden_size = 96;
    assert_refused(&config, "bf16 needs a multiple of 32 for hidden_size / num_attention_heads; "
                            "found 48");
}

static void a_processor_without_bf16_is_named(void **state)
{
    (void)state;
    if (gemm_bf16())
        skip_test("bf16 can be used here: %s", gemm_bf16()->name);
    struct model_config config = small_bf16_config("gelu", 0);
    char message[200];
    snprintf(message, sizeof message, "bf16 cannot be used: %s; expected fp32",
             panels_bf16_missing());
    assert_refused(&config, message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_and_gradient_are_near_those_in_fp32),
        cmocka_unit_test(splits_and_threads_do_not_matter),
        cmocka_unit_test(a_repeated_step_is_identical),
        cmocka_unit_test(a_listener_hears_of_gradients_that_are_complete),
        cmocka_unit_test(changed_parameters_are_seen_by_the_next_pass),
        cmocka_unit_test(kept_panels_are_those_of_a_step),
        cmocka_unit_test(evaluation_agrees_with_training),
        cmocka_unit_test(a_batch_may_have_no_predictions),
        cmocka_unit_test(a_batch_may_be_one_sequence),
        cmocka_unit_test(logits_may_be_computed_some_at_a_time),
        cmocka_unit_test(the_planned_memory_is_what_is_bound),
        cmocka_unit_test(shapes_that_bf16_cannot_compute_are_named),
        cmocka_unit_test(a_processor_without_bf16_is_named),
    };
    return group_status(cmocka_run_group_tests(tests, NULL, NULL), sizeof tests / sizeof *tests);
}

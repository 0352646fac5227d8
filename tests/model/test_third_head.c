/* Tests that a head that no file of src names is trained, evaluated and saved like those of
 * pre-training. */

#include "model/head.h"

#include "base/json.h"
#include "model/huggingface.h"
#include "model/objective.h"
#include "support/regression_head.h"
#include "support/scratch.h"
#include "support/small_model.h"
#include "train/step.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <omp.h>

static const int lengths[] = {5, 1, 9, 2, 16, 16, 3, 8, 11};

enum { SEQUENCES = sizeof lengths / sizeof *lengths, THREADS = 2 };

static struct model_config config_with(const struct head_list *heads)
{
    struct model_config config = small_model_config("gelu", 0.1);
    config.heads = heads;
    return config;
}

static struct workspace *create_workspace(const struct model_config *config, int micro_batch)
{
    struct error error = {0};
    omp_set_num_threads(THREADS);
    struct workspace *workspace =
        workspace_create(config, workspace_limits_of(micro_batch, 16, 16, THREADS), true, &error);
    assert_non_null(workspace);
    return workspace;
}

/* Returns a batch whose labels are numbers that are not classes. */
static struct batch numbered_batch(int vocab_size)
{
    struct batch batch = small_batch(lengths, SEQUENCES, vocab_size, 11);
    for (int i = 0; i < batch.sequences; i++)
        if (batch.sequence_labels[i] != NO_LABEL)
            batch.sequence_labels[i] = i - 4;
    return batch;
}

static void the_table_has_the_tensors_of_the_listed_heads(void **state)
{
    (void)state;
    struct error error = {0};
    const struct model_config config = config_with(&regression_heads);
    struct model *model = model_create(&config, &error);
    assert_non_null(model);
    const struct parameter_table *table = &model->table;
    assert_int_equal(table->count, 5 + 2 * 16 + 2);
    assert_string_equal(table->list[table->count - 2].name, "regression.weight");
    assert_string_equal(table->list[table->count - 1].name, "regression.bias");
    assert_int_equal(table->list[table->count - 1].group, regression_head.group);
    assert_null(model->parameters.weights.pooler_weight);
    assert_null(parameter_find(table, "bert.pooler.dense.weight"));
    assert_null(parameter_find(table, "cls.predictions.bias"));
    model_free(model);
}

/* Returns the loss of the last of 200 steps on one batch without dropout, and sets *first to that
 * of the first step. */
static struct objective_sums train(const struct head_list *heads, struct objective_sums *first)
{
    struct error error = {0};
    struct model_config config = config_with(heads);
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0;
    const struct adam settings = {
        .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-6, .weight_decay = 0.01, .layer_decay = 1};
    struct trainee trainee = {0};
    assert_true(trainee_create(&trainee, &config, &settings, &error));
    parameters_initialize(trainee.model->parameters.values, &trainee.model->table, 0.2, 5,
                          UINT32_MAX);
    struct workspace *workspace = create_workspace(&config, 4);
    struct batch batch = heads->count == 1 ? numbered_batch(config.vocab_size)
                                           : small_batch(lengths, SEQUENCES, config.vocab_size, 11);
    struct norm_statistics norms = {0};
    struct objective_sums last = {0};
    for (int64_t step = 1; step <= 200; step++) {
        const struct step_settings step_settings = {
            .seed = 1, .step = step, .learning_rate = 0.01, .max_grad_norm = 10};
        last = step_take(&trainee, workspace, &norms, &batch, &step_settings).sums;
        if (step == 1)
            *first = last;
    }
    batch_free(&batch);
    workspace_free(workspace);
    trainee_free(&trainee);
    return last;
}

static void it_learns_numbers_alone(void **state)
{
    (void)state;
    struct objective_sums first;
    const struct objective_sums last = train(&regression_heads, &first);
    assert_int_equal(first.heads[0].count, 7);
    assert_true(objective_loss(&first) == loss_sums_mean(&first.heads[0]));
    assert_true(objective_loss(&first) > 1 && objective_loss(&last) < 0.01);
}

static void it_learns_together_with_other_heads(void **state)
{
    (void)state;
    struct objective_sums first;
    const struct objective_sums last = train(&three_heads, &first);
    double sum = 0;
    for (int i = 0; i < 3; i++) {
        const double before = loss_sums_mean(&first.heads[i]),
                     after = loss_sums_mean(&last.heads[i]);
        assert_true(first.heads[i].count > 0 && before > 0.1);
        if (!(after < before / 10))
            fail_msg("head %d: loss %g after %g", i, after, before);
        sum += after;
    }
    assert_true(fabs(objective_loss(&last) - sum) < 1e-12);
}

/* The third head does not change a bit of the results of the other heads. */
static void other_heads_do_not_notice_it(void **state)
{
    (void)state;
    struct objective_sums sums[2] = {0};
    const struct head_list *lists[] = {&pretraining_heads, &three_heads};
    for (int i = 0; i < 2; i++) {
        const struct model_config config = config_with(lists[i]);
        struct model *model = small_model(&config, 7);
        struct batch batch = small_batch(lengths, SEQUENCES, config.vocab_size, 11);
        struct workspace *workspace = create_workspace(&config, 4);
        objective_evaluate(model, workspace, &batch, &sums[i]);
        workspace_free(workspace);
        batch_free(&batch);
        model_free(model);
    }
    assert_memory_equal(sums[0].heads, sums[1].heads, 2 * sizeof *sums[0].heads);
    assert_int_equal(sums[0].heads[2].count, 0);
    assert_true(sums[1].heads[2].count > 0);
}

static void the_planned_memory_is_what_is_bound(void **state)
{
    (void)state;
    const struct model_config config = config_with(&three_heads);
    struct workspace *workspace = create_workspace(&config, 3);
    assert_int_equal(workspace->memory.peak, workspace_bytes(&config, workspace->limits, true));
    workspace_free(workspace);
}

static void it_is_saved_and_loaded(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    const struct model_config config = config_with(&regression_heads);
    struct model *model = small_model(&config, 7), *again = model_create(&config, &error);
    struct huggingface_missing missing = {0};
    assert_non_null(again);
    assert_true(huggingface_save_model(scratch->directory, &config, &model->table,
                                       model->parameters.values, &error));
    assert_true(huggingface_load_parameters(scratch->directory, &again->table, 0,
                                            again->parameters.values, &missing, &error));
    assert_int_equal(missing.groups, 0);
    assert_int_equal(missing.unused_count, 0);
    json_t *saved = json_read_file(scratch_path(scratch, "config.json"), &error);
    assert_string_equal(
        json_string_value(json_array_get(json_object_get(saved, "architectures"), 0)),
        "BertForRegression");
    json_decref(saved);
    assert_memory_equal(again->parameters.values, model->parameters.values,
                        model->table.total * sizeof(real));
    model_free(model);
    model_free(again);
}

/* Fine-tuning begins with such a model. */
static void it_is_missing_from_a_model_of_pretraining(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    const struct model_config config = config_with(&regression_heads);
    const struct model_config origin = config_with(&pretraining_heads);
    struct model *model = small_model(&origin, 7), *tuned = model_create(&config, &error);
    struct huggingface_missing missing = {0};
    assert_non_null(tuned);
    assert_true(huggingface_save_model(scratch->directory, &origin, &model->table,
                                       model->parameters.values, &error));
    assert_true(huggingface_load_parameters(scratch->directory, &tuned->table, 0,
                                            tuned->parameters.values, &missing, &error));
    assert_int_equal(missing.groups, 1U << regression_head.group);
    const struct parameter *first = parameter_find(&tuned->table, "regression.weight");
    assert_memory_equal(tuned->parameters.values, model->parameters.values,
                        first->offset * sizeof(real));
    model_free(model);
    model_free(tuned);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_has_the_tensors_of_the_listed_heads),
        cmocka_unit_test(it_learns_numbers_alone),
        cmocka_unit_test(it_learns_together_with_other_heads),
        cmocka_unit_test(other_heads_do_not_notice_it),
        cmocka_unit_test(the_planned_memory_is_what_is_bound),
        SCRATCH_TEST(it_is_saved_and_loaded),
        SCRATCH_TEST(it_is_missing_from_a_model_of_pretraining),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The heads of fine-tuning: learning, divisions, bf16, saving, and beginning from other models. */

#include "model/head.h"

#include "model/huggingface.h"
#include "model/objective.h"
#include "support/bf16_arrays.h"
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

enum { SEQUENCES = sizeof lengths / sizeof *lengths, LABELS = 4 };

static const struct head_list *const lists[] = {
    &sequence_classification_heads, &sequence_regression_heads, &token_classification_heads};

enum { LISTS = sizeof lists / sizeof *lists };

/* The caller frees the labels. */
static struct model_config config_with(struct model_config config, const struct head_list *heads)
{
    struct error error = {0};
    config.heads = heads;
    if (heads->labelled)
        assert_true(labels_number(&config.labels, heads == &sequence_regression_heads ? 1 : LABELS,
                                  &error));
    return config;
}

/* Two sequences and some tokens have no label. */
static struct batch labelled_batch(const struct model_config *config)
{
    struct batch batch = small_batch(lengths, SEQUENCES, config->vocab_size, 11);
    for (int i = 0; i < batch.predicted; i++)
        batch.predicted_labels[i] = i % 5 == 4 ? NO_LABEL : batch.predicted_labels[i] % LABELS;
    for (int i = 0; i < batch.sequences; i++)
        if (batch.sequence_labels[i] != NO_LABEL) {
            const bool is_number = config->heads == &sequence_regression_heads;
            batch.sequence_labels[i] = is_number ? 0 : i % LABELS;
            batch.sequence_values[i] = 0.75F * (float)i - 2;
        }
    return batch;
}

static int64_t expected_count(const struct model_config *config, const struct batch *batch)
{
    int64_t count = 0;
    if (config->heads != &token_classification_heads)
        return 7;
    for (int i = 0; i < batch->predicted; i++)
        count += batch->predicted_labels[i] != NO_LABEL;
    assert_true(count > 0 && count < batch->predicted);
    return count;
}

/* ---- a batch ---- */

struct way {
    int micro_batch, threads;
    bool bf16;
};

struct result {
    struct objective_sums sums;
    struct parameter_block gradients;
};

static struct workspace *create_workspace(const struct model_config *config, struct way way)
{
    struct error error = {0};
    struct workspace_limits limits = workspace_limits_of(way.micro_batch, 16, 16, way.threads);
    limits.bf16 = way.bf16;
    omp_set_num_threads(way.threads);
    struct workspace *workspace = workspace_create(config, limits, true, &error);
    assert_non_null(workspace);
    return workspace;
}

static struct result run(const struct model *model, const struct batch *batch, struct way way)
{
    struct error error = {0};
    struct result result = {0};
    const struct encoder_dropout dropout = encoder_dropout_begin(&model->config, 3, 5);
    struct workspace *workspace = create_workspace(&model->config, way);
    assert_true(parameter_block_create(&result.gradients, &model->table, &model->config, &error));
    const struct objective_share share = objective_whole_step(&model->config, batch);
    objective_gradients(model, &result.gradients.weights, workspace, batch, &share, &dropout,
                        &result.sums);
    workspace_free(workspace);
    return result;
}

/* Expects the same loss and gradient, up to a share of them. */
static void assert_near(const struct result *a, const struct result *b, size_t total,
                        double tolerance)
{
    double difference = 0, norm = 0;
    for (size_t i = 0; i < total; i++) {
        const double x = (double)a->gradients.values[i], y = (double)b->gradients.values[i];
        difference += (x - y) * (x - y);
        norm += y * y;
    }
    const double x = objective_loss(&a->sums), y = objective_loss(&b->sums);
    assert_int_equal(a->sums.heads[HEAD_CLASSIFIER].count, b->sums.heads[HEAD_CLASSIFIER].count);
    assert_true(norm > 0 && sqrt(difference / norm) < tolerance && fabs(x - y) < tolerance * y);
}

static void divisions_of_a_batch_do_not_matter(void **state)
{
    (void)state;
    for (int i = 0; i < LISTS; i++) {
        struct model_config config = config_with(small_model_config("gelu", 0.2), lists[i]);
        struct model *model = small_model(&config, 7);
        struct batch batch = labelled_batch(&config);
        struct result whole = run(model, &batch, (struct way){SEQUENCES, 1, false});
        const struct way ways[] = {{1, 1, false}, {2, 3, false}, {4, 2, false}, {9, 3, false}};
        assert_int_equal(whole.sums.heads[HEAD_CLASSIFIER].count, expected_count(&config, &batch));
        for (size_t j = 0; j < sizeof ways / sizeof *ways; j++) {
            struct result split = run(model, &batch, ways[j]), again = run(model, &batch, ways[j]);
            assert_near(&split, &whole, model->table.total, 1e-5);
            assert_memory_equal(again.gradients.values, split.gradients.values,
                                model->table.total * sizeof(real));
            parameter_block_free(&split.gradients);
            parameter_block_free(&again.gradients);
        }
        parameter_block_free(&whole.gradients);
        batch_free(&batch);
        model_free(model);
        model_config_free(&config);
    }
}

/* As the heads of pre-training (test_objective_bf16.c); measured: within 1 %. */
static void bf16_is_near_fp32(void **state)
{
    (void)state;
    require_bf16();
    for (int i = 0; i < LISTS; i++) {
        struct model_config config = config_with(small_bf16_config("gelu", 0.2), lists[i]);
        struct model *model = small_model(&config, 7);
        struct batch batch = labelled_batch(&config);
        struct result reals = run(model, &batch, (struct way){4, 2, false});
        struct result in_bf16 = run(model, &batch, (struct way){4, 2, true});
        assert_near(&in_bf16, &reals, model->table.total, 0.03);
        assert_true(objective_loss(&in_bf16.sums) != objective_loss(&reals.sums));
        parameter_block_free(&reals.gradients);
        parameter_block_free(&in_bf16.gradients);
        batch_free(&batch);
        model_free(model);
        model_config_free(&config);
    }
}

/* Otherwise hidden_dropout_prob would decide. */
static void the_classifier_has_a_dropout_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < LISTS; i++) {
        struct model_config config = config_with(small_model_config("gelu", 0), lists[i]);
        double losses[3];
        const double rates[] = {-1, 0, 0.5};
        for (int j = 0; j < 3; j++) {
            config.classifier_dropout = rates[j];
            struct model *model = small_model(&config, 7);
            struct batch batch = labelled_batch(&config);
            struct result result = run(model, &batch, (struct way){4, 2, false});
            losses[j] = objective_loss(&result.sums);
            parameter_block_free(&result.gradients);
            batch_free(&batch);
            model_free(model);
        }
        assert_true(losses[0] == losses[1] && losses[1] != losses[2]);
        model_config_free(&config);
    }
}

static void the_planned_memory_is_what_is_bound(void **state)
{
    (void)state;
    for (int i = 0; i < LISTS; i++) {
        struct model_config config = config_with(small_model_config("gelu", 0), lists[i]);
        struct workspace *workspace = create_workspace(&config, (struct way){3, 2, false});
        assert_int_equal(workspace->memory.peak, workspace_bytes(&config, workspace->limits, true));
        workspace_free(workspace);
        model_config_free(&config);
    }
}

/* ---- training ---- */

/* Returns the loss of the last of 400 steps on one batch, and sets *first to that of the first. */
static double train(const struct model_config *config, double *first)
{
    struct error error = {0};
    const struct adam settings = {
        .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-6, .weight_decay = 0.01, .layer_decay = 1};
    struct trainee trainee = {0};
    assert_true(trainee_create(&trainee, config, &settings, &error));
    parameters_initialize(trainee.model->parameters.values, &trainee.model->table, 0.2, 5,
                          UINT32_MAX);
    struct workspace *workspace = create_workspace(config, (struct way){4, 2, false});
    struct batch batch = labelled_batch(config);
    struct norm_statistics norms = {0};
    double last = 0;
    for (int64_t step = 1; step <= 400; step++) {
        const struct step_settings step_settings = {
            .seed = 1, .step = step, .learning_rate = 0.003, .max_grad_norm = 10};
        const struct objective_sums sums =
            step_take(&trainee, workspace, &norms, &batch, &step_settings).sums;
        last = objective_loss(&sums);
        if (step == 1)
            *first = last;
    }
    batch_free(&batch);
    workspace_free(workspace);
    trainee_free(&trainee);
    return last;
}

static void each_learns_a_batch_by_heart(void **state)
{
    (void)state;
    for (int i = 0; i < LISTS; i++) {
        struct model_config config = config_with(small_model_config("gelu", 0), lists[i]);
        double first;
        const double last = train(&config, &first);
        if (!(first > 1 && last < 0.01))
            fail_msg("%s: loss %g, then %g", task_kind_names[lists[i]->task], first, last);
        model_config_free(&config);
    }
}

/* ---- directories ---- */

static void save(const struct scratch *scratch, const struct model *model)
{
    struct error error = {0};
    assert_true(huggingface_save_model(scratch->directory, &model->config, &model->table,
                                       model->parameters.values, &error));
}

static void a_directory_is_loaded_as_it_was_saved(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    for (int i = 0; i < LISTS; i++) {
        struct model_config config = config_with(small_model_config("gelu", 0), lists[i]);
        struct model *model = small_model(&config, 7);
        struct huggingface_missing missing = {0};
        save(scratch, model);
        struct model *again = huggingface_load_model(scratch->directory, &missing, &error);
        assert_non_null(again);
        assert_ptr_equal(again->config.heads, lists[i]);
        assert_int_equal(again->config.labels.count, config.labels.count);
        assert_string_equal(again->config.labels.names[0], "LABEL_0");
        assert_int_equal(missing.groups + (unsigned)missing.unused_count, 0);
        assert_memory_equal(again->parameters.values, model->parameters.values,
                            model->table.total * sizeof(real));
        assert_true(huggingface_require_group(again, &missing, GROUP_CLASSIFIER, &error));
        assert_false(huggingface_require_group(again, &missing, GROUP_MLM_HEAD, &error));
        assert_int_equal(error.kind, ERROR_INPUT);
        assert_non_null(strstr(error.message, "the model has no masked language modelling head: it "
                                              "is a BertFor"));
        model_free(model);
        model_free(again);
        model_config_free(&config);
    }
}

static size_t classifier_begin(const struct model *model)
{
    return parameter_find(&model->table, "classifier.weight")->offset;
}

/* Loads what the scratch directory has for a new model with these heads; expects the encoder and,
 * where `pooled`, the pooler of `origin`. Both begin with the same tensors. */
static void expect_beginning(const struct scratch *scratch, const struct model *origin,
                             const struct head_list *heads, unsigned expected_missing)
{
    struct error error = {0};
    struct huggingface_missing missing = {0};
    struct model_config config = config_with(small_model_config("gelu", 0), heads);
    struct model *model = model_create(&config, &error);
    assert_non_null(model);
    const size_t begin = classifier_begin(model);
    assert_true(huggingface_load_encoder(scratch->directory, &model->table,
                                         model->parameters.values, &missing, &error));
    assert_int_equal(missing.groups, expected_missing);
    const size_t same = missing.groups & 1U << GROUP_POOLER
                            ? parameter_find(&model->table, "bert.pooler.dense.weight")->offset
                            : begin;
    assert_memory_equal(model->parameters.values, origin->parameters.values, same * sizeof(real));
    for (size_t i = same; i < model->table.total; i++)
        assert_true(model->parameters.values[i] == 0);
    model_free(model);
    model_config_free(&config);
}

/* The classifiers of a model with the same number of labels are not taken either: they have the
 * same names, but may mean something else. */
static void training_begins_with_the_encoder_of_any_model(void **state)
{
    struct scratch *scratch = *state;
    const unsigned classifier = 1U << GROUP_CLASSIFIER;
    const struct head_list *const origins[] = {&pretraining_heads, &sequence_classification_heads,
                                               &token_classification_heads};
    for (int i = 0; i < 3; i++) {
        struct model_config config = config_with(small_model_config("gelu", 0), origins[i]);
        struct model *origin = small_model(&config, 7);
        const unsigned pooler = i == 2 ? 1U << GROUP_POOLER : 0;
        save(scratch, origin);
        expect_beginning(scratch, origin, &sequence_classification_heads, classifier | pooler);
        expect_beginning(scratch, origin, &sequence_regression_heads, classifier | pooler);
        expect_beginning(scratch, origin, &token_classification_heads, classifier);
        model_free(origin);
        model_config_free(&config);
    }
}

/* As model.init_from of pre-training. */
static void pretraining_begins_with_a_fine_tuned_model(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    struct huggingface_missing missing = {0};
    struct model_config config =
        config_with(small_model_config("gelu", 0), &sequence_classification_heads);
    struct model *origin = small_model(&config, 7);
    struct model_config loaded;
    save(scratch, origin);
    assert_true(model_config_load_for(scratch_path(scratch, "config.json"), &pretraining_heads,
                                      &loaded, &error));
    assert_ptr_equal(loaded.heads, &pretraining_heads);
    assert_int_equal(loaded.labels.count, 0);
    struct model *model = model_create(&loaded, &error);
    assert_true(huggingface_load_parameters(scratch->directory, &model->table, 0,
                                            model->parameters.values, &missing, &error));
    assert_int_equal(missing.groups, 1U << GROUP_MLM_HEAD | 1U << GROUP_NSP_HEAD);
    assert_int_equal(missing.unused_groups, 1U << GROUP_CLASSIFIER);
    assert_int_equal(missing.unused_count, 0);
    assert_memory_equal(model->parameters.values, origin->parameters.values,
                        classifier_begin(origin) * sizeof(real));
    /* Another task begins with the encoder and the pooler alone. */
    assert_true(huggingface_load_encoder(scratch->directory, &origin->table,
                                         origin->parameters.values, &missing, &error));
    assert_int_equal(missing.groups, 1U << GROUP_CLASSIFIER);
    assert_int_equal(missing.unused_groups, 1U << GROUP_CLASSIFIER);
    assert_string_equal(huggingface_unused(&missing).text, "");
    model_free(model);
    model_free(origin);
    model_config_free(&config);
}

/* As for PyTorch's optimizer, which is not called. */
static void a_skipped_step_is_no_update(void **state)
{
    (void)state;
    struct error error = {0};
    struct model_config config =
        config_with(small_model_config("gelu", 0), &sequence_regression_heads);
    const struct adam settings = {.beta1 = 0.9,
                                  .beta2 = 0.999,
                                  .epsilon = 1e-6,
                                  .weight_decay = 0.01,
                                  .bias_correction = true,
                                  .layer_decay = 1};
    struct batch batch = labelled_batch(&config);
    struct workspace *workspace = create_workspace(&config, (struct way){4, 1, false});
    struct trainee trainees[2];
    for (int skip = 0; skip < 2; skip++) {
        struct norm_statistics norms = {0};
        struct step_settings step = {.seed = 1, .step = 1, .learning_rate = 0.01};
        assert_true(trainee_create(&trainees[skip], &config, &settings, &error));
        struct model *model = trainees[skip].model;
        parameters_initialize(model->parameters.values, &model->table, 0.2, 5, UINT32_MAX);
        if (skip) {
            const float value = batch.sequence_values[0];
            batch.sequence_values[0] = NAN;
            assert_int_equal(step_take(&trainees[1], workspace, &norms, &batch, &step).verdict,
                             UPDATE_NOT_FINITE);
            batch.sequence_values[0] = value;
            step.step = 2;
            step.skipped = 1;
        }
        assert_int_equal(step_take(&trainees[skip], workspace, &norms, &batch, &step).verdict,
                         UPDATE_SOUND);
    }
    assert_memory_equal(trainees[0].model->parameters.values, trainees[1].model->parameters.values,
                        trainees[0].model->table.total * sizeof(real));
    trainee_free(&trainees[0]);
    trainee_free(&trainees[1]);
    workspace_free(workspace);
    batch_free(&batch);
    model_config_free(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(divisions_of_a_batch_do_not_matter),
        cmocka_unit_test(bf16_is_near_fp32),
        cmocka_unit_test(the_classifier_has_a_dropout_of_its_own),
        cmocka_unit_test(the_planned_memory_is_what_is_bound),
        cmocka_unit_test(each_learns_a_batch_by_heart),
        cmocka_unit_test(a_skipped_step_is_no_update),
        SCRATCH_TEST(a_directory_is_loaded_as_it_was_saved),
        SCRATCH_TEST(training_begins_with_the_encoder_of_any_model),
        SCRATCH_TEST(pretraining_begins_with_a_fine_tuned_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

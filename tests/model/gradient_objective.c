/* The gradient of the whole model against finite differences of its loss. */

#include "model/objective.h"
#include "support/gradient_check.h"
#include "support/regression_head.h"
#include "support/small_model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <omp.h>

struct subject {
    struct model *model;
    struct workspace *workspace;
    struct batch batch;
    struct encoder_dropout dropout;
};

/* The loss with the same dropout as in the backward pass. */
static double loss(void *context)
{
    struct subject *subject = context;
    struct objective_sums sums = {0};
    micro_batch_load(&subject->workspace->micro_batch, subject->workspace->limits, &subject->batch,
                     0, subject->batch.sequences, 0);
    objective_forward(subject->model, subject->workspace, &subject->dropout, &sums);
    return objective_loss(&sums);
}

/* small_batch labels sequences with 0 or 1, and tokens with words of its vocabulary. */
static int label_count(const struct head_list *heads)
{
    return heads == &sequence_regression_heads ? 1 : heads == &token_classification_heads ? 23 : 3;
}

/* Checks every element of every tensor, so that a single wrong term in the smallest one is found.
 * The gradient is computed on all threads, the tens of thousands of losses on one: for so small a
 * model the threads would mostly wait for one another. */
static void check_heads(const struct head_list *heads, const char *activation, double rate,
                        int layers, const int *lengths, int sequences)
{
    struct error error = {0};
    struct model_config config = small_model_config(activation, rate);
    config.num_hidden_layers = layers;
    config.heads = heads;
    if (heads->labelled)
        assert_true(labels_number(&config.labels, label_count(heads), &error));
    struct subject subject = {
        .model = small_model(&config, 7),
        .batch = small_batch(lengths, sequences, config.vocab_size, 11),
        .dropout = encoder_dropout_begin(&config, 3, 5),
    };
    for (int i = 0; i < sequences; i++)
        subject.batch.sequence_values[i] = 0.7F * (float)i - 1;
    const int threads = omp_get_max_threads();
    struct workspace_limits limits =
        workspace_limits_of(sequences, subject.batch.max_length, subject.batch.max_length, threads);
    subject.workspace = workspace_create(&config, limits, true, &error);
    assert_non_null(subject.workspace);
    const struct parameter_table *table = &subject.model->table;
    struct parameter_block gradients;
    assert_true(parameter_block_create(&gradients, table, &config, &error));
    struct objective_sums sums = {0};
    const struct objective_share share = objective_whole_step(&config, &subject.batch);
    objective_gradients(subject.model, &gradients.weights, subject.workspace, &subject.batch,
                        &share, &subject.dropout, &sums);
    omp_set_num_threads(1);
    double scale = 0;
    for (size_t i = 0; i < table->total; i++)
        scale = fmax(scale, fabs((double)gradients.values[i]));
    for (int i = 0; i < table->count; i++) {
        const struct parameter *parameter = &table->list[i];
        real *gradient = gradients.values + parameter->offset;
        real *values = subject.model->parameters.values + parameter->offset;
        double worst =
            gradient_error(gradient, values, parameter_elements(parameter), loss, &subject);
        /* A key's bias adds the same number to all scores of a row: its gradient is 0 up to
         * rounding. */
        double largest = 0;
        for (size_t j = 0; j < parameter_elements(parameter); j++)
            largest = fmax(largest, fabs((double)gradient[j]));
        if (worst >= 1e-6 && strstr(parameter->name, "key.bias"))
            assert_true(largest < 1e-12 * scale);
        else if (worst >= 1e-6)
            fail_msg("%s: relative error %g", parameter->name, worst);
    }
    omp_set_num_threads(threads);
    parameter_block_free(&gradients);
    workspace_free(subject.workspace);
    batch_free(&subject.batch);
    model_free(subject.model);
    model_config_free(&config);
}

static void check(const char *activation, double rate, int layers, const int *lengths,
                  int sequences)
{
    check_heads(&pretraining_heads, activation, rate, layers, lengths, sequences);
}

static void the_gradient_matches_finite_differences(void **state)
{
    (void)state;
    const int lengths[] = {5, 1, 9, 2, 16};
    check("gelu", 0, 2, lengths, 5);
    check("gelu_new", 0, 2, lengths, 2);
    check("relu", 0, 2, lengths, 1);
    check("gelu", 0, 1, lengths, 3);
}

static void the_gradient_matches_with_dropout(void **state)
{
    (void)state;
    const int lengths[] = {7, 12, 3, 16};
    check("gelu", 0.2, 2, lengths, 4);
    check("gelu", 0.2, 1, lengths, 4);
}

static void the_gradient_matches_with_other_heads(void **state)
{
    (void)state;
    const int lengths[] = {7, 12, 3, 16};
    check_heads(&regression_heads, "gelu", 0.2, 2, lengths, 4);
    check_heads(&three_heads, "gelu", 0, 1, lengths, 3);
}

static void the_gradient_matches_with_classifiers(void **state)
{
    (void)state;
    const int lengths[] = {7, 12, 3, 16};
    const struct head_list *const lists[] = {
        &sequence_classification_heads, &sequence_regression_heads, &token_classification_heads};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        check_heads(lists[i], "gelu", 0.2, 2, lengths, 4);
        check_heads(lists[i], "gelu", 0, 1, lengths, 3);
    }
}

/* This build has no bf16 kernels, which must be an error instead of another computation. */
static void bf16_is_refused_where_it_is_not_built(void **state)
{
    (void)state;
    struct error error = {0};
    const struct model_config config = small_bf16_config("gelu", 0);
    assert_false(workspace_check_bf16(&config, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_string_equal(error.message, "bf16 cannot be used: this build of cloze has no bf16 "
                                       "(CLOZE_BF16 was off); expected fp32");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_gradient_matches_finite_differences),
        cmocka_unit_test(the_gradient_matches_with_dropout),
        cmocka_unit_test(the_gradient_matches_with_other_heads),
        cmocka_unit_test(the_gradient_matches_with_classifiers),
        cmocka_unit_test(bf16_is_refused_where_it_is_not_built),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

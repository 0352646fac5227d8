/* The functions of cloze.h on batches of texts: beside those on single texts, and where the
 * classifier's weight is zero, so that its logits are its bias. */
#include "cloze/cloze.h"

#include "model/huggingface.h"
#include "support/training_fixture.h"

#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { HIDDEN = 12, POSITIONS = 32, LABELS = 3 }; /* the first two are the training fixture's */

static const char *const texts[] = {"w5 w6 w7", "", "w8", "w9 w10 w11 w12 w13 w14 w15"};
static const char *const seconds[] = {"w5", "w6", "", "w7 w8"};

enum { TEXTS = sizeof texts / sizeof *texts };

static struct cloze_model *open_directory(const struct training *training)
{
    struct cloze_error error;
    struct cloze_model *model = cloze_open(training->scratch->directory, &error);
    if (!model)
        fail_msg("%s", error.message);
    return model;
}

static void save(const struct training *training, const struct model *model)
{
    struct error error = {0};
    const char *directory = training->scratch->directory;
    if (!huggingface_save_model(directory, &model->config, &model->table, model->parameters.values,
                                &error) ||
        !tokenizer_save(training->tokenizer, directory, POSITIONS, &error))
        fail_msg("%s", error.message);
}

/* Returns a model with these heads on the fixture's encoder; with a bias its logits are that. */
static struct cloze_model *open_tuned(const struct training *training,
                                      const struct head_list *heads, const real *bias)
{
    struct error error = {0};
    struct model_config config = training->model->config;
    config.heads = heads;
    config.untrained_groups = 0;
    assert_true(
        labels_number(&config.labels, heads == &sequence_regression_heads ? 1 : LABELS, &error));
    struct model *model = model_create(&config, &error);
    assert_non_null(model);
    parameters_initialize(model->parameters.values, &model->table, 0.5, 3, UINT32_MAX);
    const struct parameter *weight = parameter_find(&model->table, "classifier.weight");
    const struct parameter *own = parameter_find(&model->table, "classifier.bias");
    if (bias) {
        memset(model->parameters.values + weight->offset, 0,
               parameter_elements(weight) * sizeof(real));
        memcpy(model->parameters.values + own->offset, bias,
               parameter_elements(own) * sizeof(real));
    }
    save(training, model);
    model_free(model);
    model_config_free(&config);
    return open_directory(training);
}

static const real bias[LABELS] = {1, 3, (real)-0.5};

static double probability(int label)
{
    double sum = 0;
    for (int i = 0; i < LABELS; i++)
        sum += exp((double)bias[i]);
    return exp((double)bias[label]) / sum;
}

static void expect_refusal(const void *result, const struct cloze_error *error, const char *message)
{
    assert_null(result);
    assert_true(error->bad_input);
    assert_non_null(strstr(error->message, message));
}

/* ---- embedding ---- */

static void vectors_are_those_of_single_texts(void **state)
{
    struct cloze_error error;
    const struct training *training = *state;
    save(training, training->model);
    struct cloze_model *model = open_directory(training);
    float *mean = cloze_embed(model, texts, TEXTS, CLOZE_POOLING_MEAN, false, &error);
    float *cls = cloze_embed(model, texts, TEXTS, CLOZE_POOLING_CLS, false, &error);
    float *unit = cloze_embed(model, texts, TEXTS, CLOZE_POOLING_MEAN, true, &error);
    assert_true(mean && cls && unit);
    for (size_t i = 0; i < TEXTS; i++) {
        size_t rows;
        float *states = cloze_hidden_states(model, texts[i], &rows, &error);
        double square = 0;
        assert_non_null(states);
        for (size_t j = 0; j < HIDDEN; j++) {
            double sum = 0;
            for (size_t row = 0; row < rows; row++)
                sum += (double)states[row * HIDDEN + j];
            assert_float_equal(mean[i * HIDDEN + j], (float)(sum / (double)rows), 1e-5);
            assert_float_equal(cls[i * HIDDEN + j], states[j], 1e-5);
            square += (double)unit[i * HIDDEN + j] * (double)unit[i * HIDDEN + j];
        }
        assert_float_equal((float)square, 1, 1e-5);
        free(states);
    }
    free(mean);
    free(cls);
    free(unit);
    cloze_close(model);
}

static void a_pooler_that_is_missing_is_refused(void **state)
{
    struct cloze_error error;
    struct cloze_model *model = open_tuned(*state, &token_classification_heads, bias);
    expect_refusal(cloze_embed(model, texts, TEXTS, CLOZE_POOLING_POOLER, false, &error), &error,
                   "the model has no pooler: it is a BertForTokenClassification");
    expect_refusal(cloze_embed(model, texts, TEXTS, (enum cloze_pooling)7, false, &error), &error,
                   "pooling is 7; expected one of enum cloze_pooling");
    cloze_close(model);
    model = open_tuned(*state, &sequence_classification_heads, bias);
    float *vectors = cloze_embed(model, texts, TEXTS, CLOZE_POOLING_POOLER, false, &error);
    assert_non_null(vectors);
    for (size_t i = 0; i < TEXTS * HIDDEN; i++)
        assert_true(fabs((double)vectors[i]) < 1); /* tanh */
    free(vectors);
    cloze_close(model);
}

/* ---- classes and numbers ---- */

static void each_text_has_the_probabilities_of_the_labels(void **state)
{
    struct cloze_error error;
    struct cloze_model *model = open_tuned(*state, &sequence_classification_heads, bias);
    assert_int_equal(cloze_task(model), CLOZE_TASK_CLASSIFICATION);
    assert_int_equal(cloze_label_count(model), LABELS);
    assert_string_equal(cloze_label_name(model, 2), "LABEL_2");
    for (int with_pairs = 0; with_pairs < 2; with_pairs++) {
        float *values = cloze_classify(model, texts, with_pairs ? seconds : NULL, TEXTS, &error);
        assert_non_null(values);
        for (int i = 0; i < TEXTS * LABELS; i++)
            assert_float_equal(values[i], (float)probability(i % LABELS), 1e-6);
        free(values);
    }
    cloze_close(model);
}

static void numbers_are_not_made_probabilities(void **state)
{
    struct cloze_error error;
    const real number = (real)-2.5;
    struct cloze_model *model = open_tuned(*state, &sequence_regression_heads, &number);
    float *values = cloze_classify(model, texts, NULL, TEXTS, &error);
    assert_non_null(values);
    assert_int_equal(cloze_task(model), CLOZE_TASK_REGRESSION);
    assert_int_equal(cloze_label_count(model), 1);
    for (int i = 0; i < TEXTS; i++)
        assert_float_equal(values[i], -2.5, 1e-6);
    free(values);
    cloze_close(model);
}

/* The same bits, also with another number of threads. */
static void a_text_does_not_depend_on_the_others(void **state)
{
    struct cloze_error error;
    struct cloze_model *model = open_tuned(*state, &sequence_classification_heads, NULL);
    const int threads = omp_get_max_threads();
    float *all = cloze_classify(model, texts, seconds, TEXTS, &error);
    assert_non_null(all);
    assert_true(memcmp(all, all + LABELS, LABELS * sizeof *all) != 0);
    for (int i = 0; i < TEXTS; i++) {
        omp_set_num_threads(i % 3 + 1);
        float *one = cloze_classify(model, texts + i, seconds + i, 1, &error);
        assert_non_null(one);
        assert_memory_equal(one, all + i * LABELS, LABELS * sizeof *one);
        free(one);
    }
    omp_set_num_threads(threads);
    free(all);
    cloze_close(model);
}

static void no_texts_have_an_empty_result(void **state)
{
    struct cloze_error error;
    struct cloze_model *model = open_tuned(*state, &sequence_classification_heads, bias);
    float *values = cloze_classify(model, NULL, NULL, 0, &error);
    float *vectors = cloze_embed(model, NULL, 0, CLOZE_POOLING_MEAN, false, &error);
    assert_true(values && vectors);
    free(values);
    free(vectors);
    cloze_close(model);
}

/* ---- words ---- */

/* The fixture's model takes 32 tokens: [CLS], 30 words and [SEP]. */
static void each_word_has_a_label(void **state)
{
    struct cloze_error error;
    struct cloze_model *model = open_tuned(*state, &token_classification_heads, bias);
    enum { LONG = 40 };
    const char *many[LONG];
    for (int i = 0; i < LONG; i++)
        many[i] = "w9";
    const char *const few[] = {"w5", "\x01", "w6"};
    const struct cloze_words of_texts[] = {{few, 3}, {NULL, 0}, {many, LONG}};
    assert_int_equal(cloze_task(model), CLOZE_TASK_TOKENS);
    struct cloze_word_label *labels = cloze_label_words(model, of_texts, 3, &error);
    assert_non_null(labels);
    for (int i = 0; i < 3 + LONG; i++) {
        const bool predicted = i != 1 && i < 3 + POSITIONS - 2;
        assert_int_equal(labels[i].label, predicted ? 1 : -1);
        const float score = predicted ? (float)probability(1) : 0;
        assert_float_equal(labels[i].score, score, 1e-6);
    }
    free(labels);
    cloze_close(model);
}

/* ---- other models ---- */

static void a_model_of_another_kind_is_refused(void **state)
{
    struct cloze_error error;
    const struct cloze_words words = {texts, 1};
    struct training *training = *state;
    save(training, training->model);
    struct cloze_model *model = open_directory(training);
    assert_int_equal(cloze_task(model), CLOZE_TASK_NONE);
    assert_int_equal(cloze_label_count(model), 0);
    expect_refusal(cloze_classify(model, texts, NULL, TEXTS, &error), &error,
                   "the model has no classifier: it is a BertForPreTraining");
    expect_refusal(cloze_label_words(model, &words, 1, &error), &error,
                   "the model has no classifier: it is a BertForPreTraining");
    cloze_close(model);
    model = open_tuned(training, &token_classification_heads, bias);
    expect_refusal(cloze_classify(model, texts, NULL, TEXTS, &error), &error,
                   "the model is a BertForTokenClassification, which labels words; expected one "
                   "that labels whole texts");
    expect_refusal(cloze_fill(model, "[MASK]", 1, &error), &error,
                   "the model has no masked language modelling head: it is a "
                   "BertForTokenClassification");
    cloze_close(model);
    model = open_tuned(training, &sequence_regression_heads, bias);
    expect_refusal(cloze_label_words(model, &words, 1, &error), &error,
                   "the model is a BertForSequenceClassification, which labels whole texts; "
                   "expected one that labels words");
    cloze_close(model);
}

static void a_pair_needs_two_token_types(void **state)
{
    struct training *training = *state;
    struct cloze_error error;
    training->model->config.type_vocab_size = 1; /* open_tuned copies it */
    struct cloze_model *model = open_tuned(training, &sequence_classification_heads, bias);
    expect_refusal(cloze_classify(model, texts, seconds, TEXTS, &error), &error,
                   "the model takes no pairs: its type_vocab_size is 1; expected at least 2");
    float *values = cloze_classify(model, texts, NULL, TEXTS, &error);
    assert_non_null(values);
    free(values);
    cloze_close(model);
}

/* ---- numbers that are not finite ---- */

/* Opens a tuned model whose parameters are finite, but whose products are not. */
static struct cloze_model *open_hot(const struct training *training, const struct head_list *heads)
{
    struct error error = {0};
    struct huggingface_missing missing;
    cloze_close(open_tuned(training, heads, NULL));
    struct model *model = huggingface_load_model(training->scratch->directory, &missing, &error);
    assert_non_null(model);
    const struct parameter *parameter =
        parameter_find(&model->table, "bert.encoder.layer.0.intermediate.dense.weight");
    assert_non_null(parameter);
    for (size_t i = 0; i < parameter_elements(parameter); i++)
        model->parameters.values[parameter->offset + i] = (real)3e38;
    save(training, model);
    model_free(model);
    return open_directory(training);
}

static void results_that_are_not_finite_are_refused(void **state)
{
    static const char message[] =
        "the model gives numbers that are not finite: its parameters are too large";
    const struct cloze_words words = {texts, 1};
    struct cloze_error error;
    struct cloze_model *model = open_hot(*state, &sequence_classification_heads);
    expect_refusal(cloze_classify(model, texts, NULL, TEXTS, &error), &error, message);
    expect_refusal(cloze_embed(model, texts, TEXTS, CLOZE_POOLING_CLS, true, &error), &error,
                   message);
    cloze_close(model);
    model = open_hot(*state, &sequence_regression_heads);
    expect_refusal(cloze_classify(model, texts, NULL, TEXTS, &error), &error, message);
    cloze_close(model);
    model = open_hot(*state, &token_classification_heads);
    expect_refusal(cloze_label_words(model, &words, 1, &error), &error, message);
    cloze_close(model);
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, training_set_up, training_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(vectors_are_those_of_single_texts),
        TEST(a_pooler_that_is_missing_is_refused),
        TEST(each_text_has_the_probabilities_of_the_labels),
        TEST(numbers_are_not_made_probabilities),
        TEST(a_text_does_not_depend_on_the_others),
        TEST(no_texts_have_an_empty_result),
        TEST(each_word_has_a_label),
        TEST(a_model_of_another_kind_is_refused),
        TEST(a_pair_needs_two_token_types),
        TEST(results_that_are_not_finite_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

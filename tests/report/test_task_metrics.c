#include "report/task_metrics.h"

#include "support/assert_near.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Values are those of scikit-learn 1.9.1 and SciPy 1.17.1 (accuracy_score, f1_score, macro with
 * more than two classes, matthews_corrcoef, pearsonr with its interval, spearmanr) but for the
 * intervals of spearman (the formula in the header, by hand) and of f1 and matthews (20,000
 * resamples by NumPy, which 1,000 come close to). */

enum { COUNT = 10, MANY = 200 };

static const int32_t two[COUNT] = {0, 1, 1, 0, 1, 0, 1, 1, 0, 0};
static const int32_t two_found[COUNT] = {0, 1, 0, 0, 1, 1, 1, 1, 0, 1};
static const int32_t four[12] = {0, 1, 2, 0, 1, 2, 3, 1, 0, 2, 2, 1};
static const int32_t four_found[12] = {0, 2, 2, 0, 1, 1, 3, 1, 2, 2, 0, 1};

static struct task_score classes(enum task_metric metric, const int32_t *labelled,
                                 const int32_t *predicted, size_t count, int number)
{
    struct error error = {0};
    struct task_score score;
    assert_true(
        task_score_classes(metric, labelled, predicted, count, number, true, &score, &error));
    return score;
}

static struct task_score numbers(enum task_metric metric, const float *labelled,
                                 const float *predicted, size_t count)
{
    struct error error = {0};
    struct task_score score;
    assert_true(task_score_numbers(metric, labelled, predicted, count, &score, &error));
    return score;
}

static void expect_score(struct task_score score, double value)
{
    assert_true(score.defined);
    assert_near(score.value, value, 1e-12);
}

static void expect_interval(struct task_score score, double low, double high, double tolerance)
{
    assert_true(score.has_interval);
    assert_near(score.interval.low, low, tolerance);
    assert_near(score.interval.high, high, tolerance);
}

/* Undefined is said in words and null, never NaN or 0. */
static void expect_undefined(struct task_score score)
{
    assert_false(score.defined);
    assert_string_equal(task_score_format(&score).text, "undefined");
    json_t *value = task_score_json(&score), *interval = task_score_interval_json(&score);
    assert_true(json_is_null(value) && json_is_null(interval));
    json_decref(value);
    json_decref(interval);
}

static void two_classes_are_scored_by_the_positive_one(void **state)
{
    (void)state;
    struct task_score accuracy = classes(METRIC_ACCURACY, two, two_found, COUNT, 2);
    expect_score(accuracy, 0.7);
    expect_interval(accuracy, 0.39677814746114537, 0.8922087, 1e-6);
    expect_score(classes(METRIC_F1, two, two_found, COUNT, 2), 0.7272727272727273);
    expect_score(classes(METRIC_MATTHEWS, two, two_found, COUNT, 2), 0.408248290463863);
}

static void more_classes_are_averaged(void **state)
{
    (void)state;
    expect_score(classes(METRIC_ACCURACY, four, four_found, 12, 4), 2.0 / 3);
    expect_score(classes(METRIC_F1, four, four_found, 12, 4), 0.7291666666666666);
    expect_score(classes(METRIC_MATTHEWS, four, four_found, 12, 4), 0.5294117647058824);
    /* A class that does not occur changes nothing. */
    expect_score(classes(METRIC_F1, four, four_found, 12, 6), 0.7291666666666666);
    expect_score(classes(METRIC_MATTHEWS, four, four_found, 12, 6), 0.5294117647058824);
}

/* As if there were a fifth class that is predicted and never labelled. */
static void no_prediction_is_wrong(void **state)
{
    (void)state;
    int32_t none[12], fifth[12];
    memcpy(none, four_found, sizeof none);
    memcpy(fifth, four_found, sizeof fifth);
    none[0] = none[4] = -1;
    fifth[0] = fifth[4] = 4;
    expect_score(classes(METRIC_ACCURACY, four, none, 12, 4), 0.5);
    static const int32_t label[1] = {0}, no_label[1] = {-1};
    expect_score(classes(METRIC_ACCURACY, label, no_label, 1, 2), 0);
    expect_score(classes(METRIC_MATTHEWS, four, none, 12, 4),
                 classes(METRIC_MATTHEWS, four, fifth, 12, 5).value);
}

static void bootstrap_intervals_are_near_those_of_numpy(void **state)
{
    (void)state;
    int32_t labelled[MANY], predicted[MANY];
    for (int i = 0; i < MANY; i++) {
        labelled[i] = i % 3 == 0;
        predicted[i] = i % 7 ? labelled[i] : !labelled[i];
    }
    struct task_score f1 = classes(METRIC_F1, labelled, predicted, MANY, 2);
    struct task_score matthews = classes(METRIC_MATTHEWS, labelled, predicted, MANY, 2);
    expect_score(f1, 114.0 / 143);
    expect_interval(f1, 0.71755725, 0.86567164, 0.01);
    expect_interval(matthews, 0.58031336, 0.7899147, 0.015);
    struct task_score again = classes(METRIC_F1, labelled, predicted, MANY, 2);
    assert_memory_equal(&again.interval, &f1.interval, sizeof f1.interval);
    expect_interval(classes(METRIC_F1, labelled, labelled, MANY, 2), 1, 1, 0);
}

/* They take long; the value is the same without them. */
static void resamples_are_drawn_only_if_they_are_wanted(void **state)
{
    (void)state;
    static const enum task_metric metrics[] = {METRIC_F1, METRIC_MATTHEWS};
    for (int i = 0; i < 2; i++) {
        struct error error = {0};
        struct task_score score;
        assert_true(
            task_score_classes(metrics[i], two, two_found, COUNT, 2, false, &score, &error));
        const struct task_score whole = classes(metrics[i], two, two_found, COUNT, 2);
        expect_score(score, whole.value);
        assert_true(whole.has_interval && !score.has_interval);
    }
}

static void scores_of_one_class_are_undefined(void **state)
{
    (void)state;
    static const int32_t zeros[4] = {0}, mixed[4] = {0, 1, 1, 0};
    expect_undefined(classes(METRIC_F1, zeros, zeros, 4, 2));
    expect_undefined(classes(METRIC_MATTHEWS, zeros, mixed, 4, 2));
    expect_undefined(classes(METRIC_MATTHEWS, mixed, zeros, 4, 2));
    for (enum task_metric metric = METRIC_ACCURACY; metric <= METRIC_MATTHEWS; metric++)
        expect_undefined(classes(metric, zeros, zeros, 0, 2));
    /* Never predicted is 0, not undefined. */
    expect_score(classes(METRIC_F1, mixed, zeros, 4, 2), 0);
}

static const float scores[COUNT] = {1, 2, 2, 3.5F, 4, 4, 4, 5, 0.5F, 2.25F};
static const float scores_found[COUNT] = {1.5F, 1.75F, 3, 3, 4.5F, 3.5F, 2, 5, 1, 2};

static void correlations_are_those_of_scipy(void **state)
{
    (void)state;
    struct task_score pearson = numbers(METRIC_PEARSON, scores, scores_found, COUNT);
    struct task_score spearman = numbers(METRIC_SPEARMAN, scores, scores_found, COUNT);
    expect_score(pearson, 0.828179571331989);
    expect_interval(pearson, 0.4149004952290454, 0.9581727734237665, 1e-9);
    expect_score(spearman, 0.8576221317450335);
    expect_interval(spearman, 0.4789239645294511, 0.967200769798058, 1e-9);
    assert_string_equal(task_score_format(&pearson).text, "0.8282 (0.4149 to 0.9582)");
    json_t *interval = task_score_interval_json(&pearson);
    assert_int_equal(json_array_size(interval), 2);
    assert_near(json_real_value(json_array_get(interval, 1)), 0.9581727734237665, 1e-9);
    json_decref(interval);
}

static void perfect_correlations_have_no_width(void **state)
{
    (void)state;
    float doubled[COUNT], opposite[COUNT];
    for (int i = 0; i < COUNT; i++) {
        doubled[i] = 2 * scores[i] + 1;
        opposite[i] = -scores[i];
    }
    expect_interval(numbers(METRIC_PEARSON, scores, doubled, COUNT), 1, 1, 1e-6);
    expect_interval(numbers(METRIC_SPEARMAN, scores, opposite, COUNT), -1, -1, 1e-6);
}

static void correlations_with_a_constant_are_undefined(void **state)
{
    (void)state;
    static const float constant[COUNT] = {0.1F, 0.1F, 0.1F, 0.1F, 0.1F,
                                          0.1F, 0.1F, 0.1F, 0.1F, 0.1F};
    for (enum task_metric metric = METRIC_PEARSON; metric <= METRIC_SPEARMAN; metric++) {
        expect_undefined(numbers(metric, scores, constant, COUNT));
        expect_undefined(numbers(metric, constant, scores, COUNT));
        expect_undefined(numbers(metric, scores, scores_found, 0));
        expect_undefined(numbers(metric, scores, scores_found, 1));
        struct task_score three = numbers(metric, scores, scores_found, 3);
        assert_true(three.defined && !three.has_interval);
        assert_null(strstr(task_score_format(&three).text, "to"));
    }
}

static void correlations_with_what_is_not_finite_are_undefined(void **state)
{
    (void)state;
    static const float broken[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        float found[COUNT];
        memcpy(found, scores_found, sizeof found);
        found[3] = broken[i];
        expect_undefined(numbers(METRIC_PEARSON, scores, found, COUNT));
        expect_undefined(numbers(METRIC_SPEARMAN, scores, found, COUNT));
    }
}

static void spans_are_scored_over_all_texts(void **state)
{
    (void)state;
    /* Those of test_spans.c; f1_score of seqeval 1.2.2 is the same. */
    static const struct span_counts texts[] = {{2, 2, 2}, {3, 2, 0}, {2, 1, 0}, {0, 1, 0}};
    struct task_score score = task_score_spans(texts, 4, true);
    expect_score(score, 0.30769230769230765);
    assert_true(score.has_interval && score.interval.low == 0 && score.interval.high <= 1);
    score = task_score_spans(texts, 4, false);
    expect_score(score, 0.30769230769230765);
    assert_false(score.has_interval);
    static const struct span_counts none[3] = {{0}};
    expect_undefined(task_score_spans(none, 3, true));
    expect_undefined(task_score_spans(texts, 0, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_classes_are_scored_by_the_positive_one),
        cmocka_unit_test(more_classes_are_averaged),
        cmocka_unit_test(no_prediction_is_wrong),
        cmocka_unit_test(bootstrap_intervals_are_near_those_of_numpy),
        cmocka_unit_test(resamples_are_drawn_only_if_they_are_wanted),
        cmocka_unit_test(scores_of_one_class_are_undefined),
        cmocka_unit_test(correlations_are_those_of_scipy),
        cmocka_unit_test(perfect_correlations_have_no_width),
        cmocka_unit_test(correlations_with_a_constant_are_undefined),
        cmocka_unit_test(correlations_with_what_is_not_finite_are_undefined),
        cmocka_unit_test(spans_are_scored_over_all_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "report/task_metrics.h"

#include "base/memory.h"
#include "base/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RESAMPLES = 1000, SEED = 42 };

const char *const task_metric_names[] = {"accuracy", "f1", "matthews", "pearson", "spearman", NULL};

/* ---- bootstrap ---- */

/* A metric of resampled items: `draw` adds item `index` to the sums, `value` returns the metric of
 * the sums, or NaN if it is not defined, and empties them. */
struct resampled {
    void *context;
    void (*draw)(void *context, size_t index);
    double (*value)(void *context);
};

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Returns a quantile of sorted values, interpolated between neighbours (NumPy's default). */
static double quantile(const double *values, size_t count, double q)
{
    const double place = q * (double)(count - 1);
    const size_t below = (size_t)place;
    const size_t above = below + 1 < count ? below + 1 : below;
    return values[below] + (place - (double)below) * (values[above] - values[below]);
}

static void bootstrap(const struct resampled *resampled, size_t items, struct task_score *score)
{
    double values[RESAMPLES];
    size_t count = 0;
    for (uint64_t i = 0; i < RESAMPLES; i++) {
        struct random random = random_begin(SEED, RANDOM_RESAMPLING, i, 0);
        for (size_t j = 0; j < items; j++)
            resampled->draw(resampled->context, (size_t)random_below_64(&random, items));
        const double value = resampled->value(resampled->context);
        if (!isnan(value))
            values[count++] = value;
    }
    score->has_interval = count > 0;
    if (!count)
        return;
    qsort(values, count, sizeof *values, compare_doubles);
    score->interval =
        (struct interval){quantile(values, count, 0.025), quantile(values, count, 0.975)};
}

/* Sets the value from the items in their order and, if wanted, the interval from resamples. */
static void score_resampled(const struct resampled *resampled, size_t items, bool interval,
                            struct task_score *score)
{
    for (size_t i = 0; i < items; i++)
        resampled->draw(resampled->context, i);
    score->value = resampled->value(resampled->context);
    score->defined = !isnan(score->value);
    if (!score->defined)
        score->value = 0;
    else if (interval)
        bootstrap(resampled, items, score);
}

/* ---- classes ---- */

struct class_counts {
    uint64_t labelled, predicted, correct;
};

struct class_sums {
    const int32_t *labelled, *predicted; /* of all examples */
    int classes;
    struct class_counts *counts; /* [classes] */
    uint64_t examples;
};

static void draw_class(void *context, size_t index)
{
    struct class_sums *sums = context;
    const int32_t labelled = sums->labelled[index], predicted = sums->predicted[index];
    sums->counts[labelled].labelled++;
    if (predicted >= 0)
        sums->counts[predicted].predicted++;
    sums->counts[labelled].correct += labelled == predicted;
    sums->examples++;
}

static void empty_classes(struct class_sums *sums)
{
    memset(sums->counts, 0, (size_t)sums->classes * sizeof *sums->counts);
    sums->examples = 0;
}

/* Returns 2 TP / (labelled + predicted); NaN if there are none of either. */
static double f1_of(uint64_t labelled, uint64_t predicted, uint64_t correct)
{
    const uint64_t both = labelled + predicted;
    return both ? 2 * (double)correct / (double)both : (double)NAN;
}

static double f1_of_classes(void *context)
{
    struct class_sums *sums = context;
    double sum = 0;
    int occurring = 0;
    for (int i = sums->classes == 2; i < sums->classes; i++) {
        const struct class_counts *counts = &sums->counts[i];
        if (!counts->labelled && !counts->predicted)
            continue;
        sum += f1_of(counts->labelled, counts->predicted, counts->correct);
        occurring++;
    }
    empty_classes(sums);
    return occurring ? sum / occurring : (double)NAN;
}

static double matthews_of_classes(void *context)
{
    struct class_sums *sums = context;
    const double examples = (double)sums->examples;
    double correct = 0, both = 0, predicted = 0, labelled = 0, none = examples;
    for (int i = 0; i < sums->classes; i++) {
        const double p = (double)sums->counts[i].predicted, t = (double)sums->counts[i].labelled;
        correct += (double)sums->counts[i].correct;
        both += p * t;
        predicted += p * p;
        labelled += t * t;
        none -= p;
    }
    predicted += none * none; /* no prediction is a class of its own */
    empty_classes(sums);
    /* Exact up to 2^26 examples, so that zero is recognized. */
    const double spread = (examples * examples - predicted) * (examples * examples - labelled);
    return spread > 0 ? (correct * examples - both) / sqrt(spread) : (double)NAN;
}

static struct task_score score_accuracy(const int32_t *labelled, const int32_t *predicted,
                                        size_t count)
{
    size_t correct = 0;
    for (size_t i = 0; i < count; i++)
        correct += labelled[i] == predicted[i];
    if (!count)
        return (struct task_score){0};
    return (struct task_score){.defined = true,
                               .value = (double)correct / (double)count,
                               .has_interval = true,
                               .interval = accuracy_interval((double)correct, (int64_t)count)};
}

bool task_score_classes(enum task_metric metric, const int32_t *labelled, const int32_t *predicted,
                        size_t count, int classes, bool interval, struct task_score *score,
                        struct error *error)
{
    CHECK(metric == METRIC_ACCURACY || metric == METRIC_F1 || metric == METRIC_MATTHEWS);
    *score = (struct task_score){0};
    if (metric == METRIC_ACCURACY) {
        *score = score_accuracy(labelled, predicted, count);
        return true;
    }
    struct class_sums sums = {labelled, predicted, classes, NULL, 0};
    sums.counts = allocate((size_t)classes, sizeof *sums.counts, error);
    if (!sums.counts)
        return false;
    const struct resampled resampled = {&sums, draw_class,
                                        metric == METRIC_F1 ? f1_of_classes : matthews_of_classes};
    score_resampled(&resampled, count, interval, score);
    free(sums.counts);
    return true;
}

/* ---- spans ---- */

struct span_sums {
    const struct span_counts *texts;
    struct span_counts sum;
};

static void draw_text(void *context, size_t index)
{
    struct span_sums *sums = context;
    const struct span_counts *text = &sums->texts[index];
    sums->sum.labelled += text->labelled;
    sums->sum.predicted += text->predicted;
    sums->sum.correct += text->correct;
}

static double f1_of_spans(void *context)
{
    struct span_sums *sums = context;
    const struct span_counts sum = sums->sum;
    sums->sum = (struct span_counts){0};
    return f1_of(sum.labelled, sum.predicted, sum.correct);
}

struct task_score task_score_spans(const struct span_counts *texts, size_t count, bool interval)
{
    struct task_score score = {0};
    struct span_sums sums = {.texts = texts};
    const struct resampled resampled = {&sums, draw_text, f1_of_spans};
    score_resampled(&resampled, count, interval, &score);
    return score;
}

/* ---- numbers ---- */

static bool all_equal(const double *values, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (values[i] < values[0] || values[i] > values[0])
            return false;
    return true;
}

static bool all_finite(const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            return false;
    return true;
}

static double mean_of(const double *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return sum / (double)count;
}

static double correlation(const double *x, const double *y, size_t count)
{
    const double x_mean = mean_of(x, count), y_mean = mean_of(y, count);
    double xx = 0, yy = 0, xy = 0;
    for (size_t i = 0; i < count; i++) {
        const double dx = x[i] - x_mean, dy = y[i] - y_mean;
        xx += dx * dx;
        yy += dy * dy;
        xy += dx * dy;
    }
    return fmax(-1, fmin(1, xy / (sqrt(xx) * sqrt(yy))));
}

struct ranked {
    double value;
    size_t index;
};

static int compare_ranked(const void *a, const void *b)
{
    return compare_doubles(&((const struct ranked *)a)->value, &((const struct ranked *)b)->value);
}

/* Replaces values by their ranks from 1; equal values share their mean rank. */
static void rank(double *values, struct ranked *order, size_t count)
{
    for (size_t i = 0; i < count; i++)
        order[i] = (struct ranked){values[i], i};
    qsort(order, count, sizeof *order, compare_ranked);
    for (size_t first = 0, end; first < count; first = end) {
        for (end = first + 1; end < count && order[end].value <= order[first].value;)
            end++;
        for (size_t i = first; i < end; i++)
            values[order[i].index] = (double)(first + 1 + end) / 2;
    }
}

/* `variance` is that of atanh r times n - 3. */
static void score_correlation(const double *x, const double *y, size_t count, double variance,
                              struct task_score *score)
{
    if (all_equal(x, count) || all_equal(y, count))
        return;
    score->defined = true;
    score->value = correlation(x, y, count);
    score->has_interval = count > 3;
    if (!score->has_interval)
        return;
    const double center = atanh(score->value);
    const double margin = INTERVAL_QUANTILE * sqrt(variance / (double)(count - 3));
    score->interval = (struct interval){tanh(center - margin), tanh(center + margin)};
}

bool task_score_numbers(enum task_metric metric, const float *labelled, const float *predicted,
                        size_t count, struct task_score *score, struct error *error)
{
    CHECK(metric == METRIC_PEARSON || metric == METRIC_SPEARMAN);
    const bool ranks = metric == METRIC_SPEARMAN;
    *score = (struct task_score){0};
    double *x = allocate(count, sizeof *x, error);
    double *y = x ? allocate(count, sizeof *y, error) : NULL;
    struct ranked *order = y ? allocate(count, sizeof *order, error) : NULL;
    for (size_t i = 0; order && i < count; i++) {
        x[i] = (double)labelled[i];
        y[i] = (double)predicted[i];
    }
    const bool finite = order && all_finite(y, count);
    if (finite && ranks) {
        rank(x, order, count);
        rank(y, order, count);
    }
    if (finite)
        score_correlation(x, y, count, ranks ? 1.06 : 1, score);
    const bool done = order;
    free(x);
    free(y);
    free(order);
    return done;
}

/* ---- output ---- */

struct task_score_text task_score_format(const struct task_score *score)
{
    struct task_score_text text;
    if (!score->defined)
        snprintf(text.text, sizeof text.text, "undefined");
    else if (!score->has_interval)
        snprintf(text.text, sizeof text.text, "%.4f", score->value);
    else
        snprintf(text.text, sizeof text.text, "%.4f (%.4f to %.4f)", score->value,
                 score->interval.low, score->interval.high);
    return text;
}

json_t *task_score_json(const struct task_score *score)
{
    return score->defined ? json_real(score->value) : json_null();
}

json_t *task_score_interval_json(const struct task_score *score)
{
    return score->defined && score->has_interval
               ? json_pack("[ff]", score->interval.low, score->interval.high)
               : json_null();
}

#include "base/file.h"
#include "base/format.h"
#include "model/huggingface.h"
#include "train/progress.h"
#include "train/run.h"
#include "train/run_tokenizer.h"
#include "train/task_batches.h"
#include "train/task_evaluation.h"

#include <math.h>
#include <stdlib.h>

/* ---- opening ---- */

/* Opens the tokenizer and reads the examples: the model has an output for each label. */
static bool open_tokenizer(struct run *run, const char *checkpoint, struct error *error)
{
    bool trained = false; /* a vocabulary is given, see task_config_check */
    run->tokenizer = checkpoint
                         ? run_tokenizer_resume(run->config, checkpoint, error)
                         : run_tokenizer_open(run->config, run->threads, &trained, run->log, error);
    if (run->tokenizer)
        run->task = task_data_read(run->config, run->tokenizer, run->log, error);
    return run->task != NULL;
}

static void complete_architecture(const struct run *run, struct model_config *architecture)
{
    architecture->heads = task_heads(run->config->task.kind);
    architecture->labels = run->task->labels;
    architecture->untrained_groups = 0;
}

/* Labels of tokens are predicted at the first piece of each word. */
static double predicted_share(const struct run *run)
{
    return run->config->task.kind == TASK_TOKENS ? 1 : 0;
}

static bool open_data(struct run *run, const char *checkpoint, struct error *error)
{
    const struct run_config *config = run->config;
    const int64_t per_epoch = task_batches_per_epoch(&run->task->train, config->train.batch_size);
    (void)checkpoint;
    run->held_out = true;
    run->train_hash = run->task->train_hash;
    run->valid_hash = run->task->valid_hash;
    run->examples_per_epoch = run->task->train.count;
    run->steps_per_epoch = per_epoch;
    run->eval_every = config->train.eval_every < 0 ? per_epoch : config->train.eval_every;
    run->phases = allocate(1, sizeof *run->phases, error);
    if (!run->phases)
        return false;
    run->phase_count = 1;
    run->steps = config->train.epochs > 0 ? (int64_t)ceil(config->train.epochs * (double)per_epoch)
                                          : config->train.steps;
    run->phases[0] = (struct phase){(int)config->data.seq_len, run->steps};
    return true;
}

/* They have been read, with the errors that they have. */
static bool check_held_out(const struct run *run, struct error *error)
{
    (void)run;
    (void)error;
    return true;
}

static void close_data(struct run *run)
{
    task_data_free(run->task);
}

static bool load_parameters(const struct run *run, const char *directory,
                            struct huggingface_missing *missing, struct error *error)
{
    return huggingface_load_encoder(directory, &run->trainee.model->table,
                                    run->trainee.model->parameters.values, missing, error);
}

/* Everything that the model has is trained. */
static unsigned untrained_groups(const struct run *run, unsigned groups)
{
    (void)run;
    (void)groups;
    return 0;
}

static bool open_batches(const struct run *run, int64_t first_step, struct batch_source *batches,
                         struct error *error)
{
    return task_batches_open(&run->task->train, (uint64_t)run->config->seed,
                             run->config->train.batch_size, first_step, batches, error);
}

/* ---- losses and scores ---- */

static enum metrics_layout layout(const struct run *run)
{
    (void)run;
    return METRICS_TASK;
}

static void measure(const struct run *run, struct train_metrics *metrics,
                    const struct objective_sums *sums)
{
    const struct loss_sums *head = &sums->heads[HEAD_CLASSIFIER];
    metrics->accuracy = run->config->task.kind == TASK_REGRESSION ? NAN : loss_sums_accuracy(head);
    metrics->predictions = head->count;
}

static double value_of(const struct task_scores *scores, enum task_metric metric)
{
    return scores->by_metric[metric].defined ? scores->by_metric[metric].value : NAN;
}

static struct eval_metrics eval_record(const struct task_scores *scores,
                                       const struct objective_sums *sums)
{
    return (struct eval_metrics){
        .loss = objective_loss(sums),
        .accuracy = value_of(scores, METRIC_ACCURACY),
        .f1 = value_of(scores, METRIC_F1),
        .matthews = value_of(scores, METRIC_MATTHEWS),
        .pearson = value_of(scores, METRIC_PEARSON),
        .spearman = value_of(scores, METRIC_SPEARMAN),
        .predictions = sums->heads[HEAD_CLASSIFIER].count,
    };
}

/* Evaluates and, if `path` is not NULL, writes the predictions. */
static bool evaluate_examples(const struct run *run, struct workspace *workspace, const char *path,
                              struct task_scores *scores, struct objective_sums *sums,
                              struct error *error)
{
    struct task_predictions predictions;
    if (!task_predict(run->trainee.model, workspace, &run->task->valid, &predictions, run->log,
                      error))
        return false;
    bool done = task_scores_compute(run->task, &predictions, run_config_metric(run->config), scores,
                                    error) &&
                (!path || task_predictions_write(run->task, &predictions, path, error));
    *sums = predictions.sums;
    if (!isfinite(objective_loss(sums)))
        *scores = (struct task_scores){0}; /* classes of numbers that are not finite mean nothing */
    task_predictions_free(&predictions);
    return done;
}

static bool evaluate_held_out(const struct run *run, struct workspace *workspace,
                              struct run_evaluation *result, struct error *error)
{
    const enum task_metric metric = run_config_metric(run->config);
    struct task_scores scores;
    struct objective_sums sums;
    if (!evaluate_examples(run, workspace, NULL, &scores, &sums, error))
        return false;
    log_line(run->log, "held out at step %s: loss %.4f, %s %s",
             format_count((unsigned long long)run->state.step).text, objective_loss(&sums),
             task_metric_names[metric], task_score_format(&scores.by_metric[metric]).text);
    *result = (struct run_evaluation){.score = value_of(&scores, metric),
                                      .record = eval_record(&scores, &sums)};
    return true;
}

/* ---- messages ---- */

static const struct head_titles *titles(const struct run *run, int *count)
{
    static const struct head_titles of_classes = {"loss", "accuracy"}, of_numbers = {"loss", NULL};
    *count = 1;
    return run->config->task.kind == TASK_REGRESSION ? &of_numbers : &of_classes;
}

static void log_data(const struct run *run)
{
    const struct task_data *task = run->task;
    log_line(run->log, "task        %s, %s", task_kind_names[run->config->task.kind],
             run->config->task.kind == TASK_REGRESSION
                 ? "a number"
                 : format_number_of((unsigned long long)task->labels.count, "label").text);
    log_line(run->log, "held out    %s", format_number_of(task->valid.count, "example").text);
}

static void log_epochs(const struct run *run, double epochs)
{
    (void)run;
    (void)epochs;
}

/* ---- the end ---- */

/* Loads the parameters of the best checkpoint, if it was kept, and sets *step to its step;
 * otherwise they stay those of the last step. A best checkpoint that somebody has deleted is a
 * warning, a damaged one an error: a part of it may have been loaded. */
static bool load_best(struct run *run, int64_t *step, struct error *error)
{
    const int64_t best = run->state.best_step;
    struct checkpoint_model model = checkpoint_model_of(&run->trainee);
    struct training_state state = {0};
    *step = run->state.step;
    if (!run->config->train.keep_best || best < 0 || best == *step)
        return true;
    char *path = checkpoint_path(run->config->output, best, error);
    if (!path)
        return false;
    const bool present = path_exists(path);
    model.first_moment = model.second_moment = NULL;
    const bool loaded =
        present && checkpoint_verify(path, error) && checkpoint_load(path, &model, &state, error);
    if (loaded)
        *step = best;
    if (!present)
        log_warning(run->log, "%s is gone; the results are those of the last step",
                    path_shown(path));
    training_state_free(&state);
    free(path);
    return loaded || !present;
}

static bool write_results(struct run *run, int64_t step, struct error *error)
{
    const enum task_metric metric = run_config_metric(run->config);
    struct task_scores scores;
    struct objective_sums sums;
    struct workspace *workspace = workspace_create(
        &run->trainee.model->config,
        memory_plan_limits(&run->request, &run->plan, run->phases[0].seq_len), false, error);
    char *path = workspace ? path_join(run->config->output, "predictions.tsv", error) : NULL;
    bool done = path && evaluate_examples(run, workspace, path, &scores, &sums, error);
    if (done) {
        *run->result = (struct run_result){step, scores.by_metric[metric]};
        log_line(run->log, "model of step %s: %s %s", format_count((unsigned long long)step).text,
                 task_metric_names[metric], task_score_format(&scores.by_metric[metric]).text);
        log_line(run->log, "predictions: %s", path_shown(path));
    }
    free(path);
    workspace_free(workspace);
    return done;
}

static bool finish(struct run *run, const struct progress *progress, double seconds_waited,
                   struct error *error)
{
    (void)seconds_waited;
    if (progress->rates.sequences)
        log_line(run->log, "done: step %s after %s",
                 format_count((unsigned long long)run->state.step).text,
                 format_duration(progress_seconds(progress)).text);
    else
        log_line(run->log, "this run is finished (%s)",
                 format_number_of((unsigned long long)run->state.step, "step").text);
    int64_t step;
    return load_best(run, &step, error) && write_results(run, step, error);
}

const struct run_kind finetuning = {
    .higher_is_better = true,
    .open_tokenizer = open_tokenizer,
    .complete_architecture = complete_architecture,
    .predicted_share = predicted_share,
    .open_data = open_data,
    .check_held_out = check_held_out,
    .close_data = close_data,
    .load_parameters = load_parameters,
    .untrained_groups = untrained_groups,
    .open_batches = open_batches,
    .evaluate = evaluate_held_out,
    .layout = layout,
    .measure = measure,
    .titles = titles,
    .log_data = log_data,
    .log_epochs = log_epochs,
    .finish = finish,
};

#include "base/file_writer.h"
#include "base/machine.h"
#include "base/memory.h"
#include "base/min.h"
#include "checkpoint/model_directory.h"
#include "cli/command.h"
#include "cli/output_file.h"
#include "model/batch_file.h"
#include "model/huggingface.h"
#include "model/mlm_head.h"
#include "model/nsp_head.h"
#include "model/objective.h"
#include "nn/cross_entropy.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct score {
    struct model *model;
    struct batch batch;
    struct workspace *workspace;
    struct objective_sums sums;
    real *predictions; /* [M, V] of the MLM head */
    real *logits;      /* [B, 2] of the NSP head, or [rows, labels] of a classifier */
    struct parameter_block gradients; /* with --gradients */
};

static bool load_model(struct score *score, const char *directory, struct error *error)
{
    struct huggingface_missing missing;
    score->model = huggingface_load_model(directory, &missing, error);
    if (!score->model)
        return false;
    if (missing.groups)
        return fail_input(error, "%s: not a whole %s: its heads or pooler are missing", directory,
                          score->model->config.heads->architecture);
    return true;
}

/* Returns the classifier; NULL: a model of pre-training. */
static const struct head *classifier_of(const struct score *score)
{
    const struct head_list *heads = score->model->config.heads;
    return heads->labelled ? heads->heads[HEAD_CLASSIFIER] : NULL;
}

/* Returns the rows of score->logits: a row for each predicted token or each sequence. */
static int logit_rows(const struct score *score)
{
    return score->model->config.heads == &token_classification_heads ? score->batch.predicted
                                                                     : score->batch.sequences;
}

static int logit_columns(const struct score *score)
{
    return classifier_of(score) ? score->model->config.labels.count : 2;
}

static bool plan_memory(struct score *score, bool gradients, struct error *error)
{
    const struct batch *batch = &score->batch;
    const struct model_config *config = &score->model->config;
    int sequences = min_int(workspace_sequences(batch->max_length), batch->sequences);
    struct workspace_limits limits =
        workspace_limits_of(sequences, batch->max_length, batch->max_length, omp_get_max_threads());
    const int vocabulary = classifier_of(score) ? 0 : config->vocab_size;
    size_t predictions, logits;
    if (__builtin_mul_overflow((size_t)batch->predicted, (size_t)vocabulary, &predictions) ||
        __builtin_mul_overflow((size_t)logit_rows(score), (size_t)logit_columns(score), &logits))
        return fail_work(error, "out of memory: too many logits");
    score->workspace = workspace_create(config, limits, gradients, error);
    score->predictions = allocate(predictions, sizeof(real), error);
    score->logits = allocate(logits, sizeof(real), error);
    return score->workspace && score->predictions && score->logits &&
           (!gradients ||
            parameter_block_create(&score->gradients, &score->model->table, config, error));
}

/* Computes the loaded micro-batch's logits, and adds its losses. */
static void compute_classifier(struct score *score, real *out)
{
    const struct head *head = classifier_of(score);
    const struct head_pass pass =
        head_pass_at(score->model, NULL, score->workspace, HEAD_CLASSIFIER);
    const struct batch *batch = &score->workspace->micro_batch.batch;
    const struct rows logits = head->logits(&pass);
    const int rows = score->model->config.heads == &token_classification_heads ? batch->predicted
                                                                               : batch->sequences;
    memcpy(out, logits.reals, (size_t)rows * (size_t)logits.width * sizeof(real));
    head->forward(&pass, &score->sums.heads[HEAD_CLASSIFIER]);
}

/* The same of the heads of pre-training. */
static void compute_heads(struct score *score, struct rows predictions, real *relations)
{
    struct workspace *workspace = score->workspace;
    const struct batch *batch = &workspace->micro_batch.batch;
    const struct head_pass mlm = head_pass_at(score->model, NULL, workspace, HEAD_MLM);
    const struct head_pass nsp = head_pass_at(score->model, NULL, workspace, HEAD_NSP);
    mlm_head_transform(&mlm);
    mlm_head_logits(&mlm, 0, batch->predicted, predictions);
    cross_entropy_forward(&score->sums.heads[HEAD_MLM], workspace->row_loss, predictions,
                          batch->predicted_labels, batch->predicted,
                          model_config_tokens(&score->model->config));
    const struct rows logits = nsp_head_logits(&nsp);
    cross_entropy_forward(&score->sums.heads[HEAD_NSP], workspace->row_loss, logits,
                          batch->sequence_labels, batch->sequences, 2);
    memcpy(relations, logits.reals, 2 * (size_t)batch->sequences * sizeof(real));
}

/* Runs the batch in micro-batches; the logits are in the order of the batch. */
static void compute_logits(struct score *score)
{
    const struct batch *batch = &score->batch;
    const struct encoder_dropout none = encoder_dropout_none();
    const bool by_token = score->model->config.heads == &token_classification_heads;
    const struct rows all = rows_of_reals(score->predictions, score->model->config.vocab_size);
    for (int first = 0, last; first < batch->sequences; first = last) {
        last = min_int(first + score->workspace->limits.sequences, batch->sequences);
        micro_batch_load(&score->workspace->micro_batch, score->workspace->limits, batch, first,
                         last, first);
        encoder_forward(score->model, score->workspace, &none);
        const int row = by_token ? batch->predicted_starts[first] : first;
        real *out = score->logits + (size_t)row * (size_t)logit_columns(score);
        if (classifier_of(score))
            compute_classifier(score, out);
        else
            compute_heads(score, rows_from(all, batch->predicted_starts[first]), out);
    }
}

static void compute(struct score *score, bool gradients)
{
    compute_logits(score);
    if (!gradients)
        return;
    const struct encoder_dropout none = encoder_dropout_none();
    const struct objective_share whole = objective_whole_step(&score->model->config, &score->batch);
    struct objective_sums again = {0};
    objective_gradients(score->model, &score->gradients.weights, score->workspace, &score->batch,
                        &whole, &none, &again);
}

/* ---- output ---- */

enum { PLAIN_TENSORS = 5 };

static struct tensor real_tensor(const char *name, const real *data, uint64_t rows,
                                 uint64_t columns)
{
    struct tensor tensor = {
        .name = name,
        .dtype = sizeof(real) == sizeof(float) ? DTYPE_F32 : DTYPE_F64,
        .axes = columns ? 2 : 1,
        .shape = {rows, columns},
        .data = data,
        .size = rows * (columns ? columns : 1) * sizeof(real),
    };
    return tensor;
}

struct losses {
    real all, mlm, nsp;
};

/* Puts all but the gradients into `tensors` and returns their number. */
static size_t list_tensors(const struct score *score, const struct losses *losses,
                           struct tensor *tensors)
{
    const uint64_t rows = (uint64_t)logit_rows(score), columns = (uint64_t)logit_columns(score);
    size_t count = 0;
    tensors[count++] = real_tensor("loss", &losses->all, 1, 0);
    if (classifier_of(score)) {
        tensors[count++] = real_tensor("logits", score->logits, rows, columns);
        return count;
    }
    tensors[count++] = real_tensor("mlm_loss", &losses->mlm, 1, 0);
    tensors[count++] = real_tensor("nsp_loss", &losses->nsp, 1, 0);
    tensors[count++] =
        real_tensor("prediction_logits", score->predictions, (uint64_t)score->batch.predicted,
                    (uint64_t)score->model->config.vocab_size);
    tensors[count++] = real_tensor("seq_relationship_logits", score->logits, rows, columns);
    return count;
}

static bool write_tensors(const struct score *score, const char *path, struct tensor *tensors,
                          char (*names)[128], size_t gradients, struct error *error)
{
    const struct parameter_table *table = &score->model->table;
    const struct losses losses = {
        .all = (real)objective_loss(&score->sums),
        .mlm = (real)loss_sums_mean(&score->sums.heads[HEAD_MLM]),
        .nsp = (real)loss_sums_mean(&score->sums.heads[HEAD_NSP]),
    };
    size_t count = list_tensors(score, &losses, tensors);
    for (size_t i = 0; i < gradients; i++) {
        snprintf(names[i], sizeof names[i], "grad.%s", table->list[i].name);
        tensors[count++] = parameter_tensor(&table->list[i], score->gradients.values, names[i]);
    }
    return safetensors_write(path, tensors, count, error);
}

static bool write_score(const struct score *score, const char *path, bool with_gradients,
                        struct error *error)
{
    size_t gradients = with_gradients ? (size_t)score->model->table.count : 0;
    struct tensor *tensors = allocate(PLAIN_TENSORS + gradients, sizeof *tensors, error);
    char(*names)[128] = allocate(gradients, sizeof *names, error);
    bool done = tensors && names && write_tensors(score, path, tensors, names, gradients, error);
    free(tensors);
    free(names);
    return done;
}

/* ---- the command ---- */

static void free_score(struct score *score)
{
    parameter_block_free(&score->gradients);
    free(score->logits);
    free(score->predictions);
    workspace_free(score->workspace);
    batch_free(&score->batch);
    model_free(score->model);
}

static bool score_batch(const char *model, const char *batch, const char *output, bool gradients,
                        struct error *error)
{
    struct score score = {0};
    struct log log = log_open(stderr);
    omp_set_num_threads(machine_threads());
    char *directory = model_directory_open(model, &log, error);
    bool done = directory && load_model(&score, directory, error) &&
                batch_file_read(batch, &score.model->config, &score.batch, error) &&
                plan_memory(&score, gradients, error);
    if (done) {
        compute(&score, gradients);
        done = write_score(&score, output, gradients, error);
    }
    if (done && classifier_of(&score))
        printf("loss %.6f\n", objective_loss(&score.sums));
    else if (done)
        printf("loss %.6f (MLM %.6f, NSP %.6f)\n", objective_loss(&score.sums),
               loss_sums_mean(&score.sums.heads[HEAD_MLM]),
               loss_sums_mean(&score.sums.heads[HEAD_NSP]));
    free_score(&score);
    free(directory);
    return done && command_finish_output(error);
}

static bool run_score(const struct command *command, int argc, char **argv, struct error *error)
{
    bool gradients = false, helped;
    const char *batch = NULL, *output = NULL;
    struct string_list operands = {0};
    const struct option_spec options[] = {
        {"batch", OPTION_STRING, &batch, "FILE", "the batch, as 'cloze batches' writes it", 0, 0},
        {"output", OPTION_STRING, &output, "FILE", "where the result goes", 0, 0},
        {"gradients", OPTION_FLAG, &gradients, NULL, "also write the gradient of every parameter",
         0, 0},
    };
    bool done = command_parse(command, options, sizeof options / sizeof *options, argc, argv,
                              &operands, 1, 1, &helped, error);
    if (done && !helped) {
        if (!batch || !output)
            done = fail_input(error, "--%s is missing; usage: cloze score %s",
                              batch ? "output" : "batch", command->arguments);
        else
            done = output_file_check_name(output, error) &&
                   output_file_check_inputs(output, &batch, 1, error) &&
                   output_file_check_tensors(output, "loss", "a result of 'cloze score'", error) &&
                   file_check_writable(output, error) &&
                   score_batch(operands.items[0], batch, output, gradients, error);
    }
    string_list_free(&operands);
    return done;
}

const struct command command_score = {
    .name = "score",
    .arguments = "MODEL --batch FILE --output FILE [--gradients]",
    .summary = "compute losses, logits and gradients for one given batch",
    .details = "For checking cloze against other implementations. Reads safetensors with I64 or\n"
               "I32 input_ids, attention_mask, token_type_ids, labels [batch, length] and\n"
               "next_sentence_label [batch]; writes F32 loss, mlm_loss, nsp_loss [1],\n"
               "prediction_logits [masked, vocab] in reading order, seq_relationship_logits\n"
               "[batch, 2] and, with --gradients, grad.NAME for each parameter. No dropout.\n"
               "A fine-tuned model has labels as its class in transformers: I64 [batch], F32\n"
               "[batch] for regression, or I64 [batch, length] for tokens (-100: none); it has\n"
               "loss, logits [batch or labelled tokens, labels] and the gradients.\n",
    .examples = "# Losses, logits and gradients of a batch of the run\n"
                "cloze batches run.yaml --output batches\n"
                "cloze score runs/mine --batch batches/step-00000001.safetensors \\\n"
                "    --output scores.safetensors --gradients\n",
    .run = run_score,
};

#include "base/file_writer.h"
#include "base/machine.h"
#include "base/memory.h"
#include "base/min.h"
#include "checkpoint/checkpoint.h"
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
    real *predictions;                /* [M, V] */
    real *relations;                  /* [B, 2] */
    struct parameter_block gradients; /* with --gradients */
};

static bool load_model(struct score *score, const char *directory, struct error *error)
{
    struct huggingface_missing missing;
    score->model = huggingface_load_model(directory, &missing, error);
    if (!score->model)
        return false;
    if (missing.groups)
        return fail_input(error, "%s: not a pre-training model: its heads or pooler are missing",
                          directory);
    return true;
}

static bool plan_memory(struct score *score, bool gradients, struct error *error)
{
    const struct batch *batch = &score->batch;
    const struct model_config *config = &score->model->config;
    int sequences = min_int(workspace_sequences(batch->max_length), batch->sequences);
    struct workspace_limits limits =
        workspace_limits_of(sequences, batch->max_length, batch->max_length, omp_get_max_threads());
    size_t predictions;
    if (__builtin_mul_overflow((size_t)batch->predicted, (size_t)config->vocab_size, &predictions))
        return fail_work(error, "out of memory: %d x %d logits", batch->predicted,
                         config->vocab_size);
    score->workspace = workspace_create(config, limits, gradients, error);
    score->predictions = allocate(predictions, sizeof(real), error);
    score->relations = allocate(2 * (size_t)batch->sequences, sizeof(real), error);
    return score->workspace && score->predictions && score->relations &&
           (!gradients ||
            parameter_block_create(&score->gradients, &score->model->table, config, error));
}

/* Computes the loaded micro-batch's logits in predictions and relations, and adds its losses. */
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
    const struct rows all = rows_of_reals(score->predictions, score->model->config.vocab_size);
    for (int first = 0, last; first < batch->sequences; first = last) {
        last = min_int(first + score->workspace->limits.sequences, batch->sequences);
        micro_batch_load(&score->workspace->micro_batch, score->workspace->limits, batch, first,
                         last, first);
        encoder_forward(score->model, score->workspace, &none);
        compute_heads(score, rows_from(all, batch->predicted_starts[first]),
                      score->relations + 2 * (size_t)first);
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

static bool write_tensors(const struct score *score, const char *path, struct tensor *tensors,
                          char (*names)[128], size_t gradients, struct error *error)
{
    const struct parameter_table *table = &score->model->table;
    real loss = (real)objective_loss(&score->sums);
    real mlm_loss = (real)loss_sums_mean(&score->sums.heads[HEAD_MLM]);
    real nsp_loss = (real)loss_sums_mean(&score->sums.heads[HEAD_NSP]);
    tensors[0] = real_tensor("loss", &loss, 1, 0);
    tensors[1] = real_tensor("mlm_loss", &mlm_loss, 1, 0);
    tensors[2] = real_tensor("nsp_loss", &nsp_loss, 1, 0);
    tensors[3] =
        real_tensor("prediction_logits", score->predictions, (uint64_t)score->batch.predicted,
                    (uint64_t)score->model->config.vocab_size);
    tensors[4] = real_tensor("seq_relationship_logits", score->relations,
                             (uint64_t)score->batch.sequences, 2);
    for (size_t i = 0; i < gradients; i++) {
        snprintf(names[i], sizeof names[i], "grad.%s", table->list[i].name);
        tensors[PLAIN_TENSORS + i] =
            parameter_tensor(&table->list[i], score->gradients.values, names[i]);
    }
    return safetensors_write(path, tensors, PLAIN_TENSORS + gradients, NULL, error);
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
    free(score->relations);
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
    if (done)
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
            done = output_file_check_inputs(output, &batch, 1, error) &&
                   output_file_check_tensors(output, "prediction_logits",
                                             "a result of 'cloze score'", error) &&
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
               "[batch, 2] and, with --gradients, grad.NAME for each parameter. No dropout.\n",
    .run = run_score,
};

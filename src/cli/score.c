#include "base/machine.h"
#include "base/memory.h"
#include "cli/command.h"
#include "model/batch_file.h"
#include "model/huggingface.h"
#include "model/pretraining.h"
#include "train/checkpoint.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

/* Tokens of a micro-batch: the result does not depend on it, memory does. */
enum { MICRO_BATCH_TOKENS = 2048 };

struct score {
    struct model *model;
    struct batch batch;
    struct workspace *workspace;
    struct pretraining_sums sums;
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
    if (missing.parts)
        return fail_input(error, "%s: not a pre-training model: its heads or pooler are missing",
                          directory);
    return true;
}

static bool plan_memory(struct score *score, bool gradients, struct error *error)
{
    const struct batch *batch = &score->batch;
    const struct model_config *config = &score->model->config;
    int sequences = MICRO_BATCH_TOKENS / batch->max_length;
    sequences = sequences < 1 ? 1 : sequences < batch->sequences ? sequences : batch->sequences;
    struct workspace_limits limits =
        pretraining_limits(sequences, batch->max_length, batch->max_length, omp_get_max_threads());
    size_t predictions;
    if (__builtin_mul_overflow((size_t)batch->masked, (size_t)config->vocab_size, &predictions))
        return fail_work(error, "out of memory: %d x %d logits", batch->masked, config->vocab_size);
    score->workspace = workspace_create(config, limits, gradients, error);
    score->predictions = allocate(predictions, sizeof(real), error);
    score->relations = allocate(2 * (size_t)batch->sequences, sizeof(real), error);
    return score->workspace && score->predictions && score->relations &&
           (!gradients ||
            parameter_block_create(&score->gradients, &score->model->table, config, error));
}

static void compute(struct score *score, bool gradients)
{
    pretraining_logits(score->model, score->workspace, &score->batch, score->predictions,
                       score->relations, &score->sums);
    if (!gradients)
        return;
    const struct encoder_dropout none = encoder_dropout_none();
    struct pretraining_sums again = {0};
    pretraining_gradients(score->model, &score->gradients.weights, score->workspace, &score->batch,
                          &none, &again);
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
    real loss = (real)pretraining_loss(&score->sums);
    real mlm_loss = (real)pretraining_mlm_loss(&score->sums);
    real nsp_loss = (real)pretraining_nsp_loss(&score->sums);
    tensors[0] = real_tensor("loss", &loss, 1, 0);
    tensors[1] = real_tensor("mlm_loss", &mlm_loss, 1, 0);
    tensors[2] = real_tensor("nsp_loss", &nsp_loss, 1, 0);
    tensors[3] = real_tensor("prediction_logits", score->predictions, (uint64_t)score->batch.masked,
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
    bool ok = tensors && names && write_tensors(score, path, tensors, names, gradients, error);
    free(tensors);
    free(names);
    return ok;
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
    bool ok = directory && load_model(&score, directory, error) &&
              batch_file_read(batch, &score.model->config, &score.batch, error) &&
              plan_memory(&score, gradients, error);
    if (ok) {
        compute(&score, gradients);
        ok = write_score(&score, output, gradients, error);
    }
    if (ok)
        printf("loss %.6f (MLM %.6f, NSP %.6f)\n", pretraining_loss(&score.sums),
               pretraining_mlm_loss(&score.sums), pretraining_nsp_loss(&score.sums));
    free_score(&score);
    free(directory);
    return ok && command_finish_output(error);
}

static bool run_score(const struct command *command, int argc, char **argv, struct error *error)
{
    bool gradients = false, helped;
    const char *batch = NULL, *output = NULL;
    struct string_list operands = {0};
    const struct option_spec options[] = {
        {"batch", OPTION_STRING, &batch, "FILE", "the batch, as 'cloze batches' writes it", 0, 0},
        {"output", OPTION_STRING, &output, "FILE", "where the result goes", 0, 0},
        {"gradients", OPTION_FLAG, &gradients, NULL, "also the gradient of every parameter", 0, 0},
    };
    bool ok = command_parse(command, options, sizeof options / sizeof *options, argc, argv,
                            &operands, 1, 1, &helped, error);
    if (ok && !helped) {
        if (!batch || !output)
            ok = fail_input(error, "--%s is missing; usage: cloze score %s",
                            batch ? "output" : "batch", command->arguments);
        else
            ok = score_batch(operands.items[0], batch, output, gradients, error);
    }
    string_list_free(&operands);
    return ok;
}

const struct command command_score = {
    .name = "score",
    .arguments = "MODEL --batch FILE --output FILE [--gradients]",
    .summary = "losses, logits and gradients for one explicit batch",
    .details =
        "For checking cloze against another implementation. Reads safetensors with I64 or I32\n"
        "input_ids, attention_mask, token_type_ids, labels [batch, length] and\n"
        "next_sentence_label [batch]; writes F32 loss, mlm_loss, nsp_loss [1], prediction_logits\n"
        "[masked, vocab] in reading order, seq_relationship_logits [batch, 2] and, if asked,\n"
        "grad.NAME for each parameter. No dropout.\n",
    .run = run_score,
};

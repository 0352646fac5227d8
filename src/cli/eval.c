#include "base/file.h"
#include "base/machine.h"
#include "base/memory.h"
#include "cli/command.h"
#include "data/prepare.h"
#include "model/huggingface.h"
#include "train/checkpoint.h"
#include "train/evaluate.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tokens of a micro-batch: the numbers do not depend on it, memory does. */
enum { MICRO_BATCH_TOKENS = 2048 };

struct eval {
    const struct string_list *files;
    int64_t seq_len, seed;
    bool lines; /* one sentence a line */
    bool json;
    struct model *model;
    struct tokenizer *tokenizer;
    bool nsp; /* the model has the heads for it */
    struct log log;
    int threads;
};

static bool load_model(struct eval *eval, const char *directory, struct error *error)
{
    struct huggingface_missing missing;
    eval->tokenizer = tokenizer_load(directory, error);
    eval->model = eval->tokenizer ? huggingface_load_model(directory, &missing, error) : NULL;
    if (!eval->model)
        return false;
    const struct model_config *config = &eval->model->config;
    if (missing.parts & 1u << PART_MLM_HEAD)
        return fail_input(error, "%s: the model has no masked language modelling head", directory);
    eval->nsp = !(missing.parts & (1u << PART_POOLER | 1u << PART_NSP_HEAD));
    int32_t tokens = vocabulary_size(tokenizer_vocabulary(eval->tokenizer));
    if (tokens > config->vocab_size)
        return fail_input(error, "%s: the vocabulary has %d tokens, but the model only %d",
                          directory, tokens, config->vocab_size);
    if (eval->seq_len > config->max_position_embeddings)
        return fail_input(error, "--seq-len: found %lld, but the model has %d positions",
                          (long long)eval->seq_len, config->max_position_embeddings);
    return true;
}

static bool evaluate_dataset(const struct eval *eval, const struct dataset *dataset,
                             struct evaluation *evaluation, struct error *error)
{
    int seq_len = (int)eval->seq_len, sequences = MICRO_BATCH_TOKENS / seq_len;
    const struct evaluation_options options = {
        .seed = (uint64_t)eval->seed,
        .examples = {.seq_len = seq_len, .short_seq_prob = 0.1, .nsp = eval->nsp},
        .masking = {.mask_prob = 0.15},
        .batch_size = sequences ? sequences : 1,
        .threads = eval->threads,
    };
    struct workspace *workspace = workspace_create(
        &eval->model->config,
        pretraining_limits(options.batch_size, seq_len, seq_len, eval->threads), false, error);
    struct log log = eval->log;
    bool ok = workspace &&
              evaluate(eval->model, workspace, dataset, tokenizer_vocabulary(eval->tokenizer),
                       &options, evaluation, &log, error);
    workspace_free(workspace);
    return ok;
}

/* Prepares the files in a directory of its own and evaluates on all of them. */
static bool evaluate_files(struct eval *eval, const char *directory, struct evaluation *evaluation,
                           struct error *error)
{
    const struct prepare_options options = {
        .train = eval->files->items,
        .train_count = eval->files->count,
        .sentences = eval->lines ? SENTENCES_LINE : SENTENCES_SPLIT,
        .threads = eval->threads,
    };
    struct prepare_summary summary;
    if (!prepare_dataset(directory, eval->tokenizer, &options, &summary, &eval->log, error))
        return false;
    const struct vocabulary *vocabulary = tokenizer_vocabulary(eval->tokenizer);
    struct dataset *dataset = dataset_open(directory, "train", vocabulary_size(vocabulary),
                                           vocabulary_hash(vocabulary), error);
    bool ok = dataset && evaluate_dataset(eval, dataset, evaluation, error);
    dataset_close(dataset);
    return ok;
}

static bool evaluate_in_temporary(struct eval *eval, struct evaluation *evaluation,
                                  struct error *error)
{
    const char *parent = getenv("TMPDIR");
    char *directory = path_join(parent && *parent ? parent : "/tmp", "cloze-eval-XXXXXX", error);
    if (!directory)
        return false;
    bool ok = false;
    if (!mkdtemp(directory))
        fail_work(error, "cannot make a temporary directory %s; set TMPDIR to another place",
                  directory);
    else {
        ok = evaluate_files(eval, directory, evaluation, error);
        struct error cleaning = {0};
        if (!directory_remove(directory, &cleaning))
            log_warning(&eval->log, "%s", cleaning.message);
    }
    free(directory);
    return ok;
}

/* ---- output ---- */

static json_t *interval_json(struct interval interval)
{
    return json_pack("[f, f]", interval.low, interval.high);
}

static json_t *evaluation_json(const struct evaluation *evaluation)
{
    json_t *object = json_pack(
        "{s:f, s:o, s:f, s:o, s:f, s:o, s:I}", "mlm_loss", evaluation->mlm_loss,
        "mlm_loss_interval", interval_json(evaluation->mlm_loss_interval), "perplexity",
        evaluation->perplexity, "perplexity_interval",
        interval_json(evaluation->perplexity_interval), "mlm_accuracy", evaluation->mlm_accuracy,
        "mlm_accuracy_interval", interval_json(evaluation->mlm_accuracy_interval), "predictions",
        (json_int_t)evaluation->predictions);
    json_t *pairs = json_pack("{s:f, s:o, s:f, s:o, s:I}", "nsp_loss", evaluation->nsp_loss,
                              "nsp_loss_interval", interval_json(evaluation->nsp_loss_interval),
                              "nsp_accuracy", evaluation->nsp_accuracy, "nsp_accuracy_interval",
                              interval_json(evaluation->nsp_accuracy_interval), "pairs",
                              (json_int_t)evaluation->pairs);
    if (evaluation->pairs)
        json_object_update(object, pairs);
    json_decref(pairs);
    return object;
}

static void print_row(const char *name, double value, struct interval interval, const char *unit)
{
    printf("%-13s %10.4f%-2s [%.4f, %.4f]\n", name, value, unit, interval.low, interval.high);
}

static struct interval percent(struct interval interval)
{
    return (struct interval){100 * interval.low, 100 * interval.high};
}

static void print_evaluation(const struct evaluation *evaluation)
{
    printf("%lld predictions, %lld pairs; 95 %% intervals\n", (long long)evaluation->predictions,
           (long long)evaluation->pairs);
    print_row("MLM loss", evaluation->mlm_loss, evaluation->mlm_loss_interval, "");
    print_row("perplexity", evaluation->perplexity, evaluation->perplexity_interval, "");
    print_row("MLM accuracy", 100 * evaluation->mlm_accuracy,
              percent(evaluation->mlm_accuracy_interval), " %");
    if (!evaluation->pairs)
        return;
    print_row("NSP loss", evaluation->nsp_loss, evaluation->nsp_loss_interval, "");
    print_row("NSP accuracy", 100 * evaluation->nsp_accuracy,
              percent(evaluation->nsp_accuracy_interval), " %");
}

/* ---- the command ---- */

static bool evaluate_model(struct eval *eval, const char *path, struct error *error)
{
    struct evaluation evaluation;
    eval->log = log_open(stderr);
    eval->threads = machine_threads();
    omp_set_num_threads(eval->threads);
    char *directory = model_directory_open(path, &eval->log, error);
    bool ok = directory && load_model(eval, directory, error) &&
              evaluate_in_temporary(eval, &evaluation, error);
    if (ok && eval->json)
        ok = command_print_json(evaluation_json(&evaluation), error);
    else if (ok)
        print_evaluation(&evaluation);
    tokenizer_free(eval->tokenizer);
    model_free(eval->model);
    free(directory);
    return ok && command_finish_output(error);
}

static bool run_eval(const struct command *command, int argc, char **argv, struct error *error)
{
    bool helped;
    struct string_list files = {0}, operands = {0};
    struct eval eval = {.files = &files, .seq_len = 128, .seed = 42};
    const char *sentences = "split";
    const struct option_spec options[] = {
        {"data", OPTION_LIST, &files, "FILE", "held-out text", 0, 0},
        {"sentences", OPTION_STRING, &sentences, "split|line",
         "find sentences, or one a line (split)", 0, 0},
        {"seq-len", OPTION_INTEGER, &eval.seq_len, "N", "tokens of a pair (128)", 8, 65536},
        {"seed", OPTION_INTEGER, &eval.seed, "N", "of pairs and masks (42)", 0, INT64_MAX},
        {"json", OPTION_FLAG, &eval.json, NULL, "print one JSON object", 0, 0},
    };
    bool ok = command_parse(command, options, sizeof options / sizeof *options, argc, argv,
                            &operands, 1, 1, &helped, error);
    if (ok && !helped) {
        eval.lines = strcmp(sentences, "line") == 0;
        if (!files.count)
            ok = fail_input(error, "--data is missing; usage: cloze eval %s", command->arguments);
        else if (!eval.lines && strcmp(sentences, "split") != 0)
            ok = fail_input(error, "--sentences: found \"%s\", expected split or line", sentences);
        else
            ok = evaluate_model(&eval, operands.items[0], error);
    }
    string_list_free(&files);
    string_list_free(&operands);
    return ok;
}

const struct command command_eval = {
    .name = "eval",
    .arguments = "MODEL --data FILE... [--sentences split|line] [--seq-len N] [--seed N] [--json]",
    .summary = "MLM and NSP losses and accuracies on held-out text",
    .details = "MODEL is a model directory, a checkpoint, or a run directory (then its latest\n"
               "checkpoint). Every sentence of the files is used once; pairs and masks depend on "
               "the seed\n"
               "alone, so the numbers are the same every time. Files as for 'cloze train': text or "
               ".jsonl,\n"
               "plain or compressed.\n",
    .run = run_eval,
};

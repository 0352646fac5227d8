#include "base/format.h"
#include "base/json.h"
#include "base/machine.h"
#include "base/memory.h"
#include "base/min.h"
#include "base/temporary_directory.h"
#include "checkpoint/model_directory.h"
#include "cli/command.h"
#include "cli/minimal_pairs.h"
#include "data/prepare.h"
#include "model/huggingface.h"
#include "train/evaluate.h"
#include "train/pretraining.h"
#include "train/run_config.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct eval {
    const struct string_list *files; /* of held-out text; none: minimal pairs are evaluated */
    const struct string_list *minimal_pairs;
    int64_t seq_len, seed;
    const char *text_field; /* the field of a JSON record that holds the text */
    bool lines;             /* whether every line is one sentence */
    bool json;
    struct model *model;
    struct tokenizer *tokenizer;
    unsigned missing_groups; /* a mask of 1 << enum parameter_group */
    bool nsp;                /* whether the model has the heads for next-sentence prediction */
    struct log log;
    int threads;
};

/* Chooses the length of sequences: the one given, or else that of the model's training. */
static bool choose_length(struct eval *eval, const char *directory, struct error *error)
{
    enum { USUAL = 128 };
    int positions = eval->model->config.max_position_embeddings, trained;
    if (!tokenizer_max_length(directory, positions, &trained, error))
        return false;
    if (!eval->seq_len)
        eval->seq_len = min_int(trained, USUAL);
    if (eval->seq_len > positions)
        return fail_input(error, "--seq-len: found %lld, but the model has %d positions",
                          (long long)eval->seq_len, positions);
    if (eval->seq_len < MIN_SEQ_LEN)
        return fail_input(error, "%s: the model was trained with %d tokens; expected at least %d",
                          directory, trained, MIN_SEQ_LEN);
    if (eval->seq_len > trained)
        log_warning(&eval->log, "sequences of %lld tokens; the model was trained with %d at most",
                    (long long)eval->seq_len, trained);
    return true;
}

static bool load_model(struct eval *eval, const char *directory, struct error *error)
{
    struct huggingface_missing missing;
    eval->tokenizer = tokenizer_load(directory, error);
    eval->model = eval->tokenizer ? huggingface_load_model(directory, &missing, error) : NULL;
    if (!eval->model)
        return false;
    tokenizer_log_note(eval->tokenizer, &eval->log);
    huggingface_log_prefix(&missing, &eval->log);
    eval->missing_groups = huggingface_absent_groups(eval->model, &missing);
    if (!huggingface_require_group(eval->model, &missing, GROUP_MLM_HEAD, error))
        return fail_context(error, "%s", directory);
    return model_config_set_tokens(&eval->model->config,
                                   vocabulary_size(tokenizer_vocabulary(eval->tokenizer)),
                                   directory, error);
}

/* Sets eval->nsp, and says so where there can be no figures of pairs. */
static void look_for_nsp_head(struct eval *eval)
{
    const unsigned untrained = eval->model->config.untrained_groups;
    struct error error = {0};
    eval->nsp = !((eval->missing_groups | untrained) & PAIR_GROUPS);
    if (eval->nsp && !model_config_check_pairs(&eval->model->config, &error)) {
        log_line(&eval->log, "%s: no NSP figures", error.message);
        eval->nsp = false;
    } else if (!eval->nsp)
        log_line(&eval->log, "the next-sentence head %s: no NSP figures",
                 eval->missing_groups & PAIR_GROUPS ? "is missing" : "was never trained");
}

static bool evaluate_dataset(struct eval *eval, const struct dataset *dataset,
                             struct evaluation *evaluation, struct error *error)
{
    int seq_len = (int)eval->seq_len;
    const struct evaluation_options options = {
        .seed = (uint64_t)eval->seed,
        .examples = {.seq_len = seq_len, .short_seq_prob = 0.1, .nsp = eval->nsp},
        .masking = {.mask_prob = 0.15},
        .batch_size = workspace_sequences(seq_len),
        .threads = eval->threads,
    };
    struct workspace *workspace = workspace_create(
        &eval->model->config,
        workspace_limits_of(options.batch_size, seq_len, seq_len, eval->threads), false, error);
    bool done = workspace &&
                evaluate(eval->model, workspace, dataset, tokenizer_vocabulary(eval->tokenizer),
                         &options, evaluation, &eval->log, error);
    workspace_free(workspace);
    return done;
}

/* Prepares all of the files in an empty directory and opens the dataset. */
static struct dataset *prepare_files(struct eval *eval, const char *directory, struct error *error)
{
    const struct prepare_options options = {
        .train = eval->files->items,
        .train_count = eval->files->count,
        .text_field = {eval->text_field, "--text-field"},
        .sentences = eval->lines ? SENTENCES_LINE : SENTENCES_SPLIT,
        .threads = eval->threads,
    };
    struct prepare_summary summary;
    if (!prepare_dataset(directory, eval->tokenizer, &options, &summary, &eval->log, error))
        return NULL;
    const struct vocabulary *vocabulary = tokenizer_vocabulary(eval->tokenizer);
    return dataset_open(directory, "train", vocabulary_size(vocabulary),
                        vocabulary_hash(vocabulary), error);
}

/* Prepares the files and opens the dataset. Its shards are mapped, so that their directory is
 * removed before the long part of the work. */
static struct dataset *open_files(struct eval *eval, struct error *error)
{
    struct error cleaning = {0};
    struct temporary_directory *directory = temporary_directory_open("cloze-eval", error);
    if (!directory)
        return NULL;
    struct dataset *dataset = prepare_files(eval, temporary_directory_path(directory), error);
    if (!temporary_directory_close(directory, &cleaning))
        log_warning(&eval->log, "%s", cleaning.message);
    return dataset;
}

static bool evaluate_files(struct eval *eval, struct evaluation *evaluation, struct error *error)
{
    struct dataset *dataset = open_files(eval, error);
    if (dataset && eval->nsp && dataset_documents(dataset) < PAIR_DOCUMENTS) {
        log_line(&eval->log, "the text is a single document, which gives no sentence pairs:\n"
                             "  evaluating MLM only");
        eval->nsp = false;
    }
    bool done = dataset && evaluate_dataset(eval, dataset, evaluation, error);
    dataset_close(dataset);
    return done;
}

/* ---- output ---- */

static json_t *interval_json(struct interval interval)
{
    return json_pack("[o, o]", json_finite(interval.low), json_finite(interval.high));
}

/* Adds the keys of NSP with null values, so that the keys are those of a model with pairs. */
static json_t *without_pairs(json_t *object)
{
    static const char *const keys[] = {"nsp_loss", "nsp_loss_interval", "nsp_accuracy",
                                       "nsp_accuracy_interval"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        json_object_set_new(object, keys[i], json_null());
    json_object_set_new(object, "pairs", json_integer(0));
    return object;
}

/* The perplexity of a finite loss may overflow; then it is null. */
static json_t *evaluation_json(const struct evaluation *evaluation)
{
    json_t *object = json_pack(
        "{s:f, s:o, s:o, s:o, s:f, s:o, s:I}", "mlm_loss", evaluation->mlm_loss,
        "mlm_loss_interval", interval_json(evaluation->mlm_loss_interval), "perplexity",
        json_finite(evaluation->perplexity), "perplexity_interval",
        interval_json(evaluation->perplexity_interval), "mlm_accuracy", evaluation->mlm_accuracy,
        "mlm_accuracy_interval", interval_json(evaluation->mlm_accuracy_interval), "predictions",
        (json_int_t)evaluation->predictions);
    if (!evaluation->pairs)
        return without_pairs(object);
    json_t *pairs = json_pack("{s:f, s:o, s:f, s:o, s:I}", "nsp_loss", evaluation->nsp_loss,
                              "nsp_loss_interval", interval_json(evaluation->nsp_loss_interval),
                              "nsp_accuracy", evaluation->nsp_accuracy, "nsp_accuracy_interval",
                              interval_json(evaluation->nsp_accuracy_interval), "pairs",
                              (json_int_t)evaluation->pairs);
    json_object_update(object, pairs);
    json_decref(pairs);
    return object;
}

static void print_row(const char *name, int decimals, double value, struct interval interval,
                      const char *unit)
{
    printf("%-13s %10.*f%-2s [%.*f, %.*f]\n", name, decimals, value, unit, decimals, interval.low,
           decimals, interval.high);
}

static void print_loss(const char *name, double loss, struct interval interval)
{
    print_row(name, 4, loss, interval, "");
}

static void print_accuracy(const char *name, double accuracy, struct interval interval)
{
    const struct interval percent = {100 * interval.low, 100 * interval.high};
    print_row(name, 1, 100 * accuracy, percent, " %");
}

static void print_evaluation(const struct evaluation *evaluation)
{
    printf("%s, %s; 95 %% intervals\n",
           format_number_of((unsigned long long)evaluation->predictions, "prediction").text,
           format_number_of((unsigned long long)evaluation->pairs, "pair").text);
    print_loss("MLM loss", evaluation->mlm_loss, evaluation->mlm_loss_interval);
    print_row("perplexity", 1, evaluation->perplexity, evaluation->perplexity_interval, "");
    print_accuracy("MLM accuracy", evaluation->mlm_accuracy, evaluation->mlm_accuracy_interval);
    if (!evaluation->pairs)
        return;
    print_loss("NSP loss", evaluation->nsp_loss, evaluation->nsp_loss_interval);
    print_accuracy("NSP accuracy", evaluation->nsp_accuracy, evaluation->nsp_accuracy_interval);
}

/* ---- the command ---- */

static bool evaluate_text(struct eval *eval, const char *directory, struct error *error)
{
    struct evaluation evaluation;
    look_for_nsp_head(eval);
    bool done = choose_length(eval, directory, error) && evaluate_files(eval, &evaluation, error);
    log_end_live(&eval->log);
    if (done && !isfinite(evaluation.loss))
        return fail_input(error,
                          "%s: the losses are not finite: the model's parameters are too large",
                          directory);
    if (done && eval->json)
        return command_print_json(evaluation_json(&evaluation), error);
    if (done)
        print_evaluation(&evaluation);
    return done;
}

static bool evaluate_pairs(struct eval *eval, const char *directory, struct error *error)
{
    int trained;
    const int positions = eval->model->config.max_position_embeddings;
    return tokenizer_max_length(directory, positions, &trained, error) &&
           minimal_pairs_evaluate(eval->model, eval->tokenizer, eval->minimal_pairs, trained,
                                  eval->threads, eval->json, &eval->log, error);
}

static bool evaluate_model(struct eval *eval, const char *path, struct error *error)
{
    eval->log = log_open(stderr);
    eval->threads = machine_threads();
    omp_set_num_threads(eval->threads);
    char *directory = model_directory_open(path, &eval->log, error);
    bool done = directory && load_model(eval, directory, error) &&
                (eval->files->count ? evaluate_text(eval, directory, error)
                                    : evaluate_pairs(eval, directory, error));
    tokenizer_free(eval->tokenizer);
    model_free(eval->model);
    free(directory);
    return done && command_finish_output(error);
}

/* Refuses options that have no effect together, and sets the defaults of the others. */
static bool settle_options(struct eval *eval, const char *sentences, struct error *error)
{
    const char *of_text = eval->files->count ? "--data"
                          : sentences        ? "--sentences"
                          : eval->seq_len    ? "--seq-len"
                          : eval->seed >= 0  ? "--seed"
                          : eval->text_field ? "--text-field"
                                             : NULL;
    if (eval->minimal_pairs->count && of_text)
        return fail_input(error, "%s and --minimal-pairs do not go together", of_text);
    eval->lines = sentences && strcmp(sentences, "line") == 0;
    eval->seed = eval->seed < 0 ? 42 : eval->seed;
    return !sentences || eval->lines || strcmp(sentences, "split") == 0 ||
           fail_input(error, "--sentences: found \"%s\", expected split or line", sentences);
}

static bool run_eval(const struct command *command, int argc, char **argv, struct error *error)
{
    bool helped;
    struct string_list files = {0}, minimal_pairs = {0}, operands = {0};
    struct eval eval = {.files = &files, .minimal_pairs = &minimal_pairs, .seed = -1};
    const char *sentences = NULL;
    const struct option_spec options[] = {
        {"data", OPTION_LIST, &files, "FILE", "held-out text", 0, 0},
        {"minimal-pairs", OPTION_LIST, &minimal_pairs, "FILE",
         "pairs of a good and a bad sentence instead", 0, 0},
        {"sentences", OPTION_STRING, &sentences, "split|line",
         "find sentences, or one per line (split)", 0, 0},
        {"seq-len", OPTION_INTEGER, &eval.seq_len, "N", "tokens per pair (as trained, at most 128)",
         MIN_SEQ_LEN, 65536},
        {"seed", OPTION_INTEGER, &eval.seed, "N", "seed of pairs and masks (42)", 0, INT64_MAX},
        {"text-field", OPTION_STRING, &eval.text_field, "NAME",
         "the field of a JSON object with the text (text)", 0, 0},
        {"json", OPTION_FLAG, &eval.json, NULL, "print one JSON object", 0, 0},
    };
    bool done = command_parse(command, options, sizeof options / sizeof *options, argc, argv,
                              &operands, 1, 1, &helped, error);
    if (done && !helped) {
        if (!files.count && !minimal_pairs.count)
            done = fail_input(error, "--data or --minimal-pairs is missing; usage: cloze eval %s",
                              command->arguments);
        else
            done = settle_options(&eval, sentences, error) &&
                   evaluate_model(&eval, operands.items[0], error);
    }
    string_list_free(&files);
    string_list_free(&minimal_pairs);
    string_list_free(&operands);
    return done;
}

const struct command command_eval = {
    .name = "eval",
    .arguments = "MODEL {--data FILE... [--sentences split|line] [--seq-len N] [--seed N] "
                 "[--text-field NAME] | --minimal-pairs FILE...} [--json]",
    .summary = "measure loss and accuracy on held-out text, or on minimal pairs",
    .details = "MODEL is a model directory, a checkpoint, or a run directory (then its latest\n"
               "checkpoint). Every sentence of the files is used once. Pairs and masks depend on\n"
               "the seed only, so the numbers are the same every time. Files are as for\n"
               "'cloze train': text, JSON or tar, plain or compressed.\n"
               "\n"
               "With --minimal-pairs it measures how often the model prefers the good sentence\n"
               "of a pair, in all, by field and by UID. Files are JSON lines as those of BLiMP:\n"
               "\n"
               "  {\"sentence_good\": \"...\", \"sentence_bad\": \"...\", \"UID\": \"...\",\n"
               "   \"field\": \"...\"}\n"
               "\n"
               "A sentence's score is the sum of the log-probabilities of its tokens, each\n"
               "masked in turn together with the later pieces of its word (PLL-word-l2r, Kauf\n"
               "and Ivanova 2023). A tie counts half.\n",
    .examples = "# Measure a run on text that it has not seen\n"
                "cloze eval runs/mine --data held-out.txt\n"
                "# How often it prefers the good sentence of a pair\n"
                "cloze eval runs/mine --minimal-pairs pairs/*.jsonl\n",
    .run = run_eval,
};

#include "train/pretraining.h"

#include "base/file.h"
#include "base/format.h"
#include "data/examples.h"
#include "model/huggingface.h"
#include "train/fill_in_evaluation.h"
#include "train/recipe.h"
#include "train/run_surroundings.h"
#include "train/run_tokenizer.h"
#include "train/summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the tokenizer and the model ---- */

/* Opens the tokenizer: the checkpoint's, if there is a checkpoint. */
static bool open_tokenizer(struct run *run, const char *checkpoint, struct error *error)
{
    run->tokenizer = checkpoint ? run_tokenizer_resume(run->config, checkpoint, error)
                                : run_tokenizer_open(run->config, run->threads,
                                                     &run->vocabulary_trained, run->log, error);
    return run->tokenizer != NULL;
}

static void complete_architecture(const struct run *run, struct model_config *architecture)
{
    (void)run;
    architecture->heads = &pretraining_heads;
}

static double predicted_share(const struct run *run)
{
    return run->config->data.mask_prob;
}

/* Counts the tokens of the vocabulary that the model of model.init_from knows. */
static bool count_own_tokens(const struct run *run, int *tokens, struct error *error)
{
    *tokens = vocabulary_size(tokenizer_vocabulary(run->tokenizer));
    if (!run->config->tokenizer.vocab)
        return true;
    struct tokenizer *own = tokenizer_load(run->config->model.init_directory, error);
    if (own)
        *tokens = vocabulary_size(tokenizer_vocabulary(own));
    tokenizer_free(own);
    return own;
}

static bool load_parameters(const struct run *run, const char *directory,
                            struct huggingface_missing *missing, struct error *error)
{
    int own_tokens;
    return count_own_tokens(run, &own_tokens, error) &&
           huggingface_load_parameters(directory, &run->trainee.model->table, own_tokens,
                                       run->trainee.model->parameters.values, missing, error);
}

/* Without pairs a run never trains the pooler and the NSP head. */
static unsigned untrained_groups(const struct run *run, unsigned groups)
{
    return pretraining_has_pairs(run) ? 0 : groups & PAIR_GROUPS;
}

/* ---- data ---- */

static struct dataset *open_prepared(const char *directory, const char *prefix,
                                     const struct vocabulary *vocabulary, struct error *error)
{
    struct dataset *dataset = dataset_open(directory, prefix, vocabulary_size(vocabulary),
                                           vocabulary_hash(vocabulary), error);
    if (!dataset && error->kind == ERROR_INPUT)
        fail_context(error, "prepared data (remove %s to rebuild it)", directory);
    return dataset;
}

/* Prepares the data. With a checkpoint, another text is refused (data/prepare.h). */
static bool prepare_data(struct run *run, const char *directory, const char *checkpoint,
                         bool *held_out, struct error *error)
{
    const struct run_config *config = run->config;
    const struct prepare_options options = {
        .train = (const char *const *)config->data.train.items,
        .train_count = config->data.train.count,
        .valid = (const char *const *)config->data.valid.items,
        .valid_count = config->data.valid.count,
        .valid_fraction = config->data.valid_fraction,
        .min_documents = config->data.nsp ? PAIR_DOCUMENTS : 1,
        .sentences = config->data.sentences,
        .text_field = {config->data.text_field, "data.text_field"},
        .strict = config->data.strict,
        .train_logged = run->vocabulary_trained,
        .continued = checkpoint != NULL,
        .run_hashes = run_recorded_data(checkpoint),
        .threads = run->threads,
    };
    bool done =
        prepare_dataset(directory, run->tokenizer, &options, &run->prepared, run->log, error);
    if (!done && checkpoint && error->kind == ERROR_INPUT)
        fail_context(error, "%s: cannot resume: data.train, data.valid", config->common.path);
    *held_out = run->prepared.valid_tokens > 0;
    return done;
}

/* Finds out whether rank 0 has held text out. */
static bool find_held_out(const char *directory, bool *held_out, struct error *error)
{
    char *path = dataset_shard_path(directory, "valid", 0, error);
    *held_out = path && path_exists(path);
    free(path);
    return path;
}

/* Prepares the data, or finds what rank 0 has prepared, and opens them. */
static bool open_datasets(struct run *run, const char *checkpoint, struct error *error)
{
    const struct vocabulary *vocabulary = tokenizer_vocabulary(run->tokenizer);
    char *directory = path_join(run->config->output, "data", error);
    bool held_out;
    bool done =
        directory && (run_leads(run) ? prepare_data(run, directory, checkpoint, &held_out, error)
                                     : find_held_out(directory, &held_out, error));
    if (done) {
        run->train_data = open_prepared(directory, "train", vocabulary, error);
        done = run->train_data != NULL;
        if (done && held_out) {
            run->valid_data = open_prepared(directory, "valid", vocabulary, error);
            done = run->valid_data != NULL;
        }
    }
    free(directory);
    return done;
}

bool pretraining_has_pairs(const struct run *run)
{
    return run->config->data.nsp && dataset_documents(run->train_data) >= PAIR_DOCUMENTS;
}

static struct example_options example_options_of(const struct run *run,
                                                 const struct dataset *dataset, int seq_len)
{
    return (struct example_options){
        .seed = (uint64_t)run->config->seed,
        .seq_len = seq_len,
        .short_seq_prob = run->config->data.short_seq_prob,
        .nsp = pretraining_has_pairs(run) && dataset_documents(dataset) >= PAIR_DOCUMENTS,
    };
}

static struct masking_options masking_options_of(const struct run_config *config)
{
    return (struct masking_options){config->data.mask_prob, config->data.whole_word_mask};
}

struct loader *pretraining_open_loader(const struct run *run, int64_t first_step,
                                       struct error *error)
{
    int64_t before;
    const struct phase *phase = &run->phases[run_phase_of(run, first_step, &before)];
    const struct loader_options options = {
        .examples = example_options_of(run, run->train_data, phase->seq_len),
        .masking = masking_options_of(run->config),
        .batch_size = (int)run->config->train.batch_size,
        .share = {run->share.first, run->share.count},
        .first_step = (uint64_t)first_step,
        .last_step = (uint64_t)(before + phase->steps),
        .step_base = (uint64_t)before,
        .threads = run->threads,
    };
    return loader_open(run->train_data, tokenizer_vocabulary(run->tokenizer), &options, error);
}

/* ---- phases ---- */

static bool count_examples(struct run *run, int seq_len, struct error *error)
{
    struct epoch *epoch =
        epoch_open(run->train_data, tokenizer_vocabulary(run->tokenizer),
                   example_options_of(run, run->train_data, seq_len), 0, run->threads, error);
    if (!epoch)
        return false;
    run->examples_per_epoch = epoch_examples(epoch);
    epoch_close(epoch);
    return true;
}

/* Checks the held-out text now; otherwise the first evaluation would fail, perhaps after days. */
static bool check_held_out(const struct run *run, struct error *error)
{
    if (!run->valid_data)
        return true;
    struct epoch *epoch = epoch_open(
        run->valid_data, tokenizer_vocabulary(run->tokenizer),
        example_options_of(run, run->valid_data, run->phases[0].seq_len), 0, run->threads, error);
    epoch_close(epoch);
    return epoch ||
           fail_context(error,
                        "cannot evaluate on the held-out text (data.valid, data.valid_fraction)");
}

static bool plan_phases(struct run *run, struct error *error)
{
    const struct run_config *config = run->config;
    run->phase_count = config->train.phases.count ? config->train.phases.count : 1;
    run->phases = allocate(run->phase_count, sizeof *run->phases, error);
    if (!run->phases)
        return false;
    if (config->train.phases.count)
        memcpy(run->phases, config->train.phases.items, run->phase_count * sizeof *run->phases);
    else
        run->phases[0] = (struct phase){(int)config->data.seq_len, config->train.steps};
    if (!count_examples(run, run->phases[0].seq_len, error))
        return false;
    if (config->train.epochs > 0)
        run->phases[0].steps =
            (int64_t)ceil(config->train.epochs * (double)run->examples_per_epoch /
                          (double)config->train.batch_size);
    if (config->train.epochs > 0 && config->train.sync_every > 1) /* up to a synchronization */
        run->phases[0].steps = (run->phases[0].steps + config->train.sync_every - 1) /
                               config->train.sync_every * config->train.sync_every;
    if (config->train.hours > 0) { /* until they are known (train/time_plan.h) */
        run->phases[0].steps = (int64_t)RUN_CONFIG_KEY(config, train.steps)->maximum;
        return true;
    }
    for (size_t i = 0; i < run->phase_count; i++)
        run->steps += run->phases[i].steps;
    return true;
}

/* Logs what the text is too small for, and how to get it. */
static void log_small_text(const struct run *run)
{
    const struct run_config *config = run->config;
    if (config->data.nsp && !pretraining_has_pairs(run))
        log_warning(run->log, "the text is a single document, which gives no sentence pairs:\n"
                              "  training MLM only (blank lines separate documents)");
    else if (config->data.nsp && run->valid_data &&
             dataset_documents(run->valid_data) < PAIR_DOCUMENTS)
        log_line(run->log, "the held-out text is a single document: evaluating MLM only");
    uint64_t documents = dataset_documents(run->train_data);
    if (!run->valid_data && config->data.valid_fraction > 0)
        log_warning(run->log,
                    "nothing is held out (data.valid_fraction %g of %s document%s):\n"
                    "  to have evaluations, give data.valid%s",
                    config->data.valid_fraction, format_count(documents).text, plural(documents),
                    documents > 1 ? " or a larger data.valid_fraction" : "");
}

static bool open_data(struct run *run, const char *checkpoint, struct error *error)
{
    if (!open_datasets(run, checkpoint, error))
        return false;
    run->held_out = run->valid_data != NULL;
    run->train_hash = dataset_hash(run->train_data);
    run->valid_hash = run->valid_data ? dataset_hash(run->valid_data) : 0;
    run->eval_every = run->config->train.eval_every;
    log_small_text(run);
    return plan_phases(run, error);
}

static void close_data(struct run *run)
{
    dataset_close(run->valid_data);
    dataset_close(run->train_data);
}

/* ---- batches ---- */

static const struct batch *next_batch(void *loader, struct error *error)
{
    return loader_next(loader, error);
}

static double waited(const void *loader)
{
    return loader_waited(loader);
}

static void close_loader(void *loader)
{
    loader_close(loader);
}

static bool open_batches(const struct run *run, int64_t first_step, struct batch_source *batches,
                         struct error *error)
{
    *batches = (struct batch_source){.state = pretraining_open_loader(run, first_step, error),
                                     .next = next_batch,
                                     .waited = waited,
                                     .close = close_loader};
    return batches->state != NULL;
}

/* ---- losses ---- */

static enum metrics_layout layout(const struct run *run)
{
    return pretraining_has_pairs(run) ? METRICS_MLM_NSP : METRICS_MLM;
}

static void measure(const struct run *run, struct train_metrics *metrics,
                    const struct objective_sums *sums)
{
    (void)run;
    const struct loss_sums *mlm = &sums->heads[HEAD_MLM], *nsp = &sums->heads[HEAD_NSP];
    metrics->mlm_loss = loss_sums_mean(mlm);
    metrics->nsp_loss = loss_sums_mean(nsp);
    metrics->mlm_accuracy = loss_sums_accuracy(mlm);
    metrics->nsp_accuracy = loss_sums_accuracy(nsp);
    metrics->perplexity = exp(loss_sums_mean(mlm));
    metrics->predictions = mlm->count;
    metrics->pairs = nsp->count;
}

static struct eval_metrics eval_record(const struct evaluation *evaluation)
{
    return (struct eval_metrics){
        .loss = evaluation->loss,
        .mlm_loss = evaluation->mlm_loss,
        .nsp_loss = evaluation->pairs ? evaluation->nsp_loss : NAN,
        .perplexity = evaluation->perplexity,
        .mlm_accuracy = evaluation->mlm_accuracy,
        .nsp_accuracy = evaluation->pairs ? evaluation->nsp_accuracy : NAN,
        .predictions = evaluation->predictions,
        .pairs = evaluation->pairs,
    };
}

static bool evaluate_held_out(const struct run *run, struct workspace *workspace,
                              struct run_evaluation *result, struct error *error)
{
    const struct run_config *config = run->config;
    const struct evaluation_options options = {
        .seed = (uint64_t)config->seed,
        .examples = example_options_of(run, run->valid_data, workspace->limits.max_length),
        .masking = masking_options_of(config),
        .batch_size = (int)run->state.micro_batch_size, /* the same on all ranks */
        .max_examples = config->train.eval_steps * config->train.batch_size,
        .threads = run->threads,
        .group = run->group,
    };
    char title[64];
    if (!evaluate(run->trainee.model, workspace, run->valid_data,
                  tokenizer_vocabulary(run->tokenizer), &options, &result->text, run->log, error) ||
        (run_leads(run) && !fill_ins_evaluate(run->trainee.model, workspace, run->valid_data,
                                              run->tokenizer, &result->fills, error)))
        return false;
    snprintf(title, sizeof title, "held out at step %s",
             format_count((unsigned long long)run->state.step).text);
    evaluation_log(&result->text, title, run->log);
    result->score = result->text.mlm_loss;
    result->record = eval_record(&result->text);
    return true;
}

/* ---- messages ---- */

static const struct head_titles *titles(const struct run *run, int *count)
{
    static const struct head_titles both[] = {
        [HEAD_MLM] = {"MLM loss", "accuracy"}, [HEAD_NSP] = {"NSP loss", "accuracy"}};
    *count = pretraining_has_pairs(run) ? 2 : 1;
    return both;
}

/* Warns of many epochs: a model that reads its text far more often than BERT did learns it by heart
 * and gets worse on held-out text. */
static void warn_of_epochs(const struct run *run, double epochs)
{
    enum { MANY = 100 };
    if (epochs <= MANY)
        return;
    log_warning(run->log, "about %s epochs: the model will learn this little text by heart",
                format_count((unsigned long long)epochs).text);
    log_line(
        run->log, "  give more text, or about %s steps (%d epochs)",
        format_count((unsigned long long)ceil((double)run->steps * RECIPE_EPOCHS / epochs)).text,
        RECIPE_EPOCHS);
}

static void log_data(const struct run *run)
{
    log_line(run->log, "text        %s, %s",
             format_number_of(dataset_documents(run->train_data), "document").text,
             format_number_of(dataset_tokens(run->train_data), "token").text);
    if (run->valid_data)
        log_line(run->log, "held out    %s, %s",
                 format_number_of(dataset_documents(run->valid_data), "document").text,
                 format_number_of(dataset_tokens(run->valid_data), "token").text);
    else
        log_line(run->log, "held out    nothing");
}

static bool finish(struct run *run, const struct progress *progress, double seconds,
                   struct error *error)
{
    (void)error;
    summary_log(run, progress, seconds);
    return true;
}

const struct run_kind pretraining = {
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
    .log_epochs = warn_of_epochs,
    .finish = finish,
};

#include "train/run.h"

#include "base/file.h"
#include "base/machine.h"
#include "config/config_print.h"
#include "data/examples.h"
#include "model/huggingface.h"
#include "model/huggingface_files.h"
#include "train/run_files.h"
#include "train/run_surroundings.h"
#include "train/run_tokenizer.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* ---- the run directory ---- */

/* Loads the configuration kept in the run directory. Older versions wrote tokenizer.vocab_size next
 * to model.init_from, which is refused now and therefore left out here. */
static struct run_config *load_kept(const struct run_config *config, const char *path,
                                    struct error *error)
{
    static const char *const without_size[] = {"tokenizer.vocab_size="};
    struct error ignored = {0};
    struct run_config *kept =
        config->model.init_from ? run_config_load(path, without_size, 1, &ignored) : NULL;
    return kept ? kept : run_config_load(path, NULL, 0, error);
}

/* Checks that the configuration of a resumed run agrees with the one kept in the run directory. */
static bool check_same_config(const struct run_config *config, struct log *log, struct error *error)
{
    char *path = path_join(config->output, "config.yaml", error);
    struct run_config *kept = path ? load_kept(config, path, error) : NULL;
    free(path);
    if (!kept)
        return fail_context(error, "the configuration of the run that is resumed");
    struct buffer keys = {0};
    bool done = run_config_differences(kept, config, &keys, error);
    bool several = keys.size && strchr(keys.data, ';');
    if (done && keys.size)
        done = fail_input(error,
                          "%s: changed since this run started: %s. Restore %s, or choose another "
                          "output to start a new run (--set output=DIR)",
                          config->common.path, keys.data, several ? "them" : "it");
    keys.size = 0;
    done = done && run_config_changes(kept, config, &keys, error);
    if (done && keys.size)
        log_line(log, "changed since the run was last started:\n  %s", keys.data);
    buffer_free(&keys);
    run_config_free(kept);
    return done;
}

/* Finds the checkpoint to resume from; *checkpoint stays NULL if the run starts at its
 * beginning. */
static bool find_checkpoint(const char *output, bool resume, char **checkpoint, struct log *log,
                            struct error *error)
{
    int64_t *steps;
    size_t count;
    if (!checkpoint_list(output, &steps, &count, error))
        return false;
    int64_t last = count ? steps[count - 1] : 0;
    free(steps);
    if (!resume && count)
        return fail_input(error,
                          "%s already contains a run (step %lld). Continue it with --resume, or "
                          "choose another output (--set output=DIR)",
                          output, (long long)last);
    if (resume && !count)
        log_warning(log, "nothing to resume, starting a new run: no checkpoint in %s",
                    path_shown(output));
    return !count || checkpoint_find_latest(output, checkpoint, log, error);
}

static bool begin_or_resume(const struct run_config *config, bool resume, char **checkpoint,
                            struct log *log, struct error *error)
{
    return find_checkpoint(config->output, resume, checkpoint, log, error) &&
           (*checkpoint ? check_same_config(config, log, error)
                        : run_files_write_config(config, log, error));
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

/* Prepares and opens the data. With a checkpoint, another text is refused (data/prepare.h). */
static bool open_data(struct run *run, const char *checkpoint, struct error *error)
{
    const struct run_config *config = run->config;
    const struct vocabulary *vocabulary = tokenizer_vocabulary(run->tokenizer);
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
    char *directory = path_join(config->output, "data", error);
    bool done = directory && prepare_dataset(directory, run->tokenizer, &options, &run->prepared,
                                             run->log, error);
    if (!done && checkpoint && error->kind == ERROR_INPUT)
        fail_context(error, "%s: cannot resume: data.train, data.valid", config->common.path);
    if (done) {
        run->train_data = open_prepared(directory, "train", vocabulary, error);
        done = run->train_data != NULL;
        if (done && run->prepared.valid_tokens) {
            run->valid_data = open_prepared(directory, "valid", vocabulary, error);
            done = run->valid_data != NULL;
        }
    }
    free(directory);
    return done;
}

bool run_trains_nsp(const struct run *run)
{
    return run->config->data.nsp && dataset_documents(run->train_data) >= PAIR_DOCUMENTS;
}

struct example_options run_example_options(const struct run *run, const struct dataset *dataset,
                                           int seq_len)
{
    return (struct example_options){
        .seed = (uint64_t)run->config->seed,
        .seq_len = seq_len,
        .short_seq_prob = run->config->data.short_seq_prob,
        .nsp = run_trains_nsp(run) && dataset_documents(dataset) >= PAIR_DOCUMENTS,
    };
}

struct masking_options run_masking_options(const struct run_config *config)
{
    return (struct masking_options){config->data.mask_prob, config->data.whole_word_mask};
}

struct loader *run_open_loader(const struct run *run, int64_t first_step, struct error *error)
{
    int64_t before;
    const struct phase *phase = &run->phases[run_phase_of(run, first_step, &before)];
    const struct loader_options options = {
        .examples = run_example_options(run, run->train_data, phase->seq_len),
        .masking = run_masking_options(run->config),
        .batch_size = (int)run->config->train.batch_size,
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
                   run_example_options(run, run->train_data, seq_len), 0, run->threads, error);
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
        run_example_options(run, run->valid_data, run->phases[0].seq_len), 0, run->threads, error);
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
    for (size_t i = 0; i < run->phase_count; i++)
        run->steps += run->phases[i].steps;
    return true;
}

size_t run_phase_of(const struct run *run, int64_t step, int64_t *steps_before)
{
    size_t phase = 0;
    int64_t before = 0;
    while (phase + 1 < run->phase_count && step > before + run->phases[phase].steps)
        before += run->phases[phase++].steps;
    *steps_before = before;
    return phase;
}

int run_trained_length(const struct run *run)
{
    int longest = run->origin_length;
    int64_t before = 0;
    for (size_t i = 0; i < run->phase_count && before < run->state.step; i++) {
        longest = run->phases[i].seq_len > longest ? run->phases[i].seq_len : longest;
        before += run->phases[i].steps;
    }
    return longest ? longest : run->phases[0].seq_len;
}

/* ---- model and optimizer ---- */

/* The groups of parameters that only pairs train. */
enum { PAIR_GROUPS = 1 << GROUP_POOLER | 1 << GROUP_NSP_HEAD };

/* Checks that the weights exist and their files are whole, before text is prepared, perhaps for
 * hours. */
static bool check_weights(const char *directory, struct error *error)
{
    struct weight_files files = {0};
    bool there = weight_files_open(&files, directory, error);
    weight_files_close(&files);
    return there;
}

/* Reads what is known of the model before its parameters are loaded. A resumed run reads it from
 * its checkpoint, because model.init_from may have been removed or trained further. */
static bool read_origin(struct run *run, const char *checkpoint, struct error *error)
{
    const char *directory = checkpoint ? checkpoint : run->config->model.init_directory;
    struct model_config config;
    run->rows = run->config->model.init_rows;
    run->untrained_groups = run->config->model.architecture.untrained_groups;
    if (!directory)
        return true;
    if (!checkpoint && !check_weights(directory, error))
        return false;
    char *path = path_join(directory, "config.json", error);
    int length = 0;
    bool done = path && model_config_load_for(path, &pretraining_heads, &config, error) &&
                tokenizer_max_length(directory, config.max_position_embeddings, &length, error);
    free(path);
    if (!done)
        return false;
    run->rows = config.vocab_size;
    run->untrained_groups = config.untrained_groups;
    if (checkpoint && !run->config->data.nsp && !run->config->model.init_from)
        run->untrained_groups |= PAIR_GROUPS; /* older versions did not record them */
    run->origin_length = length;
    return true;
}

/* Finds the architecture: with a row of embeddings for each token; a model that has more rows keeps
 * them. */
static bool find_architecture(const struct run *run, struct model_config *architecture,
                              struct error *error)
{
    int tokens = vocabulary_size(tokenizer_vocabulary(run->tokenizer));
    *architecture = run->config->model.architecture;
    architecture->vocab_size = run->rows > tokens ? run->rows : tokens;
    architecture->spare_rows = architecture->vocab_size - tokens;
    architecture->untrained_groups = run->untrained_groups;
    architecture->pad_token_id =
        vocabulary_special(tokenizer_vocabulary(run->tokenizer), SPECIAL_PAD);
    if (!model_config_check(architecture, run->config->common.path, error))
        return false;
    return run->config->train.precision != PRECISION_BF16 ||
           workspace_check_bf16(architecture, error) ||
           fail_context(error, "%s: train.precision", run->config->common.path);
}

static struct memory_request memory_request(const struct run_config *config, int threads,
                                            const struct model_config *architecture,
                                            uint64_t parameter_elements)
{
    return (struct memory_request){
        .architecture = *architecture,
        .parameter_elements = parameter_elements,
        .batch_size = (int)config->train.batch_size,
        .micro_batch_size = (int)config->train.micro_batch_size,
        .seq_len = run_config_longest_sequence(config),
        .mask_prob = config->data.mask_prob,
        .bf16 = config->train.precision == PRECISION_BF16,
        .threads = threads,
    };
}

/* Plans memory as soon as the vocabulary is known, so that a model that does not fit is refused
 * before the text is prepared. */
static bool plan_memory(struct run *run, struct error *error)
{
    struct model_config architecture;
    struct parameter_table table;
    if (!find_architecture(run, &architecture, error) ||
        !parameter_table_create(&table, &architecture, error))
        return false;
    run->request = memory_request(run->config, run->threads, &architecture, table.total);
    bool fits = memory_plan_make(&run->plan, &run->request, machine_memory_available(), error);
    run->state.micro_batch_size = run->plan.micro_batch_size;
    parameter_table_free(&table);
    return fits;
}

/* Keeps the size of a resumed run's micro-batches, however much memory is free now: with another
 * size, sums would be added in another order and have other last bits. */
static void keep_micro_batch_size(struct run *run)
{
    const int planned = run->plan.micro_batch_size, kept = (int)run->state.micro_batch_size;
    struct memory_request request = run->request;
    struct memory_plan plan;
    struct error error = {0};
    if (kept == planned)
        return;
    request.micro_batch_size = kept;
    if (memory_plan_make(&plan, &request, run->plan.available, &error)) {
        run->plan = plan;
    } else {
        run->state.micro_batch_size = planned;
        log_warning(run->log,
                    "not enough memory for %d sequences at a time as before;\n"
                    "  continuing with %d, which rounds sums differently",
                    kept, planned);
    }
}

static bool create_model(struct run *run, struct error *error)
{
    const struct run_config *config = run->config;
    const struct adam adam = {
        .beta1 = config->train.adam_beta1,
        .beta2 = config->train.adam_beta2,
        .epsilon = config->train.adam_epsilon,
        .weight_decay = config->train.weight_decay,
        .bias_correction = config->train.adam_bias_correction,
        .layer_decay = 1,
    };
    return trainee_create(&run->trainee, &run->request.architecture, &adam, error);
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

/* Loads parameters from model.init_from in place of those that have been drawn. */
static bool load_init_from(struct run *run, unsigned *untrained, struct error *error)
{
    const char *directory = run->config->model.init_directory;
    struct huggingface_missing missing;
    int own_tokens;
    if (!directory)
        return fail_input(error, "%s: no such directory (model.init_from)",
                          run->config->model.init_from);
    if (!model_directory_verify(directory, error) || !count_own_tokens(run, &own_tokens, error) ||
        !huggingface_load_parameters(directory, &run->trainee.model->table, own_tokens,
                                     run->trainee.model->parameters.values, &missing, error))
        return false;
    log_line(run->log, "starting from the weights in %s", path_shown(directory));
    huggingface_log_missing(path_shown(directory), &missing, run->log);
    if (run->trainee.model->config.spare_rows)
        log_line(run->log, "%d rows of its embeddings belong to no token: they are kept",
                 run->trainee.model->config.spare_rows);
    *untrained = run->untrained_groups | missing.groups;
    return true;
}

/* Initializes the model and records the untrained groups: those of a new model and those that
 * model.init_from lacked, until this run trains them. Without pairs a run never trains the pooler
 * and the NSP head. */
static bool initialize_model(struct run *run, struct error *error)
{
    const struct run_config *config = run->config;
    const unsigned all = (1u << GROUP_COUNT) - 1;
    unsigned untrained = all;
    parameters_initialize(run->trainee.model->parameters.values, &run->trainee.model->table,
                          run->trainee.model->config.initializer_range, (uint64_t)config->seed,
                          all);
    run->state.seed = config->seed;
    run->state.best_step = -1;
    if (config->model.init_from && !load_init_from(run, &untrained, error))
        return false;
    run->trainee.model->config.untrained_groups = run_trains_nsp(run) ? 0 : untrained & PAIR_GROUPS;
    return true;
}

/* ---- resuming ---- */

static bool load_checkpoint(struct run *run, const char *directory, struct error *error)
{
    struct checkpoint_model model = checkpoint_model_of(&run->trainee);
    struct training_state state;
    if (!checkpoint_load(directory, &model, &state, error))
        return false;
    log_line(run->log,
             "resuming after step %s from\n"
             "  %s",
             format_count((unsigned long long)state.step).text, path_shown(directory));
    free(state.config); /* the run has a configuration of its own */
    state.config = NULL;
    training_state_free(&run->state);
    run->state = state;
    run->resumed = true;
    keep_micro_batch_size(run);
    if (run->state.step > run->steps)
        return fail_input(error,
                          "%s is at step %lld, but the configuration gives %lld steps (train.steps "
                          "or what stands for it); to go on, give more: --set train.steps=N",
                          directory, (long long)run->state.step, (long long)run->steps);
    return true;
}

static bool describe_config(struct run *run, struct error *error)
{
    struct buffer text = {0};
    if (!config_print(run->config, false, &text, error)) {
        buffer_free(&text);
        return false;
    }
    run->state.config = text.data;
    return true;
}

static bool open_model(struct run *run, const char *checkpoint, struct error *error)
{
    return create_model(run, error) &&
           (checkpoint ? load_checkpoint(run, checkpoint, error) : initialize_model(run, error)) &&
           run_check_surroundings(run, error) && describe_config(run, error);
}

/* Opens the run directory and locks it before any file of a run in it is read. */
static struct run *open_directory(const struct run_config *config, struct log *log,
                                  struct error *error)
{
    struct run *run = allocate(1, sizeof *run, error);
    if (!run)
        return NULL;
    run->config = config;
    run->log = log;
    run->threads = config->train.threads ? (int)config->train.threads : machine_threads();
    if (run->threads > omp_get_thread_limit()) {
        fail_input(error, "%s: train.threads is %d, but OMP_THREAD_LIMIT allows %d",
                   config->common.path, run->threads, omp_get_thread_limit());
        run_close(run);
        return NULL;
    }
    omp_set_num_threads(run->threads);
    if (run_files_lock(config, &run->files, error))
        return run;
    run_close(run);
    return NULL;
}

/* Opens the tokenizer: the checkpoint's, if there is a checkpoint. */
static bool open_tokenizer(struct run *run, const char *checkpoint, struct error *error)
{
    run->tokenizer = checkpoint ? run_tokenizer_resume(run->config, checkpoint, error)
                                : run_tokenizer_open(run->config, run->threads,
                                                     &run->vocabulary_trained, run->log, error);
    return run->tokenizer != NULL;
}

/* Logs what the text is too small for, and how to get it. */
static void log_small_text(const struct run *run)
{
    const struct run_config *config = run->config;
    if (config->data.nsp && !run_trains_nsp(run))
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

static bool open_text(struct run *run, const char *checkpoint, struct error *error)
{
    if (!open_data(run, checkpoint, error))
        return false;
    log_small_text(run);
    return plan_phases(run, error);
}

/* Finds the latest checkpoint of a run that exists already: its data must not be replaced by those
 * of another configuration. */
static bool find_run(const struct run_config *config, char **checkpoint, struct log *log,
                     struct error *error)
{
    return checkpoint_find_latest(config->output, checkpoint, log, error) &&
           (!*checkpoint || check_same_config(config, log, error));
}

/* Closes a run that could not be opened. A vocabulary that was trained, perhaps for hours, is kept
 * for the next attempt, and so are data. */
static struct run *give_up(struct run *run)
{
    if (run && !run->vocabulary_trained && !run->train_data)
        run_files_withdraw(&run->files, run->config);
    run_close(run);
    return NULL;
}

struct run *run_open_data(const struct run_config *config, struct log *log, struct error *error)
{
    char *checkpoint = NULL;
    struct run *run = open_directory(config, log, error);
    bool done = run && find_run(config, &checkpoint, log, error) &&
                open_tokenizer(run, checkpoint, error) && open_text(run, checkpoint, error);
    free(checkpoint);
    return done ? run : give_up(run);
}

/* Writes the files that a refused resume must not change; called when nothing can be refused any
 * more. */
static bool keep_files(const struct run *run, struct error *error)
{
    return run_files_write_config(run->config, run->log, error) &&
           run_tokenizer_restore(run->config, run->tokenizer, run->log, error);
}

struct run *run_open(const struct run_config *config, bool resume, struct log *log,
                     struct error *error)
{
    char *checkpoint = NULL;
    if (resume && !run_files_check_output(config, error))
        return NULL;
    struct run *run = open_directory(config, log, error);
    bool done = run && begin_or_resume(config, resume, &checkpoint, log, error) &&
                read_origin(run, checkpoint, error) && open_tokenizer(run, checkpoint, error) &&
                plan_memory(run, error) && open_text(run, checkpoint, error) &&
                check_held_out(run, error) && open_model(run, checkpoint, error) &&
                (!checkpoint || keep_files(run, error));
    free(checkpoint);
    return done ? run : give_up(run);
}

void run_close(struct run *run)
{
    if (!run)
        return;
    training_state_free(&run->state);
    trainee_free(&run->trainee);
    free(run->phases);
    dataset_close(run->valid_data);
    dataset_close(run->train_data);
    tokenizer_free(run->tokenizer);
    run_files_release(&run->files);
    free(run);
}

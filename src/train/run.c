#include "train/run.h"

#include "base/file.h"
#include "base/machine.h"
#include "data/examples.h"
#include "model/huggingface.h"
#include "train/run_tokenizer.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* ---- the run directory ---- */

/* The configuration is kept in the run directory; a resumed run must agree with it. */
static bool check_same_config(const struct run_config *config, const char *path,
                              struct error *error)
{
    struct run_config *kept = run_config_load(path, NULL, 0, error);
    if (!kept)
        return fail_context(error, "the configuration of the run that is resumed");
    struct buffer keys = {0};
    bool ok = run_config_differences(kept, config, &keys, error);
    if (ok && keys.size)
        ok = fail_input(error,
                        "%s: cannot resume with another value of %s (the run's own are in %s); "
                        "set them back, or begin another run with another output",
                        config->path, keys.data, path);
    buffer_free(&keys);
    run_config_free(kept);
    return ok;
}

static bool write_config(const struct run_config *config, const char *path, struct error *error)
{
    struct buffer text = {0};
    bool ok = run_config_print(config, false, &text, error) &&
              file_write(path, text.data, text.size, error);
    buffer_free(&text);
    return ok;
}

/* Finds the checkpoint to resume from; *checkpoint stays NULL when the run starts at its beginning.
 */
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
                          "%s already holds a run, at step %lld: continue it with --resume, or "
                          "set another output",
                          output, (long long)last);
    if (resume && !count)
        log_line(log, "nothing to resume in %s yet: beginning at step 1", output);
    return !count || checkpoint_find_latest(output, checkpoint, log, error);
}

static bool begin_or_resume(const struct run_config *config, bool resume, char **checkpoint,
                            struct log *log, struct error *error)
{
    if (!find_checkpoint(config->output, resume, checkpoint, log, error))
        return false;
    char *path = path_join(config->output, "config.yaml", error);
    bool ok = path && (!*checkpoint || check_same_config(config, path, error)) &&
              write_config(config, path, error);
    free(path);
    return ok;
}

/* ---- data ---- */

static struct dataset *open_prepared(const char *directory, const char *prefix,
                                     const struct vocabulary *vocabulary, struct error *error)
{
    struct dataset *dataset = dataset_open(directory, prefix, vocabulary_size(vocabulary),
                                           vocabulary_hash(vocabulary), error);
    if (!dataset && error->kind == ERROR_INPUT)
        fail_context(error, "prepared data (remove %s to have it made anew)", directory);
    return dataset;
}

static bool open_data(struct run *run, struct error *error)
{
    const struct run_config *config = run->config;
    const struct vocabulary *vocabulary = tokenizer_vocabulary(run->tokenizer);
    const struct prepare_options options = {
        .train = (const char *const *)config->data.train.items,
        .train_count = config->data.train.count,
        .valid = (const char *const *)config->data.valid.items,
        .valid_count = config->data.valid.count,
        .valid_fraction = config->data.valid_fraction,
        .sentences = config->data.sentences,
        .strict = config->data.strict,
        .threads = run->threads,
    };
    char *directory = path_join(config->output, "data", error);
    bool ok = directory &&
              prepare_dataset(directory, run->tokenizer, &options, &run->prepared, run->log, error);
    if (ok) {
        run->train_data = open_prepared(directory, "train", vocabulary, error);
        ok = run->train_data != NULL;
        if (ok && run->prepared.valid_tokens) {
            run->valid_data = open_prepared(directory, "valid", vocabulary, error);
            ok = run->valid_data != NULL;
        }
    }
    free(directory);
    return ok;
}

struct example_options run_example_options(const struct run_config *config, int seq_len)
{
    return (struct example_options){
        .seed = (uint64_t)config->seed,
        .seq_len = seq_len,
        .short_seq_prob = config->data.short_seq_prob,
        .nsp = config->data.nsp,
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
        .examples = run_example_options(run->config, phase->seq_len),
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
                   run_example_options(run->config, seq_len), 0, run->threads, error);
    if (!epoch)
        return false;
    run->examples_per_epoch = epoch_examples(epoch);
    epoch_close(epoch);
    return true;
}

/* What evaluation would say when the first one is due, perhaps after days. */
static bool check_held_out(const struct run *run, struct error *error)
{
    if (!run->valid_data)
        return true;
    struct epoch *epoch = epoch_open(run->valid_data, tokenizer_vocabulary(run->tokenizer),
                                     run_example_options(run->config, run->phases[0].seq_len), 0,
                                     run->threads, error);
    epoch_close(epoch);
    return epoch || fail_context(error, "the held-out text (data.valid, data.valid_fraction)");
}

static bool plan_phases(struct run *run, struct error *error)
{
    const struct run_config *config = run->config;
    run->phase_count = config->train.phase_count ? config->train.phase_count : 1;
    run->phases = allocate(run->phase_count, sizeof *run->phases, error);
    if (!run->phases)
        return false;
    if (config->train.phase_count)
        memcpy(run->phases, config->train.phases, run->phase_count * sizeof *run->phases);
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

/* ---- model and optimizer ---- */

static bool find_architecture(const struct run *run, struct model_config *architecture,
                              struct error *error)
{
    *architecture = run->config->model.architecture;
    architecture->vocab_size = vocabulary_size(tokenizer_vocabulary(run->tokenizer));
    architecture->pad_token_id =
        vocabulary_special(tokenizer_vocabulary(run->tokenizer), SPECIAL_PAD);
    if (!model_config_check(architecture, run->config->path, error))
        return false;
    return run->config->train.precision != PRECISION_BF16 ||
           workspace_check_bf16(architecture, error) ||
           fail_context(error, "%s: train.precision", run->config->path);
}

/* As soon as the vocabulary is known: what does not fit is refused before the text is prepared. */
static bool plan_memory(struct run *run, struct error *error)
{
    struct model_config architecture;
    struct parameter_table table;
    if (!find_architecture(run, &architecture, error) ||
        !parameter_table_create(&table, &architecture, error))
        return false;
    bool fits = memory_plan_make(&run->plan, run->config, &architecture, table.total, run->threads,
                                 machine_memory_available(), error);
    run->state.micro_batch_size = run->plan.micro_batch_size;
    parameter_table_free(&table);
    return fits;
}

/* A resumed run keeps the size of its micro-batches, whatever memory is free now: sums are made in
 * their order, and would end in other bits. */
static void keep_micro_batch_size(struct run *run)
{
    const int planned = run->plan.micro_batch_size, kept = (int)run->state.micro_batch_size;
    struct run_config config = *run->config;
    struct memory_plan plan;
    struct error error = {0};
    if (kept == planned)
        return;
    config.train.micro_batch_size = kept;
    if (memory_plan_make(&plan, &config, &run->model->config, run->model->table.total, run->threads,
                         run->plan.available, &error)) {
        run->plan = plan;
    } else {
        run->state.micro_batch_size = planned;
        log_warning(run->log,
                    "memory is short for %d sequences at a time, as before: going on with %d, so "
                    "that sums are rounded differently",
                    kept, planned);
    }
}

static bool create_model(struct run *run, struct error *error)
{
    struct model_config architecture;
    if (!find_architecture(run, &architecture, error))
        return false;
    run->model = model_create(&architecture, error);
    return run->model &&
           parameter_block_create(&run->gradients, &run->model->table, &architecture, error);
}

static bool create_optimizer(struct run *run, struct error *error)
{
    size_t total = run->model->table.total;
    for (int pass = 0; pass < 2; pass++) {
        run->adam.first_moment = arena_take(&run->moments, total, sizeof(real));
        run->adam.second_moment = arena_take(&run->moments, total, sizeof(real));
        if (pass == 0 && !arena_bind(&run->moments, error))
            return false;
    }
    run->adam.beta1 = run->config->train.adam_beta1;
    run->adam.beta2 = run->config->train.adam_beta2;
    run->adam.epsilon = run->config->train.adam_epsilon;
    run->adam.weight_decay = run->config->train.weight_decay;
    run->adam.bias_correction = run->config->train.adam_bias_correction;
    return true;
}

static bool initialize_model(struct run *run, struct error *error)
{
    const struct run_config *config = run->config;
    const unsigned all =
        1u << PART_ENCODER | 1u << PART_POOLER | 1u << PART_MLM_HEAD | 1u << PART_NSP_HEAD;
    parameters_initialize(run->model->parameters.values, &run->model->table,
                          run->model->config.initializer_range, (uint64_t)config->seed, all);
    run->state.seed = config->seed;
    run->state.best_step = -1;
    if (!config->model.init_from)
        return true;
    struct huggingface_missing missing;
    if (!model_directory_verify(config->model.init_from, error) ||
        !huggingface_load_parameters(config->model.init_from, &run->model->table, true,
                                     run->model->parameters.values, &missing, error))
        return false;
    log_line(run->log, "parameters from %s", config->model.init_from);
    huggingface_log_missing(config->model.init_from, &missing, run->log);
    return true;
}

/* A vocabulary that was trained anew, from text that has changed, numbers other tokens. */
static bool check_same_vocabulary(const struct run *run, const char *directory, struct error *error)
{
    char *path = path_join(directory, "vocab.txt", error);
    struct vocabulary *kept = path ? vocabulary_load(path, error) : NULL;
    bool same =
        kept && (vocabulary_hash(kept) == vocabulary_hash(tokenizer_vocabulary(run->tokenizer)) ||
                 fail_input(error,
                            "%s: cannot resume with another vocabulary than %s: the text "
                            "has changed; begin another run with another output",
                            run->config->path, path));
    vocabulary_free(kept);
    free(path);
    return same;
}

static bool load_checkpoint(struct run *run, const char *directory, struct error *error)
{
    struct checkpoint_model model = {
        .config = &run->model->config,
        .table = &run->model->table,
        .values = run->model->parameters.values,
        .first_moment = run->adam.first_moment,
        .second_moment = run->adam.second_moment,
    };
    struct training_state state;
    if (!check_same_vocabulary(run, directory, error) ||
        !checkpoint_load(directory, &model, &state, error))
        return false;
    log_line(run->log, "resuming after step %lld from %s", (long long)state.step, directory);
    free(state.config); /* the configuration is the one at hand */
    state.config = NULL;
    training_state_free(&run->state);
    run->state = state;
    run->resumed = true;
    keep_micro_batch_size(run);
    if (run->state.step > run->steps)
        return fail_input(error, "%s is at step %lld, but train.steps is %lld", directory,
                          (long long)run->state.step, (long long)run->steps);
    return true;
}

static bool describe_config(struct run *run, struct error *error)
{
    struct buffer text = {0};
    if (!run_config_print(run->config, false, &text, error)) {
        buffer_free(&text);
        return false;
    }
    run->state.config = text.data;
    return true;
}

static bool open_model(struct run *run, const char *checkpoint, struct error *error)
{
    return create_model(run, error) && create_optimizer(run, error) &&
           (checkpoint ? load_checkpoint(run, checkpoint, error) : initialize_model(run, error)) &&
           describe_config(run, error);
}

/* The run directory, locked before anything in it is looked at. */
static struct run *open_directory(const struct run_config *config, struct log *log,
                                  struct error *error)
{
    struct run *run = allocate(1, sizeof *run, error);
    if (!run)
        return NULL;
    run->config = config;
    run->log = log;
    run->threads = config->train.threads ? (int)config->train.threads : machine_threads();
    omp_set_num_threads(run->threads);
    run->lock.file = -1;
    if (directory_make(config->output, error) &&
        directory_lock_take(&run->lock, config->output, error))
        return run;
    run_close(run);
    return NULL;
}

static bool open_tokenizer(struct run *run, struct error *error)
{
    run->tokenizer = run_tokenizer_open(run->config, run->threads, run->log, error);
    return run->tokenizer != NULL;
}

static bool open_text(struct run *run, struct error *error)
{
    return open_data(run, error) && plan_phases(run, error);
}

struct run *run_open_data(const struct run_config *config, struct log *log, struct error *error)
{
    struct run *run = open_directory(config, log, error);
    if (!run || (open_tokenizer(run, error) && open_text(run, error)))
        return run;
    run_close(run);
    return NULL;
}

struct run *run_open(const struct run_config *config, bool resume, struct log *log,
                     struct error *error)
{
    char *checkpoint = NULL;
    struct run *run = open_directory(config, log, error);
    bool ok = run && begin_or_resume(config, resume, &checkpoint, log, error) &&
              open_tokenizer(run, error) && plan_memory(run, error) && open_text(run, error) &&
              check_held_out(run, error) && open_model(run, checkpoint, error);
    free(checkpoint);
    if (ok)
        return run;
    run_close(run);
    return NULL;
}

void run_close(struct run *run)
{
    if (!run)
        return;
    training_state_free(&run->state);
    arena_free(&run->moments);
    parameter_block_free(&run->gradients);
    model_free(run->model);
    free(run->phases);
    dataset_close(run->valid_data);
    dataset_close(run->train_data);
    tokenizer_free(run->tokenizer);
    directory_lock_release(&run->lock);
    free(run);
}

#include "train/run.h"

#include "base/file.h"
#include "base/format.h"
#include "base/machine.h"
#include "checkpoint/model_directory.h"
#include "config/config_print.h"
#include "model/huggingface.h"
#include "model/huggingface_files.h"
#include "train/pretraining.h"
#include "train/run_files.h"
#include "train/run_surroundings.h"
#include "train/run_tokenizer.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the run directory ---- */

/* Loads the configuration kept in the run directory. Older versions wrote tokenizer.vocab_size next
 * to model.init_from, which is refused now and therefore left out here. */
static struct run_config *load_kept(const struct run_config *config, const char *path,
                                    struct log *log, struct error *error)
{
    static const char *const without_size[] = {"tokenizer.vocab_size="};
    struct error ignored = {0};
    struct run_config *kept =
        config->model.init_from && !run_config_is_task(config)
            ? run_config_load(config->common.schema, path, without_size, 1, log, &ignored)
            : NULL;
    return kept ? kept : run_config_load(config->common.schema, path, NULL, 0, log, error);
}

/* Checks that the configuration of a resumed run agrees with the one kept in the run directory. */
static bool check_same_config(const struct run_config *config, struct log *log, struct error *error)
{
    char *path = path_join(config->output, "config.yaml", error);
    struct run_config *kept = path ? load_kept(config, path, log, error) : NULL;
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

/* ---- phases ---- */

size_t run_phase_of(const struct run *run, int64_t step, int64_t *steps_before)
{
    size_t phase = 0;
    int64_t before = 0;
    while (phase + 1 < run->phase_count && step > before + run->phases[phase].steps)
        before += run->phases[phase++].steps;
    *steps_before = before;
    return phase;
}

int64_t run_length_sum(const struct run *run, int64_t steps)
{
    int64_t sum = 0;
    for (size_t i = 0; i < run->phase_count; i++) {
        const int64_t taken = steps < run->phases[i].steps ? steps : run->phases[i].steps;
        sum += taken * run->phases[i].seq_len;
        steps -= taken;
    }
    return sum;
}

int run_trained_length(const struct run *run)
{
    if (run->kind == &finetuning)
        return run->phases[0].seq_len;
    int longest = run->origin_length;
    int64_t before = 0;
    for (size_t i = 0; i < run->phase_count && before < run->state.step; i++) {
        longest = run->phases[i].seq_len > longest ? run->phases[i].seq_len : longest;
        before += run->phases[i].steps;
    }
    return longest ? longest : run->phases[0].seq_len;
}

/* ---- ranks ---- */

struct exchange_options run_exchange_options(const struct run_config *config)
{
    return (struct exchange_options){
        .bf16 = config->train.exchange_precision == PRECISION_BF16,
        .sharded = config->train.shard_optimizer,
        .sync_every = config->train.sync_every ? config->train.sync_every : 1,
        .outer = {config->train.outer_learning_rate, config->train.outer_momentum},
    };
}

int run_default_threads(const struct process_group *group)
{
    const int threads = machine_threads(), sharers = process_group_sharers(group);
    if (getenv("OMP_NUM_THREADS"))
        return threads;
    return threads > sharers ? threads / sharers : 1;
}

/* Gives this process its share of each batch. */
static bool take_share(struct run *run, struct error *error)
{
    const int ranks = process_group_size(run->group);
    const int64_t batch_size = run->config->train.batch_size;
    if (batch_size < ranks)
        return fail_input(error,
                          "%s: train.batch_size is %lld, but there are %d processes; expected a "
                          "sequence for each",
                          run->config->common.path, (long long)batch_size, ranks);
    run->share = exchange_share(run->group, (int)batch_size);
    return true;
}

/* Outer steps are of several processes. */
static bool check_sync(const struct run *run, struct error *error)
{
    return run->config->train.sync_every <= 1 || run->group ||
           fail_input(error,
                      "%s: train.sync_every is %lld, but there is one process; expected 1, or "
                      "several processes (mpirun -n N cloze train)",
                      run->config->common.path, (long long)run->config->train.sync_every);
}

/* ---- model and optimizer ---- */

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
    if (checkpoint && run->kind == &pretraining && !run->config->data.nsp &&
        !run->config->model.init_from)
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
    run->kind->complete_architecture(run, architecture);
    architecture->pad_token_id =
        vocabulary_special(tokenizer_vocabulary(run->tokenizer), SPECIAL_PAD);
    if (!model_config_check(architecture, run->config->common.path, error))
        return false;
    return run->config->train.precision != PRECISION_BF16 ||
           workspace_check_bf16(architecture, error) ||
           fail_context(error, "%s: train.precision", run->config->common.path);
}

static struct memory_request memory_request(const struct run *run,
                                            const struct model_config *architecture,
                                            uint64_t parameter_elements)
{
    const struct run_config *config = run->config;
    const struct exchange_options exchange = run_exchange_options(config);
    return (struct memory_request){
        .architecture = *architecture,
        .parameter_elements = parameter_elements,
        .batch_size = run->share.count,
        .micro_batch_size = (int)config->train.micro_batch_size,
        .seq_len = run_config_longest_sequence(config),
        .snapshot = run_leads(run),
        .size_keys = MEMORY_SIZE_KEYS,
        .thread_keys = MEMORY_THREAD_KEYS,
        .seq_len_key = config->train.phases.count ? RUN_CONFIG_KEY(config, train.phases)->path
                                                  : RUN_CONFIG_KEY(config, data.seq_len)->path,
        .mask_prob = run->kind->predicted_share(run),
        .examples = run->task ? task_data_bytes(run->task) : 0,
        .bf16 = config->train.precision == PRECISION_BF16,
        .threads = run->threads,
        .moment_owners = exchange.sharded ? process_group_size(run->group) : 1,
        .exchange = exchange_bytes(parameter_elements, process_group_size(run->group), &exchange),
        .outer = exchange.sync_every > 1,
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
    run->request = memory_request(run, &architecture, table.total);
    uint64_t available, free = process_group_memory(run->group);
    if (__builtin_add_overflow(free, run->request.examples, &available))
        available = UINT64_MAX;
    bool fits = memory_plan_make(&run->plan, &run->request, available, error);
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
    /* With another number of ranks the bits are others anyway. */
    const bool other_ranks = run->state.ranks != process_group_size(run->group);
    if (kept == planned || other_ranks) {
        run->state.micro_batch_size = planned;
        return;
    }
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
        .layer_decay = config->train.layer_decay,
        .frozen_layers = config->train.frozen_layers,
    };
    return trainee_create(&run->trainee, &run->request.architecture, &adam, error) &&
           (config->train.sync_every <= 1 || trainee_create_outer(&run->trainee, error));
}

/* Loads parameters from model.init_from in place of those that have been drawn. */
static bool load_init_from(struct run *run, unsigned *untrained, struct error *error)
{
    const char *directory = run->config->model.init_directory;
    struct huggingface_missing missing;
    /* If it is gone, the directory is a checkpoint of the output, which stands for sizes alone. */
    if (!directory || !path_exists(run->config->model.init_from))
        return fail_input(error, "%s: no such directory (model.init_from)",
                          run->config->model.init_from);
    if (!model_directory_verify(directory, error) ||
        !run->kind->load_parameters(run, directory, &missing, error))
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
 * model.init_from lacked, until this run trains them. */
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
    run->state.best_is_metric = run->kind->higher_is_better;
    if (config->model.init_from && !load_init_from(run, &untrained, error))
        return false;
    run->trainee.model->config.untrained_groups = run->kind->untrained_groups(run, untrained);
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
    /* The ranks of a new run plan its steps together, after its first checkpoint
     * (time_plan_make). */
    const bool unplanned =
        run->config->train.hours > 0 && !run->state.step && !run->state.planned_steps;
    if (run->config->train.hours > 0 && !unplanned)
        run->steps = run->phases[0].steps = run->state.planned_steps;
    if (!run->steps && !unplanned)
        return fail_input(error, "%s: no planned_steps; expected those of train.hours", directory);
    if (run->state.step > run->steps)
        return fail_input(error,
                          "%s is at step %lld, but the configuration gives %lld steps; to go on, "
                          "give more: --set %s=N",
                          directory, (long long)run->state.step, (long long)run->steps,
                          run_config_length_key(run->config)->path);
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

/* Begins a run with its threads and its share of the batches. */
static struct run *begin_run(const struct run_config *config, struct process_group *group,
                             struct log *log, struct error *error)
{
    struct run *run = allocate(1, sizeof *run, error);
    if (!run)
        return NULL;
    run->config = config;
    run->kind = run_config_is_task(config) ? &finetuning : &pretraining;
    run->group = group;
    run->log = log;
    run->threads = config->train.threads ? (int)config->train.threads : run_default_threads(group);
    if (run->threads > omp_get_thread_limit()) {
        fail_input(error, "%s: train.threads is %d, but OMP_THREAD_LIMIT allows %d",
                   config->common.path, run->threads, omp_get_thread_limit());
        run_close(run);
        return NULL;
    }
    omp_set_num_threads(run->threads);
    if (take_share(run, error))
        return run;
    run_close(run);
    return NULL;
}

/* Opens the run directory and locks it before any file of a run in it is read. */
static struct run *open_directory(const struct run_config *config, struct process_group *group,
                                  struct log *log, struct error *error)
{
    struct run *run = begin_run(config, group, log, error);
    if (!run || run_files_lock(config, &run->files, error))
        return run;
    run_close(run);
    return NULL;
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
    struct run *run = open_directory(config, NULL, log, error);
    bool done = run && find_run(config, &checkpoint, log, error) &&
                run->kind->open_tokenizer(run, checkpoint, error) &&
                run->kind->open_data(run, checkpoint, error);
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

struct run *run_open(const struct run_config *config, bool resume, struct process_group *group,
                     struct log *log, struct error *error)
{
    char *checkpoint = NULL;
    if (resume && !run_files_check_output(config, error))
        return NULL;
    struct run *run = open_directory(config, group, log, error);
    bool done =
        run && check_sync(run, error) && begin_or_resume(config, resume, &checkpoint, log, error) &&
        read_origin(run, checkpoint, error) && run->kind->open_tokenizer(run, checkpoint, error) &&
        plan_memory(run, error) && run->kind->open_data(run, checkpoint, error) &&
        run->kind->check_held_out(run, error) && open_model(run, checkpoint, error) &&
        (!checkpoint || keep_files(run, error));
    free(checkpoint);
    return done ? run : give_up(run);
}

struct run *run_join(const struct run_config *config, int64_t step, struct process_group *group,
                     struct log *log, struct error *error)
{
    struct run *run = begin_run(config, group, log, error);
    char *checkpoint = run ? checkpoint_path(config->output, step, error) : NULL;
    bool done = checkpoint && checkpoint_verify(checkpoint, error) &&
                read_origin(run, checkpoint, error) &&
                run->kind->open_tokenizer(run, checkpoint, error) && plan_memory(run, error) &&
                run->kind->open_data(run, checkpoint, error) && open_model(run, checkpoint, error);
    free(checkpoint);
    if (done)
        return run;
    run_close(run);
    return NULL;
}

void run_close(struct run *run)
{
    if (!run)
        return;
    training_state_free(&run->state);
    trainee_free(&run->trainee);
    free(run->phases);
    run->kind->close_data(run);
    tokenizer_free(run->tokenizer);
    run_files_release(&run->files);
    free(run);
}

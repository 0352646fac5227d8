#include "bench/bench.h"

#include "base/format.h"
#include "base/machine.h"
#include "base/memory.h"
#include "bench/gemm_peak.h"
#include "data/masking.h"
#include "train/memory_plan.h"
#include "train/step.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
    BATCHES = 4, /* taken in turn; so many that no step finds its words in the cache */
    SEED = 42,
    MIN_STEPS = 3,
    TOKEN_NAME_SIZE = 16,
};

static const double MASK_PROB = 0.15, WARM_UP_SECONDS = 1;

struct bench {
    const struct bench_options *options;
    struct bench_result *result;
    struct log *log;
    struct memory_request request;
    struct memory_plan plan;
    struct norm_statistics norms;
    struct vocabulary *vocabulary;
    struct masking *masking;
    struct batch batches[BATCHES];
    struct trainee trainee;
    struct batch_share share; /* the sequences of this rank */
    struct exchange *exchange;
    struct workspace *workspace;
    struct profile *profile;
    double *seconds; /* seconds of each measured step */
    size_t seconds_capacity;
};

/* ---- batches ---- */

/* Makes a vocabulary of the special tokens and numbered names. */
static bool make_vocabulary(struct bench *bench, int count, struct error *error)
{
    char(*names)[TOKEN_NAME_SIZE] = allocate((size_t)count, TOKEN_NAME_SIZE, error);
    const char **tokens = names ? allocate((size_t)count, sizeof *tokens, error) : NULL;
    for (int i = 0; tokens && i < count; i++) {
        snprintf(names[i], TOKEN_NAME_SIZE, "t%d", i);
        tokens[i] = i < SPECIAL_COUNT ? special_token_names[i] : names[i];
    }
    if (tokens)
        bench->vocabulary = vocabulary_create(tokens, (size_t)count, "bench", error);
    free(tokens);
    free(names);
    return bench->vocabulary;
}

/* Draws a word by Zipf's law: its probability is inversely proportional to its rank, so that the
 * logarithm of the rank is uniform. */
static int32_t draw_word(struct random *random, int vocab_size)
{
    int words = vocab_size - SPECIAL_COUNT;
    int rank = (int)exp(random_unit(random) * log((double)words));
    return SPECIAL_COUNT + (rank < words ? rank : words) - 1;
}

/* Adds a sequence [CLS] A [SEP] B [SEP], masked. */
static void add_sequence(const struct bench *bench, struct batch *batch, struct random *random)
{
    const struct vocabulary *vocabulary = bench->vocabulary;
    int length = bench->options->seq_len, middle = 1 + length / 2;
    int32_t *ids = batch->input_ids + batch->tokens;
    for (int i = 0; i < length; i++)
        ids[i] = draw_word(random, bench->result->architecture.vocab_size);
    ids[0] = vocabulary_special(vocabulary, SPECIAL_CLS);
    ids[middle - 1] = ids[length - 1] = vocabulary_special(vocabulary, SPECIAL_SEP);
    int predicted = masking_apply(bench->masking, random, ids, length,
                                  batch->predicted_tokens + batch->predicted,
                                  batch->predicted_labels + batch->predicted);
    batch_append(batch, length, middle, predicted, random_below(random, 2) ? NOT_NEXT : IS_NEXT);
}

static bool make_batches(struct bench *bench, struct error *error)
{
    size_t sequences = (size_t)bench->share.count;
    size_t tokens = sequences * (size_t)bench->options->seq_len;
    for (int i = 0; i < BATCHES; i++) {
        struct batch *batch = &bench->batches[i];
        if (!batch_reserve(batch, sequences, tokens, tokens, error))
            return false;
        struct random random =
            random_begin(SEED, RANDOM_MASKING, (uint64_t)i, (uint32_t)bench->share.first);
        for (size_t j = 0; j < sequences; j++)
            add_sequence(bench, batch, &random);
    }
    return true;
}

/* ---- memory and model ---- */

static bool plan_memory(struct bench *bench, struct error *error)
{
    const struct bench_options *options = bench->options;
    struct parameter_table table;
    if (!parameter_table_create(&table, &bench->result->architecture, error))
        return false;
    bench->request = (struct memory_request){
        .architecture = bench->result->architecture,
        .parameter_elements = table.total,
        .batch_size = bench->share.count,
        .seq_len = options->seq_len,
        .mask_prob = MASK_PROB,
        .bf16 = options->bf16,
        .threads = options->threads,
        .snapshot = options->of_run,
        .seq_len_key = options->of_run ? "data.seq_len" : "--seq",
        .thread_keys = options->of_run ? MEMORY_THREAD_KEYS : "OMP_NUM_THREADS",
        .size_keys = options->of_run ? MEMORY_SIZE_KEYS : "--size, --batch",
        .moment_owners = options->exchange.sharded ? process_group_size(options->group) : 1,
        .exchange =
            exchange_bytes(table.total, process_group_size(options->group), &options->exchange),
    };
    parameter_table_free(&table);
    return memory_plan_make(&bench->plan, &bench->request, process_group_memory(options->group),
                            error);
}

static bool make_model(struct bench *bench, struct error *error)
{
    const struct model_config *architecture = &bench->result->architecture;
    const struct adam adam = {.beta1 = 0.9,
                              .beta2 = 0.999,
                              .epsilon = 1e-6,
                              .weight_decay = 0.01,
                              .bias_correction = true,
                              .layer_decay = 1};
    if (!trainee_create(&bench->trainee, architecture, &adam, error))
        return false;
    const struct model *model = bench->trainee.model;
    parameters_initialize(model->parameters.values, &model->table, architecture->initializer_range,
                          SEED, (1u << GROUP_COUNT) - 1);
    struct workspace_limits limits =
        memory_plan_limits(&bench->request, &bench->plan, bench->request.seq_len);
    bench->workspace = workspace_create(architecture, limits, true, error);
    bench->profile = bench->workspace ? profile_create(bench->request.threads, error) : NULL;
    if (!bench->profile)
        return false;
    bench->workspace->profile = bench->profile;
    return exchange_open(&bench->exchange, bench->options->group, &bench->trainee,
                         &bench->options->exchange, error);
}

static void free_bench(struct bench *bench)
{
    exchange_close(bench->exchange);
    free(bench->seconds);
    profile_free(bench->profile);
    workspace_free(bench->workspace);
    trainee_free(&bench->trainee);
    for (int i = 0; i < BATCHES; i++)
        batch_free(&bench->batches[i]);
    masking_free(bench->masking);
    vocabulary_free(bench->vocabulary);
}

/* ---- steps ---- */

/* Takes a step, counted from 1, and returns the seconds that it took. */
static double take_step(struct bench *bench, int64_t step)
{
    const struct step_settings settings = {
        .seed = SEED,
        .step = step,
        .learning_rate = 1e-4,
        .max_grad_norm = 1,
        .exchange = bench->exchange,
        .first_example = bench->share.first,
    };
    double begun = machine_seconds();
    struct step_result result = step_take(&bench->trainee, bench->workspace, &bench->norms,
                                          &bench->batches[step % BATCHES], &settings);
    bench->result->loss = objective_loss(&result.sums);
    return machine_seconds() - begun;
}

/* Takes steps for WARM_UP_SECONDS and returns their number. The first one also makes the system
 * provide the memory. */
static int64_t warm_up(struct bench *bench)
{
    int64_t step = 0;
    double begun = machine_seconds();
    do {
        log_live(bench->log, "warming up: step %lld", (long long)step + 1);
        take_step(bench, ++step);
    } while (process_group_any(bench->options->group, machine_seconds() - begun < WARM_UP_SECONDS));
    return step;
}

/* All ranks take as many steps as the one that needs most. */
static bool is_enough(const struct bench *bench, int64_t steps, double elapsed)
{
    if (bench->options->steps)
        return steps >= bench->options->steps;
    const bool enough = steps >= MIN_STEPS && elapsed >= bench->options->seconds;
    return !process_group_any(bench->options->group, !enough);
}

static bool measure(struct bench *bench, struct error *error)
{
    int64_t before = warm_up(bench), steps = 0;
    double begun = machine_seconds();
    const double hidden = bench->exchange ? exchange_hidden_seconds(bench->exchange) : 0;
    profile_restart(bench->profile);
    while (!is_enough(bench, steps, machine_seconds() - begun)) {
        if (!grow(&bench->seconds, &bench->seconds_capacity, (size_t)steps + 1,
                  sizeof *bench->seconds, error))
            return false;
        double seconds = take_step(bench, before + steps + 1);
        bench->seconds[steps++] = seconds;
        log_live(bench->log, "measuring: step %lld, %s", (long long)steps,
                 format_duration(machine_seconds() - begun).text);
    }
    log_end_live(bench->log);
    bench->result->steps = steps;
    if (bench->exchange)
        bench->result->hidden_exchange = exchange_hidden_seconds(bench->exchange) - hidden;
    return true;
}

/* ---- the result ---- */

double bench_flops(const struct model_config *config, int sequences, int seq_len, int predicted)
{
    double hidden = config->hidden_size, others = config->num_hidden_layers - 1;
    double key_value = 2 * hidden * hidden;
    double rest = hidden * (2 * hidden + 2.0 * config->intermediate_size);
    double attention = 12.0 * seq_len * hidden;
    double tokens = (double)sequences * seq_len, head_tokens = (double)sequences + predicted;
    return tokens * (others * (6 * (key_value + rest) + attention) + 6 * key_value) +
           head_tokens * (6 * rest + attention) +
           6.0 * predicted * hidden * (config->vocab_size + hidden);
}

static int compare_seconds(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *sorted, int64_t count)
{
    return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
}

/* Divides the median step among the phases, in proportion to their times in all steps. */
static void share_out(struct bench *bench)
{
    struct bench_result *result = bench->result;
    double total = 0;
    for (int i = 0; i < PHASE_COUNT; i++)
        total += result->phase_seconds[i] = profile_seconds(bench->profile, (enum profile_phase)i);
    result->hidden_exchange /= (double)result->steps;
    for (int i = 0; i < PHASE_COUNT; i++) {
        result->phase_seconds[i] *= result->step_seconds / total;
        if (!profile_phase_is_gemm((enum profile_phase)i))
            result->non_gemm_time += result->phase_seconds[i] / result->step_seconds;
    }
}

/* What the ranks add up. */
struct contribution {
    double flops, gemm_peak;
};

static bool add_up(struct bench *bench, struct contribution *sum, struct error *error)
{
    const struct bench_options *options = bench->options;
    const size_t ranks = (size_t)process_group_size(options->group);
    struct contribution own = {.gemm_peak = bench->result->gemm_peak_flops_per_second};
    for (int i = 0; i < BATCHES; i++)
        own.flops += bench_flops(&bench->result->architecture, bench->share.count, options->seq_len,
                                 bench->batches[i].predicted) /
                     BATCHES;
    struct contribution *all = allocate(ranks, sizeof *all, error);
    if (!all)
        return false;
    process_group_gather(options->group, &own, sizeof own, all);
    for (size_t rank = 0; rank < ranks; rank++) {
        sum->flops += all[rank].flops;
        sum->gemm_peak += all[rank].gemm_peak;
    }
    free(all);
    return true;
}

static bool summarize(struct bench *bench, struct error *error)
{
    struct bench_result *result = bench->result;
    const struct bench_options *options = bench->options;
    struct contribution sum = {0};
    if (!add_up(bench, &sum, error))
        return false;
    result->gemm_peak_flops_per_second = sum.gemm_peak;
    qsort(bench->seconds, (size_t)result->steps, sizeof *bench->seconds, compare_seconds);
    result->step_seconds = median(bench->seconds, result->steps);
    result->fastest = bench->seconds[0];
    result->slowest = bench->seconds[result->steps - 1];
    result->tokens_per_second =
        (double)options->batch_size * options->seq_len / result->step_seconds;
    result->model_flops_per_second = sum.flops / result->step_seconds;
    result->gemm_share = result->model_flops_per_second / result->gemm_peak_flops_per_second;
    share_out(bench);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    result->peak_memory = (uint64_t)usage.ru_maxrss * 1024;
    return true;
}

static bool check_options(const struct bench_options *options, struct bench_result *result,
                          struct error *error)
{
    if (!model_config_size(options->size, &result->architecture))
        return fail_input(error,
                          "--size: found \"%s\", expected tiny, mini, small, medium, base or large",
                          options->size);
    if (options->vocab_size)
        result->architecture.vocab_size = options->vocab_size;
    if (options->seq_len > result->architecture.max_position_embeddings)
        return fail_input(error, "--seq: found %d, expected at most %d, the positions of the model",
                          options->seq_len, result->architecture.max_position_embeddings);
    if (options->batch_size < process_group_size(options->group))
        return fail_input(error, "--batch: found %d, expected a sequence for each of %d processes",
                          options->batch_size, process_group_size(options->group));
    if (options->bf16 && !workspace_check_bf16(&result->architecture, error))
        return fail_context(error, "--precision");
    return model_config_check(&result->architecture, "--size", error);
}

static bool prepare(struct bench *bench, struct error *error)
{
    const struct bench_options *options = bench->options;
    struct bench_result *result = bench->result;
    if (!plan_memory(bench, error))
        return false;
    result->micro_batch_size = bench->plan.micro_batch_size;
    int tokens = result->micro_batch_size * options->seq_len;
    int predicted = (int)ceil(MASK_PROB * tokens);
    log_live(bench->log, "measuring the machine: matrix products at the model's shapes");
    if (!gemm_peak(options->bf16, &result->architecture, tokens, predicted,
                   &result->gemm_peak_flops_per_second, error) ||
        !make_vocabulary(bench, result->architecture.vocab_size, error))
        return false;
    bench->masking =
        masking_create(bench->vocabulary, (struct masking_options){.mask_prob = MASK_PROB}, error);
    return bench->masking && make_batches(bench, error) && make_model(bench, error);
}

bool bench_run(const struct bench_options *options, struct bench_result *result, struct log *log,
               struct error *error)
{
    *result = (struct bench_result){0};
    struct bench bench = {
        .options = options,
        .result = result,
        .log = log,
        .share = exchange_share(options->group, options->batch_size),
    };
    bool prepared = check_options(options, result, error) && prepare(&bench, error);
    if (options->group)
        prepared = process_group_agree(options->group, prepared, error) && prepared;
    bool done = prepared && measure(&bench, error);
    if (prepared && !done && options->group)
        process_group_abort(options->group, error); /* the others wait for this rank */
    if (done) {
        result->parameters = bench.trainee.model->table.elements;
        done = summarize(&bench, error);
    }
    free_bench(&bench);
    return done;
}

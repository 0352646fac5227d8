#include "bench/bench.h"
#include "base/format.h"

#include "cli/command.h"
#include "math/openblas.h"
#include "math/panels.h"
#include "train/run.h"

#include <omp.h>
#include <stdio.h>
#include <string.h>

/* Returns the name of the kernels of cloze that compute the products; NULL if OpenBLAS does. */
static const char *own_kernels(const struct bench_options *options)
{
    const struct gemm_kernels *kernels = gemm_for(options->bf16);
    return kernels == &gemm_openblas ? NULL : kernels->name;
}

/* ---- output as JSON ---- */

static json_t *bench_json(const struct bench_options *options, const struct bench_result *result)
{
    const char *own = own_kernels(options);
    json_t *phases = json_object();
    for (int i = 0; i < PHASE_COUNT; i++)
        json_object_set_new(phases, profile_phase_name((enum profile_phase)i),
                            json_real(result->phase_seconds[i]));
    return json_pack(
        "{s:s, s:i, s:i, s:i, s:s, s:i, s:i, s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I, "
        "s:o}",
        "size", options->size, "seq_len", options->seq_len, "batch_size", options->batch_size,
        "micro_batch_size", result->micro_batch_size, "precision", options->bf16 ? "bf16" : "fp32",
        "threads", options->threads, "ranks", process_group_size(options->group), "kernels",
        own ? own : blas_core_type(), "steps", (json_int_t)result->steps, "step_seconds",
        result->step_seconds, "tokens_per_second", result->tokens_per_second,
        "model_flops_per_second", result->model_flops_per_second, "gemm_peak_flops_per_second",
        result->gemm_peak_flops_per_second, "gemm_share", result->gemm_share, "non_gemm_time",
        result->non_gemm_time, "hidden_exchange_seconds", result->hidden_exchange,
        "peak_memory_bytes", (json_int_t)result->peak_memory, "phases", phases);
}

/* ---- output for people ---- */

/* The phases in the order of a step. */
static const struct {
    enum profile_phase phase;
    const char *text;
} rows[] = {
    {PHASE_EMBEDDING, "embeddings"},
    {PHASE_QUERY_KEY_VALUE, "query, key, value"},
    {PHASE_ATTENTION_PRODUCTS, "attention: scores, context"},
    {PHASE_ATTENTION_SOFTMAX, "attention: softmax, dropout"},
    {PHASE_ATTENTION_OUTPUT, "attention output"},
    {PHASE_FEED_FORWARD, "feed forward"},
    {PHASE_ACTIVATION, "activation"},
    {PHASE_NORM, "dropout, residual, LayerNorm"},
    {PHASE_WEIGHT_GRADIENTS, "weight gradients"},
    {PHASE_HEADS, "heads"},
    {PHASE_HEADS_ROWS, "heads: activation, LayerNorm"},
    {PHASE_CROSS_ENTROPY, "cross-entropy"},
    {PHASE_WEIGHT_LAYOUT, "laying out weights"},
    {PHASE_CLIP, "gradient norm"},
    {PHASE_ADAM, "Adam"},
    {PHASE_EXCHANGE, "exchange, waited for"},
    {PHASE_IDLE, "threads waiting"},
    {PHASE_OTHER, "other"},
};

/* The columns that LOG_WIDTH leaves for a bar. */
enum { BAR_WIDTH = 18 };

static void print_phase(const struct bench_result *result, enum profile_phase phase,
                        const char *text)
{
    double seconds = result->phase_seconds[phase], share = seconds / result->step_seconds;
    char bar[BAR_WIDTH + 3] = "  ";
    int length = (int)(share * BAR_WIDTH + 0.5);
    memset(bar + 2, '#', (size_t)length);
    printf("  %-29s %-4s %10.2f ms %6.1f %%%s\n", text, profile_phase_is_gemm(phase) ? "GEMM" : "",
           1e3 * seconds, 100 * share, length ? bar : "");
}

static void print_settings(const struct bench_options *options, const struct bench_result *result)
{
    const struct model_config *model = &result->architecture;
    printf("model    BERT %s: %d layers, hidden size %d, %d heads\n", options->size,
           model->num_hidden_layers, model->hidden_size, model->num_attention_heads);
    printf("         vocabulary of %s, %s parameters\n",
           format_count((unsigned long long)model->vocab_size).text,
           format_count(result->parameters).text);
    printf("step     %d sequences of %d tokens, %d at a time,\n", options->batch_size,
           options->seq_len, result->micro_batch_size);
    printf("         in %s, with dropout, gradient clipping and Adam\n",
           options->bf16 ? "bf16" : "fp32");
    const int ranks = process_group_size(options->group);
    if (ranks == 1)
        printf("threads  %d\n", options->threads);
    else
        printf("threads  %d of each of %d processes\n", options->threads, ranks);
    const char *own = own_kernels(options);
    printf("kernels  %s%sOpenBLAS (%s)%s\n\n", own ? own : "", own ? "; " : "", blas_core_type(),
           own ? " for small products" : "");
}

static void print_result(const struct bench_options *options, const struct bench_result *result)
{
    print_settings(options, result);
    printf("%10s tokens/s    %.3g s per step, the median of %lld (%.3g to %.3g)\n",
           format_count((unsigned long long)(result->tokens_per_second + 0.5)).text,
           result->step_seconds, (long long)result->steps, result->fastest, result->slowest);
    printf("%10.1f GFLOP/s     of the model: %.1f %% of the %.1f of matrix products\n",
           result->model_flops_per_second / 1e9, 100 * result->gemm_share,
           result->gemm_peak_flops_per_second / 1e9);
    printf("%10s             peak memory\n\n", format_bytes(result->peak_memory).text);
    printf("where the time of a step goes\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].phase != PHASE_EXCHANGE || options->group)
            print_phase(result, rows[i].phase, rows[i].text);
    if (options->group)
        printf("\n%.2f ms of exchange while the computation goes on\n",
               1e3 * result->hidden_exchange);
    printf("\n%.1f %% of the time in matrix products, %.1f %% elsewhere\n",
           100 * (1 - result->non_gemm_time), 100 * result->non_gemm_time);
}

/* ---- the command ---- */

static bool bench(const struct bench_options *options, bool json, struct error *error)
{
    struct bench_result result;
    struct log log = {0};
    if (process_group_leads(options->group))
        log = log_open(stderr);
    omp_set_num_threads(options->threads);
    if (!bench_run(options, &result, &log, error))
        return false;
    if (!process_group_leads(options->group))
        return true; /* rank 0 has it all */
    if (json) {
        if (!command_print_json(bench_json(options, &result), error))
            return false;
    } else {
        print_result(options, &result);
    }
    return command_finish_output(error);
}

/* Measures, with the other processes if this is one of several. */
static bool bench_together(const struct command *command, struct bench_options *options, bool json,
                           struct error *error)
{
    bool done = process_group_open(&options->group, error);
    options->threads = run_default_threads(options->group);
    done = done && bench(options, json, error);
    command_leave_group(command, options->group, error);
    return done;
}

static bool read_precision(const char *option, const char *text, bool *use_bf16,
                           struct error *error)
{
    *use_bf16 = strcmp(text, "bf16") == 0;
    return *use_bf16 || strcmp(text, "fp32") == 0 ||
           fail_input(error, "%s: found \"%s\", expected fp32 or bf16", option, text);
}

static bool run_bench(const struct command *command, int argc, char **argv, struct error *error)
{
    bool json = false, sharded = false, helped;
    const char *size = "base", *precision = "fp32", *wire = "fp32";
    int64_t seq_len = 128, batch_size = 32, steps = 0, seconds = 10;
    struct string_list operands = {0};
    const struct option_spec option_specs[] = {
        {"size", OPTION_STRING, &size, "tiny|mini|small|medium|base|large", "the model (base)", 0,
         0},
        {"seq", OPTION_INTEGER, &seq_len, "L", "tokens per sequence (128)", MIN_SEQ_LEN, 512},
        {"batch", OPTION_INTEGER, &batch_size, "B", "sequences per step (32)", 1, 65536},
        {"precision", OPTION_STRING, &precision, "fp32|bf16",
         "the numbers that it computes with (fp32)", 0, 0},
        {"seconds", OPTION_INTEGER, &seconds, "N", "measure this long, at least three steps (10)",
         1, 86400},
        {"steps", OPTION_INTEGER, &steps, "N", "measure this many steps instead", 1, 1000000},
        {"exchange", OPTION_STRING, &wire, "fp32|bf16",
         "number format in which processes send gradients, under mpirun (fp32)", 0, 0},
        {"shard", OPTION_FLAG, &sharded, NULL, "divide the optimizer among processes, under mpirun",
         0, 0},
        {"json", OPTION_FLAG, &json, NULL, "print one JSON object", 0, 0},
    };
    bool done = command_parse(command, option_specs, sizeof option_specs / sizeof *option_specs,
                              argc, argv, &operands, 0, 0, &helped, error);
    if (done && !helped) {
        struct bench_options options = {
            .size = size,
            .seq_len = (int)seq_len,
            .batch_size = (int)batch_size,
            .steps = steps,
            .seconds = (double)seconds,
            .exchange = {.sharded = sharded, .sync_every = 1},
        };
        done = read_precision("--precision", precision, &options.bf16, error) &&
               read_precision("--exchange", wire, &options.exchange.bf16, error) &&
               bench_together(command, &options, json, error);
    }
    string_list_free(&operands);
    return done;
}

const struct command command_bench = {
    .name = "bench",
    .arguments =
        "[--size SIZE] [--seq L] [--batch B] [--precision fp32|bf16] [--seconds N | --steps N] "
        "[--exchange fp32|bf16] [--shard] [--json]",
    .summary = "measure the training speed of this machine, and where time goes",
    .details = "Trains a model of one of Google's sizes with the published vocabulary's 30,522\n"
               "tokens on made-up batches: full-length pairs, 15 % masked, with dropout,\n"
               "gradient clipping and Adam, the same step that 'cloze train' takes. After a\n"
               "warm-up it reports the median step:\n"
               "\n"
               "  tokens/s   tokens that training processes per second\n"
               "  FLOP/s     6 for each token and weight of the encoder's matrices, 12 L H per\n"
               "             layer for attention, 6 (V H + H^2) for each masked token; the last\n"
               "             layer counts only tokens whose output the heads use. The share is\n"
               "             of the fastest matrix product at the model's shapes, measured first\n"
               "  memory     peak memory\n"
               "  phases     time summed over all threads; those marked GEMM are matrix products\n"
               "\n"
               "OMP_NUM_THREADS sets the number of threads. Close other programs first.\n"
               "\n"
               "Started by mpirun, the processes measure together: --batch counts the sequences\n"
               "of all, and waiting for the exchange is a phase of its own.\n",
    .examples = "# How fast a small model trains on this machine\n"
                "cloze bench --size tiny\n"
                "# On one core, for another program\n"
                "OMP_NUM_THREADS=1 cloze bench --size mini --seq 64 --json\n",
    .run = run_bench,
    .together = true,
};

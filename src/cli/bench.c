#include "train/bench.h"

#include "base/machine.h"
#include "cli/command.h"
#include "math/gemm.h"
#include "math/panels.h"

#include <omp.h>
#include <stdio.h>
#include <string.h>

/* NULL: sgemm computes the products. */
static const struct panels *own_kernels(const struct bench_options *options)
{
    return panels_for(options->precision == PRECISION_BF16);
}

/* ---- output as JSON ---- */

static json_t *bench_json(const struct bench_options *options, const struct bench_result *result)
{
    const struct panels *own = own_kernels(options);
    json_t *phases = json_object();
    for (int i = 0; i < PHASE_COUNT; i++)
        json_object_set_new(phases, profile_phase_name((enum profile_phase)i),
                            json_real(result->phase_seconds[i]));
    return json_pack(
        "{s:s, s:i, s:i, s:i, s:s, s:i, s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:o}", "size",
        options->size, "seq_len", options->seq_len, "batch_size", options->batch_size,
        "micro_batch_size", result->micro_batch_size, "precision",
        options->precision == PRECISION_BF16 ? "bf16" : "fp32", "threads", options->threads,
        "kernels", own ? own->name : gemm_core_type(), "steps", (json_int_t)result->steps,
        "step_seconds", result->step_seconds, "tokens_per_second", result->tokens_per_second,
        "model_flops_per_second", result->model_flops_per_second, "gemm_peak_flops_per_second",
        result->gemm_peak_flops_per_second, "gemm_share", result->gemm_share, "non_gemm_time",
        result->non_gemm_time, "peak_memory_bytes", (json_int_t)result->peak_memory, "phases",
        phases);
}

/* ---- output for people ---- */

/* In the order of a step. */
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
    {PHASE_PACKING, "laying out weights"},
    {PHASE_CLIP, "gradient norm"},
    {PHASE_ADAM, "Adam"},
    {PHASE_IDLE, "threads waiting"},
    {PHASE_OTHER, "other"},
};

enum { BAR_WIDTH = 32 };

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
    printf("BERT %s: %d layers, hidden size %d, %d heads, vocabulary %s: %s parameters\n",
           options->size, model->num_hidden_layers, model->hidden_size, model->num_attention_heads,
           format_count((unsigned long long)model->vocab_size).text,
           format_count(result->parameters).text);
    printf(
        "a step: %d sequences of %d tokens, %d at a time; %s, dropout, gradient clipping, Adam\n",
        options->batch_size, options->seq_len, result->micro_batch_size,
        options->precision == PRECISION_BF16 ? "bf16" : "fp32");
    const struct panels *own = own_kernels(options);
    printf("%d thread%s, %s%sOpenBLAS with %s kernels%s\n\n", options->threads,
           options->threads == 1 ? "" : "s", own ? own->name : "", own ? " kernels; " : "",
           gemm_core_type(), own ? " for what is small" : "");
}

static void print_result(const struct bench_options *options, const struct bench_result *result)
{
    print_settings(options, result);
    printf("%10s tokens/s    %.4g s a step, the median of %lld (%.4g to %.4g)\n",
           format_count((unsigned long long)(result->tokens_per_second + 0.5)).text,
           result->step_seconds, (long long)result->steps, result->fastest, result->slowest);
    printf(
        "%10.1f GFLOP/s     of the model: %.1f %% of the %.1f that this machine's matrix products "
        "reach\n",
        result->model_flops_per_second / 1e9, 100 * result->gemm_share,
        result->gemm_peak_flops_per_second / 1e9);
    printf("%10s             peak memory\n\n", format_bytes(result->peak_memory).text);
    printf("where the time goes, a step\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        print_phase(result, rows[i].phase, rows[i].text);
    printf("\n%.1f %% of the time in matrix products, %.1f %% outside\n",
           100 * (1 - result->non_gemm_time), 100 * result->non_gemm_time);
}

/* ---- the command ---- */

static bool bench(const struct bench_options *options, bool json, struct error *error)
{
    struct bench_result result;
    struct log log = log_open(stderr);
    omp_set_num_threads(options->threads);
    if (!bench_run(options, &result, &log, error))
        return false;
    if (json) {
        if (!command_print_json(bench_json(options, &result), error))
            return false;
    } else {
        print_result(options, &result);
    }
    return command_finish_output(error);
}

static bool read_precision(const char *text, enum precision *precision, struct error *error)
{
    *precision = strcmp(text, "bf16") == 0 ? PRECISION_BF16 : PRECISION_FP32;
    return *precision == PRECISION_BF16 || strcmp(text, "fp32") == 0 ||
           fail_input(error, "--precision: found \"%s\", expected fp32 or bf16", text);
}

static bool run_bench(const struct command *command, int argc, char **argv, struct error *error)
{
    bool json = false, helped;
    const char *size = "base", *precision = "fp32";
    int64_t seq_len = 128, batch_size = 32, steps = 0, seconds = 10;
    struct string_list operands = {0};
    const struct option_spec option_specs[] = {
        {"size", OPTION_STRING, &size, "S", "tiny, mini, small, medium, base or large (base)", 0,
         0},
        {"seq", OPTION_INTEGER, &seq_len, "L", "tokens of a sequence (128)", 8, 512},
        {"batch", OPTION_INTEGER, &batch_size, "B", "sequences of a step (32)", 1, 65536},
        {"precision", OPTION_STRING, &precision, "P", "fp32 or bf16 (fp32)", 0, 0},
        {"seconds", OPTION_INTEGER, &seconds, "N", "to measure, and three steps at least (10)", 1,
         86400},
        {"steps", OPTION_INTEGER, &steps, "N", "to measure instead", 1, 1000000},
        {"json", OPTION_FLAG, &json, NULL, "print one JSON object", 0, 0},
    };
    bool ok = command_parse(command, option_specs, sizeof option_specs / sizeof *option_specs, argc,
                            argv, &operands, 0, 0, &helped, error);
    if (ok && !helped) {
        struct bench_options options = {
            .size = size,
            .seq_len = (int)seq_len,
            .batch_size = (int)batch_size,
            .steps = steps,
            .seconds = (double)seconds,
            .threads = machine_threads(),
        };
        ok = read_precision(precision, &options.precision, error) && bench(&options, json, error);
    }
    string_list_free(&operands);
    return ok;
}

const struct command command_bench = {
    .name = "bench",
    .arguments = "[--size S] [--seq L] [--batch B] [--precision P] [--seconds N | --steps N] "
                 "[--json]",
    .summary = "the speed of training on this machine, and where the time goes",
    .details =
        "Trains a model of Google's sizes with the published vocabulary's 30,522 tokens on "
        "made-up\n"
        "batches: full-length pairs, 15 % masked, with dropout, gradient clipping and Adam; the "
        "step\n"
        "that 'cloze train' takes. After a warm-up it reports the median step:\n"
        "\n"
        "  tokens/s   that training processes\n"
        "  FLOP/s     6 for each token and weight of the encoder's matrices, 12 L H a layer for\n"
        "             attention, 6 (V H + H^2) for each masked token; in the last layer only for\n"
        "             what the heads read; as a share of the fastest matrix product at the\n"
        "             model's shapes, measured at the start\n"
        "  memory     the most that was resident\n"
        "  phases     the time of all threads; those marked GEMM are matrix products alone\n"
        "\n"
        "OMP_NUM_THREADS sets the number of threads. Let nothing else run beside it.\n",
    .run = run_bench,
};
